"""Against the limit of the settings and the venue's."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

from tests.trading.risk.entries import INVERSE, LINEAR, SPOT, Verdict, entry, said, table
from trading.domain.risk import EntryFacts


def above(leverage: str, limit: str) -> Verdict:
    return ("deny", "leverage_too_high", {"leverage": leverage, "limit": limit})


@table(
    ("at the venues", entry(leverage="100"), "allow"),
    ("above the venues", entry(leverage="101"), above("101", "100")),
    ("at the clients", entry(leverage="5", settings={"max_leverage": "5"}), "allow"),
    ("above the clients", entry(leverage="5.5", settings={"max_leverage": "5"}), above("5.5", "5")),
    (
        "the venues is lower",
        entry(leverage="120", settings={"max_leverage": "125"}),
        above("120", "100"),
    ),
    ("inverse", entry(INVERSE, leverage="6", settings={"max_leverage": "5"}), above("6", "5")),
    (
        "a small market",
        entry(replace(LINEAR, max_leverage=D(20)), leverage="25"),
        above("25", "20"),
    ),
    ("spot has none", entry(SPOT, leverage="10", settings={"max_leverage": "2"}), "allow"),
)
def test_leverage(facts: EntryFacts, expected: Verdict) -> None:
    assert said("leverage", facts) == expected
