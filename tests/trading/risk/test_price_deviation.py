"""How much worse than the leader's: 0.5 % for BTC and ETH, 1.5 % for others, unless stated."""

from __future__ import annotations

from decimal import Decimal as D

from tests.trading.risk.entries import (
    DOGE,
    INVERSE,
    LINEAR,
    SPOT,
    Verdict,
    book,
    entry,
    said,
    table,
)
from trading.domain.risk import EntryFacts

BUY, SELL = 1, -1


def worse(price: str, leader: str, percent: str, limit: str) -> Verdict:
    params = {"price": price, "leader_price": leader, "percent": percent, "limit": limit}
    return ("deny", "price_deviation", params)


def at(price: str, leader: str | None, direction: int = BUY, **more: object) -> EntryFacts:
    return entry(price=price, leader_price=leader, direction=direction, **more)


TIGHT = {"max_entry_slippage_percent": "0.1"}
WIDE = book("50100×1", "50600×1")


@table(
    ("the same", at("50000", "50000"), "allow"),
    ("half a percent dearer", at("50250", "50000"), "allow"),
    ("a little more", at("50255", "50000"), worse("50255", "50000", "0.51", "0.5")),
    ("cheaper is better", at("40000", "50000"), "allow"),
    ("a sale half a percent cheaper", at("49750", "50000", SELL), "allow"),
    ("a sale below that", at("49700", "50000", SELL), worse("49700", "50000", "0.6", "0.5")),
    ("a sale dearer is better", at("60000", "50000", SELL), "allow"),
    ("own limit", at("50050", "50000", settings=TIGHT), "allow"),
    (
        "above the own limit",
        at("50051", "50000", settings=TIGHT),
        worse("50051", "50000", "0.102", "0.1"),
    ),
    ("others by 1.5 percent", entry(DOGE, price="0.1015", leader_price="0.1"), "allow"),
    (
        "others above",
        entry(DOGE, price="0.1016", leader_price="0.1"),
        worse("0.1016", "0.1", "1.6", "1.5"),
    ),
    (
        "inverse",
        entry(INVERSE, price="50300", leader_price="50000"),
        worse("50300", "50000", "0.6", "0.5"),
    ),
    (
        "spot",
        entry(SPOT, price="50300", leader_price="50000"),
        worse("50300", "50000", "0.6", "0.5"),
    ),
    ("the leader does not say", at("50000", None), "allow"),
    (
        "and a setting asks",
        at("50000", None, settings=TIGHT),
        ("deny", "leader_price_unknown", {"symbol": LINEAR.symbol}),
    ),
    ("a price of nothing says nothing", at("50000", "0"), "allow"),
    ("no price", at("0", "50000"), ("deny", "price_unknown", {"symbol": LINEAR.symbol})),
    # With the order book it is what the order meets first.
    (
        "the ask counts",
        at("50000", "50000", market={"book": WIDE}),
        worse("50600", "50000", "1.2", "0.5"),
    ),
    (
        "the bid counts",
        at("50000", "50500", SELL, market={"book": WIDE}),
        worse("50100", "50500", "0.7921", "0.5"),
    ),
    ("not of a limit order", at("50000", "50000", is_limit=True, market={"book": WIDE}), "allow"),
    ("an empty side", at("50000", "50000", market={"book": book("49999×1", "")}), "allow"),
    (
        "a third of the leaders",
        at("150", "50", settings={"max_entry_slippage_percent": D(100)}),
        worse("150", "50", "200", "100"),
    ),
)
def test_price_deviation(facts: EntryFacts, expected: Verdict) -> None:
    assert said("price_deviation", facts) == expected
