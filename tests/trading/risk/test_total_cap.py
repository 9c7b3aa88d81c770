"""Margin of the copy with what is on its way, against its cap.

Ten linear contracts at 5× are 5,000 of notional and 1,000 of margin."""

from __future__ import annotations

from tests.trading.risk.entries import INVERSE, LINEAR, SPOT, Verdict, entry, said, table
from trading.domain.risk import EntryFacts


def capped(
    cap: str, invested: str | None, instrument: object = LINEAR, **more: object
) -> EntryFacts:
    copy = {"invested": invested}
    return entry(instrument, settings={"total_cap": cap}, copy=copy, **more)


def beyond(invested: str, margin: str, limit: str, currency: str = "USDT") -> Verdict:
    params = {"invested": invested, "margin": margin, "limit": limit, "currency": currency}
    return ("deny", "total_cap", params)


@table(
    ("unset", entry(copy={"invested": "999999"}), "allow"),
    ("nothing invested and exactly the cap", capped("1000", "0"), "allow"),
    ("a cent above", capped("999.99", "0"), beyond("0.00", "1000.00", "999.99")),
    ("what is invested counts", capped("1500", "500"), "allow"),
    ("and is too much", capped("1500", "500.01"), beyond("500.01", "1000.00", "1500.00")),
    ("at 10x half the margin", capped("1000", "500", leverage="10"), "allow"),
    (
        "at 1x all of the notional",
        capped("4999", "0", leverage="1"),
        beyond("0.00", "5000.00", "4999.00"),
    ),
    # 10 contracts of 100 dollars at 5×: 200.
    ("inverse at the cap", capped("200", "0", INVERSE), "allow"),
    ("inverse above", capped("300", "100.5", INVERSE), beyond("100.50", "200.00", "300.00", "USD")),
    ("the price does not matter to inverse", capped("200", "0", INVERSE, price="80000"), "allow"),
    # Two coins are paid in full, whatever the leverage says.
    ("spot at the cap", capped("100000", "0", SPOT, quantity="2"), "allow"),
    (
        "spot above",
        capped("99999", "0", SPOT, quantity="2"),
        beyond("0.00", "100000.00", "99999.00"),
    ),
    ("already above its cap", capped("100", "5000"), beyond("5000.00", "1000.00", "100.00")),
    ("nobody knows", capped("1000", None), ("deny", "exposure_unknown", {"symbol": LINEAR.symbol})),
    (
        "another symbol has no price",
        entry(settings={"total_cap": "1000"}, copy={"unpriced_symbol": "X/USDT:USDT"}),
        ("deny", "exposure_unknown", {"symbol": "X/USDT:USDT"}),
    ),
)
def test_total_cap(facts: EntryFacts, expected: Verdict) -> None:
    assert said("total_cap", facts) == expected
