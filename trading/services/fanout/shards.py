"""Plan one shard chunk by chunk: load, decide purely, write; each chunk in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from signals_app.models import Signal
from strategies.models import Subscription
from trading.domain.planning import Leg, Plan, plan_follower
from trading.domain.reasons import Reason, ReasonCode
from trading.models import CopiedPosition, Intent, SignalShard
from trading.services.fanout.context import ShardContext
from trading.services.fanout.loading import (
    balances_of,
    books_of,
    follower_facts,
    instruction_for,
    locked_positions,
)
from trading.services.fanout.writing import ChunkWriter

CHUNK = 250
FIRST_CHUNK = 50
"""The first orders leave while the next are being planned."""
SHARD_LEASE = timedelta(seconds=15)


def shard_claim(*, shard_id: str, tenant_id: str, claimed_by: str) -> SignalShard | None:
    """The shard, if this caller won it: a pending one, or one whose planner died."""
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
    return rows.select_related("signal__source", "strategy").get() if won else None


def shard_plan(context: ShardContext) -> Iterator[list[str]]:
    """Plan the shard chunk by chunk; yields the ids of the orders of each committed chunk.

    The orders are CLAIMED for the caller. Followers that have an intent for this signal already
    are left alone, so a second run only does what is missing.
    """
    shard = context.shard
    rows = list(
        Subscription.objects.for_tenant(shard.tenant_id)
        .filter(
            strategy_id=shard.strategy_id,
            pk__gte=shard.first_subscription_id,
            pk__lte=shard.last_subscription_id,
        )
        .exclude(status=Subscription.Status.STOPPED)
        .select_related("account", "customer")
        .order_by("pk")
    )
    rows = _rotated(rows, shard.signal_id)
    for start, end in _chunks(len(rows)):
        order_ids = _plan_chunk(context, rows[start:end])
        if order_ids:
            yield order_ids
    SignalShard.objects.for_tenant(shard.tenant_id).filter(
        pk=shard.pk, claimed_by=context.claimed_by
    ).update(status=SignalShard.Status.PLANNED, claimed_until=None)


def _rotated(rows: list[Subscription], signal_id: str) -> list[Subscription]:
    """Start at another follower with every signal, so that nobody is always last."""
    if not rows:
        return rows
    start = int(hashlib.sha256(signal_id.encode()).hexdigest(), 16) % len(rows)
    return rows[start:] + rows[:start]


def _chunks(count: int) -> Iterator[tuple[int, int]]:
    start, size = 0, FIRST_CHUNK
    while start < count:
        yield start, min(start + size, count)
        start, size = start + size, CHUNK


def _plan_chunk(context: ShardContext, subscriptions: Sequence[Subscription]) -> list[str]:
    tenant_id = context.shard.tenant_id
    symbol = context.signal.symbol
    by_id = {row.pk: row for row in subscriptions}
    now = timezone.now()
    with transaction.atomic():
        positions = locked_positions(tenant_id, subscriptions, symbol, now)
        planned = set(
            Intent.objects.for_tenant(tenant_id)
            .filter(signal=context.signal, subscription_id__in=by_id)
            .values_list("subscription_id", flat=True)
        )
        todo = [row for row in subscriptions if row.pk not in planned]
        books = books_of(tenant_id, todo, positions, symbol)
        balances = balances_of(tenant_id, todo)
        writer = ChunkWriter(context, now)
        for subscription in todo:
            market = context.markets[subscription.account.venue]
            position = positions[subscription.pk]
            balance = balances.get(subscription.account_id, {})
            if market.instrument is None or not market.instrument.is_live:
                plan = _unplannable(context, subscription, position, ReasonCode.SYMBOL_NOT_LISTED)
                writer.add(subscription, position, plan, market, None)
                continue
            if market.price is None:
                plan = _unplannable(context, subscription, position, ReasonCode.PRICE_UNKNOWN)
                writer.add(subscription, position, plan, market, None)
                continue
            follower = follower_facts(
                context, subscription, books[subscription.pk], market, balance, now
            )
            plan = plan_follower(instruction_for(context, market), follower)
            writer.add(subscription, position, plan, market, follower)
        return writer.store()


def _unplannable(
    context: ShardContext, subscription: Subscription, position: CopiedPosition, code: ReasonCode
) -> Plan:
    params = {"symbol": context.signal.symbol, "venue": subscription.account.venue}
    is_entry = context.signal.action not in (Signal.Action.REDUCE, Signal.Action.CLOSE)
    return Plan((Leg(0, is_entry, 0, Decimal(0), Reason(code, params)),), position.target)
