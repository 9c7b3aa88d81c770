"""From an accepted signal to shards of followers, and to its end."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from customers.draining import is_draining
from customers.failpoints import failpoint
from customers.services.events import EventDraft, events_record, staff_audience
from customers.wakeup import wake, wake_on_commit
from signals_app.models import Signal
from strategies.models import Strategy, Subscription
from strategies.selectors.settings import shared_settings
from trading.domain.order_states import OrderState
from trading.models import FanoutTally, Intent, Order, SignalShard
from trading.selectors.coverage import Coverage, signal_coverage
from trading.services.amending import Withdrawal, amended_withdraw, amending_wake
from trading.signals import fanout_settled

CLAIM = timedelta(seconds=6)
SETTLE_PATIENCE = timedelta(minutes=2)
"""After this a summary goes out even if an outcome is still open."""
SHARD_LEASE = timedelta(seconds=6)
"""Renewed with each chunk; what a killed planner left is planned on after it."""
SMALLEST_SHARD = 50
LARGEST_SHARD = 500
"""A first chunk and one full one on SQLite, three on a server."""
FOLLOWED_AT_ONCE = 200


def _claim(signal_id: str, tenant_id: str) -> bool:
    """One winner: a received signal, or one whose planner died."""
    if is_draining():
        return False
    now = timezone.now()
    rows = Signal.objects.for_tenant(tenant_id).filter(pk=signal_id)
    values = {"status": Signal.Status.PLANNING, "claimed_until": now + CLAIM}
    if rows.filter(status=Signal.Status.RECEIVED).update(**values):
        return True
    expired = rows.filter(status=Signal.Status.PLANNING, claimed_until__lt=now)
    return bool(expired.update(**values))


def signal_dispatch(*, signal_id: str, tenant_id: str, claimed_by: str = "") -> SignalShard | None:
    """Cut the signal's followers into shards and wake their workers.

    With `claimed_by` a single small shard is claimed for this caller at once, and returned: on
    its way to another worker it would cost as much again. Running it again, or twice at once,
    makes no second shard.
    """
    if not _claim(signal_id, tenant_id):
        return None
    failpoint("dispatch.claimed")
    signal = Signal.objects.for_tenant(tenant_id).select_related("source").get(pk=signal_id)
    now = timezone.now()
    if signal.amends_id is not None and not _replaces(signal, now):
        return None
    strategies = (
        Strategy.objects.for_tenant(tenant_id)
        .filter(source_id=signal.source_id)
        .exclude(status=Strategy.Status.CLOSED)
        .order_by("pk")
    )
    addressed = {"pk": signal.addressed_to} if signal.addressed_to else {}
    if addressed:
        strategies = strategies.filter(subscriptions__pk=signal.addressed_to)
    shards: list[SignalShard] = []
    tallies: list[FanoutTally] = []
    followers = 0
    for strategy in strategies:
        ids = list(
            Subscription.objects.for_tenant(tenant_id)
            .filter(strategy=strategy, **addressed)
            .exclude(status=Subscription.Status.STOPPED)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        followers += len(ids)
        terms = shared_settings(strategy) if ids else {}
        tallies.append(
            FanoutTally(
                tenant_id=tenant_id,
                signal_id=signal_id,
                strategy_id=strategy.pk,
                followers=len(ids),
            )
        )
        for number, part in enumerate(_parts(ids)):
            shards.append(
                SignalShard(
                    tenant_id=tenant_id,
                    signal=signal,
                    strategy=strategy,
                    number=number,
                    first_subscription_id=part[0],
                    last_subscription_id=part[-1],
                    size=len(part),
                    settings=terms,
                    created_at=now,
                )
            )
    kept = None
    if claimed_by and len(shards) == 1 and followers <= SMALLEST_SHARD:
        kept = shards[0]
        kept.status, kept.claimed_by = SignalShard.Status.CLAIMED, claimed_by
        kept.claimed_until = now + SHARD_LEASE
    with transaction.atomic():
        SignalShard.objects.bulk_create(shards, ignore_conflicts=True)
        FanoutTally.objects.bulk_create(tallies, ignore_conflicts=True)
        Signal.objects.for_tenant(tenant_id).filter(pk=signal_id).update(
            status=Signal.Status.DISPATCHED, followers=followers, planned_at=now
        )
        rows = SignalShard.objects.for_tenant(tenant_id).filter(signal_id=signal_id)
        stored = list(rows.values_list("pk", flat=True))
        if kept is not None and stored != [kept.pk]:
            kept = None  # a dispatcher that was taken for dead was here before
        for shard_id in stored if kept is None else ():
            wake_on_commit("trading.tasks.shard_run", shard_id=shard_id, tenant_id=tenant_id)
        if not shards:
            wake_on_commit("trading.tasks.signal_settle", signal_id=signal_id, tenant_id=tenant_id)
        failpoint("dispatch.before_commit")
    failpoint("dispatch.committed")
    return kept


def _replaces(signal: Signal, now: datetime) -> bool:
    """Whether it is to be planned now: what it amends is withdrawn. Else it waits, or, being a
    cancellation, is done."""
    withdrawal = amended_withdraw(signal=signal, now=now)
    mine = Signal.objects.for_tenant(signal.tenant_id).filter(
        pk=signal.pk, status=Signal.Status.PLANNING
    )
    if signal.action == Signal.Action.CANCEL and withdrawal is not Withdrawal.UNPLANNED:
        mine.update(status=Signal.Status.DONE, planned_at=now, done_at=now)
        return False
    if withdrawal is Withdrawal.OVER:
        return True
    # Its turn comes when the last order has ended; the sweeper asks, too.
    mine.update(status=Signal.Status.RECEIVED, claimed_until=None)
    return False


def _parts(ids: list[str]) -> list[list[str]]:
    """As many equal parts as workers, within sensible sizes."""
    if not ids:
        return []
    even = -(-len(ids) // settings.FANOUT_WORKERS)
    size = min(max(even, SMALLEST_SHARD), LARGEST_SHARD)
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def signal_settle(*, signal_id: str, tenant_id: str) -> bool:
    """Mark the signal done when every follower has an outcome, or patience ran out; tells once."""
    signal = (
        Signal.objects.for_tenant(tenant_id)
        .filter(pk=signal_id, status=Signal.Status.DISPATCHED)
        .first()
    )
    if signal is None:
        return False
    if _has_unplanned_shards(tenant_id, signal_id):
        return False
    coverage = signal_coverage(signal)
    now = timezone.now()
    patient = signal.planned_at is None or now < signal.planned_at + SETTLE_PATIENCE
    if patient and not (coverage.is_settled and _all_legs_ended(signal)):
        return False
    with transaction.atomic():
        won = (
            Signal.objects.for_tenant(tenant_id)
            .filter(pk=signal_id, status=Signal.Status.DISPATCHED)
            .update(status=Signal.Status.DONE, done_at=now)
        )
        if not won:
            return False
        events_record(
            [
                EventDraft(
                    tenant_id,
                    staff_audience(tenant_id),
                    "signal.done",
                    {"signal": signal_id, "counts": _counts(coverage)},
                )
            ]
        )
        signal.status, signal.done_at = Signal.Status.DONE, now
        amending_wake(signal)
        fanout_settled.send(sender=Signal, trading_signal=signal)
        failpoint("settle.before_commit")
    return True


def shard_finished(*, signal_id: str, tenant_id: str) -> None:
    """After a shard's orders were sent: the signal's last one starts the look-ups of all.

    Earlier they would compete with what is still to be sent. Orders whose shard ends at the same
    moment as another, and whatever a dead worker left, are found by the sweeper.
    """
    if _has_unplanned_shards(tenant_id, signal_id):
        return
    accepted = list(
        Order.objects.for_tenant(tenant_id)
        .filter(signal_id=signal_id, state=OrderState.ACCEPTED, check_at__isnull=False)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    for start in range(0, len(accepted), FOLLOWED_AT_ONCE):
        wake(
            "trading.tasks.orders_check",
            order_ids=accepted[start : start + FOLLOWED_AT_ONCE],
            tenant_id=tenant_id,
        )
    if not accepted:
        signal_settle(signal_id=signal_id, tenant_id=tenant_id)


def _has_unplanned_shards(tenant_id: str, signal_id: str) -> bool:
    shards = SignalShard.objects.for_tenant(tenant_id).filter(signal_id=signal_id)
    return shards.exclude(status=SignalShard.Status.PLANNED).exists()


def _all_legs_ended(signal: Signal) -> bool:
    open_states = (Intent.Status.WORKING, Intent.Status.UNKNOWN)
    intents = Intent.objects.for_tenant(signal.tenant_id).filter(signal=signal)
    return not intents.filter(status__in=open_states).exists()


def _counts(coverage: Coverage) -> dict[str, int]:
    return {name: getattr(coverage, name) for name in coverage.__dataclass_fields__}
