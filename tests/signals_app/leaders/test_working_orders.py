"""A leader's resting orders become signals while they rest, and their fills move nobody then."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal as D

import pytest

from customers.tenancy import tenant_scope
from signals_app.domain.leaders.working_orders import (
    KnownOrder,
    OrderStep,
    ending,
    order_step,
    worst_price,
)
from signals_app.models import Signal, SignalSource
from signals_app.services.leaders.orders import leader_order_take
from tests.signals_app.leaders.conftest import INST, LeaderWorld, MakeLeader
from venues.domain.types import OrderSnapshot, VenueOrderState

BTC = "BTC/USDT:USDT"


def resting(**changes) -> OrderSnapshot:
    values = {
        "venue_order_id": "1",
        "client_order_id": "",
        "symbol": BTC,
        "state": VenueOrderState.WORKING,
        "quantity": D(5),
        "filled_quantity": D(0),
        "average_price": None,
        "side": "buy",
        "order_type": "limit",
        "price": D(50_000),
        **changes,
    }
    return OrderSnapshot(**values)


KNOWN = KnownOrder(D(50_000), D(5))
CANCELLED, FILLED = VenueOrderState.CANCELLED, VenueOrderState.FILLED


@pytest.mark.parametrize(
    ("order", "known", "exposure", "step"),
    [
        (resting(), None, 0, OrderStep.PLACE),
        (resting(order_type="post_only"), None, 3, OrderStep.PLACE),
        (resting(side="sell"), None, -3, OrderStep.PLACE),
        (resting(side="sell", position_side="short"), None, 0, OrderStep.PLACE),
        # What takes away, and what does not rest, is followed when it is filled.
        (resting(side="sell"), None, 3, None),
        (resting(side="buy", position_side="short"), None, 0, None),
        (resting(reduce_only=True), None, 0, None),
        (resting(order_type="market", price=None), None, 0, None),
        (resting(order_type="ioc"), None, 0, None),
        (resting(), KNOWN, 0, None),
        (resting(price=D(49_000)), KNOWN, 0, OrderStep.AMEND),
        (resting(quantity=D(6)), KNOWN, 0, OrderStep.AMEND),
        (resting(state=CANCELLED), KNOWN, 0, OrderStep.END),
        (resting(state=CANCELLED, filled_quantity=D(2)), KNOWN, 0, OrderStep.END),
        (resting(state=FILLED, filled_quantity=D(5)), KNOWN, 0, OrderStep.END),
        (resting(state=CANCELLED), None, 0, None),
    ],
)
def test_what_followers_are_told(order, known, exposure, step):
    assert order_step(order, known, D(exposure)) is step


@pytest.mark.parametrize(
    ("setting", "filled", "told"),
    [
        ("chase", 5, "chase"), ("leave", 5, "nothing"), ("cancel", 5, "cancel"),
        # A part was filled, and the rest cancelled.
        ("chase", 2, "chase"), ("leave", 2, "cancel"), ("cancel", 2, "cancel"),
        ("chase", 0, "cancel"), ("leave", 0, "cancel"), ("cancel", 0, "cancel"),
    ],
)  # fmt: skip
def test_what_followers_are_told_of_its_end(setting: str, filled: int, told: str) -> None:
    assert ending(setting, filled=D(filled), quantity=D(5)) == told


def test_the_worst_price_of_a_chase_is_worse_for_each_side() -> None:
    assert worst_price(D(50_000), 1, D(50)) == 50_250
    assert worst_price(D(50_000), -1, D(50)) == 49_750
    assert worst_price(D(50_000), 1, None) is None


# --- on the paper exchange ----------------------------------------------------------------------


@pytest.fixture
def leader(make_leader: MakeLeader) -> LeaderWorld:
    world = make_leader()
    world.change(follow_orders="working")
    return world


def below(world: LeaderWorld, share: str = "0.98") -> str:
    return format((D(world.paper_price()) * D(share)).quantize(D("0.1")), "f")


def read(world: LeaderWorld) -> list[Signal]:
    time.sleep(0.5)  # positions, and with them orders, are compared when nothing was just traded
    return world.reconcile()


def test_placed_amended_and_cancelled(leader: LeaderWorld) -> None:
    price, lower = below(leader), below(leader, "0.97")
    order_id = leader.order("buy", "5", ordType="limit", px=price)
    [placed] = read(leader)
    assert (placed.action, placed.order_type, placed.price, placed.size) == (
        "open", "limit", D(price), 5,
    )  # fmt: skip
    assert read(leader) == []
    assert (
        leader.trading.amend_order(instId=INST, ordId=order_id, newSz="8", newPx=lower)["code"]
        == "0"
    )
    [amended] = read(leader)
    assert (amended.action, amended.price, amended.size) == ("open", D(lower), 8)
    assert amended.amends_id == placed.pk
    leader.trading.cancel_order(instId=INST, ordId=order_id)
    [cancelled] = read(leader)
    assert (cancelled.action, cancelled.amends_id) == ("cancel", amended.pk)
    assert read(leader) == []


def test_the_fills_of_a_followed_order_move_nobody(leader: LeaderWorld) -> None:
    ask = D(leader.paper_price()) * D("1.001")
    price = format(ask.quantize(D("0.1")), "f")
    order = resting(venue_order_id="", price=D(price), quantity=D(4))
    order_id = leader.order("buy", "4", ordType="limit", px=price)  # filled at once
    with tenant_scope(leader.leader.tenant_id):
        placed = leader_order_take(
            tenant_id=leader.leader.tenant_id,
            leader_id=leader.leader.pk,
            order=resting(**{**_fields(order), "venue_order_id": order_id}),
        )
    assert placed is not None
    [chase] = read(leader)
    assert (chase.amends_id, chase.is_chase) == (placed.pk, True)
    assert {trade.outcome for trade in leader.trades()} == {"working_order"}
    assert leader.positions() == {(BTC, "net"): 4}
    leader.order("sell", "1")
    [reduced] = read(leader)
    assert (reduced.action, reduced.leader_position_before) == ("reduce", 4)


def filled_order(world: LeaderWorld) -> tuple[Signal, str]:
    """A resting order that followers were told of, filled since; its signal and its price."""
    price = below(world, "0.999")
    world.order("buy", "4", ordType="limit", px=price)
    [placed] = read(world)
    assert (placed.order_type, placed.price) == ("limit", D(price))
    last = world.paper_price()
    world.paper.control.set_price(INST, format(D(price) * D("0.999"), "f"))
    world.paper.control.set_price(INST, last)
    return placed, price


def test_a_filled_order_is_chased_once(leader: LeaderWorld) -> None:
    placed, price = filled_order(leader)
    [chase] = read(leader)
    assert (chase.action, chase.order_type, chase.price, chase.size, chase.worst_price) == (
        "open", "market", D(price), 4, None,
    )  # fmt: skip
    assert (chase.amends_id, chase.is_chase) == (placed.pk, True)
    assert read(leader) == []
    filled = resting(
        venue_order_id=leader.trades()[-1].venue_order_id, state=FILLED, filled_quantity=D(4),
        quantity=D(4), price=D(price),
    )  # fmt: skip
    with tenant_scope(leader.leader.tenant_id):  # the stream tells late what was read already
        ids = {"tenant_id": leader.leader.tenant_id, "leader_id": leader.leader.pk}
        assert leader_order_take(**ids, order=filled) is None


def test_a_chase_has_the_price_of_its_slippage(leader: LeaderWorld) -> None:
    leader.change(chase_slippage_bps=D(20))
    _, price = filled_order(leader)
    [chase] = read(leader)
    assert chase.worst_price == D(price) * D("1.002")


def test_a_filled_order_is_left_or_cancelled_by_the_setting(leader: LeaderWorld) -> None:
    leader.change(after_fill="leave")
    filled_order(leader)
    assert read(leader) == []
    leader.change(after_fill="cancel")
    placed, _ = filled_order(leader)
    [cancelled] = read(leader)
    assert (cancelled.action, cancelled.amends_id) == ("cancel", placed.pk)


def test_a_limit_of_entries_leaves_nothing_resting(leader: LeaderWorld) -> None:
    """One entry a minute: what became of it is told all the same."""
    with tenant_scope(leader.leader.tenant_id):
        SignalSource.objects.filter(pk=leader.leader.source_id).update(entries_per_minute=1)
    filled_order(leader)
    [chase] = read(leader)
    assert chase.is_chase


def test_a_chase_is_as_old_as_the_leaders_fill(leader: LeaderWorld) -> None:
    """Heard of after a gap it may be too late for entries."""
    leader.lifetime(1)
    filled_order(leader)
    time.sleep(1.5)
    [chase] = read(leader)
    assert chase.emitted_at >= leader.trades()[-1].filled_at - timedelta(milliseconds=1)
    assert chase.expires_at < chase.received_at


def _fields(order: OrderSnapshot) -> dict[str, object]:
    return {"price": order.price, "quantity": order.quantity}


def test_by_default_a_resting_order_is_followed_when_it_is_filled(make_leader: MakeLeader) -> None:
    world = make_leader()
    world.order("buy", "5", ordType="limit", px=below(world))
    assert read(world) == []
    world.order("buy", "2", ordType="limit", px=below(world, "1.001"))
    world.reconcile()
    assert world.told() == [("open", "0 → 2", "")]
