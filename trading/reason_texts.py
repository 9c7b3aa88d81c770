"""Reasons in the reader's language."""

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from trading.domain.reasons import ReasonCode

_TEXTS: dict[ReasonCode, str] = {
    ReasonCode.SIGNAL_EXPIRED: gettext_noop("The signal was too old to open a position."),
    ReasonCode.PLATFORM_HALTED: gettext_noop("Trading is halted on the whole platform."),
    ReasonCode.TENANT_HALTED: gettext_noop("Trading is halted for your provider."),
    ReasonCode.STRATEGY_HALTED: gettext_noop("Trading is halted for this strategy."),
    ReasonCode.CUSTOMER_HALTED: gettext_noop("Trading is halted for this customer."),
    ReasonCode.ENTRIES_STOPPED: gettext_noop("Only exits are allowed at the moment."),
    ReasonCode.CONTROL_STALE: gettext_noop(
        "The kill switch could not be read in time, so nothing was opened."
    ),
    ReasonCode.VENUE_STOPPED: gettext_noop(
        "Nothing is opened on %(venue)s for now: it refused %(refused)s of the last "
        "%(answers)s orders."
    ),
    ReasonCode.STRATEGY_STOPPED: gettext_noop(
        "Nothing is opened for this strategy for now: the exchange refused %(refused)s of its "
        "last %(answers)s orders."
    ),
    ReasonCode.FANOUT_EXCEEDED: gettext_noop(
        "Nothing is opened for this strategy for now: a signal was about to place more orders "
        "than it has followers."
    ),
    ReasonCode.CLOCK_UNKNOWN: gettext_noop(
        "The clock of %(venue)s could not be compared with ours, so nothing was opened."
    ),
    ReasonCode.STRATEGY_NOT_ACTIVE: gettext_noop("The strategy is not active."),
    ReasonCode.SUBSCRIPTION_PAUSED: gettext_noop("Copying is paused: only exits are followed."),
    ReasonCode.ACCOUNT_NOT_ACTIVE: gettext_noop("The exchange account is paused or closed."),
    ReasonCode.ACCOUNT_UNCHECKED: gettext_noop(
        "The account's API key had not been checked yet, so nothing was opened."
    ),
    ReasonCode.ACCOUNT_UNHEALTHY: gettext_noop(
        "The exchange account has a problem that must be solved first."
    ),
    ReasonCode.CUSTOMER_NOT_ACTIVE: gettext_noop("The customer is suspended."),
    ReasonCode.SYMBOL_NOT_ALLOWED: gettext_noop("The strategy does not copy %(symbol)s."),
    ReasonCode.SYMBOL_NOT_LISTED: gettext_noop("%(venue)s does not list %(symbol)s."),
    ReasonCode.LEVERAGE_TOO_HIGH: gettext_noop(
        "The signal's leverage of %(leverage)s is above the limit of %(limit)s."
    ),
    ReasonCode.PRICE_UNKNOWN: gettext_noop("There was no current price for %(symbol)s."),
    ReasonCode.BALANCE_UNKNOWN: gettext_noop("The account's balance is not known yet."),
    ReasonCode.INSUFFICIENT_BALANCE: gettext_noop(
        "The order needs %(needed)s %(currency)s, only %(available)s are available."
    ),
    ReasonCode.LEADER_SIZE_UNKNOWN: gettext_noop(
        "The signal does not say the leader's size, which this sizing mode needs."
    ),
    ReasonCode.LEADER_EQUITY_UNKNOWN: gettext_noop(
        "The signal does not say the leader's equity, which this sizing mode needs."
    ),
    ReasonCode.BELOW_MINIMUM_SIZE: gettext_noop(
        "The size of %(size)s is below the exchange's minimum of %(minimum)s; "
        "it is carried over to the next signal."
    ),
    ReasonCode.ABOVE_MAXIMUM_SIZE: gettext_noop(
        "The size of %(size)s is above the exchange's maximum of %(maximum)s."
    ),
    ReasonCode.NOTHING_TO_REDUCE: gettext_noop("There is no position to reduce."),
    ReasonCode.ALREADY_AT_TARGET: gettext_noop("The position is already as it should be."),
    ReasonCode.OPPOSITE_POSITION: gettext_noop(
        "Another copied strategy holds the opposite side of %(symbol)s on this account."
    ),
    ReasonCode.SPOT_SHORT: gettext_noop(
        "%(symbol)s is spot, which cannot be sold short: the coins sold would be your own."
    ),
    ReasonCode.CLOSE_LEG_UNFINISHED: gettext_noop(
        "The old position could not be closed, so the opposite one was not opened."
    ),
    ReasonCode.VENUE_REJECTED: gettext_noop("The exchange refused: %(message)s (%(code)s)"),
    ReasonCode.MARKET_CLOSED: gettext_noop(
        "%(symbol)s cannot be traded on the exchange now: %(message)s (%(code)s)"
    ),
    ReasonCode.CREDENTIALS_REFUSED: gettext_noop(
        "The exchange refused the API key: %(message)s (%(code)s)"
    ),
    ReasonCode.KEY_ALREADY_USED: gettext_noop(
        "The API key belongs to another account already, so it was deleted here. "
        "Use a key of its own."
    ),
    ReasonCode.KEY_CAN_WITHDRAW: gettext_noop(
        "The API key may withdraw or transfer money, so it was refused and deleted here. "
        "Make a key that may only read and trade."
    ),
    ReasonCode.KEY_CANNOT_TRADE: gettext_noop(
        "The API key may not trade. Allow it at the exchange, or store another key."
    ),
    ReasonCode.KEY_GAINED_WITHDRAWAL: gettext_noop(
        "The API key may withdraw or transfer money now. Nothing new is opened with it; exits "
        "go on until it is replaced or has lost that right. Store a key that may only read and "
        "trade, and delete this one at the exchange."
    ),
    ReasonCode.KEY_MISSING: gettext_noop("No API key is stored."),
    ReasonCode.KEY_OF_OTHER_USER: gettext_noop(
        "The API key belongs to another exchange user (%(uid)s) than this account "
        "(%(expected)s), so it was deleted here. That user needs an account of its own."
    ),
    ReasonCode.KEY_UNREADABLE: gettext_noop(
        "The stored API key cannot be opened; it has to be stored again."
    ),
    ReasonCode.WAITING_FOR_KEY: gettext_noop(
        "The exit waits for an API key that works, and goes out as soon as one was checked."
    ),
    ReasonCode.LEVERAGE_NOT_SET: gettext_noop(
        "The leverage %(leverage)s could not be set: %(message)s (%(code)s)"
    ),
    ReasonCode.NOT_PLACED: gettext_noop(
        "The exchange did not answer, and the order was proven not to be there."
    ),
    ReasonCode.OUTCOME_UNKNOWN: gettext_noop(
        "The exchange did not answer clearly; the outcome is being looked up."
    ),
    ReasonCode.FORGOTTEN_BY_VENUE: gettext_noop(
        "The exchange does not know the order any more: it was cancelled there."
    ),
    ReasonCode.CANCELLED_BY_VENUE: gettext_noop("The exchange cancelled the order."),
    ReasonCode.RATE_LIMITED: gettext_noop("The exchange's rate limit was reached."),
    ReasonCode.CLOCK_REFUSED: gettext_noop(
        "The exchange refused the order for its time stamp; the clocks are compared anew."
    ),
    ReasonCode.TOO_LATE: gettext_noop(
        "The order reached the exchange after its deadline, so it was not placed."
    ),
}


def reason_text(code: str, params: Mapping[str, object] | None = None) -> str:
    """The sentence for a reader; a code without a text here shows itself. Empty for no code."""
    if not code:
        return ""
    try:
        template = _TEXTS[ReasonCode(code)]
    except (ValueError, KeyError):
        return code
    try:
        return _(template) % dict(params or {})
    except KeyError:
        return _(template)
