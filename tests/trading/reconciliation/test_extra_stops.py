"""Stop orders that the client places beside his copies."""

from __future__ import annotations

from customers.tenancy import tenant_scope
from tests.factories import ReconciliationPolicyFactory
from tests.trading.reconciliation.test_by_hand import INST, Hand, found, reread
from tests.trading.world import World
from trading.finding_texts import finding_text
from trading.models import Finding


def place_stop(hand: Hand) -> str:
    answer = hand.trading.place_algo_order(
        instId=INST,
        tdMode="cross",
        side="sell",
        ordType="conditional",
        sz="10",
        slTriggerPx="30000",
        slOrdPx="-1",
        reduceOnly="true",
    )
    assert answer["code"] == "0", answer
    return str(answer["data"][0]["algoId"])


def test_a_stop_by_hand_is_found_once_and_named(world: World) -> None:
    follower = world.follower()
    world.run(world.entry(size="0.1"))
    place_stop(Hand(world, follower))
    reread(world, follower.account_id, times=3)
    assert found(world) == [("stop_extra", "adopted")]
    with tenant_scope(world.tenant.pk):
        finding = Finding.objects.get()
    assert finding.params["stop_loss"] == "30000"
    text = finding_text(finding.kind, {**finding.params, "symbol": finding.symbol})
    assert "stop loss at 30000, take profit at –" in text


def test_an_open_finding_of_a_stop_passes_when_the_stop_is_gone(world: World) -> None:
    follower = world.follower()
    ReconciliationPolicyFactory(tenant=world.tenant, subscription=None, policy="alert")
    world.run(world.entry(size="0.1"))
    hand = Hand(world, follower)
    stop = place_stop(hand)
    reread(world, follower.account_id)
    assert found(world) == [("stop_extra", "")]
    answer = hand.trading.cancel_algo_order([{"instId": INST, "algoId": stop}])
    assert answer["code"] == "0", answer
    reread(world, follower.account_id)
    assert found(world) == [("stop_extra", "passed")]


def test_stops_that_cannot_be_read_pass_nothing_and_hold_up_nothing(world: World) -> None:
    follower = world.follower()
    ReconciliationPolicyFactory(tenant=world.tenant, subscription=None, policy="alert")
    place_stop(Hand(world, follower))
    reread(world, follower.account_id)
    world.paper.control.add_fault(
        "http_status",
        status=503,
        endpoint="trade/orders-algo-pending",
        account=world.keys[follower.account_id].api_key,
    )
    try:
        reread(world, follower.account_id)
    finally:
        world.paper.control.clear_faults()
    assert found(world) == [("stop_extra", "")]
    with tenant_scope(world.tenant.pk):
        follower.account.refresh_from_db()
        assert follower.account.failed_reads == 0
        assert follower.account.books.differs_since is None
