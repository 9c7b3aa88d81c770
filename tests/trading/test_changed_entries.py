"""People cancel and change waiting entries, at the exchange."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from customers.models import AuditEntry
from customers.tenancy import tenant_scope
from tests.factories import UserFactory
from tests.trading.test_amended_orders import LOW, LOWER, follow, resting
from tests.trading.test_chased_orders import chase
from tests.trading.test_resting_entries import (
    Died,
    books,
    chasing,
    its_time_is_over,
    opened,
    sent,
    settled,
    waiting_better,
)
from tests.trading.test_sliced_entries import large, slicing
from tests.trading.world import World
from trading.models import Order, OrderEvent
from trading.services.entry_changes import (
    Asker,
    EntryChangeRefusedError,
    entry_amend,
    entry_withdraw,
    later_slices,
)

INST = "BTC-USDT-SWAP"


@pytest.fixture(autouse=True)
def price(world: World) -> Any:
    yield
    world.paper.control.set_price(INST, "60000")


def asker(part: str = "client") -> Asker:
    return Asker(UserFactory(), Order.WithdrawnBy(part), reason="too dear")


def withdraw(world: World, part: str = "client") -> Order:
    """The newest order."""
    order = world.orders()[-1]
    with tenant_scope(world.tenant.pk):
        return entry_withdraw(order=order, asker=asker(part))


def amend(world: World, price: object, quantity: object) -> Order:
    order = world.orders()[-1]
    with tenant_scope(world.tenant.pk):
        return entry_amend(
            order=order, price=Decimal(str(price)), quantity=Decimal(str(quantity)), asker=asker()
        )


def refused(world: World, price: object, quantity: object) -> str:
    with pytest.raises(EntryChangeRefusedError) as caught:
        amend(world, price, quantity)
    assert caught.value.message
    return str(caught.value.code)


def test_a_cancelled_entry_is_over_and_what_it_filled_stays(world: World) -> None:
    copy = chasing(world)
    world.paper.control.add_fault(
        "partial_fill", ratio=0.3, remainder="rest", endpoint="trade/order", count=1
    )
    signal = opened(world, price=Decimal("60000.6"))
    withdraw(world, "operator")  # our books do not know of the three yet
    its_time_is_over(world)  # even so, the rest is not entered at market
    settled(world)
    assert [row[2:] for row in sent(world, copy)] == [("canceled", "10", "3")]
    assert books(world, copy) == (3, 3)
    intent = world.intent(signal, copy)
    assert (intent.status, intent.reason_code) == ("partial", "cancelled_by_operator")
    with tenant_scope(world.tenant.pk):
        entry = AuditEntry.objects.get(action="order.withdrawn")
        assert OrderEvent.objects.get(kind="withdraw").details == {"by": "operator"}
    assert (entry.details, entry.target) == (
        {"reason": "too dear"}, f"trading.order:{world.orders()[0].pk}",
    )  # fmt: skip


def test_it_still_counts_as_working_until_its_end(world: World) -> None:
    copy = waiting_better(world)
    opened(world)
    withdraw(world)
    opened(world, action="increase", size="0.05")
    world.check_until(lambda: world.orders()[0].state == "cancelled", "it is cancelled")
    assert [row[2:] for row in sent(world, copy)] == [("canceled", "10", "0"), ("live", "5", "0")]
    assert books(world, copy) == (0, 5)


def test_another_order_takes_the_place_of_a_changed_one(world: World) -> None:
    copy = chasing(world)
    signal = opened(world, price=Decimal(58_800))
    until = world.orders()[0].rests_until
    amend(world, "58000.04", 8)
    assert refused(world, 58_100, 8) == "changing"
    world.check_until(lambda: len(sent(world, copy)) == 2, "another order is there")
    assert sent(world, copy) == [
        ("limit", "58800", "canceled", "10", "0"),
        ("limit", "58000", "live", "8", "0"),
    ]
    old, new = world.orders()
    assert (old.reason_code, new.attempt, new.rests_until) == ("changed_by_client", 2, until)
    assert books(world, copy) == (0, 8)
    assert world.intent(signal, copy).status == "working"
    its_time_is_over(world)
    settled(world)
    assert sent(world, copy)[2] == ("ioc", "61152", "filled", "8", "8")
    assert books(world, copy) == (8, 8)


def test_a_crash_around_the_end_of_a_changed_one_leaves_one_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = waiting_better(world)
    opened(world)
    amend(world, 58_000, 8)

    def dies(name: str) -> None:
        if name == "updates.before_commit" and sent(world, copy)[0][2] == "canceled":
            raise Died

    with monkeypatch.context() as patched:
        patched.setattr("trading.services.order_updates.apply.failpoint", dies)
        with pytest.raises(Died):
            world.check_until(lambda: False, "it dies")
    world.check_until(lambda: len(sent(world, copy)) == 2, "another order is there")
    for _ in range(3):
        world.check()
    assert [row[1:3] for row in sent(world, copy)] == [("58800", "canceled"), ("58000", "live")]
    assert books(world, copy) == (0, 8)


def test_an_exit_in_between_ends_it(world: World) -> None:
    copy = waiting_better(world)
    opened(world)
    amend(world, 58_000, 8)
    world.fan_out(world.signal("close", side=""))
    settled(world)
    assert [row[2] for row in sent(world, copy)] == ["canceled"]
    assert books(world, copy) == (0, 0)


def test_the_leaders_order_can_be_left_and_is_then_not_made_up_for(world: World) -> None:
    """A client's wish is not turned into a replacement by what the leader does after it."""
    copy = world.follower()
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    withdraw(world)
    follow(world, filled := chase(world, placed, "0.1"))
    settled(world)
    assert [row[2] for row in sent(world, copy)] == ["canceled"]
    assert world.intent(filled, copy).reason_code == "nothing_rested"


