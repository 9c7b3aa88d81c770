"""Coins of spot copies against the account's balance of each coin."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from customers.tenancy import tenant_scope
from tests.trading.reconciliation.test_by_hand import Hand, found, reread, second_copy
from tests.trading.reconciliation.test_money import move
from tests.trading.world import World
from trading.models import CashBook, CopiedPosition, Finding
from trading.models import Trade as RoundTrip

SPOT = "BTC/USDT"


def reread_coins(world: World, account_id: str, *, times: int = 2) -> None:
    for _ in range(times):
        with tenant_scope(world.tenant.pk):
            for row in CashBook.objects.exclude(missing_at=None):
                row.missing_at -= timedelta(seconds=5)
                row.save(update_fields=["missing_at"])
        reread(world, account_id, times=1)


def sell(hand: Hand, size: str) -> None:
    hand.order("sell", size, instId="BTC-USDT", tdMode="cash", tgtCcy="base_ccy")


def held_coins(world: World) -> Decimal:
    with tenant_scope(world.tenant.pk):
        return sum((row.filled for row in CopiedPosition.objects.all()), Decimal(0))


def test_coins_sold_by_hand_are_shared_out_over_the_copies_at_the_clients_price(
    world: World,
) -> None:
    follower = world.follower()
    other = second_copy(world, follower, ratio=Decimal("0.5"))
    world.run(world.entry(symbol=SPOT, size="0.1"))
    reread(world, follower.account_id)
    before = world.held(follower, SPOT), world.held(other, SPOT)
    assert found(world) == []
    sell(Hand(world, follower), "0.03")

    reread_coins(world, follower.account_id, times=1)
    assert found(world) == [], "seen once"
    reread_coins(world, follower.account_id, times=2)

    after = world.held(follower, SPOT), world.held(other, SPOT)
    lost = [old.filled - new.filled for old, new in zip(before, after, strict=True)]
    assert sum(lost) == Decimal("0.03")
    assert abs(lost[0] - Decimal("0.02")) <= Decimal("0.00000001")
    assert [new.target - old.target for old, new in zip(before, after, strict=True)] == [
        -share for share in lost
    ]
    assert found(world) == [("coins_missing", "adopted")] * 2
    with tenant_scope(world.tenant.pk):
        for finding in Finding.objects.all():
            assert finding.subscription_id in (follower.pk, other.pk)
            assert finding.params["currency"] == "BTC"


def test_all_coins_gone_ends_the_copies(world: World) -> None:
    follower = world.follower()
    world.run(world.entry(symbol=SPOT, size="0.1"))
    reread(world, follower.account_id)
    held = world.held(follower, SPOT).filled
    move(world, follower, f"-{held}", ccy="BTC")
    reread_coins(world, follower.account_id)
    position = world.held(follower, SPOT)
    assert (position.filled, position.target) == (0, 0)
    assert {kind for kind, _ in found(world)} == {"transfer_out", "coins_missing"}
    with tenant_scope(world.tenant.pk):
        trip = RoundTrip.objects.get()
    assert trip.exit_price == trip.entry_price, "moved away: neither profit nor loss"


def test_the_clients_own_coins_are_his_to_sell(world: World) -> None:
    follower = world.follower()
    world.run(world.entry(symbol=SPOT, size="0.1"))
    move(world, follower, "1", ccy="BTC")
    reread(world, follower.account_id)
    held = held_coins(world)
    sell(Hand(world, follower), "0.9")
    reread_coins(world, follower.account_id, times=3)
    assert held_coins(world) == held
    assert "coins_missing" not in {kind for kind, _ in found(world)}


def test_a_copy_goes_on_and_exits_what_is_left(world: World) -> None:
    follower = world.follower()
    world.run(world.entry(symbol=SPOT, size="0.1"))
    reread(world, follower.account_id)
    sell(Hand(world, follower), "0.04")
    reread_coins(world, follower.account_id)
    signal = world.signal("close", symbol=SPOT, side="")
    world.run(signal)
    assert world.intent(signal, follower).status == "filled"
    reread_coins(world, follower.account_id)
    assert [kind for kind, _ in found(world)] == ["coins_missing"]
