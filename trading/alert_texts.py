"""Alerts in the words of who has to act on them."""

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from signals_app.event_texts import event_text
from strategies.domain.settings import SPECS
from strategies.end_texts import end_text
from strategies.setting_texts import setting_label
from trading.domain.alerts import AlertCode
from trading.risk_texts import done_text, platform_text, risk_text, subject_text, sum_text

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
    AlertCode.SOURCE_PAUSED: gettext_noop(
        "The signal source %(name)s was paused: its sender sent %(problems)s unusable messages "
        "within %(minutes)s minutes. Its signals are refused, exits as well, until it is resumed."
    ),
    AlertCode.SEQUENCE_GAP: gettext_noop(
        "Signals of the source %(name)s are missing: the numbers %(first)s to %(last)s did not "
        "come."
    ),
    AlertCode.LEADER_CHANGED: gettext_noop(
        "The leader %(name)s changed something without trading: %(text)s"
    ),
    AlertCode.CLOCK_UNKNOWN: gettext_noop(
        "%(host)s cannot compare its clock with that of %(venue)s (it may be %(milliseconds)s ms "
        "off), so no entries leave from there."
    ),
    AlertCode.ANSWERS_UNREADABLE: gettext_noop(
        "%(venue)s answers what cannot be read, last %(what)s.%(field)s. What it concerns is "
        "asked for again and opens nothing meanwhile."
    ),
    AlertCode.BOOKS_DIFFER: gettext_noop(
        "The books of %(accounts)s accounts have differed from the exchange for more than "
        "%(minutes)s minutes, of the first since %(since)s UTC. Entries on them stop."
    ),
    AlertCode.POSITION_UNGUARDED: gettext_noop(
        "The stops of %(customer)s, account %(account)s, in %(symbol)s (%(quantity)s held) have "
        "not been in line since %(since)s UTC: %(why)s"
    ),
    AlertCode.STOPS_LEFT: gettext_noop(
        "%(customer)s, account %(account)s, holds nothing in %(symbol)s any more, but its stops "
        "have not been proven gone since %(since)s UTC: %(why)s"
    ),
    AlertCode.COPY_LIMIT_REACHED: gettext_noop(
        "The copy of %(strategy)s by %(customer)s reached a limit: %(text)s"
    ),
    AlertCode.SETTINGS_UNREADABLE: gettext_noop(
        "%(whose)s cannot be read: %(setting_label)s. %(copies)s copies enter nothing until it is "
        "corrected; exits go on. %(text)s"
    ),
    AlertCode.RISK_THRESHOLD: gettext_noop("%(customer)s, account %(account)s: %(text)s"),
    AlertCode.RISK_LEVEL: gettext_noop("%(whose)s: %(text)s"),
    AlertCode.FINDINGS_OPEN: gettext_noop(
        "%(findings)s findings on accounts wait for a decision, the first since %(since)s UTC."
    ),
}


def alert_text(code: str, params: Mapping[str, object] | None = None) -> str:
    """The sentence for staff; a code without a text here shows itself."""
    try:
        template = _TEXTS[AlertCode(code)]
    except (ValueError, KeyError):
        return code
    try:
        return _(template) % {**(params or {}), **_composed(code, params or {})}
    except KeyError:
        return _(template)


def _composed(code: str, params: Mapping[str, object]) -> dict[str, str]:
    """Parts of a sentence that are sentences themselves."""
    if code == AlertCode.COPY_LIMIT_REACHED:
        return {"text": end_text(str(params.get("end_code", "")), params)}
    if code == AlertCode.RISK_THRESHOLD:
        found = risk_text(str(params.get("measure", "")), params)
        return {"text": f"{found} {done_text(str(params.get('action', '')), params)}"}
    if code == AlertCode.SETTINGS_UNREADABLE:
        return _unreadable_settings(params)
    if code == AlertCode.RISK_LEVEL:
        level, action = str(params.get("level", "")), str(params.get("action", ""))
        # What the platform's figure was is not for a firm to know.
        of_firm = "measure" in params
        found = sum_text(str(params["measure"]), params) if of_firm else platform_text()
        return {
            "whose": subject_text(level, str(params.get("name", ""))),
            "text": f"{found} {done_text(action, params, level)}",
        }
    if code != AlertCode.LEADER_CHANGED:
        return {}
    return {"text": event_text({name: str(value) for name, value in params.items()})}


_SETTINGS_OF = {
    "platform": gettext_noop("The platform's copy settings"),
    "tenant": gettext_noop("The firm's copy settings"),
    "strategy": gettext_noop("The copy settings of the strategy %(name)s"),
    "customer": gettext_noop("The copy settings of the customer %(name)s"),
    "subscription": gettext_noop("The settings of the copy %(name)s"),
}
_LIMITS_ACT = gettext_noop("All their loss limits can be read and act.")
_LIMITS_KEPT = gettext_noop(
    "The loss limits of %(by_snapshot)s of them act as they were when they could be read last; "
    "%(without)s have none until then."
)


def _unreadable_settings(params: Mapping[str, object]) -> dict[str, str]:
    name, kept = str(params.get("setting", "")), _LIMITS_KEPT
    if str(params.get("by_snapshot")) == str(params.get("without")) == "0":
        kept = _LIMITS_ACT
    return {
        "whose": _(_SETTINGS_OF.get(str(params.get("level")), "%(name)s")) % params,
        "setting_label": setting_label(name) if name in SPECS else name,
        "text": _(kept) % params,
    }
