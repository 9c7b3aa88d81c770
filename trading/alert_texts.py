"""Alerts in the words of who has to act on them."""

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from trading.domain.alerts import AlertCode

_TEXTS: dict[AlertCode, str] = {
    AlertCode.VENUE_STOPPED: gettext_noop(
        "Entries on %(name)s are stopped: it refused %(refused)s of %(answers)s orders within "
        "%(seconds)s s, last with “%(message)s” (%(code)s)."
    ),
    AlertCode.STRATEGY_STOPPED: gettext_noop(
        "Entries of the strategy %(name)s are stopped: the exchange refused %(refused)s of "
        "%(answers)s orders within %(seconds)s s, last with “%(message)s” (%(code)s)."
    ),
    AlertCode.FANOUT_EXCEEDED: gettext_noop(
        "Entries of the strategy %(name)s are stopped until an operator resets its circuit "
        "breaker: the signal %(signal)s was about to place %(orders)s orders for %(followers)s "
        "followers."
    ),
    AlertCode.KEY_GAINED_WITHDRAWAL: gettext_noop(
        "The API key of %(customer)s, account %(account)s, may withdraw or transfer money now. "
        "Nothing new is opened with it, exits go on. Have the client replace it, and delete it "
        "at the exchange."
    ),
    AlertCode.OUTCOMES_UNKNOWN: gettext_noop(
        "The outcome of %(orders)s orders on %(venue)s has been unknown for more than %(minutes)s "
        "minutes, of the oldest since %(since)s UTC."
    ),
    AlertCode.CLOCK_SKEWED: gettext_noop(
        "The clock of %(host)s is %(milliseconds)s ms away from that of %(venue)s. Orders are "
        "signed by the exchange's clock and go on; have the host's clock set."
    ),
    AlertCode.CLOCK_UNKNOWN: gettext_noop(
        "%(host)s cannot compare its clock with that of %(venue)s (it may be %(milliseconds)s ms "
        "off), so no entries leave from there."
    ),
}


def alert_text(code: str, params: Mapping[str, object] | None = None) -> str:
    """The sentence for staff; a code without a text here shows itself."""
    try:
        template = _TEXTS[AlertCode(code)]
    except (ValueError, KeyError):
        return code
    try:
        return _(template) % dict(params or {})
    except KeyError:
        return _(template)
