"""What happened to an order is told whole, though its row stands for the common part of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.factories import OrderEventFactory, OrderFactory
from tests.trading.world import World
from trading.models import Order
from trading.selectors.order_events import events_of

CREATED = timezone.now() - timedelta(minutes=1)
SENT, ANSWERED = CREATED + timedelta(seconds=1), CREATED + timedelta(seconds=2)


def _told(order: Order) -> list[tuple[str, str, str]]:
    with tenant_scope(order.tenant_id):
        events = events_of(order.tenant_id, [order])[order.pk]
    assert [event.occurred_at for event in events] == sorted(e.occurred_at for e in events)
    return [(event.kind, event.from_state, event.to_state) for event in events]


def _sent(**fields: Any) -> Order:
    return OrderFactory(
        **{
            "created_at": CREATED,
            "sent_at": SENT,
            "deadline_at": SENT,
            "acknowledged_at": ANSWERED,
            "state": "accepted",
            **fields,
        }
    )


SEND = ("send", "claimed", "sending")
ACCEPT = ("accept", "sending", "accepted")


@pytest.mark.django_db
def test_sending_and_acceptance_are_told_by_the_row() -> None:
    assert _told(OrderFactory(created_at=CREATED)) == []
    assert _told(_sent(acknowledged_at=None, state="sending")) == [SEND]
    assert _told(_sent()) == [SEND, ACCEPT]


@pytest.mark.django_db
def test_what_is_stored_is_not_told_twice() -> None:
    order = _sent(state="filled")
    for at, (kind, before, after) in ((SENT, SEND), (ANSWERED, ACCEPT)):
        OrderEventFactory(order=order, kind=kind, from_state=before, to_state=after, occurred_at=at)
    assert _told(order) == [SEND, ACCEPT]


@pytest.mark.django_db
def test_an_order_that_was_lost_and_found_was_not_accepted_before() -> None:
    order = _sent()
    lost, found = ("lose", "sending", "unknown"), ("adopt", "unknown", "accepted")
    for kind, before, after in (lost, found):
        OrderEventFactory(
            order=order, kind=kind, from_state=before, to_state=after, occurred_at=ANSWERED
        )
    assert _told(order) == [SEND, lost, found]


@pytest.mark.django_db
def test_an_order_that_a_stop_became_was_never_sent_by_us() -> None:
    order = _sent(deadline_at=None)
    create = ("create", "", "accepted")
    OrderEventFactory(
        order=order, kind="create", from_state="", to_state="accepted", occurred_at=ANSWERED
    )
    assert _told(order) == [create]


def test_an_order_that_went_through_is_told_from_its_sending_to_its_end(world: World) -> None:
    world.follower()
    world.run(world.entry())
    with tenant_scope(world.tenant.pk):
        order = Order.objects.get()
    assert order.state == "filled"
    told = _told(order)
    assert told[:2] == [SEND, ACCEPT]
    assert told[-1][2] == "filled"
