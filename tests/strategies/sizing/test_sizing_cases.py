"""Sizes worked out by hand: each row of sizes.txt ends with the quantity as a product of the row's
own numbers, in the follower's native unit before rounding."""

from __future__ import annotations

from decimal import Decimal as D
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from strategies.domain.sizing import (
    DynamicSizing,
    FollowerTerms,
    LeaderSize,
    ScalingFacts,
    SizeBasis,
    SizingMode,
    entry_quantity,
)
from tests.strategies.sizing.instruments import MARKETS

BASES = {
    "coins": SizeBasis.BASE,
    "contracts": SizeBasis.CONTRACTS,
    "worth": SizeBasis.QUOTE,
    "share": SizeBasis.EQUITY_FRACTION,
}


SECTIONS = [*SizingMode, "scaled"]


def _rows() -> list[tuple[SizingMode, str]]:
    rows: list[tuple[SizingMode, str]] = []
    section = ""
    for line in (Path(__file__).parent / "sizes.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
            assert section in SECTIONS
        elif line and not line.startswith("#"):
            mode = _mode_of(line) if section == "scaled" else SizingMode(section)
            rows.append((mode, line))
    return rows


def _mode_of(row: str) -> SizingMode:
    for word, mode in (
        ("ratio=", SizingMode.LEADER_RATIO),
        ("fixed=", SizingMode.FIXED_AMOUNT),
        ("risk=", SizingMode.FIXED_RISK),
    ):
        if word in row:
            return mode
    return SizingMode.EQUITY_PROPORTIONAL


def _product(text: str) -> Fraction:
    """Left to right; there is nothing but × and ÷ in it."""
    first, *rest = text.split()
    value = Fraction(first)
    for sign, number in zip(rest[::2], rest[1::2], strict=True):
        value = value * Fraction(number) if sign == "*" else value / Fraction(number)
    return value


def _leader(text: str, named: dict[str, str]) -> LeaderSize:
    words = text.split()
    size, basis = (None, None) if words[0] == "-" else (D(words.pop(0)), BASES[words.pop(0)])
    market, price = words[-2:]
    return LeaderSize(
        size=size,
        basis=basis,
        instrument=MARKETS[market],
        price=D(price),
        leverage=D(named.get("ll", "1")),
        equity=_number(named, "le"),
        stop_loss=_number(named, "stop"),
        # Of a leader that is long, whatever the follower does.
        direction=1 if "lead" in named else 0,
    )


def _number(named: dict[str, str], name: str) -> D | None:
    return D(named[name]) if name in named else None


def _terms(mode: SizingMode, named: dict[str, str]) -> FollowerTerms:
    by = DynamicSizing.NONE
    if "target" in named or "zero" in named:
        by = DynamicSizing.VOLATILITY if "target" in named else DynamicSizing.DRAWDOWN
    return FollowerTerms(
        mode=mode,
        fixed_amount=_number(named, "fixed"),
        ratio=D(named.get("ratio", "1")),
        follow_ratio=D(named.get("follow", "1")),
        leverage=D(named.get("fl", "1")),
        equity=_number(named, "fe"),
        discount_percent=D(named.get("discount", "0")),
        risk_percent=_number(named, "risk"),
        stop_percent=_number(named, "own"),
        own_stop_first="first" in named,
        scaling=ScalingFacts(
            by=by,
            target_percent=_number(named, "target"),
            zero_percent=_number(named, "zero"),
            daily_range_percent=_number(named, "range"),
            equity=_number(named, "now"),
            peak_equity=_number(named, "peak"),
        ),
    )


def _sized(mode: SizingMode, row: str) -> tuple[D, Fraction]:
    told, market, named_text, product = (part.strip() for part in row.split("|"))
    named: dict[str, Any] = dict(
        word.split("=") if "=" in word else (word, "") for word in named_text.split()
    )
    name, price = market.split()
    side = -1 if "short" in named else 1
    leader, terms = _leader(told, named), _terms(mode, named)
    return entry_quantity(leader, terms, MARKETS[name], D(price), side), _product(product)


@pytest.mark.parametrize(("mode", "row"), _rows(), ids=lambda item: str(item))
def test_a_size_worked_out_by_hand(mode: SizingMode, row: str) -> None:
    size, expected = _sized(mode, row)
    # Sixty digits are kept; a third has no end.
    assert abs(Fraction(size) - expected) <= expected / 10**55


def test_there_are_enough_of_them() -> None:
    assert len(_rows()) >= 140