def test_the_leaders_amendment_replaces_what_a_client_changed(world: World) -> None:
    copy = world.follower()
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    amend(world, 57_500, 5)
    world.check_until(lambda: len(world.orders()) == 2, "another order is there")
    amended = resting(world, "0.2", LOWER, amends=placed)
    follow(world, amended)
    live = [row for row in sent(world, copy) if row[2] == "live"]
    assert live == [("limit", "57000", "live", "20", "0")]
    assert books(world, copy) == (0, 20)


def test_what_waits_for_a_close_is_cancelled_unsent(world: World) -> None:
    copy = world.follower()
    world.run(world.entry())
    world.fan_out(world.entry("flip", side="short"))
    withdrawn = withdraw(world)
    assert (withdrawn.is_entry, withdrawn.state) == (True, "ready")
    settled(world)
    assert len(sent(world, copy)) == 2
    ended = world.reload(withdrawn)
    assert (ended.state, ended.reason_code) == ("rejected", "cancelled_by_client")
    assert books(world, copy) == (0, 0)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"symbol_exposure_cap": "5950"}, "symbol_exposure"),
        ({"account_exposure_cap": "5950"}, "account_exposure"),
        ({"total_cap": "1190"}, "total_cap"),
        ({"per_order_cap": "1190"}, "above_largest"),
    ],
)
def test_what_a_higher_price_costs_more_is_judged(
    world: World, values: dict[str, str], code: str
) -> None:
    """Ten contracts at 58,800 are 5,880 of notional; at 60,000 they would be 6,000."""
    waiting_better(world, **values)
    opened(world)
    assert refused(world, 60_000, 10) == code
    amend(world, 60_000, 9)
    assert world.orders()[-1].amended_quantity == 9


def test_no_price_far_beyond_the_market(world: World) -> None:
    """BTC: half a percent, where the copy says nothing else."""
    waiting_better(world)
    opened(world)
    assert refused(world, "60300.2", 10) == "price_beyond_market"
    assert amend(world, "60300.07", 10).amended_price == Decimal(60_300)


def test_a_slice_is_cancelled_with_those_after_it(world: World) -> None:
    copy = slicing(world)
    large(world)
    world.check_until(lambda: world.held(copy).filled == 4, "the first slice is filled")
    second, third = world.orders(send_at__isnull=False)
    with tenant_scope(world.tenant.pk):
        assert later_slices(second).count() == 1
        entry_withdraw(order=second, asker=asker())
        assert AuditEntry.objects.filter(action="order.withdrawn").count() == 2
    settled(world)
    assert {world.reload(each).reason_code for each in (second, third)} == {"cancelled_by_client"}
    assert books(world, copy) == (4, 4)


def test_only_what_waits_is_changed(world: World) -> None:
    world.follower()
    world.run(world.entry())
    assert refused(world, 59_000, 5) == "not_on_the_book"
    with pytest.raises(EntryChangeRefusedError):
        withdraw(world)
