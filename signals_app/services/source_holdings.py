"""What a source holds just now: as its leader's account shows it, or by its own signals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from signals_app.domain.canonical import (
    Action,
    CanonicalSignal,
    MarginMode,
    OrderType,
    Side,
    SizeBasis,
)
from signals_app.domain.leaders.moves import Move
from signals_app.domain.source_holdings import Holding, HoldingDoubt, holdings_by_signals
from signals_app.models import Leader, LeaderPosition, LeaderStop, Signal, SignalSource
from signals_app.services.leaders.taking import is_heard, leader_facts

ZERO = Decimal(0)
LEADER_KINDS = (SignalSource.Kind.LEADER, SignalSource.Kind.LEAD_TRADER)


def leader_holdings(leader: Leader) -> dict[str, Holding]:
    """By symbol that is followed. A leader's hedge is its exposure; its price is then that of the
    larger side. With the leader locked, they agree with the signals that were accepted."""
    rows = LeaderPosition.objects.for_tenant(leader.tenant_id).filter(leader=leader)
    by_symbol: dict[str, list[LeaderPosition]] = {}
    for row in rows.order_by("symbol", "position_side"):
        if row.quantity and is_heard(leader, row.symbol):
            by_symbol.setdefault(row.symbol, []).append(row)
    found = {}
    for symbol, positions in by_symbol.items():
        exposure = sum((row.quantity for row in positions), ZERO)
        if not exposure:
            continue
        largest = max(positions, key=lambda row: abs(row.quantity))
        facts = leader_facts(leader, symbol, None, largest.average_price)
        side = Move(ZERO, exposure).side
        found[symbol] = Holding(
            symbol,
            side,
            abs(exposure),
            SizeBasis.CONTRACTS,
            largest.average_price,
            facts.leverage,
            facts.margin_mode,
            facts.equity,
            _only_stop_loss(leader, symbol, side),
        )
    return found


def _only_stop_loss(leader: Leader, symbol: str, side: Side) -> Decimal | None:
    """None, too, when it has several: sizes by risk go by one."""
    rows = LeaderStop.objects.for_tenant(leader.tenant_id).filter(
        leader=leader, symbol=symbol, position_side__in=("net", side.value), stop_loss__isnull=False
    )
    losses = set(rows.values_list("stop_loss", flat=True))
    return losses.pop() if len(losses) == 1 else None


def holdings_said(source: SignalSource) -> Mapping[str, Holding | HoldingDoubt]:
    """By the source's signals, those included that nobody could follow."""
    return holdings_by_signals(_said(source))


def _said(source: SignalSource) -> Iterator[CanonicalSignal]:
    rows = Signal.objects.for_tenant(source.tenant_id).filter(
        source=source, skip_code="", addressed_to=""
    )
    for row in rows.order_by("received_at", "pk").iterator():
        yield CanonicalSignal(
            action=Action(row.action),
            symbol=row.symbol,
            emitted_at=row.emitted_at,
            side=Side(row.side) if row.side else None,
            order_type=OrderType(row.order_type),
            price=row.price,
            size=row.size,
            size_basis=SizeBasis(row.size_basis) if row.size_basis else None,
            leader_equity=row.leader_equity,
            leverage=row.leverage,
            stop_loss=row.stop_loss,
            take_profit=row.take_profit,
            margin_mode=MarginMode(row.margin_mode) if row.margin_mode else None,
            leader_position_before=row.leader_position_before,
            leader_position_after=row.leader_position_after,
        )
