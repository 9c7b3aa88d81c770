"""An exit that comes while an entry still works cancels it and keeps the books right."""

from decimal import Decimal

from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.trading.world import World
from trading.models import CopiedPosition, Intent
from trading.services.cancelling import entries_cancel

RESTING = {"order_type": "limit", "price": Decimal(59_000), "size_basis": "quote"}
"""Below the market of 60,000; at its own price a contract of 0.01 BTC costs 590."""


def test_a_close_of_a_resting_entry_leaves_nothing_behind(world: World) -> None:
    follower = world.follower()
    world.run(world.signal("open", size=Decimal(5_900), **RESTING))
    assert [(order.state, order.quantity) for order in world.orders()] == [("accepted", 10)]

    world.run(world.signal("close", side=""))

    assert [order.state for order in world.orders()] == ["cancelled"]
    assert [row["state"] for row in world.ledger_orders(follower)] == ["canceled"]
    position = world.held(follower)
    assert (position.filled, position.target) == (0, 0)


def test_the_next_opening_after_it_is_whole(world: World) -> None:
    follower = world.follower()
    world.run(world.signal("open", size=Decimal(5_900), **RESTING))
    world.run(world.signal("close", side=""))

    world.run(world.entry(size="0.1"))

    position = world.held(follower)
    assert (position.filled, position.target) == (10, 10)


def test_a_reduction_keeps_what_is_held_and_wants_no_more(world: World) -> None:
    follower = world.follower()
    world.run(world.entry(size="0.03"))
    world.run(world.signal("increase", size=Decimal(4_200), **RESTING))
    assert [order.state for order in world.orders()] == ["filled", "accepted"]

    half = {"size_basis": "position_fraction", "side": ""}
    world.run(world.signal("reduce", size=Decimal("0.5"), **half))

    position = world.held(follower)
    assert (position.filled, position.target) == (3, 3)  # five wanted, three are there


def test_what_fills_of_an_overtaken_entry_is_exited_again(world: World) -> None:
    follower = world.follower()
    world.paper.control.add_fault(
        "partial_fill", ratio=0.3, remainder="rest", endpoint="trade/order", count=1
    )
    entry = world.entry()
    world.fan_out(entry)  # 3 of 10 fill at once; our books do not know it yet
    with tenant_scope(world.tenant.pk):
        entries_cancel(
            tenant_id=world.tenant.pk, subscription_ids=[follower.pk], now=timezone.now()
        )
        CopiedPosition.objects.filter(subscription=follower).update(target=0)
    for _ in range(6):
        world.check()

    assert world.intent(entry, follower).status == "partial"
    assert world.held(follower).filled == 0
    assert world.held(follower).target == 0
    with tenant_scope(world.tenant.pk):
        repair = Intent.objects.get(cause="repair")
    assert repair.status == "filled"
    assert repair.quantity == 3
