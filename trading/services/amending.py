"""A signal that replaces or cancels the resting orders of one before it.

Trading amends no order in place: what rests is cancelled, and once that is proven the rest of the
new size is placed. Both in flight at once could buy twice. The same holds for a chase: the leader's
order was filled, and what its followers lack of theirs is entered at once (Signal.is_chase).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from django.db.models import QuerySet

from customers.wakeup import wake_on_commit
from signals_app.models import Signal
from trading.domain.order_states import LIVE_STATES, OrderState
from trading.domain.planning import MAIN_LEG
from trading.domain.reasons import Reason, ReasonCode
from trading.models import Intent, Order, SignalShard
from trading.services.cancelling import orders_withdraw

LONGEST_CHAIN = 200


class Withdrawal(StrEnum):
    UNPLANNED = "unplanned"
    """What is amended is being planned just now: its orders are not all there yet."""
    ASKED = "asked"
    """Cancellations were asked for, and not all are proven."""
    OVER = "over"


def amended_signals(signal: Signal) -> list[str]:
    """Those whose orders this one replaces, the newest first."""
    chain: list[str] = []
    rows = Signal.objects.for_tenant(signal.tenant_id)
    before = signal.amends_id
    while before is not None and len(chain) < LONGEST_CHAIN:
        chain.append(before)
        before = rows.filter(pk=before).values_list("amends_id", flat=True).first()
    return chain


def amended_withdraw(*, signal: Signal, now: datetime) -> Withdrawal:
    """Cancel what rests of the signals that this one amends. Running it again is harmless."""
    tenant_id, ids = signal.tenant_id, amended_signals(signal)
    rows = Signal.objects.for_tenant(tenant_id).filter(pk__in=ids)
    # What nobody has planned yet need not be planned any more.
    rows.filter(status=Signal.Status.RECEIVED).update(
        status=Signal.Status.DONE, planned_at=now, done_at=now
    )
    if rows.filter(status=Signal.Status.PLANNING).exists():
        return Withdrawal.UNPLANNED
    shards = SignalShard.objects.for_tenant(tenant_id).filter(signal_id__in=ids)
    if shards.exclude(status=SignalShard.Status.PLANNED).exists():
        return Withdrawal.UNPLANNED
    live = list(_entries(tenant_id, ids).values_list("pk", flat=True))
    if not live:
        return Withdrawal.OVER
    orders_withdraw(tenant_id=tenant_id, order_ids=live, withdrawn_for=signal.pk, now=now)
    return Withdrawal.ASKED


def amending_wake(signal: Signal) -> None:
    """This signal's orders have ended: whatever waits to replace them goes on."""
    waiting = Signal.objects.for_tenant(signal.tenant_id).filter(
        amends_id=signal.pk, status=Signal.Status.RECEIVED
    )
    for signal_id in waiting.values_list("pk", flat=True):
        wake_on_commit(
            "trading.tasks.signal_dispatch", signal_id=signal_id, tenant_id=signal.tenant_id
        )


def withdrawn_wake(tenant_id: str, ended: Iterable[Order]) -> None:
    """These orders have ended: a signal whose last withdrawn order is among them goes on."""
    waiting = {order.withdrawn_for for order in ended if order.withdrawn_for}
    live = [str(state) for state in LIVE_STATES]
    for signal_id in waiting:
        rest = Order.objects.for_tenant(tenant_id).filter(withdrawn_for=signal_id, state__in=live)
        if not rest.exists():
            wake_on_commit(
                "trading.tasks.signal_dispatch", signal_id=signal_id, tenant_id=tenant_id
            )


def chased_by(
    signal: Signal, chain: Sequence[str], subscription_ids: Sequence[str]
) -> dict[str, Decimal | Reason]:
    """The size that a chase leads each follower to, unsigned: the share of his own order that the
    leader's was filled by. Or why he is left alone. Who had no order is not in it: he is sized as
    for any entry.

    `chain`: the signals of the leader's order, the newest first; all their orders have ended.
    """
    tenant_id = signal.tenant_id
    planned: dict[str, Intent] = {}
    intents = Intent.objects.for_tenant(tenant_id).filter(
        signal_id__in=chain, subscription_id__id_in=subscription_ids, leg=MAIN_LEG
    )
    # Amendments are younger than what they amend, so the last of each follower stays.
    for intent in intents.select_related("signal").order_by("pk"):
        planned[intent.subscription_id] = intent
    orders = Order.objects.for_tenant(tenant_id).filter(
        intent_id__id_in=[intent.pk for intent in planned.values()], is_entry=True
    )
    last_orders = {order.intent_id: order for order in orders.order_by("attempt")}
    entered = entered_by(tenant_id, chain, subscription_ids)
    sizes: dict[str, Decimal | Reason] = {}
    for subscription_id, intent in planned.items():
        order = last_orders.get(intent.pk)
        filled = entered.get(subscription_id, Decimal(0))
        if order is None:
            if intent.reason_code == ReasonCode.ALREADY_AT_TARGET:
                sizes[subscription_id] = filled
            continue
        if order.state != OrderState.FILLED and not _was_withdrawn(order):
            sizes[subscription_id] = Reason(ReasonCode.NOTHING_RESTED)
            continue
        whole = order.quantity + filled - order.filled_quantity
        sizes[subscription_id] = whole * _share(signal, intent.signal)
    return sizes


def _was_withdrawn(order: Order) -> bool:
    """For its successor, and it is proven over. One that was found absent may still show up."""
    return bool(order.withdrawn_for) and order.state != OrderState.NOT_PLACED


def _share(chase: Signal, placed: Signal | None) -> Decimal:
    """What was filled of the leader's order as followers were told of it then."""
    if placed is None or not placed.size or chase.size is None:
        return Decimal(1)
    return chase.size / placed.size


def entered_by(
    tenant_id: str, signal_ids: Sequence[str], subscription_ids: Sequence[str]
) -> dict[str, Decimal]:
    """What the entries of these signals have filled, unsigned, by subscription."""
    if not signal_ids:
        return {}
    rows = Order.objects.for_tenant(tenant_id).filter(
        signal_id__in=signal_ids, subscription_id__id_in=subscription_ids, is_entry=True
    )
    entered: dict[str, Decimal] = defaultdict(Decimal)
    for subscription_id, filled in rows.values_list("subscription_id", "filled_quantity"):
        entered[subscription_id] += filled
    return {pk: filled for pk, filled in entered.items() if filled}


def _entries(tenant_id: str, signal_ids: Sequence[str]) -> QuerySet[Order]:
    live = [str(state) for state in LIVE_STATES]
    return Order.objects.for_tenant(tenant_id).filter(
        signal_id__in=signal_ids, is_entry=True, state__in=live
    )
