"""What becomes of an order whose answer was lost, cut, late or nonsense: over real sockets."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.trading.world import World
from trading import tasks
from trading.models import Fill, Order
from trading.services import sweeps
from trading.services.fanout.context import shard_context
from trading.services.fanout.shards import shard_claim, shard_plan
from trading.services.order_updates import OrderUpdate, order_updates_apply
from venues import markets
from venues.domain.types import FillSnapshot, OrderSnapshot, VenueOrderState

PLACE = {"endpoint": "trade/order", "method": "POST", "count": 1}
BOOKED = [
    ("drop", {}),
    ("cut_body", {}),
    ("http_status", {"status": 502}),
    ("http_status", {"status": 504}),
    ("http_status", {"status": 429}),
    ("error_code", {"code": "50001", "status": 503}),
    ("error_code", {"code": "50004", "status": 400}),
    ("error_code", {"code": "51149", "status": 500}),
    ("html", {}),
    ("empty_body", {}),
    ("empty_data", {}),
]


def _age(world: World, seconds: float) -> None:
    """As if that much more time had passed since the orders were sent."""
    with tenant_scope(world.tenant.pk):
        for order in Order.objects.exclude(sent_at=None):
            Order.objects.filter(pk=order.pk).update(
                sent_at=order.sent_at - timedelta(seconds=seconds),
                deadline_at=order.deadline_at - timedelta(seconds=seconds),
                check_at=timezone.now(),
            )


@pytest.mark.parametrize(("action", "rule"), BOOKED)
def test_a_booked_order_without_a_clear_answer_is_adopted_not_sent_again(
    world: World, action: str, rule: dict[str, Any]
) -> None:
    follower = world.follower()
    world.paper.control.add_fault(action, booked=True, **PLACE, **rule)

    world.fan_out(signal := world.entry())
    (order,) = world.orders()
    assert order.state == "unknown"
    assert order.reason_code == "outcome_unknown"
    world.check()

    assert world.intent(signal, follower).status == "filled"
    assert world.held(follower).filled == 10
    assert len(world.ledger_orders(follower)) == 1


@pytest.mark.parametrize(("action", "rule"), BOOKED)
def test_an_order_that_never_arrived_is_proven_absent_and_not_sent_again(
    world: World, action: str, rule: dict[str, Any]
) -> None:
    follower = world.follower()
    world.paper.control.add_fault(action, booked=False, **PLACE, **rule)

    world.fan_out(signal := world.entry())
    assert world.orders()[0].state == "unknown"
    world.check()
    assert world.orders()[0].state == "unknown"  # too early to conclude anything
    assert world.held(follower).target == 10  # an unknown order counts as working

    _age(world, 60)
    for _ in range(6):
        world.check()

    assert world.intent(signal, follower).status == "not_placed"
    assert world.ledger_orders(follower) == []
    assert world.held(follower).target == 0  # the target falls back


def test_failed_look_ups_prove_nothing(world: World) -> None:
    world.follower()
    world.paper.control.add_fault("drop", booked=False, **PLACE)
    world.fan_out(world.entry())
    world.paper.control.add_fault("http_status", status=503, endpoint="trade/*", method="GET")
    _age(world, 600)
    for _ in range(8):
        world.check()
    (order,) = world.orders()
    assert order.state == "unknown"
    assert order.misses == 0


def test_a_twin_that_shows_up_late_is_adopted(world: World) -> None:
    follower = world.follower()
    world.paper.control.add_fault("hide_order", ms=3000, **PLACE)
    world.paper.control.add_fault("drop", booked=True, **PLACE)
    world.fan_out(signal := world.entry())
    _age(world, 60)
    for _ in range(6):
        world.check()
    assert world.intent(signal, follower).status == "not_placed"
    assert world.held(follower).target == 0

    (order,) = world.orders()
    deadline = timezone.now() + timedelta(seconds=10)
    while world.intent(signal, follower).status != "filled" and timezone.now() < deadline:
        with tenant_scope(world.tenant.pk):
            Order.objects.filter(pk=order.pk).update(check_at=timezone.now())
        tasks.orders_check(order_ids=[order.pk], tenant_id=world.tenant.pk)

    assert world.intent(signal, follower).status == "filled"
    assert world.held(follower).filled == 10
    assert world.held(follower).target == 10


def test_a_definite_refusal_is_a_rejection_with_the_venues_words(world: World) -> None:
    follower = world.follower()
    world.paper.control.add_fault("error_code", code="51008", msg="Insufficient", **PLACE)
    world.run(signal := world.entry())
    intent = world.intent(signal, follower)
    assert intent.status == "rejected"
    assert intent.reason_code == "venue_rejected"
    assert intent.reason_params["code"] == "51008"
    assert world.held(follower).target == 0


def test_wrong_keys_turn_one_account_unhealthy_and_leave_the_others_alone(world: World) -> None:
    good = world.follower()
    bad_keys = world.paper.account()
    bad = world.follower(keys=type(bad_keys)(**{**_fields(bad_keys), "passphrase": "wrong"}))

    account = world.reload(bad.account)
    assert account.health == "unhealthy"
    assert account.health_code == "credentials_refused"
    assert account.health_params["code"] == "50105"
    world.run(signal := world.entry())
    assert world.intent(signal, good).status == "filled"
    assert world.intent(signal, bad).reason_code == "account_unhealthy"


def test_keys_revoked_between_check_and_send_are_noticed_by_the_send(world: World) -> None:
    follower = world.follower()
    world.paper.control.add_fault(
        "error_code", code="50111", status=401, msg="Invalid key", **PLACE
    )
    world.run(signal := world.entry())
    assert world.intent(signal, follower).reason_code == "credentials_refused"
    assert world.reload(follower.account).health == "unhealthy"


def _fields(keys: Any) -> dict[str, Any]:
    return {name: getattr(keys, name) for name in keys.__dataclass_fields__}


def test_a_sender_that_died_before_sending_gives_its_claim_back(world: World) -> None:
    follower = world.follower()
    signal = world.entry()
    with tenant_scope(world.tenant.pk):
        _plan_without_sending(world, signal)
        assert world.orders()[0].state == "claimed"
        Order.objects.update(
            claimed_until=timezone.now() - timedelta(seconds=1),
            created_at=timezone.now() - timedelta(seconds=5),
        )
    due = sweeps.orders_ready()
    assert due == {world.tenant.pk: [world.orders()[0].pk]}
    tasks.orders_submit(order_ids=due[world.tenant.pk], tenant_id=world.tenant.pk)
    world.check()
    assert world.intent(signal, follower).status == "filled"
    assert len(world.ledger_orders(follower)) == 1


def test_a_sender_that_died_while_sending_leaves_an_order_that_is_looked_up(world: World) -> None:
    follower = world.follower()
    signal = world.entry()
    with tenant_scope(world.tenant.pk):
        _plan_without_sending(world, signal)
        Order.objects.update(
            state="sending",
            sent_at=timezone.now() - timedelta(seconds=60),
            deadline_at=timezone.now() - timedelta(seconds=56),
        )
    assert sweeps.orders_lose_abandoned() == 1
    for _ in range(6):
        world.check()
    assert world.intent(signal, follower).status == "not_placed"
    assert world.ledger_orders(follower) == []


def _plan_without_sending(world: World, signal: Any) -> None:
    for shard_id in world.dispatch(signal):
        shard = shard_claim(shard_id=shard_id, tenant_id=world.tenant.pk, claimed_by="dead")
        assert shard is not None
        list(shard_plan(shard_context(shard, "dead")))


def test_a_lost_exit_is_tried_again_with_what_is_still_held(world: World) -> None:
    follower = world.follower()
    world.run(world.entry())
    world.paper.control.add_fault("drop", booked=False, **PLACE)
    world.fan_out(signal := world.signal("close", side=""))
    _age(world, 60)
    for _ in range(9):
        world.check()
    assert world.intent(signal, follower).status == "filled"
    assert world.held(follower).filled == Decimal(0)
    assert len(world.ledger_orders(follower)) == 2


def test_a_rate_limited_exit_is_tried_again(world: World) -> None:
    follower = world.follower()
    world.run(world.entry())
    world.paper.control.add_fault("error_code", code="50011", status=429, msg="slow", **PLACE)
    world.fan_out(signal := world.signal("close", side=""))
    (rejected,) = world.orders(state="rejected")
    with tenant_scope(world.tenant.pk):
        Order.objects.filter(pk=rejected.pk).update(check_at=timezone.now())
    tasks.orders_check(order_ids=[rejected.pk], tenant_id=world.tenant.pk)
    world.run(signal)
    assert world.intent(signal, follower).status == "filled"
    assert world.held(follower).filled == 0


def test_partly_filled_orders_follow_the_fills(world: World) -> None:
    follower = world.follower()
    world.paper.control.add_fault("partial_fill", ratio=0.4, remainder="cancel", **PLACE)
    world.run(signal := world.entry())
    assert world.intent(signal, follower).status == "partial"
    held = world.held(follower)
    assert held.filled == 4
    assert held.target == 4


def test_fills_that_are_told_again_with_new_ones_count_once(world: World) -> None:
    follower = world.follower()
    world.paper.control.add_fault("partial_fill", ratio=0.4, remainder="rest", **PLACE)
    world.run(signal := world.entry(), rounds=2)
    (order,) = world.orders()
    assert world.held(follower).filled == 4
    with tenant_scope(world.tenant.pk):
        known = Fill.objects.get()
    told = FillSnapshot(
        trade_id=known.trade_id,
        venue_order_id=order.venue_order_id,
        client_order_id=order.pk,
        symbol=order.symbol,
        side="buy",
        quantity=known.quantity,
        price=known.price,
        fee=known.fee,
        fee_currency=known.fee_currency,
        is_maker=False,
        filled_at_ms=int(known.filled_at.timestamp() * 1000),
    )
    rest = replace(told, trade_id="the rest", quantity=Decimal(6))
    shown = OrderSnapshot(
        venue_order_id=order.venue_order_id,
        client_order_id=order.pk,
        symbol=order.symbol,
        state=VenueOrderState.FILLED,
        quantity=Decimal(10),
        filled_quantity=Decimal(10),
        average_price=known.price,
    )
    instrument = markets.instrument("paper", order.symbol)
    assert instrument is not None
    for fills in ((rest, told), (told, rest)):
        with tenant_scope(world.tenant.pk):
            order_updates_apply(
                tenant_id=world.tenant.pk,
                updates=[OrderUpdate(order.pk, snapshot=shown, fills=fills)],
                instruments={"paper": {order.symbol: instrument}},
            )
    assert world.intent(signal, follower).status == "filled"
    assert world.held(follower).filled == 10
    with tenant_scope(world.tenant.pk):
        assert Fill.objects.count() == 2
