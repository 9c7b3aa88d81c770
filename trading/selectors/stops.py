"""The stops of positions, as pages show them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from trading.models import CopiedPosition, PositionStops, StopOrder
from trading.stop_texts import WAITS, stop_sentences


def stop_lines(tenant_id: str, positions: Collection[CopiedPosition]) -> dict[str, list[str]]:
    """Sentences by position. Two queries."""
    ids = [position.pk for position in positions]
    if not ids:
        return {}
    stops = {
        row.copied_position_id: row
        for row in PositionStops.objects.for_tenant(tenant_id).filter(copied_position_id__in=ids)
    }
    orders: dict[str, list[StopOrder]] = defaultdict(list)
    waiting = StopOrder.objects.for_tenant(tenant_id).filter(
        copied_position_id__in=ids, state__in=[str(state) for state in WAITS]
    )
    for order in waiting.order_by("slot", "pk"):
        orders[order.copied_position_id].append(order)
    return {
        position.pk: stop_sentences(stops.get(position.pk), orders[position.pk], position.filled)
        for position in positions
    }
