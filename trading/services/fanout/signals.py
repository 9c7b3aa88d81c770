"""From an accepted signal to shards of followers, and to its end."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from customers.draining import is_draining
from customers.failpoints import failpoint
from customers.services.events import EventDraft, events_record, staff_audience
from customers.wakeup import wake, wake_on_commit
from signals_app.models import Signal
from strategies.models import Strategy, Subscription
from trading.domain.order_states import OrderState
from trading.models import FanoutTally, Intent, Order, SignalShard
from trading.selectors.coverage import Coverage, signal_coverage
from trading.signals import fanout_settled

CLAIM = timedelta(seconds=6)
SETTLE_PATIENCE = timedelta(minutes=2)
"""After this a summary goes out even if an outcome is still open."""
SMALLEST_SHARD = 50
LARGEST_SHARD = 500
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


def signal_dispatch(*, signal_id: str, tenant_id: str) -> int:
    """Cut the signal's followers into shards and wake their workers; returns the shards.

    Running it again, or twice at once, makes no second shard.
    """
    if not _claim(signal_id, tenant_id):
        return 0
    failpoint("dispatch.claimed")
    signal = Signal.objects.for_tenant(tenant_id).get(pk=signal_id)
    now = timezone.now()
    strategies = (
        Strategy.objects.for_tenant(tenant_id)
        .filter(source_id=signal.source_id)
        .exclude(status=Strategy.Status.CLOSED)
        .order_by("pk")
    )
    shards: list[SignalShard] = []
    tallies: list[FanoutTally] = []
    followers = 0
    for strategy in strategies:
        ids = list(
            Subscription.objects.for_tenant(tenant_id)
            .filter(strategy=strategy)
            .exclude(status=Subscription.Status.STOPPED)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        followers += len(ids)
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
                    signal_id=signal_id,
                    strategy_id=strategy.pk,
                    number=number,
                    first_subscription_id=part[0],
                    last_subscription_id=part[-1],
                    size=len(part),
                    created_at=now,
                )
            )
    with transaction.atomic():
        SignalShard.objects.bulk_create(shards, ignore_conflicts=True)
        FanoutTally.objects.bulk_create(tallies, ignore_conflicts=True)
        Signal.objects.for_tenant(tenant_id).filter(pk=signal_id).update(
            status=Signal.Status.DISPATCHED, followers=followers, planned_at=now
        )
        stored = SignalShard.objects.for_tenant(tenant_id).filter(signal_id=signal_id)
        for shard_id in stored.values_list("pk", flat=True):
            wake_on_commit("trading.tasks.shard_run", shard_id=shard_id, tenant_id=tenant_id)
        if not shards:
            wake_on_commit("trading.tasks.signal_settle", signal_id=signal_id, tenant_id=tenant_id)
        failpoint("dispatch.before_commit")
    failpoint("dispatch.committed")
    return len(shards)


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
