"""The demo's leader speaks the canonical form, and never exits what it does not hold."""

import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from config.demo.cast import STRATEGIES
from config.demo.leader import LARGEST_ENTRIES, LeaderBook, stamped
from signals_app.domain.canonical import Action, canonical_from_json


@pytest.mark.parametrize("terms", STRATEGIES, ids=lambda terms: terms.name)
def test_every_trade_is_a_valid_signal_that_fits_the_leaders_book(terms):
    book = LeaderBook(terms, random.Random(7))
    entries = dict(terms.entries)
    actions = set()
    for _ in range(500):
        before = dict(book.positions)
        signal = canonical_from_json(stamped(book.next_trade(), "64000.5"), now=datetime.now(UTC))
        held = before.get(signal.symbol, Decimal(0))
        actions.add(signal.action)
        assert (signal.action is Action.OPEN) == (held == 0)
        if signal.action is Action.FLIP:
            assert (signal.side == "short") == (held > 0)
        limit = entries[signal.symbol] * (LARGEST_ENTRIES + 1)
        assert abs(book.positions[signal.symbol]) <= limit
    assert actions == {Action.OPEN, Action.INCREASE, Action.REDUCE, Action.CLOSE, Action.FLIP}
