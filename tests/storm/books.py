"""Our rows, read for the comparison, and how long changes at the exchange were unknown here."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.db.models import Q

from customers.models import StreamState
from customers.tenancy import system_scope
from signals_app.models import Leader, LeaderTrade, Signal
from strategies.models import Subscription
from tests.chaos.books import percentile, read_books
from tests.chaos.verdict import ENDED, PositionRow
from tests.storm.population import HEDGE_MODE, Followed, Population
from tests.storm.verdict import (
    MOVES,
    Copy,
    Decision,
    LeaderRows,
    Named,
    Rest,
    SignalRow,
    StormBooks,
    TradeRow,
)
from trading.models import (
    CopiedPosition,
    Fill,
    Finding,
    Intent,
    Order,
    Position,
    UnattributedPosition,
)

ZERO = Decimal(0)


def read_storm_books(population: Population) -> StormBooks:
    clients = population.clients
    with system_scope("stream storm: all rows, to compare them with the ledger"):
        copies = [
            Copy(row.subscription_id, clients[row.account_id].api_key, row.symbol, row.filled,
                 row.target)
            for row in CopiedPosition.objects.all()
        ]  # fmt: skip
        rests = [
            Rest(clients[row.account_id].api_key, row.symbol, row.position_side, row.quantity)
            for row in UnattributedPosition.objects.all()
        ]
        chaos = read_books(clients)
        return StormBooks(
            chaos=replace(
                chaos, positions=[*chaos.positions, *(_as_position(rest) for rest in rests)]
            ),
            leaders=[_leader_rows(leader) for leader in population.leaders],
            decisions=_decisions(),
            named=_named(),
            copies=copies,
            rests=rests,
            shown=[
                Rest(clients[row.account_id].api_key, row.symbol, row.position_side, row.quantity)
                for row in Position.objects.all()
            ],
            hedged=frozenset(
                keys.api_key for keys in clients.values() if keys.position_mode == HEDGE_MODE
            ),
            unbooked=Fill.objects.filter(order=None, attribution="").count(),
        )


def _as_position(rest: Rest) -> PositionRow:
    """For the sums; it follows nobody and is where it is to be."""
    return PositionRow("", rest.api_key, rest.symbol, rest.quantity, rest.quantity, Decimal(1))


def _leader_rows(leader: Followed) -> LeaderRows:
    trades = LeaderTrade.objects.filter(leader_id=leader.id)
    signals = Signal.objects.filter(source_id=leader.source_id).order_by("pk")
    return LeaderRows(
        name=leader.name,
        api_key=leader.keys.api_key,
        source_id=leader.source_id,
        follows_working=leader.follows_working,
        trades=[
            TradeRow(row.symbol, row.trade_id, row.outcome, row.signal_id or "") for row in trades
        ],
        signals=[_signal_row(row) for row in signals],
    )


def _signal_row(row: Signal) -> SignalRow:
    raw: dict[str, Any] = json.loads(row.raw_payload or "{}")
    is_order = row.external_id.startswith("order:")
    return SignalRow(
        id=row.pk,
        source_id=row.source_id,
        action=row.action,
        symbol=row.symbol,
        before=row.leader_position_before,
        after=row.leader_position_after,
        is_limit=row.order_type == Signal.OrderType.LIMIT,
        skip_code=row.skip_code,
        trades=tuple(raw.get("trades", ())),
        order=((raw["order"], raw.get("price", ""), raw.get("quantity", "")) if is_order else None),
    )


def _decisions() -> list[Decision]:
    rested = _rested()
    ratios = dict(Subscription.objects.values_list("pk", "ratio"))
    grouped: defaultdict[tuple[str, str], list[Intent]] = defaultdict(list)
    for row in Intent.objects.filter(cause="signal").order_by("leg"):
        if row.target_before is not None and row.target_after is not None:
            grouped[row.signal_id or "", row.subscription_id or ""].append(row)
    return [
        Decision(
            signal_id=signal_id,
            subscription_id=subscription_id,
            symbol=rows[0].symbol,
            ratio=ratios[subscription_id],
            target_before=rows[0].target_before or ZERO,
            target_after=rows[0].target_after or ZERO,
            reasons=tuple(row.reason_code for row in rows if row.status == "skipped"),
            has_order=any(row.quantity is not None for row in rows),
            at=rows[0].created_at,
            exit_direction=next(
                (
                    1 if row.side == "buy" else -1
                    for row in rows
                    if not row.is_entry and row.quantity is not None
                ),
                0,
            ),
            rested=rested.get((signal_id, subscription_id), ZERO),
        )
        for (signal_id, subscription_id), rows in grouped.items()
    ]


def _rested() -> dict[tuple[str, str], Decimal]:
    """What followers' resting orders had filled when the leader's was, by chase and follower."""
    signals = {row.pk: row for row in Signal.objects.exclude(amends=None)}
    brought: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    entries = Order.objects.filter(is_entry=True, filled_quantity__gt=0)
    for signal_id, subscription_id, filled in entries.values_list(
        "signal_id", "subscription_id", "filled_quantity"
    ):
        brought[signal_id, subscription_id] += filled
    found: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for chase in (row for row in signals.values() if row.is_chase):
        chain = {before.amends_id for before in _before(chase, signals)}
        for (signal_id, subscription_id), filled in brought.items():
            if signal_id in chain:
                found[chase.pk, subscription_id] += filled
    return found


def _before(signal: Signal, signals: Mapping[str, Signal]) -> Iterator[Signal]:
    """It, and those of the same resting order that amended another one."""
    row: Signal | None = signal
    while row is not None:
        yield row
        row = signals.get(row.amends_id or "")


def _named() -> list[Named]:
    found = [
        Named(row.subscription_id, row.symbol, row.first_seen_at, row.kind)
        for row in Finding.objects.exclude(subscription=None)
    ]
    again = Order.objects.filter(attempt__gt=1)
    found += [
        Named(row.subscription_id, row.symbol, row.created_at, "another attempt") for row in again
    ]
    short = Order.objects.filter(state__in=ENDED).exclude(state="filled")
    return found + [
        Named(row.subscription_id, row.symbol, row.finished_at, row.reason_code or row.state)
        for row in short
        if row.finished_at is not None
    ]


# --- how far it is ------------------------------------------------------------------------------


def live_streams() -> int:
    with system_scope("stream storm: who is heard"):
        return StreamState.objects.filter(state=StreamState.State.LIVE).count()


def are_started(population: Population) -> bool:
    with system_scope("stream storm: whether leaders were taken over"):
        ids = [leader.id for leader in population.leaders]
        return not Leader.objects.filter(pk__in=ids, started_at=None).exists()


def unsettled() -> int:
    """Orders and signals without an end, and fills by hand that no books have."""
    with system_scope("stream storm: what is not settled"):
        live = Order.objects.exclude(state__in=ENDED).count()
        signals = Signal.objects.filter(action__in=MOVES).exclude(status="done").count()
        unbooked = Fill.objects.filter(Q(order=None), attribution="").count()
        return live + signals + unbooked


# --- how long changes were unknown --------------------------------------------------------------


def gaps_seconds() -> list[float]:
    """From each trade of a leader, or by a client's own hand, to its row here; ascending."""
    with system_scope("stream storm: how long changes were unknown"):
        told = [
            *LeaderTrade.objects.values_list("filled_at", "recorded_at"),
            *Fill.objects.filter(order=None).values_list("filled_at", "created_at"),
        ]
    return sorted((known - happened).total_seconds() for happened, known in told)


def gap_figures() -> dict[str, float | None]:
    gaps = gaps_seconds()
    return {
        "longest_gap_s": round(gaps[-1], 1) if gaps else None,
        "p99_gap_s": percentile(gaps, 0.99),
        "p50_gap_s": percentile(gaps, 0.5),
    }
