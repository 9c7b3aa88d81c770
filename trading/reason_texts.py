"""Reasons in the reader's language."""

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from trading.domain.reasons import ReasonCode

_TEXTS: dict[ReasonCode, str] = {
    ReasonCode.SIGNAL_EXPIRED: gettext_noop("The signal was too old to open a position."),
    ReasonCode.LATER_EXIT: gettext_noop(
        "A later signal reduced or closed %(symbol)s before this one could be followed."
    ),
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
    ReasonCode.ACCOUNT_MODE_OTHER: gettext_noop(
        "The account's position mode or account mode was changed on the exchange: %(message)s "
        "(%(code)s). It is read again now, and the next entries go by it; nothing needs to be done."
    ),
    ReasonCode.CONTRACTS_NOT_TAKEN: gettext_noop(
        "The account is in spot mode, which does not take %(symbol)s. Switch its account mode on "
        "the exchange to futures or multi-currency margin."
    ),
    ReasonCode.ACCOUNT_UNREADABLE: gettext_noop(
        "What the exchange says of the account cannot be read (%(what)s.%(field)s), so nothing "
        "is opened until it can."
    ),
    ReasonCode.ACCOUNT_NOT_RECONCILED: gettext_noop(
        "The account's books have not been compared with the exchange for a while, so nothing "
        "was opened."
    ),
    ReasonCode.CUSTOMER_NOT_ACTIVE: gettext_noop("The customer is suspended."),
    ReasonCode.SETTINGS_UNREADABLE: gettext_noop(
        "The copy setting %(setting)s cannot be read, so nothing was opened."
    ),
    ReasonCode.SYMBOL_NOT_ALLOWED: gettext_noop("%(symbol)s is not copied."),
    ReasonCode.SYMBOL_NOT_LISTED: gettext_noop("%(venue)s does not list %(symbol)s."),
    ReasonCode.SYMBOL_TAKEN: gettext_noop(
        "This copy trades %(symbol)s for signals in %(leader_symbol)s, so nothing else is opened "
        "in it."
    ),
    ReasonCode.LIMIT_NOT_MAPPED: gettext_noop(
        "A limit order in %(leader_symbol)s has no price in %(symbol)s: it is followed when it is "
        "filled, if the leader says so."
    ),
    ReasonCode.MAP_CHANGED: gettext_noop(
        "The order that this one goes on from was in %(symbol)s, and the copy trades "
        "%(other_symbol)s instead by now."
    ),
    ReasonCode.OTHER_CURRENCY: gettext_noop(
        "The leader's size is said in another currency than that of %(symbol)s."
    ),
    ReasonCode.MARKET_UNREADABLE: gettext_noop(
        "What %(venue)s says of %(symbol)s cannot be read (%(field)s), so nothing was opened."
    ),
    ReasonCode.LEVERAGE_TOO_HIGH: gettext_noop(
        "The signal's leverage of %(leverage)s is above the limit of %(limit)s."
    ),
    ReasonCode.LEVERAGE_SHARED: gettext_noop(
        "Another copy on this account holds %(symbol)s at a leverage of %(held)s, and this entry "
        "needs %(wanted)s, but the account has one leverage per symbol. Set both copies to the "
        "same leverage, or use another account for one of them."
    ),
    ReasonCode.MARGIN_MODE_SHARED: gettext_noop(
        "Another copy on this account holds %(symbol)s with %(held_mode)s margin, and this entry "
        "needs %(wanted_mode)s margin. Set both copies to the same margin mode, or use another "
        "account for one of them."
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
    ReasonCode.LEADER_WITHOUT_EQUITY: gettext_noop(
        "The leader's account has no equity, so there is no share of it to copy."
    ),
    ReasonCode.SIZE_NOT_SET: gettext_noop("The copy's settings do not say how large an entry is."),
    ReasonCode.NO_EQUITY: gettext_noop(
        "The account has no equity, so there is nothing to size an entry by."
    ),
    ReasonCode.STOP_UNKNOWN: gettext_noop(
        "Sizing by risk needs a stop, and neither the signal nor the copy's settings say one for "
        "%(symbol)s."
    ),
    ReasonCode.STOP_PASSED: gettext_noop(
        "The price of %(symbol)s is beyond the stop already, so nothing was opened."
    ),
    ReasonCode.VOLATILITY_UNKNOWN: gettext_noop(
        "The day's range of %(symbol)s is not known, and sizing by volatility needs it."
    ),
    ReasonCode.PEAK_EQUITY_UNKNOWN: gettext_noop(
        "The highest equity of the account is not known yet, and sizing by drawdown needs it."
    ),
    ReasonCode.SCALED_TO_NOTHING: gettext_noop(
        "The account is so far below its highest equity that sizing by drawdown leaves nothing."
    ),
    ReasonCode.DIRECTION_NOT_COPIED: gettext_noop(
        "By the copy's settings nothing is opened in this direction in %(symbol)s."
    ),
    ReasonCode.MONITOR_ONLY: gettext_noop(
        "Only watched: an order of %(size)s in %(symbol)s would have been sent."
    ),
    ReasonCode.BELOW_MINIMUM_SIZE: gettext_noop(
        "The size of %(size)s is below the exchange's minimum of %(minimum)s; "
        "it is carried over to the next signal."
    ),
    ReasonCode.RESTING_BELOW_MINIMUM: gettext_noop(
        "The size of %(size)s is below the exchange's minimum of %(minimum)s, so no order rests "
        "with the leader's."
    ),
    ReasonCode.BELOW_MINIMUM_DROPPED: gettext_noop(
        "The size of %(size)s is below the minimum of %(minimum)s, so by the copy's settings it "
        "was not copied."
    ),
    ReasonCode.ABOVE_MAXIMUM_SIZE: gettext_noop(
        "The size of %(size)s is above the exchange's maximum of %(maximum)s."
    ),
    ReasonCode.CLOSE_ONLY: gettext_noop("%(symbol)s is set to follow exits only."),
    ReasonCode.OUTSIDE_TRADING_HOURS: gettext_noop(
        "It was %(time)s: nothing is opened outside %(hours)s."
    ),
    ReasonCode.SIGNAL_TOO_OLD: gettext_noop(
        "The signal was %(age_seconds)s s old; the limit is %(limit_seconds)s s."
    ),
    ReasonCode.LEADER_PRICE_UNKNOWN: gettext_noop(
        "The signal does not say the leader's price of %(symbol)s, which the slippage limit "
        "is compared with."
    ),
    ReasonCode.PRICE_DEVIATION: gettext_noop(
        "The price of %(price)s is %(percent)s %% worse than the leader's %(leader_price)s; "
        "the limit is %(limit)s %%."
    ),
    ReasonCode.ORDER_BOOK_UNKNOWN: gettext_noop(
        "The order book of %(symbol)s on %(venue)s could not be read."
    ),
    ReasonCode.ORDER_BOOK_THIN: gettext_noop(
        "All followers together would take %(together)s of %(symbol)s; the order book holds "
        "%(depth)s within the slippage limit, of which %(limit)s %% may be taken."
    ),
    ReasonCode.SPREAD_TOO_WIDE: gettext_noop(
        "The spread between %(bid)s and %(ask)s is %(percent)s %%; the limit is %(limit)s %%."
    ),
    ReasonCode.FUNDING_UNKNOWN: gettext_noop(
        "The next funding fee of %(symbol)s on %(venue)s could not be read."
    ),
    ReasonCode.FUNDING_DUE: gettext_noop(
        "A funding fee of %(rate)s %% would be paid in %(minutes)s minutes; nothing is opened "
        "in the last %(limit)s minutes before."
    ),
    ReasonCode.ORDER_COUNT_UNKNOWN: gettext_noop(
        "How many orders the copy had placed in the last minute was not known."
    ),
    ReasonCode.TOO_MANY_ORDERS: gettext_noop(
        "The copy placed %(orders)s orders within a minute; the limit is %(limit)s."
    ),
    ReasonCode.TOO_MANY_PARTS: gettext_noop(
        "The entry would become %(parts)s orders, and the copy placed %(orders)s within a minute; "
        "the limit is %(limit)s."
    ),
    ReasonCode.TOO_MANY_WAITING: gettext_noop(
        "%(orders)s entries of the copy wait on the order book; the limit is %(limit)s."
    ),
    ReasonCode.TOO_MANY_POSITIONS: gettext_noop(
        "The copy has %(positions)s open positions; the limit is %(limit)s."
    ),
    ReasonCode.STOPS_UNKNOWN: gettext_noop("When the last stops were hit was not known."),
    ReasonCode.COOLING_DOWN: gettext_noop(
        "After %(stops)s stops nothing is opened for %(minutes)s minutes; %(left_minutes)s "
        "are left."
    ),
    ReasonCode.EQUITY_HISTORY_UNKNOWN: gettext_noop(
        "The account's value now or at the start of the day is not known yet."
    ),
    ReasonCode.DAILY_LOSS: gettext_noop(
        "The account lost %(lost)s %(currency)s today; the limit is %(limit)s."
    ),
    ReasonCode.DAILY_LOSS_PERCENT: gettext_noop(
        "The account lost %(percent)s %% today; the limit is %(limit)s %%."
    ),
    ReasonCode.DRAWDOWN: gettext_noop(
        "The account is %(percent)s %% below its peak (%(equity)s after %(peak)s); the limit "
        "is %(limit)s %%."
    ),
    ReasonCode.EXPOSURE_UNKNOWN: gettext_noop(
        "What the account holds in %(symbol)s could not be valued."
    ),
    ReasonCode.SYMBOL_EXPOSURE: gettext_noop(
        "The account has %(exposure)s %(currency)s in %(symbol)s; with %(entry)s more it "
        "would be above the limit of %(limit)s."
    ),
    ReasonCode.ACCOUNT_EXPOSURE: gettext_noop(
        "The account has positions of %(exposure)s %(currency)s; with %(entry)s more they "
        "would be above the limit of %(limit)s."
    ),
    ReasonCode.TOTAL_CAP: gettext_noop(
        "The copy has %(invested)s %(currency)s invested; with %(margin)s more it would be "
        "above the cap of %(limit)s."
    ),
    ReasonCode.LIQUIDATION_TOO_CLOSE: gettext_noop(
        "The liquidation price would be %(percent)s %% away; at least %(limit)s %% is wanted."
    ),
    ReasonCode.FREE_MARGIN: gettext_noop(
        "The order needs %(needed)s of %(available)s %(currency)s and would leave less than "
        "the reserve of %(reserve)s."
    ),
    ReasonCode.NOTHING_TO_REDUCE: gettext_noop("There is no position to reduce."),
    ReasonCode.ALREADY_AT_TARGET: gettext_noop("The position is already as it should be."),
    ReasonCode.NOTHING_RESTED: gettext_noop(
        "The account's own order had ended before the leader's was filled, so it is not made up "
        "for."
    ),
    ReasonCode.OPPOSITE_POSITION: gettext_noop(
        "Another copied strategy holds the opposite side of %(symbol)s on this account."
    ),
    ReasonCode.SPOT_SHORT: gettext_noop(
        "%(symbol)s is spot, which cannot be sold short: the coins sold would be your own."
    ),
    ReasonCode.CLOSE_LEG_UNFINISHED: gettext_noop(
        "The old position could not be closed, so the opposite one was not opened."
    ),
    ReasonCode.LESS_IS_HELD: gettext_noop(
        "The exchange holds less of this position than was to be closed: %(message)s (%(code)s)"
    ),
    ReasonCode.LESS_IS_LEFT: gettext_noop(
        "Of the %(quantity)s that were to be closed only %(held)s are left: the rest was closed "
        "while this waited"
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
    ReasonCode.ORDER_UNREADABLE: gettext_noop(
        "What the exchange says of the order cannot be read (%(field)s); it is asked again."
    ),
    ReasonCode.OUTCOME_UNKNOWN: gettext_noop(
        "The exchange did not answer clearly; the outcome is being looked up."
    ),
    ReasonCode.FORGOTTEN_BY_VENUE: gettext_noop(
        "The exchange does not know the order any more: it was cancelled there."
    ),
    ReasonCode.CANCELLED_BY_VENUE: gettext_noop("The exchange cancelled the order."),
    ReasonCode.WITHDRAWN: gettext_noop(
        "The leader's order was changed, cancelled or filled, so this one was cancelled."
    ),
    ReasonCode.PRICE_RAN_AWAY: gettext_noop(
        "The market was worse than %(price)s, the worst price that is allowed, so the rest was "
        "not entered."
    ),
    ReasonCode.RESTED_OUT: gettext_noop(
        "The limit order did not fill within its time, so it was cancelled."
    ),
    ReasonCode.CANCELLED_BY_CLIENT: gettext_noop("The client cancelled the order."),
    ReasonCode.CANCELLED_BY_OPERATOR: gettext_noop("Your provider cancelled the order."),
    ReasonCode.CANCELLED_BY_PARTNER: gettext_noop("The partner cancelled the order."),
    ReasonCode.CANCELLED_BY_PAUSE: gettext_noop(
        "The order waited when entries were stopped by a pause, a kill switch or a setting, so it "
        "was cancelled."
    ),
    ReasonCode.OVERTAKEN: gettext_noop(
        "An exit, a later signal or the end of the copy came while the order waited, so it was "
        "cancelled."
    ),
    ReasonCode.CHANGED_BY_CLIENT: gettext_noop(
        "The client changed the order, so another one took its place."
    ),
    ReasonCode.CHANGED_BY_OPERATOR: gettext_noop(
        "Your provider changed the order, so another one took its place."
    ),
    ReasonCode.CHANGED_BY_PARTNER: gettext_noop(
        "The partner changed the order, so another one took its place."
    ),
    ReasonCode.LEADER_CHANGED_AGAIN: gettext_noop("The leader has changed it again since."),
    ReasonCode.NOTHING_HELD: gettext_noop("Nothing is held in %(symbol)s any more."),
    ReasonCode.CHANGE_ONLY_WATCHED: gettext_noop(
        "Only watched: the copy is set to show what it would do."
    ),
    ReasonCode.TERMS_SHARED: gettext_noop(
        "Another copy on this account holds %(symbol)s, too, and the exchange keeps one leverage "
        "and one margin for both, so they were left as they are."
    ),
    ReasonCode.LIQUIDATION_CLOSER: gettext_noop(
        "The position would be liquidated %(percent)s %% away from the market, and at least "
        "%(limit)s %% are to be kept."
    ),
    ReasonCode.MARGIN_SHORT: gettext_noop(
        "It needs %(needed)s %(currency)s more margin, and %(room)s can be given."
    ),
    ReasonCode.MARGIN_NOT_ISOLATED: gettext_noop(
        "The position in %(symbol)s is a cross one, which has no margin of its own."
    ),
    ReasonCode.MARGIN_OF_OTHER_SIDE: gettext_noop(
        "The leader added it to the side of %(symbol)s that the copy does not hold."
    ),
    ReasonCode.MARGIN_UNKNOWN: gettext_noop(
        "The margin of the position in %(symbol)s, or of the leader's, is not known."
    ),
    ReasonCode.MARGIN_TOO_LITTLE: gettext_noop(
        "It is less than a hundredth of the position's margin, as funding moves it, too, or less "
        "than can be added."
    ),
    ReasonCode.MARGIN_ADDED: gettext_noop("%(amount)s %(currency)s of margin were added."),
    ReasonCode.MARGIN_ADDED_IN_PART: gettext_noop(
        "%(amount)s %(currency)s of margin were added instead of %(wanted)s: no more is free "
        "beside the reserve and within the total cap."
    ),
    ReasonCode.MARGIN_NOT_ADDED: gettext_noop(
        "The margin could not be added: %(message)s (%(code)s)"
    ),
    ReasonCode.MARGIN_NOT_ANSWERED: gettext_noop(
        "The exchange did not answer, and the position in %(symbol)s was seen to have the margin "
        "of before."
    ),
    ReasonCode.MARGIN_UNCLEAR: gettext_noop(
        "The exchange did not answer, and the position in %(symbol)s has changed since: look there "
        "whether the margin was added. It is not asked for again."
    ),
    ReasonCode.START_OVERTAKEN: gettext_noop(
        "The leader went on trading while its position was about to be entered, so it is read anew."
    ),
    ReasonCode.START_PRICE_WORSE: gettext_noop(
        "The leader holds this from an average price of %(leader_price)s, and the market at "
        "%(price)s is worse, so it was not opened."
    ),
    ReasonCode.START_FLAT: gettext_noop(
        "The leader has closed %(symbol)s before it could be entered."
    ),
    ReasonCode.START_UNCERTAIN: gettext_noop(
        "What the strategy holds in %(symbol)s cannot be told for certain from its signals, so it "
        "was not opened."
    ),
    ReasonCode.START_LEADER_UNREAD: gettext_noop(
        "What the leader holds could not be read in time, so none of it was opened."
    ),
    ReasonCode.START_REFUSED: gettext_noop(
        "The strategy's source took no signal for %(symbol)s (%(code)s), so it was not opened."
    ),
    ReasonCode.START_TOO_LATE: gettext_noop(
        "There was no moment to enter it within five minutes after the start, so it was not opened."
    ),
    ReasonCode.RATE_LIMITED: gettext_noop("The exchange's rate limit was reached."),
    ReasonCode.CLOCK_REFUSED: gettext_noop(
        "The exchange refused the order for its time stamp; the clocks are compared anew."
    ),
    ReasonCode.STOP_PRICE_PASSED: gettext_noop(
        "The price was beyond the stop already, so the position is closed at the market."
    ),
    ReasonCode.STOP_NOT_ANSWERED: gettext_noop(
        "The exchange did not answer clearly whether it took the stop; that is being looked up."
    ),
    ReasonCode.STOP_FAILED: gettext_noop(
        "The exchange could not carry out the stop when it went off (%(code)s); the position is "
        "closed at the market."
    ),
    ReasonCode.STOPS_BEING_SET: gettext_noop("The stops are being set."),
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
        return _(template) % _in_words(params or {})
    except KeyError:
        return _(template)


_MODES = {"cross": gettext_noop("cross"), "isolated": gettext_noop("isolated")}


def _in_words(params: Mapping[str, object]) -> dict[str, object]:
    """Margin modes by their names for the reader; everything else as it is."""
    return {
        name: _(_MODES[str(value)]) if name.endswith("_mode") and value in _MODES else value
        for name, value in params.items()
    }
