"""When staff resume a leader's source: what it gave up meanwhile, copies give up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from signals_app.domain.leaders.catching_up import Step
from signals_app.domain.leaders.moves import Move, move_between
from signals_app.models import Leader, LeaderTrade, Signal, SignalSource
from signals_app.services.leaders.taking import (
    leader_book,
    leader_facts,
    leader_locked,
    step_hand_on,
)

ZERO = Decimal(0)


def pause_make_good(source: SignalSource, *, since: datetime) -> list[Signal]:
    """One exit a symbol, by the leader's position when the pause began and now. What it entered
    meanwhile is not followed, as nothing is that is too late.

    For whoever resumes the source, in that transaction; `since`: when it was paused.
    """
    rows = Leader.objects.for_tenant(source.tenant_id).filter(source_id=source.pk)
    leader_id = rows.values_list("pk", flat=True).first()
    leader = leader_id and leader_locked(tenant_id=source.tenant_id, leader_id=leader_id)
    if not leader:
        return []
    now, book = timezone.now(), leader_book(leader)
    told = []
    for symbol, traded in sorted(_refused(leader, since).items()):
        held = book.exposure(symbol)
        move = _exit_in(held - traded, held)
        if move is None:
            continue
        signal = step_hand_on(
            leader,
            symbol,
            Step(move, None, int(now.timestamp() * 1000)),
            facts=leader_facts(leader, symbol, None, None),
            external_id=f"{symbol}:paused:{int(since.timestamp() * 1000)}",
            raw={"paused_at": since.isoformat(), "traded": str(traded)},
            now=now,
        )
        if signal is not None:
            told.append(signal)
    return told


def _refused(leader: Leader, since: datetime) -> Mapping[str, Decimal]:
    """By symbol, what it bought (sold: negative) that the paused source took no signal of."""
    traded: dict[str, Decimal] = defaultdict(Decimal)
    trades = LeaderTrade.objects.for_tenant(leader.tenant_id).filter(
        leader=leader, outcome=LeaderTrade.Outcome.REFUSED, recorded_at__gte=since
    )
    for symbol, side, quantity in trades.values_list("symbol", "side", "quantity"):
        traded[symbol] += quantity if side == "buy" else -quantity
    return traded


def _exit_in(before: Decimal, after: Decimal) -> Move | None:
    move = move_between(before, after)
    if move is None:
        return None
    first, *_ = move.parts()
    return first if first.is_exit else None
