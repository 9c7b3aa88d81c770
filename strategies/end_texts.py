"""Why a copy was paused or ended, in words for clients and staff."""

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from strategies.models import Subscription

_TEXTS: dict[str, str] = {
    Subscription.EndCode.CLIENT: gettext_noop("Ended by the client."),
    Subscription.EndCode.OPERATOR: gettext_noop("Ended by staff."),
    Subscription.EndCode.LOSS_LIMIT: gettext_noop(
        "Ended by its loss limit: it had lost %(loss)s %(currency)s, and %(limit)s was the limit. "
        "Its positions are closed at the market price."
    ),
    Subscription.EndCode.EQUITY_FALL: gettext_noop(
        "Ended by its equity limit: the account had fallen by %(fall)s %% since the copy began, "
        "and %(limit)s %% was the limit. Its positions are closed at the market price."
    ),
    Subscription.EndCode.RISK: gettext_noop(
        "Ended by the risk monitor: a figure of the account reached the threshold that your "
        "provider set. Its positions are closed at the market price."
    ),
}
_OF_CUSTOMER = gettext_noop(
    "Ended by the risk monitor: a figure of all accounts of this customer together reached the "
    "threshold that the provider set. Its positions are closed at the market price."
)
_OF_MANY = gettext_noop(
    "Ended by the risk monitor: a threshold that the provider set for many copies together was "
    "reached. Its positions are closed at the market price."
)
_RISK_ABOVE_AN_ACCOUNT = {
    "customer": _OF_CUSTOMER,
    "strategy": _OF_MANY,
    "tenant": _OF_MANY,
    "platform": _OF_MANY,
}


_PAUSES: dict[str, str] = {
    Subscription.PauseCode.LEADER_TRANSFER: gettext_noop(
        "Paused because the leader took %(amount)s %(currency)s out of its account. Positions stay "
        "and exits are followed; resume it when entries are to be followed again."
    ),
}


def pause_text(code: str, params: Mapping[str, object]) -> str:
    """A sentence; empty for a copy that somebody paused, or nobody."""
    return _(_PAUSES[code]) % params if code in _PAUSES else ""


def end_text(code: str, params: Mapping[str, object]) -> str:
    """A sentence; empty for a copy that has not been ended."""
    level = str(params.get("level", ""))
    if code == Subscription.EndCode.RISK and level in _RISK_ABOVE_AN_ACCOUNT:
        return _(_RISK_ABOVE_AN_ACCOUNT[level])
    return _(_TEXTS[code]) % params if code in _TEXTS else ""
