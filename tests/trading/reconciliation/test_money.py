"""Money that moves without a trade: found, named, booked once, and everything else explained."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from okx import Account, Funding

from customers.tenancy import tenant_scope
from strategies.models import Subscription
from tests.trading.reconciliation.test_by_hand import INST, Hand, found, reread, second_copy
from tests.trading.world import SYMBOL, World
from trading.models import (
    AccountBill,
    AccountBooks,
    CashBook,
    Fill,
    Finding,
    FundingShare,
    UnattributedPosition,
)
from trading.services.reconciliation import passing
from venues.okx import transport


def move(world: World, follower: Subscription, amount: str, **fields: str) -> None:
    keys = world.keys[follower.account_id]
    body = {"apiKey": keys.api_key, "ccy": "USDT", "amt": amount, **fields}
    world.paper.control.call("POST", "deposits", body)


def cash_at_exchange(world: World, follower: Subscription) -> dict[str, Decimal]:
    keys = world.keys[follower.account_id]
    api = Account.AccountAPI(
        keys.api_key, keys.secret_key, keys.passphrase, domain=world.paper.url, debug=False
    )
    details = api.get_account_balance()["data"][0]["details"]
    return {row["ccy"]: Decimal(row["cashBal"]) for row in details}


def cash_in_books(world: World) -> dict[str, Decimal]:
    with tenant_scope(world.tenant.pk):
        return {row.currency: row.balance for row in CashBook.objects.all() if row.balance}


def reread_money(world: World, follower: Subscription, *, times: int = 2) -> None:
    for _ in range(times):
        with tenant_scope(world.tenant.pk):
            for row in CashBook.objects.exclude(suspected_at=None):
                row.suspected_at -= timedelta(seconds=5)
                row.save(update_fields=["suspected_at"])
        reread(world, follower.account_id, times=1)


def test_transfers_in_and_out_are_found_once_each(world: World) -> None:
    follower = world.follower()
    reread(world, follower.account_id, times=1)
    move(world, follower, "250.5")
    keys = world.keys[follower.account_id]
    funding = Funding.FundingAPI(
        keys.api_key, keys.secret_key, keys.passphrase, domain=world.paper.url, debug=False
    )
    assert funding.funds_transfer(ccy="USDT", amt="100", from_="18", to="6")["code"] == "0"
    reread_money(world, follower, times=3)
    assert found(world) == [("transfer_in", "adopted"), ("transfer_out", "adopted")]
    with tenant_scope(world.tenant.pk):
        rows = list(AccountBill.objects.order_by("pk"))
        quantities = [row.params["quantity"] for row in Finding.objects.order_by("pk")]
    assert [(row.kind, row.currency, row.amount) for row in rows] == [
        ("transfer", "USDT", Decimal("250.5")),
        ("transfer", "USDT", Decimal(-100)),
    ]
    assert quantities == ["250.5", "100"]
    assert cash_in_books(world) == cash_at_exchange(world, follower)


def test_trades_fees_and_isolated_margin_explain_a_balance(world: World) -> None:
    follower = world.follower()
    reread(world, follower.account_id, times=1)
    world.run(world.entry(size="0.1"))
    hand = Hand(world, follower)
    hand.order("buy", "3", tdMode="isolated")
    hand.order("buy", "0.01", instId="BTC-USDT", tdMode="cash", tgtCcy="base_ccy")
    reread_money(world, follower)
    hand.order("sell", "3", tdMode="isolated")
    world.run(world.signal("close", side=""))
    reread_money(world, follower)
    kinds = {kind for kind, _ in found(world)}
    assert "balance_unexplained" not in kinds
    assert cash_in_books(world) == cash_at_exchange(world, follower)
    with tenant_scope(world.tenant.pk):
        assert not AccountBill.objects.exists(), "trades are fills"


def test_more_bills_and_fills_than_one_reading_takes_are_read_in_several(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = world.follower()
    reread(world, follower.account_id, times=2)
    hand = Hand(world, follower)
    for number in range(10):
        hand.order("buy", str(number + 1))
        if number % 3 == 0:
            move(world, follower, "1")
        time.sleep(0.1)
    for name in ("OVERLAP", "LONG_OVERLAP"):
        monkeypatch.setattr(passing, name, timedelta(seconds=0.2))
    monkeypatch.setattr(transport, "PAGE_ROWS", 2)
    monkeypatch.setattr(transport, "MAX_PAGES", 1)
    monkeypatch.setattr(transport, "SHORT_WINDOW_MS", 400)
    reread_money(world, follower, times=1)
    assert not books_agree(world)
    assert cash_in_books(world) != cash_at_exchange(world, follower)
    with tenant_scope(world.tenant.pk):
        assert not UnattributedPosition.objects.exclude(suspected=None).exists()
    for _ in range(12):
        reread_money(world, follower, times=1)
    assert books_agree(world)
    assert cash_in_books(world) == cash_at_exchange(world, follower)
    named = {kind for kind, _ in found(world)}
    assert named == {"manual_open", "manual_increase", "transfer_in"}
    with tenant_scope(world.tenant.pk):
        assert Fill.objects.count() == 10
        assert UnattributedPosition.objects.get().quantity == 55
        assert AccountBill.objects.count() == 4


def books_agree(world: World) -> bool:
    with tenant_scope(world.tenant.pk):
        return AccountBooks.objects.get().differs_since is None


def test_a_change_that_no_bill_tells_of_is_found_when_it_was_seen_twice(world: World) -> None:
    follower = world.follower()
    reread(world, follower.account_id, times=1)
    with tenant_scope(world.tenant.pk):
        book = CashBook.objects.get()
        CashBook.objects.update(balance=book.balance + 7)
    reread_money(world, follower, times=1)
    assert found(world) == []
    reread_money(world, follower, times=2)
    assert found(world) == [("balance_unexplained", "")]
    with tenant_scope(world.tenant.pk):
        assert Finding.objects.get().params == {"quantity": "-7", "currency": "USDT"}
    assert cash_in_books(world) == cash_at_exchange(world, follower)


def test_what_was_moved_before_the_books_were_begun_is_not_found(world: World) -> None:
    keys = world.paper.account(usdt="100000")
    world.paper.control.call(
        "POST", "deposits", {"apiKey": keys.api_key, "ccy": "USDT", "amt": "5"}
    )
    follower = world.follower(keys=keys)
    reread_money(world, follower)
    assert found(world) == []
    assert cash_in_books(world) == cash_at_exchange(world, follower) == {"USDT": Decimal(100_005)}


def test_deposits_to_the_wallet_and_withdrawals_from_it_are_found_once_each(world: World) -> None:
    follower = world.follower()
    reread(world, follower.account_id, times=1)
    move(world, follower, "40.25", to="funding")
    move(world, follower, "-15", to="funding")
    reread(world, follower.account_id, times=1)
    assert found(world) == [], "asked for every ten minutes"
    for _ in range(2):
        with tenant_scope(world.tenant.pk):
            later = timezone.now() - timedelta(minutes=11)
            AccountBooks.objects.update(wallet_read_until=later)
        reread(world, follower.account_id, times=1)
    assert found(world) == [("deposit", "adopted"), ("withdrawal", "adopted")]
    with tenant_scope(world.tenant.pk):
        amounts = [row.amount for row in AccountBill.objects.order_by("pk")]
        texts = [row.params for row in Finding.objects.order_by("pk")]
    assert amounts == [Decimal("40.25"), Decimal(-15)]
    assert texts == [
        {"quantity": "40.25", "currency": "USDT"},
        {"quantity": "15", "currency": "USDT"},
    ]
    assert cash_in_books(world) == cash_at_exchange(world, follower), "no money of the balance"


def pay_funding(world: World, rate: str) -> None:
    control = world.paper.control
    control.call("POST", "funding-rate", {"instId": INST, "fundingRate": rate})
    try:
        control.call("POST", "fundings", {"instId": INST})
    finally:
        control.call("POST", "funding-rate", {"instId": INST, "fundingRate": "0"})


def shares(world: World) -> dict[str | None, Decimal]:
    with tenant_scope(world.tenant.pk):
        rows = FundingShare.objects.values_list("subscription_id", "amount")
        return dict(rows)


def funding_paid(world: World, follower: Subscription) -> Decimal:
    keys = world.keys[follower.account_id]
    rows = world.paper.control.ledger(keys.api_key)["cash"]
    return sum((Decimal(row["balChg"]) for row in rows if row["type"] == "8"), Decimal(0))


def test_a_funding_fee_is_booked_once_and_shared_out_by_what_each_held(world: World) -> None:
    follower = world.follower()
    other = second_copy(world, follower, ratio=Decimal("0.5"))
    world.run(world.entry(size="0.1"))
    Hand(world, follower).order("buy", "5")
    reread(world, follower.account_id)
    pay_funding(world, "0.001")
    # What is traded after it was due does not change whose it is.
    world.run(world.entry("increase", size="0.1"))
    Hand(world, follower).order("sell", "2")
    reread_money(world, follower, times=3)
    paid = funding_paid(world, follower)
    assert paid < 0
    assert shares(world) == {
        follower.pk: paid / 2,
        other.pk: paid / 4,
        None: paid / 4,
    }
    with tenant_scope(world.tenant.pk):
        (bill,) = AccountBill.objects.all()
    assert (bill.kind, bill.symbol, bill.position_side) == ("funding", SYMBOL, "net")
    assert bill.amount == paid
    assert cash_in_books(world) == cash_at_exchange(world, follower)


@pytest.mark.parametrize("by_hand", ["4", "10"])
def test_the_funding_of_a_hedged_account_goes_to_its_side(world: World, by_hand: str) -> None:
    follower = world.follower(position_mode="long_short")
    world.run(world.entry(size="0.1"))
    Hand(world, follower).order("sell", by_hand, posSide="short")
    reread(world, follower.account_id)
    pay_funding(world, "0.001")
    reread_money(world, follower)
    with tenant_scope(world.tenant.pk):
        bills = {row.position_side: row.amount for row in AccountBill.objects.all()}
        owners = {
            (row.bill.position_side, row.subscription_id): row.amount
            for row in FundingShare.objects.select_related("bill")
        }
    if by_hand == "10":  # both sides are as large, so that nobody can tell which one it was
        assert set(owners) == {("", None)}
        return
    assert owners == {
        ("long", follower.pk): bills["long"],
        ("short", None): bills["short"],
    }
    assert bills["long"] < 0 < bills["short"]


# --- terms --------------------------------------------------------------------------------------


def test_a_position_taken_over_into_another_margin_mode_is_found_once(world: World) -> None:
    follower = world.follower()
    world.run(world.entry(size="0.1"))
    hand = Hand(world, follower)
    hand.order("buy", "2", tdMode="isolated")
    reread(world, follower.account_id)
    assert [kind for kind, _ in found(world)] == ["manual_open"], "that is the client's own"
    hand.order("sell", "4")
    hand.order("buy", "4", tdMode="isolated")
    reread(world, follower.account_id, times=3)
    kinds = [kind for kind, _ in found(world)]
    assert kinds.count("margin_mode_changed") == 1
    with tenant_scope(world.tenant.pk):
        finding = Finding.objects.get(kind="margin_mode_changed")
    assert finding.params == {"before": "cross", "after": "isolated"}


def test_a_position_mode_changed_by_hand_is_found(world: World) -> None:
    follower = world.follower()
    reread(world, follower.account_id, times=1)
    hand = Hand(world, follower)
    answer = hand.settings.set_position_mode(posMode="long_short_mode")
    assert answer["code"] == "0", answer
    reread(world, follower.account_id)
    assert found(world) == [("position_mode_changed", "adopted")]
