"""Leader accounts as subjects of the streamer (venues.streams.registry)."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from customers.models import Tenant
from customers.wakeup import wake
from signals_app.domain.leaders.account_changes import margin_mode_of
from signals_app.models import Leader, LeaderCredential, LeaderPosition, SignalSource
from signals_app.services.leaders.gathering import LeaderFills, LeaderSymbol
from signals_app.services.leaders.keys import leader_keys
from signals_app.services.leaders.orders import leader_order_take
from signals_app.services.leaders.reconciling import equities_take, leader_reconcile
from signals_app.services.leaders.taking import Terms
from venues.domain.types import Credentials, VenueOrderState
from venues.streams.events import (
    BalancesChanged,
    Connected,
    OrderChanged,
    PositionsChanged,
    StopChanged,
)
from venues.streams.registry import Delivery, Subject, SubjectsUnreadError

_ENDED = (VenueOrderState.FILLED, VenueOrderState.CANCELLED)
KIND = "leader"


def _reconcile_soon(tenant_id: str, leader_id: str) -> None:
    wake("signals_app.tasks.leader_check", leader_id=leader_id, tenant_id=tenant_id)


@dataclass(frozen=True, slots=True)
class _Facts:
    window_seconds: float
    is_started: bool
    follows_working: bool


class LeaderAccounts:
    """Fills move followers within the leader's window; what else changed is read by REST."""

    name = KIND
    poll_seconds = 5.0
    gather_seconds = 0.0

    def __init__(self) -> None:
        self.fills = LeaderFills(give_up=_reconcile_soon)
        self._read_from: dict[str, int] = {}
        """By leader, our clock in ms when the last reading that was taken in began."""

    def subjects(self) -> Sequence[Subject]:
        rows = LeaderCredential.objects.filter(
            status=LeaderCredential.Status.ACTIVE,
            leader__source__kind=SignalSource.Kind.LEADER,
            leader__source__tenant__status=Tenant.Status.ACTIVE,
        ).values_list("pk", "tenant_id", "leader_id", "leader__source__venue")
        return [
            Subject(
                id=leader_id,
                tenant_id=tenant_id,
                venue=venue,
                priority=0,
                key_mark=key_id,
                wants_stops=True,
            )
            for key_id, tenant_id, leader_id, venue in rows
        ]

    def names(self, subject_ids: Collection[str]) -> Mapping[str, str]:
        leaders = Leader.objects.filter(pk__in=subject_ids)
        return dict(leaders.values_list("pk", "source__name"))

    def credentials(self, subject: Subject) -> Credentials | None:
        keys = leader_keys(tenant_id=subject.tenant_id, leader_id=subject.id)
        active = keys.get(LeaderCredential.Status.ACTIVE)
        return active.opened if active is not None else None

    def deliver(self, tenant_id: str, deliveries: Sequence[Delivery]) -> None:
        facts = self._facts(tenant_id, [delivery.subject.id for delivery in deliveries])
        for delivery in deliveries:
            leader_id = delivery.subject.id
            known = facts.get(leader_id)
            if known is None:
                continue  # deleted meanwhile
            wants_reading = False
            for event in delivery.events:
                if isinstance(event, Connected):
                    # Until what was missed is counted in; `reconcile` follows, or was quicker.
                    if event.received_ms >= self._read_from.get(leader_id, 0):
                        self.fills.hold(leader_id, is_unread=True)
                elif isinstance(event, OrderChanged):
                    self._take_order(tenant_id, leader_id, event, known)
                elif isinstance(event, BalancesChanged):
                    _take_balances(tenant_id, leader_id, event)
                elif isinstance(event, PositionsChanged):
                    wants_reading |= _has_changed_terms(tenant_id, leader_id, event)
                elif isinstance(event, StopChanged):
                    wants_reading = True
            if wants_reading or not known.is_started:
                _reconcile_soon(tenant_id, leader_id)

    def reconcile(self, tenant_id: str, subjects: Sequence[Subject]) -> None:
        unread = []
        for subject in subjects:
            began_ms = time.time_ns() // 1_000_000
            if leader_reconcile(tenant_id=tenant_id, leader_id=subject.id) is None:
                unread.append(subject.id)
                continue
            self._read_from[subject.id] = began_ms
            self.fills.release(subject.id)
        if unread:
            raise SubjectsUnreadError(unread)

    def _facts(self, tenant_id: str, leader_ids: Sequence[str]) -> dict[str, _Facts]:
        rows = Leader.objects.for_tenant(tenant_id).filter(pk__in=leader_ids)
        return {
            leader_id: _Facts(
                window_ms / 1000, started_at is not None, follow == Leader.Follow.WORKING
            )
            for leader_id, window_ms, started_at, follow in rows.values_list(
                "pk", "window_ms", "started_at", "follow_orders"
            )
        }

    def _take_order(
        self, tenant_id: str, leader_id: str, event: OrderChanged, facts: _Facts
    ) -> None:
        order, fill = event.order, event.fill
        if facts.follows_working:
            # Before its fill, which is silent when the order is followed. A new one may add to
            # nothing but close what was missed: the reading that is to come lists it.
            leader_order_take(
                tenant_id=tenant_id,
                leader_id=leader_id,
                order=order,
                places=not self.fills.is_unread(leader_id),
            )
        if fill is None:
            return
        self.fills.add(
            LeaderSymbol(tenant_id, leader_id, fill.symbol),
            fill,
            terms=Terms(order.leverage or None, margin_mode_of(order.margin_mode)),
            window_seconds=facts.window_seconds,
            completes_order=order.state in _ENDED,
        )


def _take_balances(tenant_id: str, leader_id: str, event: BalancesChanged) -> None:
    leader = Leader.objects.for_tenant(tenant_id).get(pk=leader_id)
    told: dict[str, Decimal] = {each.currency: each.equity for each in event.balances}
    equities_take(leader, told, whole=event.is_complete)


def _has_changed_terms(tenant_id: str, leader_id: str, event: PositionsChanged) -> bool:
    """Whether another leverage or margin is told than is known, of a position that was not traded.

    Quantities are kept from the trades; what those do not explain is found by reconciliation.
    """
    rows = LeaderPosition.objects.for_tenant(tenant_id).filter(leader_id=leader_id)
    known = {(row.symbol, row.position_side): row for row in rows}
    for told in event.positions:
        row = known.get((told.symbol, told.position_side))
        if row is None or not told.quantity or row.quantity != told.quantity:
            continue
        if told.leverage != row.leverage or (told.margin or None) != (row.margin or None):
            return True
    return False
