"""Allow and deny lists."""

from __future__ import annotations

from tests.trading.risk.entries import INVERSE, LINEAR, SPOT, Verdict, entry, said, table
from trading.domain.risk import EntryFacts


def listed(
    instrument: object = LINEAR, allowed: object = None, denied: object = frozenset()
) -> EntryFacts:
    settings = {"allowed_symbols": allowed, "denied_symbols": denied}
    return entry(instrument, settings=settings)


def refused(symbol: str) -> Verdict:
    return ("deny", "symbol_not_allowed", {"symbol": symbol})


@table(
    ("no lists", listed(), "allow"),
    ("allowed", listed(allowed=frozenset({LINEAR.symbol})), "allow"),
    ("not allowed", listed(INVERSE, allowed=frozenset({LINEAR.symbol})), refused(INVERSE.symbol)),
    ("nothing allowed", listed(allowed=frozenset()), refused(LINEAR.symbol)),
    ("denied", listed(denied=frozenset({LINEAR.symbol})), refused(LINEAR.symbol)),
    ("another denied", listed(SPOT, denied=frozenset({LINEAR.symbol})), "allow"),
    (
        "denied beats allowed",
        listed(allowed=frozenset({LINEAR.symbol}), denied=frozenset({LINEAR.symbol})),
        refused(LINEAR.symbol),
    ),
)
def test_symbols(facts: EntryFacts, expected: Verdict) -> None:
    assert said("symbols", facts) == expected
