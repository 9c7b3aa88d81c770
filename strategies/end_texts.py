"""Why a copy ended, in words for clients and staff."""

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


def end_text(code: str, params: Mapping[str, object]) -> str:
    """A sentence; empty for a copy that has not been ended."""
    return _(_TEXTS[code]) % params if code in _TEXTS else ""
