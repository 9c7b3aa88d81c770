"""What is available against the margin × 1.05 + 0.2 % of the notional, and the reserve.

Ten linear contracts at 5×: 1,000 × 1.05 + 5,000 × 0.002 = 1,060."""

from __future__ import annotations

from tests.trading.risk.entries import INVERSE, SPOT, Verdict, entry, said, table
from trading.domain.risk import EntryFacts


def poor(needed: str, available: str, currency: str = "USDT") -> Verdict:
    params = {"needed": needed, "available": available, "currency": currency}
    return ("deny", "insufficient_balance", params)


def reserved(needed: str, available: str, reserve: str, limit: str) -> Verdict:
    params = {
        "needed": needed,
        "available": available,
        "reserve": reserve,
        "limit": limit,
        "currency": "USDT",
    }
    return ("deny", "free_margin", params)


UNKNOWN = ("deny", "balance_unknown", {})
TENTH = {"free_margin_reserve_percent": "10"}


@table(
    ("just enough", entry(available="1060"), "allow"),
    ("a cent short", entry(available="1059.99"), poor("1060.00", "1059.99")),
    ("nothing there", entry(available="0"), poor("1060.00", "0.00")),
    ("less than nothing", entry(available="-3"), poor("1060.00", "-3.00")),
    ("not known", entry(available=None), UNKNOWN),
    # 5,000 × 1.05 + 10
    ("at 1x", entry(leverage="1", available="5260"), "allow"),
    ("at 1x short", entry(leverage="1", available="5259"), poor("5260.00", "5259.00")),
    # 50 × 1.05 + 10: of the margin alone the fee would not be paid.
    ("at 100x", entry(leverage="100", available="62.5"), "allow"),
    ("at 100x short", entry(leverage="100", available="53"), poor("62.50", "53.00")),
    # 200 × 1.05 + 2
    ("inverse", entry(INVERSE, available="212"), "allow"),
    ("inverse short", entry(INVERSE, available="211"), poor("212.00", "211.00", "USD")),
    # 50,000 × 1.05 + 100
    ("spot", entry(SPOT, quantity="1", available="52600"), "allow"),
    ("spot short", entry(SPOT, quantity="1", available="52599"), poor("52600.00", "52599.00")),
    # 10 % of 10,000 stay: 1,060 + 1,000.
    ("leaves the reserve", entry(settings=TENTH, equity="10000", available="2060"), "allow"),
    (
        "cuts into the reserve",
        entry(settings=TENTH, equity="10000", available="2059"),
        reserved("1060.00", "2059.00", "1000.00", "10"),
    ),
    (
        "no reserve asked for",
        entry(settings={"free_margin_reserve_percent": "0"}, available="1060"),
        "allow",
    ),
    (
        "equity under water reserves nothing",
        entry(settings=TENTH, equity="-5", available="1060"),
        "allow",
    ),
    ("equity not known", entry(settings=TENTH, equity=None), UNKNOWN),
    (
        "all of it reserved",
        entry(settings={"free_margin_reserve_percent": "100"}, equity="9000", available="9000"),
        reserved("1060.00", "9000.00", "9000.00", "100"),
    ),
)
def test_free_margin(facts: EntryFacts, expected: Verdict) -> None:
    assert said("free_margin", facts) == expected
