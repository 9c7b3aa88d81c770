"""Plan one shard chunk by chunk: load, decide purely, write; each chunk in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.draining import is_draining
from customers.failpoints import failpoint
from customers.tenancy import TenantQuerySet
from customers.wakeup import wake
from signals_app.models import Signal
from trading.domain.planning import Leg, Plan, plan_follower
from trading.domain.reasons import Reason, ReasonCode
from trading.models import SignalShard
from trading.services.amending import chased_by, entered_by
from trading.services.fanout.context import Market, ShardContext
from trading.services.fanout.follower_facts import follower_facts
from trading.services.fanout.free_balances import free_balances_of
from trading.services.fanout.instructions import instruction_at, instruction_for
from trading.services.fanout.later_signals import exited_later
from trading.services.fanout.loading import (
    FollowerRow,
    PositionRow,
    books_of,
    follower_rows,
    locked_positions,
)
from trading.services.fanout.mapping import market_for, routes, settled, taken
from trading.services.fanout.market_facts import with_market_facts
from trading.services.fanout.newcomers import as_newcomer
from trading.services.fanout.risk_facts import accounts_lock, asking_of, risk_facts_of
from trading.services.fanout.sides import opened_reversed
from trading.services.fanout.signals import SHARD_LEASE
from trading.services.fanout.writing import ChunkWriter, planned_already
from trading.services.outgoing import OutgoingOrder

CHUNKS = {"sqlite": 500, "mysql": 250}
"""By database. A server works on one chunk while another is being sent; on SQLite one plans at a
time, and a transaction more is only work."""


def shard_claim(*, shard_id: str, tenant_id: str, claimed_by: str) -> SignalShard | None:
    """The shard, if this caller won it: a pending one, or one whose planner died."""
    if is_draining():
        return None
    now = timezone.now()
    rows = SignalShard.objects.for_tenant(tenant_id).filter(pk=shard_id)
    values: dict[str, Any] = {
        "status": SignalShard.Status.CLAIMED,
        "claimed_by": claimed_by,
        "claimed_until": now + SHARD_LEASE,
    }
    won = rows.filter(status=SignalShard.Status.PENDING).update(**values)
    if not won:
        won = rows.filter(status=SignalShard.Status.CLAIMED, claimed_until__lt=now).update(**values)
    return rows.select_related("tenant", "signal__source", "strategy").get() if won else None


def shard_plan(context: ShardContext) -> Iterator[list[OutgoingOrder]]:
    """Plan the shard chunk by chunk; yields the orders of each committed chunk.

    The orders are CLAIMED for the caller. Followers that have an intent for this signal already
    are left alone, so a second run only does what is missing. A worker that is about to end leaves
    the rest of the shard to another one.
    """
    failpoint("shard.claimed")
    shard = context.shard
    rows = follower_rows(shard)
    rows = _rotated(rows, shard.signal_id)
    found = routes(context, rows)
    at_once = len(found) == 1 and len(rows) <= CHUNKS[connection.vendor]
    for route in found:
        context = with_market_facts(route.context(), route.rows)
        for start, end in _chunks(len(route.rows)):
            if is_draining():
                _release(shard, context.claimed_by)
                return
            if (start or route is not found[0]) and not _renew(shard, context.claimed_by):
                return  # another one plans it on
            chunk = route.rows[start:end]
            orders = retry_on_deadlock(partial(_plan_chunk, context, chunk, is_all=at_once))
            failpoint("chunk.committed")
            if orders:
                yield orders
    if not (rows and at_once):
        _note_planned(shard, context.claimed_by)


def _note_planned(shard: SignalShard, claimed_by: str) -> None:
    rows = _claimed(shard, claimed_by)
    rows.update(status=SignalShard.Status.PLANNED, claimed_until=None)


def _claimed(shard: SignalShard, claimed_by: str) -> TenantQuerySet:
    return SignalShard.objects.for_tenant(shard.tenant_id).filter(
        pk=shard.pk, status=SignalShard.Status.CLAIMED, claimed_by=claimed_by
    )


def _renew(shard: SignalShard, claimed_by: str) -> bool:
    until = timezone.now() + SHARD_LEASE
    return bool(_claimed(shard, claimed_by).update(claimed_until=until))


def _release(shard: SignalShard, claimed_by: str) -> None:
    rows = _claimed(shard, claimed_by)
    if rows.update(status=SignalShard.Status.PENDING, claimed_by="", claimed_until=None):
        wake("trading.tasks.shard_run", shard_id=shard.pk, tenant_id=shard.tenant_id)


def _rotated(rows: list[FollowerRow], signal_id: str) -> list[FollowerRow]:
    """Start at another follower with every signal, so that nobody is always last."""
    if not rows:
        return rows
    start = int(hashlib.sha256(signal_id.encode()).hexdigest(), 16) % len(rows)
    return rows[start:] + rows[:start]


def _chunks(count: int) -> Iterator[tuple[int, int]]:
    size = CHUNKS[connection.vendor]
    for start in range(0, count, size):
        yield start, min(start + size, count)


def _plan_chunk(
    context: ShardContext, followers: Sequence[FollowerRow], *, is_all: bool
) -> list[OutgoingOrder]:
    """`is_all`: with them the shard is planned, which one commit is enough for."""
    tenant_id = context.shard.tenant_id
    symbol = context.symbol
    with transaction.atomic():
        now = timezone.now()  # SQLite may have had us wait for the others' transactions
        asking = asking_of(context, followers)
        accounts_lock(context, asking, followers)
        positions = locked_positions(tenant_id, followers, symbol, now)
        planned = planned_already(context, [row.id for row in followers])
        todo = [row for row in followers if row.id not in planned]
        books = books_of(tenant_id, todo, positions, symbol, now)
        balances = free_balances_of(tenant_id, todo, now)
        risks = risk_facts_of(context, asking, now)
        ids = [row.id for row in todo]
        entered = entered_by(tenant_id, context.amended, ids)
        chased = chased_by(context.signal, context.amended, ids) if context.signal.is_chase else {}
        reversals = opened_reversed(context, todo, positions)
        later = exited_later(context.signal, ids)
        writer = ChunkWriter(context, now)
        instructions = {
            venue: instruction_for(context, market)
            for venue, market in context.markets.items()
            if market.instrument is not None
        }
        for row in todo:
            market = market_for(context, row)
            ledger = settled(context, positions[row.id], books[row.id])
            if ledger is None:
                position = positions[row.id]
                writer.add(row, position, taken(context, position), market, None)
                continue
            position, book = ledger
            balance = balances.get(row.account_id, {})
            if market.instrument is None:
                plan = unplannable(context, row, position, market)
                writer.add(row, position, plan, market, None)
                continue
            follower = follower_facts(
                context,
                row,
                position,
                book,
                market,
                balance,
                now,
                risks.copy(row),
                risks.account(row),
                later_exit=row.id in later,
            )
            if row.id in entered:
                follower = replace(follower, already_entered=entered[row.id])
            if row.id in chased:
                follower = replace(follower, own_size=chased[row.id])
            if row.id in reversals:
                follower = replace(follower, is_reversed=reversals[row.id])
            if context.signal.addressed_to:
                follower = as_newcomer(context, row.id, follower, market)
            instruction = instructions[row.venue]
            if context.signal.leverage is None:
                instruction = instruction_at(instruction, follower.terms.leverage)
            plan = plan_follower(instruction, follower)
            writer.add(row, position, plan, market, follower)
        orders = writer.store()
        if is_all:
            _note_planned(context.shard, context.claimed_by)
        failpoint("chunk.before_commit")
        return orders


def unplannable(
    context: ShardContext, row: FollowerRow, position: PositionRow, market: Market
) -> Plan:
    """Neither listed, or not readably, nor ever traded."""
    params = {"symbol": context.symbol, "venue": row.venue}
    reason = market.doubt or Reason(ReasonCode.SYMBOL_NOT_LISTED, params)
    is_entry = context.action not in (Signal.Action.REDUCE, Signal.Action.CLOSE)
    return Plan(
        (Leg(0, is_entry, 0, Decimal(0), reason),),
        position.target,
    )
