"""What became of signals, as the database tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection

from customers.tenancy import tenant_scope
from signals_app.models import Signal
from trading.domain.order_states import OrderState
from trading.models import Intent, Order

OPEN_INTENTS = (Intent.Status.WORKING, Intent.Status.UNKNOWN)
OPEN_ORDERS = (OrderState.READY, OrderState.CLAIMED, OrderState.SENDING, OrderState.UNKNOWN)
_BATCH = 500


def outcomes(tenant_id: str, signal_ids: Sequence[str]) -> dict[str, Any]:
    """Each of the signals under one of lost, unfinished, expired, processed; and its intents.

    Unfinished: not done, or with an intent or order whose outcome is still open, whatever the
    signal itself says. Expired: done, and every intent of it came too late.
    """
    intents: dict[str, int] = {}
    ends = {"processed": 0, "expired": 0, "unfinished": 0, "lost": 0}
    with tenant_scope(tenant_id):
        for start in range(0, len(signal_ids), _BATCH):
            part = signal_ids[start : start + _BATCH]
            statuses = dict(
                Signal.objects.for_tenant(tenant_id).filter(pk__in=part).values_list("pk", "status")
            )
            by_signal: dict[str, list[tuple[str, str]]] = {pk: [] for pk in statuses}
            rows = Intent.objects.for_tenant(tenant_id).filter(signal_id__in=part)
            for signal_id, *end in rows.values_list("signal_id", "status", "reason_code"):
                by_signal[signal_id].append((end[0], end[1]))
            open_orders = set(
                Order.objects.for_tenant(tenant_id)
                .filter(signal_id__in=part, state__in=OPEN_ORDERS)
                .values_list("signal_id", flat=True)
            )
            ends["lost"] += len(set(part) - statuses.keys())
            for signal_id, found in by_signal.items():
                is_open = signal_id in open_orders or any(
                    status in OPEN_INTENTS for status, _ in found
                )
                if statuses[signal_id] != Signal.Status.DONE or is_open:
                    ends["unfinished"] += 1
                elif found and all(_is_late(*end) for end in found):
                    ends["expired"] += 1
                else:
                    ends["processed"] += 1
                for status, code in found:
                    name = f"{status} {code}".strip()
                    intents[name] = intents.get(name, 0) + 1
    connection.close()
    return {**ends, "intents": intents}


def _is_late(status: str, reason_code: str) -> bool:
    return status == Intent.Status.EXPIRED or reason_code == "signal_expired"
