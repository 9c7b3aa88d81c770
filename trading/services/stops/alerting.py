"""Positions whose stops stay out of line: staff are told why within seconds, and of its end."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from customers.tenancy import system_scope, tenant_scope
from trading.domain.alerts import AlertCode
from trading.models import Alert, PositionStops, StopOrder
from trading.reason_texts import reason_text
from trading.services.alerts import alert_raise, alert_resolve

PATIENCE = timedelta(seconds=3)
"""Swept every two seconds: nobody is unguarded for five without an alert."""
PATIENCE_WITH_REST = timedelta(seconds=60)
"""Stops that outlive their position are cancelled in this time, or it is told, too."""
_CODES = (AlertCode.POSITION_UNGUARDED, AlertCode.STOPS_LEFT)


def stops_alert() -> int:
    """Raise or end the alert of each position; returns how many have one."""
    now = timezone.now()
    with system_scope("alert: positions whose stops are not in line"):
        found = {
            _key(row): row
            for row in PositionStops.objects.filter(open_since__lt=now - PATIENCE).select_related(
                "copied_position__account", "copied_position__customer"
            )
            if row.copied_position.filled or _is_late(row, now)
        }
        alerted = set(
            Alert.objects.filter(code__in=_CODES, open_key__isnull=False).values_list(
                "tenant_id", "code", "subject"
            )
        )
    for (tenant_id, code, subject), row in found.items():
        with tenant_scope(tenant_id):
            alert_raise(
                tenant_id=tenant_id, code=AlertCode(code), subject=subject, params=_params(row)
            )
    for tenant_id, code, subject in alerted - found.keys():
        with tenant_scope(tenant_id):
            alert_resolve(tenant_id=tenant_id, code=AlertCode(code), subject=subject)
    return len(found)


def _is_late(row: PositionStops, now: datetime) -> bool:
    return row.open_since is not None and row.open_since < now - PATIENCE_WITH_REST


def _key(row: PositionStops) -> tuple[str, str, str]:
    code = _CODES[0] if row.copied_position.filled else _CODES[1]
    return row.tenant_id, str(code), f"position:{row.copied_position_id}"


def _params(row: PositionStops) -> dict[str, str]:
    position = row.copied_position
    return {
        "customer": position.customer.name,
        "account": position.account.label or position.account_id,
        "symbol": position.symbol,
        "quantity": format(position.filled.normalize(), "f"),
        "since": f"{row.open_since:%Y-%m-%d %H:%M:%S}",
        "why": _why(row),
    }


def _why(row: PositionStops) -> str:
    """As the last stop order that something is wrong with says, else as the whole says."""
    last = (
        StopOrder.objects.filter(copied_position_id=row.copied_position_id)
        .exclude(reason_code="")
        .order_by("-pk")
        .first()
    )
    if last is not None and last.finished_at is None:
        return reason_text(last.reason_code, last.reason_params)
    return reason_text(row.reason_code, row.reason_params)
