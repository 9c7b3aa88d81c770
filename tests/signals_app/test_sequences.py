"""Numbered signals: what is missing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from signals_app.domain.sequences import MAX_GAPS, Sequence, sequence_step


def after(*numbers: int) -> Sequence:
    state = Sequence()
    for number in numbers:
        state, _ = sequence_step(state, number)
    return state


def test_a_jump_opens_a_gap_and_late_ones_close_it() -> None:
    assert sequence_step(after(1, 2), 6) == (Sequence(6, ((3, 5),)), (3, 5))
    assert after(1, 2, 6, 4) == Sequence(6, ((3, 3), (5, 5)))
    assert after(1, 2, 6, 4, 3, 5) == Sequence(6)


def test_repeats_and_a_new_start_open_none() -> None:
    assert after(5, 6, 6, 5) == Sequence(6)
    assert after(5, 6, 9, 1, 2) == Sequence(2)


@given(st.sets(st.integers(2, 60), min_size=1))
def test_what_is_missing_is_exactly_what_did_not_come(numbers: set[int]) -> None:
    came = sorted(numbers)
    state = after(*came)
    missing = {n for first, last in state.gaps for n in range(first, last + 1)}
    assert missing == set(range(came[0], came[-1] + 1)) - numbers


def test_the_list_of_gaps_does_not_grow_without_end() -> None:
    assert len(after(*range(0, 1000, 3)).gaps) == MAX_GAPS
