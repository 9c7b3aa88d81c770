"""Between best bid and ask, of the middle, for market orders."""

from __future__ import annotations

from tests.trading.risk.entries import INVERSE, SPOT, Verdict, book, entry, said, table
from trading.domain.risk import EntryFacts, OrderBook

TENTH = {"max_spread_percent": "0.1"}


def wide(bid: str, ask: str, percent: str) -> Verdict:
    params = {"bid": bid, "ask": ask, "percent": percent, "limit": "0.1"}
    return ("deny", "spread_too_wide", params)


def with_book(found: OrderBook | None, instrument: object = SPOT, **more: object) -> EntryFacts:
    return entry(instrument, settings=TENTH, market={"book": found}, **more)


UNKNOWN = ("deny", "order_book_unknown", {"symbol": "BTC/USDT", "venue": "paper"})


@table(
    ("unset", entry(), "allow"),
    # 50 of 50,000
    ("exactly", with_book(book("49975×1", "50025×1")), "allow"),
    ("wider", with_book(book("49950×1", "50050×1")), wide("49950", "50050", "0.2")),
    (
        "inverse wider",
        with_book(book("49950×1", "50050×1"), INVERSE),
        wide("49950", "50050", "0.2"),
    ),
    ("a third of 300", with_book(book("250×1", "350×1")), wide("250", "350", "33.3333")),
    ("levels behind do not count", with_book(book("49999×1 40000×9", "50000×1 60000×9")), "allow"),
    ("a limit order does not pay it", with_book(book("1×1", "9×1"), is_limit=True), "allow"),
    ("no book", with_book(None), UNKNOWN),
    ("nobody asks", with_book(book("49999×1", "")), UNKNOWN),
    ("nobody bids", with_book(book("", "50000×1")), UNKNOWN),
)
def test_spread(facts: EntryFacts, expected: Verdict) -> None:
    assert said("spread", facts) == expected
