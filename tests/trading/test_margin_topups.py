"""Shares of added margin, and what a position's margin says of a request without an answer."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import pytest

from tests.strategies.sizing.instruments import MARKETS
from trading.domain.margin_topups import Seen, margin_down, own_margin, seen
from venues.domain.types import InstrumentKind

LINEAR = MARKETS["BTC-swap"]
INVERSE = replace(LINEAR, kind=InstrumentKind.INVERSE)


@pytest.mark.parametrize(
    ("margin", "shown", "copied", "expected"),
    [
        ("1200", "10", "10", "1200"),
        ("1200", "10", "4", "480"),  # the rest is the client's own
        ("1200", "-10", "-5", "600"),
        ("1200", "4", "10", "1200"),  # the venue shows less than the books
    ],
)
def test_the_copys_part_of_a_positions_margin(
    margin: str, shown: str, copied: str, expected: str
) -> None:
    assert own_margin(D(margin), D(shown), D(copied)) == D(expected)


@pytest.mark.parametrize(
    ("amount", "dollars", "coins"),
    [
        ("12.349", "12.34", "12.349"),
        ("0.009", "0.00", "0.009"),
        ("-5", "0.00", "0"),
        ("0.123456789", "0.12", "0.12345678"),
    ],
)
def test_amounts_are_rounded_down(amount: str, dollars: str, coins: str) -> None:
    assert margin_down(LINEAR, D(amount)) == D(dollars)
    assert margin_down(INVERSE, D(amount)) == D(coins)


@pytest.mark.parametrize(
    ("margin", "expected"),
    [
        ("1500", Seen.ADDED),
        ("1475", Seen.ADDED),  # a funding fee
        ("1530", Seen.ADDED),
        ("1200", Seen.ABSENT),
        ("1185", Seen.ABSENT),
        ("1350", Seen.UNCLEAR),
        ("1600", Seen.UNCLEAR),
        ("1000", Seen.UNCLEAR),
    ],
)
def test_what_a_positions_margin_says(margin: str, expected: Seen) -> None:
    assert seen(before=D(1200), after=D(1500), margin=D(margin)) is expected
