"""Clients trade by hand, with the exchange's own SDK, on accounts that are copied to."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from okx import Account, Trade

from customers.models import ExchangeAccount
from customers.tenancy import tenant_scope
from strategies.models import Subscription
from tests.factories import ReconciliationPolicyFactory, StrategyFactory, SubscriptionFactory
from tests.trading.world import SYMBOL, World
from trading import tasks
from trading.models import Fill, Finding, Order, UnattributedPosition
from trading.models import Trade as RoundTrip

INST = "BTC-USDT-SWAP"


class Hand:
    """The client at his exchange."""

    def __init__(self, world: World, follower: Subscription) -> None:
        self._world, self.account_id = world, follower.account_id
        keys = world.keys[follower.account_id]
        signed = (keys.api_key, keys.secret_key, keys.passphrase)
        self.trading = Trade.TradeAPI(*signed, domain=world.paper.url, debug=False)
        self.settings = Account.AccountAPI(*signed, domain=world.paper.url, debug=False)

    def order(self, side: str, size: str, **fields: str) -> None:
        values = {"instId": INST, "tdMode": "cross", "ordType": "market", **fields}
        answer = self.trading.place_order(side=side, sz=size, **values)
        assert answer["code"] == "0", answer

    def cancel(self, client_order_id: str) -> None:
        answer = self.trading.cancel_order(instId=INST, clOrdId=client_order_id)
        assert answer["code"] == "0", answer

    def is_working(self, client_order_id: str) -> bool:
        rows = self.trading.get_order_list(instType="SWAP")["data"]
        return client_order_id in {row["clOrdId"] for row in rows}

    def leverage(self, times: str) -> None:
        answer = self.settings.set_leverage(instId=INST, lever=times, mgnMode="cross")
        assert answer["code"] == "0", answer

    def held(self) -> Decimal:
        rows = self.settings.get_positions(instType="SWAP")["data"]
        signs = {"short": -1}
        return sum((Decimal(row["pos"]) * signs.get(row["posSide"], 1) for row in rows), Decimal(0))


def reread(world: World, account_id: str, *, times: int = 2) -> None:
    """Passes over the account, as sweeps have them done, each some seconds after the last."""
    for _ in range(times):
        with tenant_scope(world.tenant.pk):
            for row in UnattributedPosition.objects.exclude(suspected_at=None):
                row.suspected_at -= timedelta(seconds=5)
                row.save(update_fields=["suspected_at"])
        tasks.accounts_reread(account_ids=[account_id], tenant_id=world.tenant.pk)


def found(world: World) -> list[tuple[str, str]]:
    with tenant_scope(world.tenant.pk):
        return list(Finding.objects.order_by("pk").values_list("kind", "outcome"))


def second_copy(world: World, follower: Subscription, **terms: object) -> Subscription:
    """Of another strategy that the same source feeds, on the same account."""
    return SubscriptionFactory(
        tenant=world.tenant,
        strategy=StrategyFactory(tenant=world.tenant, source=world.source),
        account=follower.account,
        customer=follower.customer,
        **{"sizing_mode": "leader_ratio", "ratio": Decimal(1), **terms},
    )


def unattributed(world: World) -> Decimal:
    with tenant_scope(world.tenant.pk):
        return sum((row.quantity for row in UnattributedPosition.objects.all()), Decimal(0))


@pytest.mark.parametrize("position_mode", ["net", "long_short"])
def test_a_close_by_hand_ends_the_copies_and_their_trades(world: World, position_mode: str) -> None:
    follower = world.follower(position_mode=position_mode)
    other = second_copy(world, follower, ratio=Decimal("0.5"))
    world.run(world.entry(size="0.1"))
    assert (world.held(follower).filled, world.held(other).filled) == (10, 5)
    hand = Hand(world, follower)
    side = {"posSide": "long"} if position_mode == "long_short" else {}
    hand.order("sell", "15", **side)

    reread(world, follower.account_id)

    for copy in (world.held(follower), world.held(other)):
        assert (copy.filled, copy.target) == (0, 0)
    assert unattributed(world) == hand.held() == 0
    assert found(world) == [("manual_close", "adopted")] * 2
    with tenant_scope(world.tenant.pk):
        assert RoundTrip.objects.count() == 2
        foreign = Fill.objects.filter(order=None)
        assert {row.attribution for row in foreign} == {"manual"}
    fees = sum(Decimal(row["fee"]) for row in world.ledger_orders(follower))
    assert sum((world.held(each).fees for each in (follower, other)), Decimal(0)) == -fees


def test_what_waits_to_enter_ends_with_a_position_that_was_closed_by_hand(world: World) -> None:
    values = {"execution": "sliced", "slice_count": 3, "slice_interval_seconds": 3600}
    follower = world.follower(settings={"values": values, "symbols": {}})
    world.fan_out(world.entry(size="0.12"))
    world.check_until(lambda: world.held(follower).filled == 4, "the first slice is filled")
    hand = Hand(world, follower)
    hand.order("sell", "1")
    reread(world, follower.account_id)
    assert (world.held(follower).filled, world.held(follower).target) == (3, 11)
    hand.order("sell", "3")
    reread(world, follower.account_id)
    assert (world.held(follower).filled, world.held(follower).target) == (0, 0)
    world.check_until(lambda: world.check() == 0, "every order has ended")
    assert [order.reason_code for order in world.orders()] == ["", "overtaken", "overtaken"]
    assert world.held(follower).target == hand.held() == 0


@pytest.mark.parametrize("position_mode", ["net", "long_short"])
def test_a_partial_close_by_hand_is_shared_out_and_the_next_signal_goes_on_from_there(
    world: World, position_mode: str
) -> None:
    follower = world.follower(position_mode=position_mode)
    other = second_copy(world, follower, ratio=Decimal("0.5"))
    world.run(world.entry(size="0.1"))
    hand = Hand(world, follower)
    side = {"posSide": "long"} if position_mode == "long_short" else {}
    hand.order("sell", "3", **side)

    reread(world, follower.account_id)

    assert (world.held(follower).filled, world.held(other).filled) == (8, 4)
    assert found(world) == [("manual_reduction", "adopted")] * 2
    world.run(world.entry("increase", size="0.02"))
    assert (world.held(follower).filled, world.held(other).filled) == (10, 5)
    world.run(world.signal("close", side=""))
    assert hand.held() == 0


def test_what_the_client_opens_by_hand_is_his_own(world: World) -> None:
    follower = world.follower()
    world.run(world.entry(size="0.1"))
    hand = Hand(world, follower)
    hand.order("buy", "4")
    reread(world, follower.account_id)
    assert (world.held(follower).filled, unattributed(world)) == (10, 4)
    hand.order("sell", "6")  # his own 4, and 2 of the copy
    reread(world, follower.account_id)
    assert (world.held(follower).filled, unattributed(world), hand.held()) == (8, 0, 8)
    assert [kind for kind, _ in found(world)] == ["manual_open", "manual_reduction"]


def test_a_short_by_hand_beside_a_hedged_long_copy_leaves_the_copy_alone(world: World) -> None:
    follower = world.follower(position_mode="long_short")
    world.run(world.entry(size="0.1"))
    hand = Hand(world, follower)
    hand.order("sell", "4", posSide="short")
    reread(world, follower.account_id)
    assert (world.held(follower).filled, unattributed(world), hand.held()) == (10, -4, 6)
    assert found(world) == [("manual_open", "adopted")]


def test_a_position_from_before_is_the_clients_own(world: World) -> None:
    keys = world.paper.account(usdt="100000")
    follower = world.follower(keys=keys)
    with tenant_scope(world.tenant.pk):
        ExchangeAccount.objects.update(reconciled_at=None)
        follower.account.books.delete()
    hand = Hand(world, follower)
    hand.order("buy", "7")
    reread(world, follower.account_id, times=1)
    world.run(world.entry(size="0.1"))
    with tenant_scope(world.tenant.pk):
        assert not Order.objects.exists(), "nothing is opened before the books agree"
    reread(world, follower.account_id, times=2)
    assert found(world) == [("held_before", "adopted")]
    world.run(world.entry(size="0.1"))
    assert (world.held(follower).filled, unattributed(world), hand.held()) == (10, 7, 17)


def test_entries_wait_for_books_that_agreed_lately_and_exits_do_not(world: World) -> None:
    follower = world.follower()
    world.run(world.entry(size="0.1"))
    with tenant_scope(world.tenant.pk):
        ExchangeAccount.objects.update(reconciled_at=timezone.now() - timedelta(minutes=16))
    signal = world.entry("increase", size="0.1")
    world.run(signal)
    assert world.intent(signal, follower).reason_code == "account_not_reconciled"
    world.run(world.signal("close", side=""))
    assert world.held(follower).filled == 0
    reread(world, follower.account_id, times=1)
    world.run(world.entry(size="0.1"))
    assert world.held(follower).filled == 10


def test_a_liquidation_is_called_one_and_stays_open(world: World) -> None:
    follower = world.follower(usdt="700")
    world.run(world.entry(size="0.1", leverage=Decimal(20)))
    assert world.held(follower).filled == 10
    price = Decimal(world.held(follower).average_entry_price)
    world.paper.control.set_price(INST, str(round(price * Decimal("0.85"), 1)))
    hand = Hand(world, follower)
    try:
        reread(world, follower.account_id)
    finally:
        world.paper.control.set_price(INST, str(round(price, 1)))
    assert world.held(follower).filled == hand.held()
    assert {kind for kind, _ in found(world)} == {"liquidation"}
    with tenant_scope(world.tenant.pk):
        assert {row.state for row in Finding.objects.all()} == {"open"}


def test_a_leverage_changed_by_hand_is_found_once_and_set_again(world: World) -> None:
    follower = world.follower()
    world.run(world.entry(size="0.1", leverage=Decimal(5)))
    hand = Hand(world, follower)
    hand.leverage("9")
    reread(world, follower.account_id, times=3)
    assert found(world) == [("leverage_changed", "adopted")]
    world.run(world.entry("increase", size="0.1", leverage=Decimal(5)))
    with tenant_scope(world.tenant.pk):
        last = Order.objects.order_by("-pk").first()
    assert last is not None and last.leverage == 5


def test_a_leverage_changed_by_hand_while_flat_is_set_again_by_the_next_entry(
    world: World,
) -> None:
    """Nothing that is held shows it: it is asked for."""
    follower = world.follower()
    world.run(world.entry(size="0.1", leverage=Decimal(5)))
    world.run(world.signal("close", side=""))
    hand = Hand(world, follower)
    hand.leverage("50")
    reread(world, follower.account_id, times=2)
    assert found(world) == [("leverage_changed", "adopted")]
    world.run(world.entry(size="0.1", leverage=Decimal(5)))
    (shown,) = hand.settings.get_positions(instType="SWAP")["data"]
    assert shown["lever"] == "5"
    assert world.ledger_orders(follower)[-1]["lever"] == "5"
    reread(world, follower.account_id, times=2)
    assert len(found(world)) == 1


def test_each_side_of_an_isolated_hedge_is_set_again_when_one_was_changed_while_flat(
    world: World,
) -> None:
    follower = world.follower(position_mode="long_short")
    with tenant_scope(world.tenant.pk):
        ExchangeAccount.objects.filter(pk=follower.account_id).update(margin_mode="isolated")
    world.run(world.entry(size="0.1", leverage=Decimal(5)))
    world.run(world.signal("close", side=""))
    hand = Hand(world, follower)
    answer = hand.settings.set_leverage(instId=INST, lever="9", mgnMode="isolated", posSide="short")
    assert answer["code"] == "0", answer
    reread(world, follower.account_id)
    assert found(world) == [("leverage_changed", "adopted")]
    world.run(world.entry(size="0.1", side="short", leverage=Decimal(9)))
    world.run(world.signal("close", side=""))
    answer = hand.settings.get_leverage(instId=INST, mgnMode="isolated")
    assert {row["lever"] for row in answer["data"]} == {"9"}


def test_an_order_with_an_id_like_ours_that_we_did_not_place_is_found(world: World) -> None:
    follower = world.follower()
    hand = Hand(world, follower)
    theirs = "01jcqk4v6w8x9yzabcdefghjkm"
    hand.order("buy", "1", ordType="limit", px="1000", clOrdId=theirs)
    reread(world, follower.account_id, times=3)
    assert found(world) == [("unknown_order", "")]


def test_the_firms_policy_keeps_findings_open(world: World) -> None:
    follower = world.follower()
    ReconciliationPolicyFactory(tenant=world.tenant, subscription=None, policy="alert")
    world.run(world.entry(size="0.1"))
    Hand(world, follower).order("sell", "10")
    reread(world, follower.account_id)
    assert found(world) == [("manual_close", "")]
    assert world.held(follower).filled == 0
    with tenant_scope(world.tenant.pk):
        (finding,) = Finding.objects.all()
    assert (finding.symbol, finding.policy, finding.params["left"]) == (SYMBOL, "alert", "0")


def test_by_the_policy_to_repair_what_the_client_opened_is_exited_and_no_copy_is(
    world: World,
) -> None:
    follower = world.follower()
    ReconciliationPolicyFactory(tenant=world.tenant, subscription=None, policy="repair")
    world.run(world.entry(size="0.1"))
    hand = Hand(world, follower)
    hand.order("buy", "4")
    reread(world, follower.account_id)
    world.check()
    reread(world, follower.account_id)
    assert (world.held(follower).filled, unattributed(world), hand.held()) == (10, 0, 10)
    assert found(world) == [("manual_open", "repaired")]
    with tenant_scope(world.tenant.pk):
        exit_order = Order.objects.get(subscription_id="")
        assert exit_order.reduce_only and not exit_order.is_entry
        assert {row.attribution for row in exit_order.fills.all()} == {"operator"}


def test_a_repair_is_in_the_margin_mode_of_the_position(world: World) -> None:
    follower = world.follower()
    ReconciliationPolicyFactory(tenant=world.tenant, subscription=None, policy="repair")
    reread(world, follower.account_id)
    hand = Hand(world, follower)
    hand.order("buy", "4", tdMode="isolated")
    reread(world, follower.account_id)
    world.check()
    assert hand.held() == 0


def test_a_repair_leaves_the_client_what_he_held_before(world: World) -> None:
    follower = world.follower()
    hand = Hand(world, follower)
    hand.order("buy", "7")
    reread(world, follower.account_id)
    assert unattributed(world) == 7
    ReconciliationPolicyFactory(tenant=world.tenant, subscription=None, policy="repair")
    hand.order("buy", "4")
    reread(world, follower.account_id)
    world.check()
    reread(world, follower.account_id)
    assert (unattributed(world), hand.held()) == (7, 7)


def test_a_copy_closed_by_hand_is_not_entered_again_by_any_policy(world: World) -> None:
    follower = world.follower()
    ReconciliationPolicyFactory(tenant=world.tenant, subscription=None, policy="repair")
    world.run(world.entry(size="0.1"))
    Hand(world, follower).order("sell", "10")
    reread(world, follower.account_id, times=3)
    world.check()
    assert len(world.orders()) == 1
    assert world.held(follower).filled == 0
