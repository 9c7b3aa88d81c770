"""What is still followed of what a leader did while nobody listened."""

from decimal import Decimal as D

from hypothesis import given, settings
from hypothesis import strategies as st

from signals_app.domain.canonical import Action
from signals_app.domain.leaders.book import LeaderBook
from signals_app.domain.leaders.catching_up import (
    Guard,
    NotFollowed,
    added_price,
    catch_up_fills,
    judged,
)
from signals_app.domain.leaders.moves import Move
from tests.signals_app.leaders.fills import BTC, fill

NOW = 10_000_000
LIFETIME = 60_000
GUARD = Guard(now_ms=NOW, lifetime_ms=LIFETIME, market_price=D(50_000), max_slippage_bps=D(50))
OLD, FRESH = NOW - 600_000, NOW - 5_000


def held(quantity) -> LeaderBook:
    return LeaderBook({(BTC, "net"): D(quantity)})


def told(steps):
    return [(step.move.action, step.move.after, step.refusal) for step in steps]


def test_an_old_exit_goes_and_an_old_entry_is_only_shown():
    _, closed = catch_up_fills(held(5), [fill(1, -5, at=OLD)], GUARD)
    assert told(closed) == [(Action.CLOSE, 0, None)]
    _, opened = catch_up_fills(held(0), [fill(1, 5, at=OLD)], GUARD)
    assert told(opened) == [(Action.OPEN, 5, NotFollowed.TOO_LATE)]
    assert dict(opened[0].numbers) == {"late_seconds": "600", "lifetime_seconds": "60"}


def test_of_an_old_flip_the_exit_goes():
    _, steps = catch_up_fills(held(5), [fill(1, -8, at=OLD)], GUARD)
    assert told(steps) == [
        (Action.CLOSE, 0, None),
        (Action.OPEN, -3, NotFollowed.TOO_LATE),
    ]


def test_an_old_entry_and_a_fresh_one_are_told_apart():
    book, steps = catch_up_fills(held(0), [fill(2, 3, at=FRESH), fill(1, 5, at=OLD)], GUARD)
    assert told(steps) == [
        (Action.OPEN, 5, NotFollowed.TOO_LATE),
        (Action.INCREASE, 8, None),
    ]
    assert book.exposure(BTC) == 8
    assert steps[1].trade_id == "2"


def test_what_came_and_went_meanwhile_is_nothing():
    book, steps = catch_up_fills(held(1), [fill(1, 5, at=OLD), fill(2, -5, at=OLD + 1)], GUARD)
    assert steps == []
    assert book.exposure(BTC) == 1


def test_an_entry_that_the_market_ran_away_from_is_only_shown():
    far = Guard(NOW, LIFETIME, market_price=D(50_300), max_slippage_bps=D(50))
    for move, price, refusal in (
        (Move(D(0), D(1)), D(50_000), NotFollowed.SLIPPED),
        (Move(D(0), D(1)), D(50_100), None),
        (Move(D(0), D(-1)), D(50_000), None),
        (Move(D(0), D(-1)), D(50_600), NotFollowed.SLIPPED),
    ):
        assert [step.refusal for step in judged(move, price, FRESH, far)] == [refusal]


def test_an_exit_is_never_judged_by_price_or_age():
    far = Guard(NOW, LIFETIME, market_price=D(1), max_slippage_bps=D(0))
    assert told(judged(Move(D(5), D(2)), D(50_000), OLD, far)) == [(Action.REDUCE, 2, None)]


def test_without_a_market_price_the_age_decides():
    blind = Guard(NOW, LIFETIME, market_price=None, max_slippage_bps=D(0))
    assert told(judged(Move(D(0), D(2)), D(50_000), FRESH, blind)) == [(Action.OPEN, 2, None)]


@settings(max_examples=200)
@given(
    st.integers(-5, 5),
    st.lists(st.tuples(st.integers(-5, 5).filter(bool), st.integers(0, 120_000)), max_size=12),
)
def test_steps_lead_from_the_last_known_position_to_the_leaders(start, trades):
    fills = [fill(n, size, at=NOW - ago) for n, (size, ago) in enumerate(trades)]
    book, steps = catch_up_fills(held(start), fills, GUARD)
    at = D(start)
    for step in steps:
        assert step.move.before == at
        at = step.move.after
        if step.move.is_exit:
            assert step.refusal is None
    assert at == book.exposure(BTC) == start + sum(size for size, _ in trades)


def test_what_was_added_is_priced_by_the_averages_around_it():
    assert added_price(Move(D(0), D(4)), None, D(100)) == 100
    assert added_price(Move(D(4), D(6)), D(100), D(110)) == 130
    assert added_price(Move(D(-4), D(-6)), D(100), D(110)) == 130
    assert added_price(Move(D(4), D(-2)), D(100), D(90)) == 90
    assert added_price(Move(D(4), D(6)), None, D(110)) is None
    assert added_price(Move(D(6), D(4)), D(100), D(100)) is None
