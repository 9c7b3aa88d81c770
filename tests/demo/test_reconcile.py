"""The comparison with the ledger finds each kind of difference, and nothing when books agree."""

from dataclasses import replace
from decimal import Decimal

import pytest

from config.demo.reconcile import (
    BookedFill,
    BookedOrder,
    BookedPosition,
    inst_id,
    reconcile,
)

BTC = "BTC/USDT:USDT"
ORDER = BookedOrder("o1", "i1", "key", BTC, "sell", "filled", "900", Decimal(3), Decimal(3))
FILLS = (
    BookedFill(
        "key", "o1", BTC, "t1", "sell", Decimal(2), Decimal("60000.1"), Decimal("0.6"), "USDT"
    ),
    BookedFill("key", "o1", BTC, "t2", "sell", Decimal(1), Decimal(60000), Decimal("-0.1"), "USDT"),
)
POSITION = BookedPosition("key", BTC, Decimal(-3))
LEDGER_ORDER = {
    "apiKey": "key", "ordId": "900", "clOrdId": "o1", "instId": "BTC-USDT-SWAP", "side": "sell",
    "sz": "3", "accFillSz": "3", "state": "filled",
}  # fmt: skip
LEDGER_FILLS = [
    {
        "apiKey": "key", "ordId": "900", "clOrdId": "o1", "instId": "BTC-USDT-SWAP",
        "side": "sell", "tradeId": trade_id, "fillSz": size, "fillPx": price, "fee": fee,
        "feeCcy": "USDT",
    }
    for trade_id, size, price, fee in (
        ("t1", "2", "60000.1", "-0.6"),
        ("t2", "1", "60000.0", "0.1"),
    )
]  # fmt: skip


def compared(orders=(ORDER,), fills=FILLS, positions=(POSITION,), booked=None, traded=None):
    return reconcile(
        orders=orders,
        fills=fills,
        positions=positions,
        ledger={
            "orders": [LEDGER_ORDER] if booked is None else booked,
            "fills": LEDGER_FILLS if traded is None else traded,
            "cash": [],
        },
    )


def test_equal_books_agree():
    result = compared()
    assert result.agrees
    assert result.differences == ()


def test_a_rejected_order_is_in_no_ledger():
    rejected = replace(ORDER, id="o2", intent_id="i2", state="rejected", filled=Decimal(0))
    assert compared(orders=(ORDER, rejected)).agrees


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"quantity": Decimal(4)}, "size"),
        ({"filled": Decimal(2)}, "filled"),
        ({"side": "buy"}, "side"),
        ({"state": "unknown"}, "unknown"),
        ({"state": "rejected"}, "rejected"),
        ({"venue_order_id": "901"}, "venue id"),
        ({"api_key": "another"}, "account"),
    ],
)
def test_a_changed_order_is_a_difference(change, word):
    result = compared(orders=(replace(ORDER, **change),))
    assert not result.agrees
    assert any(word in sentence for sentence in result.differences)


def test_an_order_nobody_wrote_down_is_a_duplicate():
    stray = {**LEDGER_ORDER, "ordId": "901", "clOrdId": "stray"}
    assert compared(booked=[LEDGER_ORDER, stray]).duplicates == 1


def test_the_same_client_id_booked_twice_is_a_duplicate():
    again = {**LEDGER_ORDER, "ordId": "901"}
    assert compared(booked=[LEDGER_ORDER, again]).duplicates == 1


def test_two_orders_of_one_intent_are_a_duplicate_unless_one_never_took_effect():
    second = replace(ORDER, id="o2", venue_order_id="901")
    second_row = {**LEDGER_ORDER, "ordId": "901", "clOrdId": "o2"}
    assert compared(orders=(ORDER, second), booked=[LEDGER_ORDER, second_row]).duplicates == 1
    cancelled = replace(second, state="cancelled", filled=Decimal(0))
    cancelled_row = {**second_row, "state": "canceled", "accFillSz": "0"}
    assert compared(orders=(ORDER, cancelled), booked=[LEDGER_ORDER, cancelled_row]).agrees


def test_an_order_that_the_exchange_never_saw_is_a_difference():
    assert compared(booked=[]).differences[0] == "order o1 is filled but not in the ledger"


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": Decimal(3)},
        {"price": Decimal("60000.2")},
        {"fee": Decimal("-0.6")},
        {"fee_currency": "BTC"},
        {"side": "buy"},
        {"order_id": "o9"},
        {"trade_id": "t9"},
    ],
)
def test_a_changed_fill_is_a_difference(change):
    assert not compared(fills=(replace(FILLS[0], **change), FILLS[1])).agrees


def test_a_missing_or_a_repeated_fill_is_a_difference():
    assert not compared(fills=FILLS[:1]).agrees
    assert not compared(fills=(*FILLS, FILLS[0])).agrees


def test_two_sub_ledgers_of_one_account_add_up():
    parts = (replace(POSITION, held=Decimal(-5)), replace(POSITION, held=Decimal(2)))
    assert compared(positions=parts).agrees
    assert not compared(positions=parts[:1]).agrees
    assert not compared(positions=()).agrees


def test_instrument_ids():
    assert inst_id("BTC/USDT:USDT") == "BTC-USDT-SWAP"
    assert inst_id("BTC/USD:BTC") == "BTC-USD-SWAP"
    assert inst_id("DOGE/USDT") == "DOGE-USDT"
