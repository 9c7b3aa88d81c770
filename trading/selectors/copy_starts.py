"""What became of the positions that a leader held when a copy of it began, in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from customers.templatetags.figures import short_symbol
from trading.domain.copy_starts import StartPosition, Step, position_from_json
from trading.models import CopyStart, Intent
from trading.reason_texts import reason_text


def start_lines(starts: QuerySet[CopyStart]) -> dict[str, list[str]]:
    """A sentence per position, by subscription. Two queries."""
    rows = list(starts)
    found: dict[str, dict[str, StartPosition]] = {
        row.subscription_id: {
            symbol: position_from_json(stored) for symbol, stored in row.positions.items()
        }
        for row in rows
    }
    reasons = _reasons([each for positions in found.values() for each in positions.values()])
    lines: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        mine = lines[row.subscription_id]
        if row.reason_code:
            why = reason_text(row.reason_code, row.reason_params)
            mine.append(_("What the leader held was not opened: %(why)s") % {"why": why})
        elif row.status == CopyStart.Status.DUE and not row.was_read:
            mine.append(_("What the leader holds is being read."))
        elif not row.positions:
            mine.append(_("The leader held nothing when this copy began."))
        mine += [
            _line(symbol, position, reasons)
            for symbol, position in found[row.subscription_id].items()
        ]
    return dict(lines)


def _reasons(positions: Sequence[StartPosition]) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Status, reason and its numbers by signal."""
    signals = [position.signal_id for position in positions if position.signal_id]
    intents = Intent.objects.filter(signal_id__in=signals, leg=0)
    return {
        signal_id: (status, code, params)
        for signal_id, status, code, params in intents.values_list(
            "signal_id", "status", "reason_code", "reason_params"
        )
    }


def _line(
    symbol: str, position: StartPosition, reasons: dict[str, tuple[str, str, dict[str, str]]]
) -> str:
    status, code, params = reasons.get(position.signal_id, ("", "", {}))
    if position.code:
        code, params = position.code, dict(position.params)
    elif position.step is not Step.DONE:
        return _("%(symbol)s, which the leader holds already, is being entered.") % {
            "symbol": short_symbol(symbol)
        }
    names = {"symbol": short_symbol(symbol), "why": reason_text(code, params)}
    if status in (Intent.Status.FILLED, Intent.Status.PARTIAL):
        return _("%(symbol)s, which the leader held already, was opened.") % names
    if status == Intent.Status.WORKING:
        return _("%(symbol)s, which the leader holds already, is being entered.") % names
    return _("%(symbol)s, which the leader held already, was not opened: %(why)s") % names
