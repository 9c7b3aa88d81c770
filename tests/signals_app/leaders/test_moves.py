"""What a change of a leader's exposure tells followers."""

from decimal import Decimal as D

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from signals_app.domain.canonical import (
    Action,
    MarginMode,
    Side,
    SizeBasis,
    canonical_from_json,
    canonical_to_json,
    check_canonical,
)
from signals_app.domain.leaders.instructions import LeaderFacts, canonical_of_move, moment
from signals_app.domain.leaders.moves import Move, move_between
from tests.signals_app.leaders.fills import BTC

NOW_MS = 1_893_456_000_000


@pytest.mark.parametrize(
    ("before", "after", "action", "side", "entered"),
    [
        (0, 5, Action.OPEN, Side.LONG, 5),
        (0, -5, Action.OPEN, Side.SHORT, 5),
        (5, 8, Action.INCREASE, Side.LONG, 3),
        (-5, -8, Action.INCREASE, Side.SHORT, 3),
        (9, 6, Action.REDUCE, Side.LONG, 0),
        (-9, -6, Action.REDUCE, Side.SHORT, 0),
        (9, 0, Action.CLOSE, Side.LONG, 0),
        (-9, 0, Action.CLOSE, Side.SHORT, 0),
        (9, -4, Action.FLIP, Side.SHORT, 4),
        (-9, 4, Action.FLIP, Side.LONG, 4),
    ],
)
def test_what_a_change_amounts_to(before, after, action, side, entered):
    move = Move(D(before), D(after))
    assert (move.action, move.side, move.entered) == (action, side, entered)


def test_no_change_is_no_move():
    assert move_between(D("1.50"), D("1.5")) is None


def test_a_reduction_is_said_as_the_share_of_what_was_held():
    said = canonical_of_move(
        Move(D(9), D(6)), symbol=BTC, happened_ms=NOW_MS, price=D(50_000), facts=LeaderFacts()
    )
    assert said.action is Action.REDUCE
    assert said.size_basis is SizeBasis.POSITION_FRACTION
    assert said.size == D("0.333333333333333333")
    assert (said.leader_position_before, said.leader_position_after) == (D(9), D(6))


def test_an_entry_carries_what_followers_size_by():
    facts = LeaderFacts(equity=D(10_000), leverage=D(3), margin_mode=MarginMode.ISOLATED)
    said = canonical_of_move(
        Move(D(0), D("-2.5")), symbol=BTC, happened_ms=NOW_MS + 7, price=D(49_999), facts=facts
    )
    assert (said.size, said.size_basis) == (D("2.5"), SizeBasis.CONTRACTS)
    assert (said.leader_equity, said.leverage, said.margin_mode) == (D(10_000), D(3), "isolated")
    assert said.price == D(49_999)
    assert said.emitted_at == moment(NOW_MS + 7)
    assert said.emitted_at.microsecond == 7_000


def test_a_flip_falls_into_its_close_and_its_opening():
    close, entry = Move(D(3), D(-2)).parts()
    assert (close.action, entry.action) == (Action.CLOSE, Action.OPEN)
    assert (close.before, close.after, entry.after) == (D(3), D(0), D(-2))


exposures = st.decimals(min_value=-(10**15), max_value=10**15, places=8)


@given(exposures, exposures)
def test_every_move_is_a_signal_that_our_own_parser_takes(before, after):
    assume(before != after)
    said = canonical_of_move(
        Move(before, after),
        symbol=BTC,
        happened_ms=NOW_MS,
        price=D("50000.1"),
        facts=LeaderFacts(equity=D(1), leverage=D(2)),
    )
    check_canonical(said, moment(NOW_MS))
    assert canonical_from_json(canonical_to_json(said), moment(NOW_MS)) == said
