"""What a leader changed about its account, in the reader's language."""

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from signals_app.domain.leaders.account_changes import ChangeKind

_TEXTS: dict[ChangeKind, str] = {
    ChangeKind.LEVERAGE: gettext_noop(
        "The leverage in %(symbol)s was changed from %(before)s× to %(after)s×."
    ),
    ChangeKind.MARGIN_ADDED: gettext_noop(
        "%(amount)s %(currency)s of margin were added to the position in %(symbol)s."
    ),
    ChangeKind.MARGIN_TAKEN: gettext_noop(
        "%(amount)s %(currency)s of margin were taken from the position in %(symbol)s."
    ),
    ChangeKind.MONEY_IN: gettext_noop("%(amount)s %(currency)s were moved into the account."),
    ChangeKind.MONEY_OUT: gettext_noop("%(amount)s %(currency)s were moved out of the account."),
}
_STOP_TEXTS: dict[tuple[ChangeKind, str], str] = {
    (ChangeKind.STOP_SET, "stop"): gettext_noop("A stop loss at %(stop)s was set in %(symbol)s."),
    (ChangeKind.STOP_SET, "target"): gettext_noop(
        "A take profit at %(target)s was set in %(symbol)s."
    ),
    (ChangeKind.STOP_MOVED, "stop"): gettext_noop(
        "The stop loss in %(symbol)s was moved from %(stop_before)s to %(stop)s."
    ),
    (ChangeKind.STOP_MOVED, "target"): gettext_noop(
        "The take profit in %(symbol)s was moved from %(target_before)s to %(target)s."
    ),
    (ChangeKind.STOP_REMOVED, "stop"): gettext_noop(
        "The stop loss at %(stop_before)s in %(symbol)s is gone."
    ),
    (ChangeKind.STOP_REMOVED, "target"): gettext_noop(
        "The take profit at %(target_before)s in %(symbol)s is gone."
    ),
}


def event_text(facts: Mapping[str, str]) -> str:
    """Empty without facts, as of signals stored before events had words."""
    if "kind" not in facts:
        return ""
    kind = ChangeKind(facts["kind"])
    if kind in _TEXTS:
        return _(_TEXTS[kind]) % facts
    parts = [
        _(_STOP_TEXTS[step, name]) % facts
        for name in ("stop", "target")
        if (step := _step(facts.get(f"{name}_before", ""), facts.get(name, ""))) is not None
    ]
    return " ".join(parts)


def _step(before: str, after: str) -> ChangeKind | None:
    if before == after:
        return None
    if not before:
        return ChangeKind.STOP_SET
    return ChangeKind.STOP_MOVED if after else ChangeKind.STOP_REMOVED
