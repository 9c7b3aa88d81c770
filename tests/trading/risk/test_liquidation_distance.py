"""An estimate with 1 % of maintenance margin.

Isolated at 5×: linear long 1 − 0.8 ÷ 0.99, linear short 1.2 ÷ 1.01 − 1, inverse long
1 − 1.01 ÷ 1.2, inverse short 0.99 ÷ 0.8 − 1. Cross: equity ÷ (what is held + the entry) − 1 %."""

from __future__ import annotations

from tests.trading.risk.entries import INVERSE, LINEAR, SPOT, Verdict, entry, said, table
from trading.domain.risk import EntryFacts

BUY, SELL = 1, -1


def near(percent: str, limit: str, leverage: str = "5") -> Verdict:
    params = {"percent": percent, "limit": limit, "leverage": leverage}
    return ("deny", "liquidation_too_close", params)


def isolated(
    limit: str, direction: int = BUY, instrument: object = LINEAR, **more: object
) -> EntryFacts:
    settings = {"min_liquidation_distance_percent": limit}
    values: dict[str, object] = {"margin_mode": "isolated", "direction": direction, **more}
    return entry(instrument, settings=settings, **values)


def cross(
    limit: str, equity: str | None, held: str | None, instrument: object = LINEAR
) -> EntryFacts:
    settings = {"min_liquidation_distance_percent": limit}
    copy = {"account_exposure": held}
    return entry(instrument, settings=settings, copy=copy, equity=equity)


@table(
    ("unset", entry(leverage="100", margin_mode="isolated"), "allow"),
    ("zero", isolated("0", leverage="100"), "allow"),
    ("linear long", isolated("19.19"), "allow"),
    ("linear long nearer", isolated("19.2"), near("19.1919", "19.2")),
    ("linear short", isolated("18.81", SELL), "allow"),
    ("linear short nearer", isolated("18.82", SELL), near("18.8119", "18.82")),
    ("inverse long", isolated("15.83", BUY, INVERSE), "allow"),
    ("inverse long nearer", isolated("15.84", BUY, INVERSE), near("15.8333", "15.84")),
    ("inverse short", isolated("23.75", SELL, INVERSE), "allow"),
    ("inverse short nearer", isolated("23.76", SELL, INVERSE), near("23.75", "23.76")),
    ("inverse short at 1x never ends", isolated("100", SELL, INVERSE, leverage="1"), "allow"),
    # 1 − 0.99 ÷ 0.99
    ("at 100x there is none", isolated("0.5", leverage="100"), near("0", "0.5", "100")),
    ("spot has none", isolated("50", BUY, SPOT), "allow"),
    # 2,000 ÷ (5,000 + 5,000) − 1 %
    ("cross", cross("19", "2000", "5000"), "allow"),
    ("cross nearer", cross("19.5", "2000", "5000"), near("19", "19.5")),
    ("cross and nothing else held", cross("39", "2000", "0"), "allow"),
    # 500 ÷ (1,000 + 1,000) − 1 %
    ("cross inverse", cross("24", "500", "1000", INVERSE), "allow"),
    ("cross inverse nearer", cross("25", "500", "1000", INVERSE), near("24", "25")),
    ("cross under water", cross("1", "-50", "0"), near("0", "1")),
    ("cross without equity", cross("1", None, "0"), ("deny", "balance_unknown", {})),
    (
        "cross without exposure",
        cross("1", "100", None),
        ("deny", "exposure_unknown", {"symbol": LINEAR.symbol}),
    ),
)
def test_liquidation_distance(facts: EntryFacts, expected: Verdict) -> None:
    assert said("liquidation_distance", facts) == expected
