"""Which process sends an order: a conditional UPDATE decides."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from customers.draining import is_draining
from customers.failpoints import failpoint
from customers.models import ExchangeAccount
from trading.domain.key_rules import EXITS_WAIT_FOR
from trading.domain.order_states import LIVE_STATES, OrderState
from trading.models import Order
from trading.services.order_updates import order_updates_apply
from trading.services.outgoing import CLAIM_LIFETIME, outgoing_of
from trading.services.submission.sender import OrderSender
from trading.services.submission.waited_exits import overtaken_exits


def claimant() -> str:
    """Names this process and thread in claims."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"[:80]


def may_go_now(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Of READY orders, those that wait for nothing.

    An entry of a later wave waits for its close, a slice for its time. An exit waits for a key that
    works: with one that the venue refuses, it would use up its attempts.
    """
    other_side = Q(is_entry=False, side=OuterRef("side")) | (
        Q(is_entry=True, cancel_requested_at__isnull=False) & ~Q(side=OuterRef("side"))
    )
    waited_for = Order.objects.filter(
        Q(signal_id=OuterRef("signal_id"), wave__lt=OuterRef("wave")) | other_side,
        tenant__of_tenant=OuterRef("tenant_id"),
        subscription_id=OuterRef("subscription_id"),
        symbol=OuterRef("symbol"),
        state__in=[str(state) for state in LIVE_STATES],
    )
    no_key = Q(account__health=ExchangeAccount.Health.UNKNOWN) | Q(
        account__health=ExchangeAccount.Health.UNHEALTHY,
        account__health_code__in=[str(code) for code in EXITS_WAIT_FOR],
    )
    # The wave first: a database that reads from left to right searches for few of them.
    its_time = Q(send_at=None) | Q(send_at__lte=timezone.now())
    may_go = orders.filter(Q(wave=0) | ~Exists(waited_for), its_time)
    return may_go.exclude(no_key, is_entry=False)


def orders_claim(*, tenant_id: str, order_ids: Sequence[str], claimed_by: str) -> list[str]:
    """Claim READY orders that may go now."""
    if is_draining():
        return []
    now = timezone.now()
    ready = Order.objects.for_tenant(tenant_id).filter(pk__in=order_ids, state=OrderState.READY)
    free = list(may_go_now(ready).values_list("pk", flat=True))
    if not free:
        return []
    Order.objects.for_tenant(tenant_id).filter(pk__in=free, state=OrderState.READY).update(
        state=OrderState.CLAIMED,
        claimed_by=claimed_by,
        claimed_until=now + CLAIM_LIFETIME,
        reason_code="",  # what it waited for, if it did
        reason_params={},
    )
    return list(
        Order.objects.for_tenant(tenant_id)
        .filter(pk__in=free, state=OrderState.CLAIMED, claimed_by=claimed_by)
        .values_list("pk", flat=True)
    )


def orders_submit(*, tenant_id: str, order_ids: Sequence[str]) -> int:
    """Claim and send what is READY among these; returns how many were claimed."""
    claimed_by = claimant()
    claimed = orders_claim(tenant_id=tenant_id, order_ids=order_ids, claimed_by=claimed_by)
    if claimed:
        failpoint("orders.claimed")
        rows = Order.objects.for_tenant(tenant_id).filter(pk__in=claimed).select_related("account")
        orders = list(rows.order_by("is_entry", "pk"))  # exits first
        overtaken = overtaken_exits(tenant_id, orders, timezone.now())
        order_updates_apply(tenant_id=tenant_id, updates=overtaken, instruments={})
        refused = {update.order_id for update in overtaken}
        sender = OrderSender(tenant_id, claimed_by)
        sender.send([outgoing_of(order) for order in orders if order.pk not in refused])
        sender.finish()
    return len(claimed)
