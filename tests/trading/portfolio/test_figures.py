"""Figures of accounts against numbers worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.trading.portfolio.holdings import (
    D,
    account,
    coins,
    d,
    inverse,
    linear,
    record,
    spot,
    usdt,
)
from trading.domain.portfolio.figures import Figures

CENT = D("0.01")


def cents(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(CENT)


# 100 contracts of 0.01 BTC are 1 BTC; 100 inverse contracts of $100 are $10,000.
LONG = linear(100, 60000, 54000, reported_price=60000, reported_pnl=0)
SHORT = linear(-100, 60000, 66000, reported_price=60000, reported_pnl=0)
INVERSE_LONG = inverse(100, 50000, 40000, reported_price=50000, reported_pnl=0)
INVERSE_SHORT = inverse(-100, 50000, 62500, reported_price=50000, reported_pnl=0)
ISOLATED = linear(
    100, 60000, 57000, reported_price=60000, reported_pnl=0, margin_mode="isolated", leverage=5
)

FIGURES: list[tuple[str, Figures, dict[str, Any]]] = [
    (
        # 20000 − 6000; 14000 ÷ 540; 1.01 % of: 14000 + (q − 54000) = 0.01 q at q = 40404.04
        "linear long",
        account(usdt(20000), holds=(LONG,)),
        {
            "equity": 14000, "gross": 54000, "net": 54000, "unrealised": -6000,
            "maintenance": 540, "margin_ratio_percent": "2592.59", "distance_percent": "25.18",
            "liquidation": "40404.04",
        },
    ),
    (
        # 14000 − (q − 66000) = 0.01 q at q = 79207.92
        "linear short",
        account(usdt(20000), holds=(SHORT,)),
        {
            "equity": 14000, "gross": 66000, "net": -66000, "unrealised": -6000,
            "maintenance": 660, "margin_ratio_percent": "2121.21", "distance_percent": "20.01",
            "liquidation": "79207.92",
        },
    ),
    (
        # $10,000 are 0.2 BTC at 50000 and 0.25 BTC at 40000: −0.05 BTC of 0.15;
        # 0.1 + 0.25 − 10000 ÷ q = 0.01 · 10000 ÷ q at q = 10100 ÷ 0.35
        "inverse long",
        account(coins("BTC", "0.15", 7500), holds=(INVERSE_LONG,), prices={"BTC": 40000}),
        {
            "equity": 4000, "gross": 10000, "net": 10000, "unrealised": -2000,
            "maintenance": 100, "margin_ratio_percent": 4000, "distance_percent": "27.86",
            "liquidation": "28857.14",
        },
    ),
    (
        # 0.16 BTC at 62500: −0.04 of 0.1; q = 9900 ÷ (0.16 − 0.06)
        "inverse short",
        account(coins("BTC", "0.1", 5000), holds=(INVERSE_SHORT,), prices={"BTC": 62500}),
        {
            "equity": 3750, "gross": 10000, "net": -10000, "unrealised": -2500,
            "maintenance": 100, "margin_ratio_percent": 3750, "distance_percent": "58.40",
            "liquidation": 99000,
        },
    ),
    (
        "inverse short against as many coins",  # at no price is it liquidated
        account(
            coins("BTC", "0.2", 10000), holds=(inverse(-100, 50000, 50000),), prices={"BTC": 50000}
        ),
        {"distance_percent": None, "margin_ratio_percent": 10000, "is_complete": True},
    ),
    (
        "coins",
        account(
            usdt(1000), coins("BTC", "0.5", 25000),
            holds=(spot("0.5", 50000, 40000),), prices={"BTC": 40000},
        ),
        {
            "equity": 21000, "gross": 20000, "net": 20000, "unrealised": -5000, "maintenance": 0,
            "margin_ratio_percent": None, "distance_percent": None, "is_complete": True,
        },
    ),
    (
        # 12000 of margin − 3000; 9000 + (q − 57000) = 0.01 q at q = 48484.85
        "isolated",
        account(usdt(50000), holds=(ISOLATED,)),
        {
            "equity": 47000, "margin_ratio_percent": "1578.95", "distance_percent": "14.94",
            "liquidation": "48484.85",
        },
    ),
    (
        # the cross short stands on 10000 − 3000 − 9000 of the isolated one: nothing
        "isolated takes its margin from the others",
        account(usdt(10000), holds=(ISOLATED, linear(-10, 57000, 57000, reported_price=57000))),
        {"distance_percent": 0, "margin_ratio_percent": "-3508.77", "net": 51300},
    ),
    (
        # e = 14000 ÷ (54000 + 54000), as if both prices moved against it: (e − k) ÷ 1.01 and ÷ 0.99
        "a hedge counts on both sides",
        account(usdt(20000), holds=(LONG, linear(-100, 54000, 54000, reported_price=54000))),
        {"gross": 108000, "net": 0, "maintenance": 1080, "distance_percent": "11.84"},
    ),
    (
        # (54000 − 48600) ÷ 54000
        "the venue's own liquidation price",
        account(usdt(20000), holds=(linear(100, 60000, 54000, liquidation_price=48600),)),
        {"distance_percent": 10, "liquidation": 48600},
    ),
    (
        "beyond it already",
        account(usdt(20000), holds=(linear(100, 60000, 48000, liquidation_price=48600),)),
        {"distance_percent": 0},
    ),
    (
        # 240 of 60000 are 0.4 %; of 54000: 216
        "the venue's own maintenance margin",
        account(
            usdt(20000),
            holds=(
                linear(
                    100, 60000, 54000, reported_price=60000, reported_pnl=0, maintenance=240
                ),
            ),
        ),
        {"maintenance": 216, "margin_ratio_percent": "6481.48", "distance_percent": "25.63"},
    ),
    (
        # 0.0005 BTC of 0.2 BTC are 0.25 %; of $10,000: $25
        "the venue's own maintenance margin in coins",
        account(
            coins("BTC", "0.15", 7500),
            holds=(
                inverse(
                    100, 50000, 40000, reported_price=50000, reported_pnl=0, maintenance="0.0005"
                ),
            ),
            prices={"BTC": 40000},
        ),
        {"maintenance": 25, "margin_ratio_percent": 16000},
    ),
    (
        # reported at 57000 with −3000 in the balance already: only −3000 more
        "what the balance has of it is not counted twice",
        account(
            usdt(17000),
            holds=(linear(100, 60000, 54000, reported_price=57000, reported_pnl=-3000),),
        ),
        {"equity": 14000, "unrealised": -6000},
    ),
    (
        "the venue's price of dollars",
        account(coins("USDT", 1000, 999)),
        {"equity": 999, "gross": 0, "is_complete": True, "distance_percent": None},
    ),
    (
        "no price",
        account(usdt(20000), holds=(linear(100, 60000, None),)),
        {"equity": 20000, "gross": 0, "is_complete": False, "distance_percent": None},
    ),
    (
        "a coin without a value",
        account(usdt(20000), coins("XYZ", 5, None)),
        {"equity": None, "drawdown_percent": None, "daily_pnl": None, "is_complete": False},
    ),
    ("nothing told", account(), {"equity": None, "is_complete": False}),
    (
        # 14000 of 16000 this morning, 20000 at best
        "day and peak",
        account(usdt(20000), holds=(LONG,), since=record(16000, 20000)),
        {
            "daily_pnl": -2000, "daily_pnl_percent": "-12.50", "drawdown_percent": 30,
            "leverage": "3.86",
        },
    ),
    (
        "a new peak",
        account(usdt(25000), since=record(16000, 20000)),
        {"peak": 25000, "drawdown_percent": 0, "daily_pnl": 9000, "daily_pnl_percent": "56.25"},
    ),
    (
        # 5000 of 20000 were withdrawn since: no loss, but they carry no margin any more
        "a withdrawal that is not counted yet",
        account(usdt(15000), holds=(LONG,), since=record(20000, 20000), compared=(usdt(20000),)),
        {
            "equity": 9000, "earned_equity": 14000, "kept_equity": 9000,
            "margin_ratio_percent": "1666.67",
        },
    ),
    (
        "a deposit that is not counted yet",
        account(usdt(25000), since=record(20000, 20000), compared=(usdt(20000),)),
        {"equity": 25000, "earned_equity": 25000, "kept_equity": 20000},
    ),
    (
        # 0.15 BTC − 0.05 BTC of the position, at 40000
        "what was compared in coins",
        account(
            coins("BTC", "0.05", 2500), holds=(INVERSE_LONG,), prices={"BTC": 40000},
            compared=(coins("BTC", "0.15", 7500),),
        ),
        {"equity": 0, "earned_equity": 4000},
    ),
    (
        "less than nothing",
        account(usdt(-100), since=record(1000, 1000)),
        {"drawdown_percent": 110, "daily_pnl": -1100, "leverage": 0, "margin_used_percent": 0},
    ),
    (
        # 54000 by a cent
        "something held by nothing",
        account(usdt(5000), holds=(LONG,)),
        {"equity": -1000, "leverage": 5400000, "margin_used_percent": 540000000},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "figures", "expected"), FIGURES, ids=[row[0] for row in FIGURES])
def test_figures(name: str, figures: Figures, expected: dict[str, Any]) -> None:
    for field, value in expected.items():
        if isinstance(value, bool):
            assert getattr(figures, field) is value, field
        elif field == "liquidation":
            assert figures.nearest is not None
            assert cents(figures.nearest.price) == d(value)
        else:
            assert cents(getattr(figures, field)) == d(value), field


def test_the_nearest_of_several_is_named() -> None:
    far = linear(-10, 54000, 54000, liquidation_price=81000)
    near = linear(100, 60000, 54000, liquidation_price=48600)
    figures = account(usdt(20000), holds=(far, near))
    assert figures.nearest is not None
    assert (figures.nearest.direction, figures.nearest.distance_percent) == (1, 10)
