"""What happened on an account, in the reader's language."""

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from trading.domain.reconciliation import FindingKind

_TEXTS: dict[FindingKind, str] = {
    FindingKind.MANUAL_CLOSE: gettext_noop(
        "The copied position in %(symbol)s was closed by hand at the exchange: %(quantity)s at "
        "%(price)s."
    ),
    FindingKind.MANUAL_REDUCTION: gettext_noop(
        "The copied position in %(symbol)s was reduced by hand at the exchange: %(quantity)s at "
        "%(price)s, %(left)s are left."
    ),
    FindingKind.MANUAL_OPEN: gettext_noop(
        "A position in %(symbol)s was opened by hand at the exchange: %(quantity)s at %(price)s."
    ),
    FindingKind.MANUAL_INCREASE: gettext_noop(
        "The own position in %(symbol)s was increased by hand at the exchange, to %(quantity)s."
    ),
    FindingKind.LIQUIDATION: gettext_noop(
        "The exchange liquidated %(quantity)s of the copied position in %(symbol)s at %(price)s, "
        "%(left)s are left."
    ),
    FindingKind.ADL: gettext_noop(
        "The exchange reduced the copied position in %(symbol)s by auto-deleveraging: "
        "%(quantity)s at %(price)s, %(left)s are left."
    ),
    FindingKind.HELD_BEFORE: gettext_noop(
        "The account held %(quantity)s in %(symbol)s that no copy accounts for when its books "
        "were begun."
    ),
    FindingKind.MISSING_FILL: gettext_noop(
        "The position in %(symbol)s changed by %(quantity)s, and the exchange lists no trade "
        "that says why."
    ),
    FindingKind.POSITION_MODE_CHANGED: gettext_noop(
        "The account's position mode was changed at the exchange, from %(before)s to %(after)s."
    ),
    FindingKind.MARGIN_MODE_CHANGED: gettext_noop(
        "The margin mode of %(symbol)s was changed at the exchange, from %(before)s to %(after)s."
    ),
    FindingKind.LEVERAGE_CHANGED: gettext_noop(
        "The leverage of %(symbol)s was changed at the exchange, from %(before)s to %(after)s."
    ),
    FindingKind.UNKNOWN_ORDER: gettext_noop(
        "There is an order in %(symbol)s at the exchange with an id like ours that we did not "
        "place: %(order)s."
    ),
    FindingKind.TRANSFER_IN: gettext_noop(
        "%(quantity)s %(currency)s were transferred into the account."
    ),
    FindingKind.TRANSFER_OUT: gettext_noop(
        "%(quantity)s %(currency)s were transferred out of the account."
    ),
    FindingKind.BALANCE_UNEXPLAINED: gettext_noop(
        "The balance changed by %(quantity)s %(currency)s, and the exchange lists no trade, fee, "
        "funding or transfer that says why."
    ),
    FindingKind.DEPOSIT: gettext_noop(
        "%(quantity)s %(currency)s were deposited to the customer's wallet at the exchange."
    ),
    FindingKind.WITHDRAWAL: gettext_noop(
        "%(quantity)s %(currency)s were withdrawn from the customer's wallet at the exchange."
    ),
    FindingKind.STOP_MISSING: gettext_noop(
        "A stop order of the copy in %(symbol)s was cancelled at the exchange, not by us: stop "
        "loss at %(stop_loss)s, take profit at %(take_profit)s, for %(quantity)s. Another one was "
        "placed."
    ),
    FindingKind.STOP_EXTRA: gettext_noop(
        "There is a stop order in %(symbol)s that is not ours: stop loss at %(stop_loss)s, take "
        "profit at %(take_profit)s."
    ),
    FindingKind.COPIES_SETTLED: gettext_noop(
        "Copies of the account held opposite sides of %(symbol)s, of which the exchange holds "
        "neither: %(quantity)s of this one were settled with the others at %(price)s, %(left)s are "
        "left."
    ),
    FindingKind.COINS_MISSING: gettext_noop(
        "%(quantity)s %(currency)s of the copied holding in %(symbol)s are not on the account any "
        "more, %(left)s are left."
    ),
}

_NAMES: dict[FindingKind, str] = {
    FindingKind.MANUAL_CLOSE: gettext_noop("closed by hand"),
    FindingKind.MANUAL_REDUCTION: gettext_noop("reduced by hand"),
    FindingKind.MANUAL_OPEN: gettext_noop("opened by hand"),
    FindingKind.MANUAL_INCREASE: gettext_noop("increased by hand"),
    FindingKind.LIQUIDATION: gettext_noop("liquidation"),
    FindingKind.ADL: gettext_noop("auto-deleveraging"),
    FindingKind.HELD_BEFORE: gettext_noop("held before"),
    FindingKind.MISSING_FILL: gettext_noop("position without a trade"),
    FindingKind.POSITION_MODE_CHANGED: gettext_noop("position mode changed"),
    FindingKind.MARGIN_MODE_CHANGED: gettext_noop("margin mode changed"),
    FindingKind.LEVERAGE_CHANGED: gettext_noop("leverage changed"),
    FindingKind.UNKNOWN_ORDER: gettext_noop("unknown order"),
    FindingKind.TRANSFER_IN: gettext_noop("transfer in"),
    FindingKind.TRANSFER_OUT: gettext_noop("transfer out"),
    FindingKind.BALANCE_UNEXPLAINED: gettext_noop("balance without a reason"),
    FindingKind.DEPOSIT: gettext_noop("deposit"),
    FindingKind.WITHDRAWAL: gettext_noop("withdrawal"),
    FindingKind.COPIES_SETTLED: gettext_noop("settled between copies"),
    FindingKind.COINS_MISSING: gettext_noop("coins missing"),
    FindingKind.STOP_MISSING: gettext_noop("stop order missing"),
    FindingKind.STOP_EXTRA: gettext_noop("stop order not ours"),
}


def finding_name(kind: str) -> str:
    """A word or two for lists and titles; a kind without a name here shows itself."""
    try:
        return _(_NAMES[FindingKind(kind)])
    except (ValueError, KeyError):
        return kind


def finding_text(kind: str, params: Mapping[str, object]) -> str:
    """The sentence; a kind without a text here shows itself."""
    try:
        template = _TEXTS[FindingKind(kind)]
    except (ValueError, KeyError):
        return kind
    try:
        return _(template) % dict(params)
    except KeyError:
        return _(template)
