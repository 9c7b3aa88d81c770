"""A leader's fills, however they arrive, move followers to the same place."""

from __future__ import annotations

from decimal import Decimal as D
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from signals_app.domain.canonical import Action
from signals_app.domain.leaders.book import LeaderBook, new_fills, take_fills
from signals_app.domain.leaders.moves import Move
from tests.signals_app.leaders.fills import BTC, ETH, fill, position
from venues.domain.types import FillSnapshot

FOLLOWER_RATIO = Fraction(1, 7)
"""No decimal number, so that nothing comes out right by rounding."""


def followed(target: Fraction, move: Move) -> Fraction:
    """What a follower that copies a seventh does with one signal, told by its words only."""
    sign = 1 if move.side == "long" else -1
    if move.action in (Action.OPEN, Action.INCREASE):
        return target + sign * Fraction(move.entered) * FOLLOWER_RATIO
    if move.action is Action.CLOSE:
        return Fraction(0)
    if move.action is Action.FLIP:
        return sign * Fraction(move.entered) * FOLLOWER_RATIO
    return target * Fraction(move.after) / Fraction(move.before)


@st.composite
def trading(draw) -> tuple[list[FillSnapshot], bool]:
    """Fills of two symbols by a leader in either mode."""
    hedged = draw(st.booleans())
    sizes = st.integers(1, 400).map(lambda lots: D(lots) / 100)
    fills = []
    for number in range(draw(st.integers(1, 25))):
        size = draw(sizes) * draw(st.sampled_from((1, -1)))
        side = draw(st.sampled_from(("long", "short"))) if hedged else "net"
        symbol = draw(st.sampled_from((BTC, ETH)))
        fills.append(fill(number, size, at=number * 10, symbol=symbol, position_side=side))
    return fills, hedged


@st.composite
def deliveries(draw, fills: list[FillSnapshot]) -> list[list[FillSnapshot]]:
    """The same fills in any order, some twice, cut into batches anyhow; none is left out."""
    again = draw(st.lists(st.sampled_from(fills), max_size=10))
    arrived = draw(st.permutations([*fills, *again]))
    cuts = sorted(draw(st.sets(st.integers(1, len(arrived)), max_size=len(arrived))))
    parts = zip([0, *cuts], [*cuts, len(arrived)], strict=True)
    return [list(arrived[start:end]) for start, end in parts]


def follow(batches: list[list[FillSnapshot]]) -> tuple[LeaderBook, dict[str, Fraction], int]:
    book, seen = LeaderBook(), set()
    targets = {BTC: Fraction(0), ETH: Fraction(0)}
    moves = 0
    for batch in batches:
        fresh = new_fills(batch, book=book, seen=seen)
        seen |= {(each.symbol, each.trade_id) for each in fresh}
        book, taken = take_fills(book, fresh)
        for each in taken:
            if each.move is not None:
                moves += 1
                targets[each.symbol] = followed(targets[each.symbol], each.move)
    return book, targets, moves


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_splitting_doubling_and_reordering_ends_at_the_same_targets(data):
    fills, _ = data.draw(trading())
    book, targets, moves = follow(data.draw(deliveries(fills)))
    for symbol in (BTC, ETH):
        mine = [each for each in fills if each.symbol == symbol]
        real = sum((Fraction(f.quantity) * (1 if f.side == "buy" else -1) for f in mine), 0)
        assert Fraction(book.exposure(symbol)) == real
        assert targets[symbol] == real * FOLLOWER_RATIO
    assert moves <= len(fills)


@given(st.integers(2, 40), st.integers(1, 10**6))
def test_the_pieces_of_one_order_are_one_move(pieces, lots):
    fills = [fill(n, D(lots) / 1000, at=n) for n in range(pieces)]
    _, taken = take_fills(LeaderBook(), fills)
    assert [each.move for each in taken] == [Move(D(0), D(lots) * pieces / 1000)]
    assert taken[0].last.trade_id == str(pieces - 1)
    assert taken[0].first_ms == 0


def test_closing_in_thirds_leaves_nothing():
    book, _ = take_fills(LeaderBook(), [fill(1, "0.09")])
    target = Fraction(9, 700)
    for number in range(3):
        book, taken = take_fills(book, [fill(10 + number, "-0.03")])
        target = followed(target, taken[0].move)
    assert (target, book.exposure(BTC)) == (0, 0)


def test_a_hedge_is_less_exposure_and_its_end_is_more():
    """Long 10 with a short of 4 against it is 6 long, for followers of either mode."""
    long = {"position_side": "long"}
    short = {"position_side": "short"}
    book, opened = take_fills(LeaderBook(), [fill(1, 10, **long)])
    book, hedged = take_fills(book, [fill(2, -4, **short)])
    book, ended = take_fills(book, [fill(3, 4, **short)])
    _, turned = take_fills(book, [fill(4, -15, **short)])
    moves = [taken[0].move for taken in (opened, hedged, ended, turned)]
    assert [move.action for move in moves] == ["open", "reduce", "increase", "flip"]
    assert [move.after for move in moves] == [10, 6, 10, -5]
    assert book.positions == {(BTC, "long"): 10, (BTC, "short"): 0}


def test_what_cancels_out_within_a_batch_moves_nobody():
    book, taken = take_fills(LeaderBook(), [fill(1, 2), fill(2, -2, at=5)])
    assert taken[0].move is None
    assert taken[0].last.trade_id == "2"
    assert book.exposure(BTC) == 0


def test_the_price_is_the_average_of_what_was_bought():
    fills = [
        fill(1, 1, price=D(100)),
        fill(2, 2, price=D(103)),
        fill(3, -1, price=D(999)),
    ]
    _, taken = take_fills(LeaderBook(), fills)
    assert taken[0].price == D(102)


def test_a_trade_that_a_reported_position_includes_is_not_counted_again():
    book = LeaderBook().at_venue([position(7)], asked_ms=1_000)
    late = fill(1, 7, at=1_000)
    after = fill(2, 1, at=1_001)
    assert new_fills([after, late], book=book, seen=()) == [after]


def test_a_reported_book_forgets_what_is_closed_and_adds_up_margin_modes():
    held = LeaderBook({(ETH, "net"): D(4)})
    book = held.at_venue([position(3), position(2, margin_mode="isolated")], asked_ms=5)
    assert book.exposure(BTC) == 5
    assert book.exposure(ETH) == 0
    assert book.is_settled(fill(1, 1, symbol=ETH, at=5))


def test_ids_are_told_apart_by_symbol():
    fills = [fill(1, 1), fill(1, 1, symbol=ETH), fill(1, 1)]
    assert len(new_fills(fills, book=LeaderBook(), seen=())) == 2
    assert new_fills(fills, book=LeaderBook(), seen={(BTC, "1"), (ETH, "1")}) == []
