"""Finding every row that is due. Wake-ups make things fast; this makes them certain.

Reads across tenants in a system scope, gives ids to the task that would have been woken. Running
twice at once is harmless: each step claims its rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from customers.models import ExchangeAccount
from customers.tenancy import system_scope, tenant_scope
from signals_app.models import Signal
from trading.domain.order_states import OrderState, OrderTrigger
from trading.domain.reasons import Reason, ReasonCode
from trading.models import Order, SignalShard
from trading.services.order_updates import OrderUpdate, order_updates_apply
from trading.services.submission.claiming import may_go_now

GRACE = timedelta(seconds=2)
"""Younger rows are left to their wake-up."""
SENDING_PATIENCE = timedelta(seconds=12)
"""Longer than a request may take: then its sender is dead."""
BATCH = 500
READ_PAUSES = tuple(timedelta(seconds=seconds) for seconds in (60, 120, 240, 300))
"""Between two readings of an account, by how often it failed in a row."""

Due = dict[str, list[str]]
"""Ids by tenant."""


def _by_tenant(rows: Iterable[tuple[str, str]]) -> Due:
    due: Due = defaultdict(list)
    for tenant_id, pk in rows:
        due[tenant_id].append(pk)
    return due


def signals_due() -> Due:
    """Received and not planned, or whose planner died."""
    now = timezone.now()
    with system_scope("sweep: signals to dispatch"):
        rows = Signal.objects.filter(
            Q(status=Signal.Status.RECEIVED, received_at__lt=now - GRACE)
            | Q(status=Signal.Status.PLANNING, claimed_until__lt=now)
        )
        return _by_tenant(rows.values_list("tenant_id", "pk")[:BATCH])


def signals_unsettled() -> Due:
    with system_scope("sweep: signals to settle"):
        rows = Signal.objects.filter(
            status=Signal.Status.DISPATCHED, planned_at__lt=timezone.now() - GRACE
        )
        return _by_tenant(rows.values_list("tenant_id", "pk")[:BATCH])


def shards_due() -> Due:
    now = timezone.now()
    with system_scope("sweep: shards to plan"):
        rows = SignalShard.objects.filter(
            Q(status=SignalShard.Status.PENDING, created_at__lt=now - GRACE)
            | Q(status=SignalShard.Status.CLAIMED, claimed_until__lt=now)
        )
        return _by_tenant(rows.values_list("tenant_id", "pk")[:BATCH])


def orders_ready() -> Due:
    """READY, waiting for nothing and not picked up; claims of dead senders are released first."""
    now = timezone.now()
    with system_scope("sweep: orders to send"):
        expired = list(
            Order.objects.filter(state=OrderState.CLAIMED, claimed_until__lt=now).values_list(
                "tenant_id", "pk"
            )[:BATCH]
        )
    for tenant_id, ids in _by_tenant(expired).items():
        with tenant_scope(tenant_id):
            Order.objects.for_tenant(tenant_id).filter(
                pk__in=ids, state=OrderState.CLAIMED, claimed_until__lt=now
            ).update(state=OrderState.READY, claimed_by="", claimed_until=None)
    with system_scope("sweep: orders to send"):
        rows = may_go_now(Order.objects.filter(state=OrderState.READY, created_at__lt=now - GRACE))
        return _by_tenant(rows.order_by("is_entry", "pk").values_list("tenant_id", "pk")[:BATCH])


def orders_lose_abandoned() -> int:
    """SENDING rows whose sender died become UNKNOWN; their outcome is looked up from now on."""
    now = timezone.now()
    with system_scope("sweep: orders whose sender died"):
        rows = list(
            Order.objects.filter(
                state=OrderState.SENDING, sent_at__lt=now - SENDING_PATIENCE
            ).values_list("tenant_id", "pk")[:BATCH]
        )
    for tenant_id, ids in _by_tenant(rows).items():
        with tenant_scope(tenant_id):
            reason = Reason(
                ReasonCode.OUTCOME_UNKNOWN, {"code": "-", "message": "the sender stopped"}
            )
            order_updates_apply(
                tenant_id=tenant_id,
                updates=[
                    OrderUpdate(pk, OrderTrigger.LOSE, reason=reason, check_at=now) for pk in ids
                ],
                instruments={},
            )
    return len(rows)


def orders_to_check() -> Due:
    with system_scope("sweep: orders to look up"):
        rows = Order.objects.filter(check_at__lte=timezone.now())
        return _by_tenant(rows.order_by("check_at").values_list("tenant_id", "pk")[:BATCH])


def accounts_stale() -> Due:
    """Accounts to be read again, keys included: those longest not given to a worker first.

    They are marked as given, so that the next sweep goes on with others, however slow or dead
    the workers are; what fails comes less often.
    """
    now = timezone.now()
    due = Q(tried_at__isnull=True)
    for failed, pause in enumerate(READ_PAUSES):
        again = Q(failed_reads__gte=failed, tried_at__lt=now - pause)
        due |= again if pause is READ_PAUSES[-1] else again & Q(failed_reads=failed)
    with system_scope("sweep: accounts to read"):
        rows = ExchangeAccount.objects.filter(due).exclude(status=ExchangeAccount.Status.CLOSED)
        found = _by_tenant(rows.order_by("tried_at", "pk").values_list("tenant_id", "pk")[:BATCH])
    for tenant_id, ids in found.items():
        with tenant_scope(tenant_id):
            ExchangeAccount.objects.for_tenant(tenant_id).filter(pk__in=ids).update(tried_at=now)
    return found
