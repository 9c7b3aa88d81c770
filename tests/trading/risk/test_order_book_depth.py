"""What all followers take of the book within the slippage limit, and each one's part of it.

The asks hold 100 up to 50,100, 300 up to 50,250 (0.5 % above 50,000) and 900 up to 50,500; the
bids 50 down to 49,900, 250 down to 49,750 and 1,050 down to 49,000."""

from __future__ import annotations

from decimal import Decimal as D

from tests.trading.risk.entries import INVERSE, LINEAR, SPOT, Verdict, book, entry, said, table
from trading.domain.risk import EntryFacts

BOOK = book("49900×50 49750×200 49000×800", "50100×100 50250×200 50500×600")
BUY, SELL = 1, -1


def share(percent: str, demand: str | None, direction: int = BUY, **more: object) -> EntryFacts:
    values: dict[str, object] = {
        "leader_price": "50000",
        "book": BOOK,
        "instrument": LINEAR,
        **more,
    }
    settings = {"max_depth_percent": percent, **dict(values.pop("settings", {}))}
    market = {"book": values.pop("book"), "demand": demand}
    return entry(settings=settings, market=market, direction=direction, **values)


def part(quantity: str) -> Verdict:
    return ("reduce", "order_book_thin", D(quantity))


UNKNOWN = ("deny", "order_book_unknown", {"symbol": LINEAR.symbol, "venue": "paper"})


@table(
    ("unset", entry(market={"book": BOOK, "demand": "100000"}), "allow"),
    # A tenth of 300 is 30 for all.
    ("all fit", share("10", "30"), "allow"),
    ("twice as much as fits", share("10", "60"), part("5")),
    ("a whale gets as much of its own", share("10", "60", quantity="50"), part("25")),
    ("three times", share("10", "90", quantity="9"), part("3")),
    ("the whole book", share("100", "300"), "allow"),
    ("sales meet the bids", share("10", "25", SELL), "allow"),
    ("and are cut by them", share("10", "100", SELL), part("2.5")),
    # Up to 50,500: 900, of which 90.
    (
        "a wider limit sees more",
        share("10", "90", settings={"max_entry_slippage_percent": "1"}),
        "allow",
    ),
    # Up to 50,100: 100, of which 10.
    (
        "a tighter one less",
        share("10", "20", settings={"max_entry_slippage_percent": "0.2"}),
        part("5"),
    ),
    # From the best ask, 50,100, half a percent is 50,350.5.
    ("without a leaders price from the best", share("10", "30", leader_price=None), "allow"),
    ("the book ran away", share("10", "30", leader_price="40000"), part("0")),
    ("alone and larger than the demand", share("10", "5", quantity="60"), part("30")),
    ("inverse", share("10", "60", instrument=INVERSE), part("5")),
    ("spot", share("10", "60", instrument=SPOT, quantity="2"), part("1")),
    ("a limit order waits for its price", share("1", "9999", is_limit=True), "allow"),
    ("no book", share("10", "30", book=None), UNKNOWN),
    ("an empty side", share("10", "30", book=book("49900×1", "")), UNKNOWN),
    ("no demand known", share("10", None), UNKNOWN),
)
def test_order_book_depth(facts: EntryFacts, expected: Verdict) -> None:
    assert said("order_book_depth", facts) == expected
