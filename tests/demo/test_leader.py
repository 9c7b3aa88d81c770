"""The demo's leader speaks the canonical form, and never exits what it does not hold."""

import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from config.demo.cast import STRATEGIES
from config.demo.hands import ExchangeRefusedError
from config.demo.leader import LARGEST_ENTRIES, LeaderBook, hands_of, stamped
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


def test_a_leader_with_an_account_trades_at_the_exchange(paper_exchange):
    keys = paper_exchange.account().spec()
    hands = hands_of(paper_exchange.url, keys)
    order_id = hands.trade("BTC/USDT:USDT", Decimal("0.1055"))
    hands.trade("BTC/USDT:USDT", Decimal("-0.05"))
    fills = [
        row for row in paper_exchange.control.ledger()["fills"] if row["apiKey"] == keys["apiKey"]
    ]
    assert order_id in {row["ordId"] for row in fills}
    # A contract is 0.01 BTC, a lot 0.01 contracts.
    bought, sold = (
        sum(Decimal(row["fillSz"]) for row in fills if row["side"] == side)
        for side in ("buy", "sell")
    )
    assert (bought, sold) == (Decimal("10.55"), 5)
    with pytest.raises(ExchangeRefusedError):
        hands.trade("BTC/USDT:USDT", Decimal(100_000))
