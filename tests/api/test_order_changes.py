"""Partners cancel and change waiting entries of their customers, once per Idempotency-Key."""

from __future__ import annotations

import json
from typing import Any

import pytest

import tests.factories as make
from customers.models import ApiKey, AuditEntry
from customers.tenancy import tenant_scope
from tests.api.conftest import Caller
from tests.trading.conftest import world
from tests.trading.test_resting_entries import opened, sent, waiting_better
from tests.trading.world import World
from trading.models import Order

__all__ = ["world"]


def key(token: str, **fields: Any) -> Caller:
    make.ApiKeyFactory(token=token, scopes=[ApiKey.Scope.READ, ApiKey.Scope.ORDERS_WRITE], **fields)
    return Caller(token)


@pytest.fixture
def writer(scene: Any) -> Caller:
    return key("orders-token", tenant=scene.partners.tenant, partner=scene.partners.partner)


def waiting(of: Any) -> Order:
    values = {"state": "ready", "order_type": "limit", "is_entry": True}
    order: Order = make.OrderFactory(intent=of.rows["intents"], attempt=2, **values)
    return order


def url(order: Order, what: str = "cancel") -> str:
    return f"/api/v1/orders/{order.pk}/{what}/"


def test_a_waiting_entry_is_cancelled_once(scene: Any, writer: Caller) -> None:
    order = waiting(scene.partners)
    assert writer("POST", url(order)).status_code == 400
    answer = writer("POST", url(order), idempotency_key="a")
    assert (answer.status_code, answer.json()["withdrawn_by"]) == (202, "partner")
    again = writer("POST", url(order), idempotency_key="a")
    assert (again.content, again["Idempotent-Replayed"]) == (answer.content, "true")
    with tenant_scope(order.tenant_id):
        entry = AuditEntry.objects.get(action="order.withdrawn")
    assert entry.details["reason"].startswith("API key ")


def test_what_does_not_wait_is_left(scene: Any, writer: Caller) -> None:
    answer = writer("POST", url(scene.partners.rows["orders"]), idempotency_key="a")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_waiting")


@pytest.mark.parametrize("what", ["cancel", "change"])
def test_what_a_key_does_not_see_is_not_there(scene: Any, writer: Caller, what: str) -> None:
    for foreign in (scene.house, scene.rivals, scene.strangers):
        order = waiting(foreign)
        answer = writer("POST", url(order, what), idempotency_key=order.pk)
        assert answer.status_code == 404
        with tenant_scope(order.tenant_id):
            order.refresh_from_db()
        assert order.withdrawn_by == ""


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"price": "NaN", "quantity": "1"}', b'{"price": "1e99"}']
)
def test_a_change_that_says_nothing(scene: Any, writer: Caller, body: bytes) -> None:
    answer = writer("POST", url(waiting(scene.partners), "change"), body, idempotency_key="a")
    assert answer.status_code == 400, answer.content


def test_another_order_takes_its_place_at_the_exchange(world: World) -> None:
    copy = waiting_better(world)
    opened(world)
    caller = key("firm-token", tenant=world.tenant)
    [order] = world.orders()

    def change(price: str, idempotency_key: str) -> Any:
        body = json.dumps({"price": price, "quantity": "8"}).encode()
        return caller("POST", url(order, "change"), body, idempotency_key=idempotency_key)

    far = change("40000", "far")
    assert (far.status_code, far.json()["error"]["code"]) == (422, "price_far_off")
    answer = change("58000", "near")
    assert (answer.status_code, answer.json()["amended_price"]) == (202, "58000")
    assert change("58000", "near").content == answer.content
    assert change("58100", "near").status_code == 422  # of another request
    assert change("58100", "more").json()["error"]["code"] == "changing"
    world.check_until(lambda: len(sent(world, copy)) == 2, "another order is there")
    assert [row[1:4] for row in sent(world, copy)] == [
        ("58800", "canceled", "10"), ("58000", "live", "8"),
    ]  # fmt: skip
    assert world.orders()[0].reason_code == "changed_by_operator"
