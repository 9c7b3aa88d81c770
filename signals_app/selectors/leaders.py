"""What a leader's page shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from customers.selectors.streams import stream_views
from signals_app.leader_texts import leader_problem_text
from signals_app.models import Leader, LeaderCredential, LeaderPosition, LeaderStop, Signal
from signals_app.services.leaders.keys import key_warning_of
from signals_app.services.leaders.streaming import KIND
from signals_app.skip_texts import skip_text

RECENT = 20


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A stored key without its secrets. `problem` says why it is not used, `warning` what would
    be better."""

    status: str
    status_text: str
    permissions: str
    problem: str
    warning: str
    checked_at: Any
    ip_restricted: bool | None


@dataclass(frozen=True, slots=True)
class ShownSignal:
    signal: Signal
    reason: str


def leader_page(leader: Leader) -> dict[str, Any]:
    """Keys, positions, stops and the last signals, in a fixed number of queries."""
    tenant_id = leader.tenant_id
    positions = LeaderPosition.objects.for_tenant(tenant_id).filter(leader=leader)
    signals = Signal.objects.for_tenant(tenant_id).filter(source_id=leader.source_id)
    return {
        "stream": stream_views(tenant_id, KIND, [leader.pk])[leader.pk],
        "keys": [_shown(row) for row in _keys(leader)],
        "positions": [row for row in positions.order_by("symbol") if row.quantity],
        "stops": LeaderStop.objects.for_tenant(tenant_id).filter(leader=leader),
        "signals": [
            ShownSignal(signal, skip_text(signal.skip_code, signal.skip_params))
            for signal in signals.order_by("-pk")[:RECENT]
        ],
    }


def _keys(leader: Leader) -> list[LeaderCredential]:
    rows = LeaderCredential.objects.for_tenant(leader.tenant_id).filter(leader=leader)
    return list(rows.defer(*LeaderCredential.SECRETS).order_by("status"))


def _shown(row: LeaderCredential) -> ShownKey:
    warning = key_warning_of(row)
    return ShownKey(
        status=row.status,
        status_text=row.get_status_display(),
        permissions=", ".join(row.permissions),
        problem=leader_problem_text(row.problem_code, row.problem_params),
        warning=leader_problem_text(warning, {}) if warning else "",
        checked_at=row.checked_at,
        ip_restricted=row.ip_restricted,
    )
