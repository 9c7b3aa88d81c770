"""The order's table, literally, and what an observation makes of an order."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from trading.domain.order_progress import (
    counted_quantity,
    observe,
    overtaken_target,
)
from trading.domain.order_states import (
    LIVE_STATES,
    TERMINAL_STATES,
    TRANSITIONS,
    InvalidTransitionError,
    OrderState,
    OrderTrigger,
    advance,
)
from venues.domain.types import VenueOrderState

# One row per state: where each trigger leads; a trigger that is not named is illegal.
TABLE = """
ready            claim→claimed expire→expired refuse→rejected
claimed          release→ready send→sending expire→expired refuse→rejected
sending          accept→accepted reject→rejected lose→unknown
                 partial_fill→partially_filled fill→filled cancel→cancelled
unknown          lose→unknown accept→accepted reject→rejected find_absent→not_placed
                 partial_fill→partially_filled fill→filled cancel→cancelled
not_placed       find_absent→not_placed accept→accepted
                 partial_fill→partially_filled fill→filled cancel→cancelled
accepted         accept→accepted partial_fill→partially_filled fill→filled cancel→cancelled
partially_filled accept→partially_filled partial_fill→partially_filled fill→filled
                 cancel→cancelled
cancelled        accept→cancelled partial_fill→cancelled fill→filled cancel→cancelled
filled           accept→filled fill→filled cancel→filled
rejected
expired
"""


def _literal() -> dict[tuple[str, str], str]:
    steps, state = {}, ""
    for line in TABLE.strip().splitlines():
        words = line.split()
        if not line.startswith(" "):
            state = words.pop(0)
        for word in words:
            trigger, following = word.split("→")
            steps[state, trigger] = following
    return steps


@pytest.mark.parametrize("trigger", list(OrderTrigger))
@pytest.mark.parametrize("state", list(OrderState))
def test_every_pair_of_the_table_both_ways(state: OrderState, trigger: OrderTrigger) -> None:
    expected = _literal().get((state, trigger))
    if expected is None:
        with pytest.raises(InvalidTransitionError) as caught:
            advance(state, trigger)
        assert (caught.value.state, caught.value.trigger) == (state, trigger)
    else:
        assert advance(state, trigger) == expected


def test_the_literal_table_names_only_states_and_triggers_that_exist() -> None:
    for (state, trigger), following in _literal().items():
        assert OrderState(state) and OrderTrigger(trigger) and OrderState(following)
    assert len(_literal()) == len(TRANSITIONS)


def test_an_unknown_outcome_counts_as_working_and_an_absent_order_does_not() -> None:
    assert OrderState.UNKNOWN in LIVE_STATES
    assert OrderState.SENDING in LIVE_STATES
    assert set(OrderState) == LIVE_STATES | TERMINAL_STATES
    assert not LIVE_STATES & TERMINAL_STATES
    for state in OrderState:
        expected = D(5) if state in LIVE_STATES else D(2)
        assert counted_quantity(state, D(5), D(2)) == expected


def test_nothing_leads_back_to_where_an_order_could_be_sent_again() -> None:
    """The only way to SENDING is a claim, and no state after it leads to a claim again."""
    reachable, frontier = set(), {OrderState.SENDING}
    while frontier:
        reachable |= frontier
        frontier = {
            following for (state, _), following in TRANSITIONS.items() if state in frontier
        } - reachable
    assert not reachable & {OrderState.READY, OrderState.CLAIMED}
    assert not any(
        following is OrderState.SENDING
        for (state, trigger), following in TRANSITIONS.items()
        if trigger is not OrderTrigger.SEND
    )


# --- what an observation does -----------------------------------------------------------------


def seen(
    state: str,
    *,
    fills: tuple[int, int] = (0, 0),
    venue: str = "working",
    venue_filled: int | None = None,
) -> tuple[list[str], str, bool]:
    before, now = fills
    progress = observe(
        state=OrderState(state),
        quantity=D(10),
        filled_before=D(before),
        filled_now=D(now),
        venue_state=VenueOrderState(venue),
        venue_filled=D(now if venue_filled is None else venue_filled),
    )
    return [step.trigger for step in progress.steps], progress.state, progress.fills_missing


@pytest.mark.parametrize(
    ("args", "triggers", "state", "missing"),
    [
        # found after an unclear answer
        ({"state": "unknown"}, ["accept"], "accepted", False),
        ({"state": "sending"}, ["accept"], "accepted", False),
        (
            {"state": "unknown", "fills": (0, 10), "venue": "filled"},
            ["accept", "fill"],
            "filled",
            False,
        ),
        (
            {"state": "unknown", "fills": (0, 4), "venue": "cancelled"},
            ["accept", "partial_fill", "cancel"],
            "cancelled",
            False,
        ),
        ({"state": "unknown", "venue": "cancelled"}, ["accept", "cancel"], "cancelled", False),
        # a twin that shows up after we had given up
        (
            {"state": "not_placed", "fills": (0, 10), "venue": "filled"},
            ["accept", "fill"],
            "filled",
            False,
        ),
        # the venue is ahead of its fills: nothing ends before they are here
        ({"state": "accepted", "venue": "filled", "venue_filled": 10}, [], "accepted", True),
        (
            {"state": "accepted", "fills": (0, 4), "venue": "filled", "venue_filled": 10},
            ["partial_fill"],
            "partially_filled",
            True,
        ),
        (
            {"state": "partially_filled", "fills": (4, 4), "venue": "cancelled", "venue_filled": 6},
            [],
            "partially_filled",
            True,
        ),
        # the venue shrank it (reduce-only) and calls it filled below our quantity
        (
            {"state": "accepted", "fills": (0, 6), "venue": "filled"},
            ["partial_fill", "cancel"],
            "cancelled",
            False,
        ),
        # late and repeated news
        ({"state": "cancelled", "fills": (0, 3)}, ["partial_fill"], "cancelled", False),
        ({"state": "cancelled", "fills": (3, 10), "venue": "cancelled"}, ["fill"], "filled", False),
        ({"state": "cancelled", "fills": (3, 3), "venue": "cancelled"}, [], "cancelled", False),
        ({"state": "filled", "fills": (10, 10), "venue": "partially_filled"}, [], "filled", False),
        ({"state": "partially_filled", "fills": (4, 4)}, [], "partially_filled", False),
    ],
)
def test_what_an_observation_does(
    args: dict, triggers: list[str], state: str, missing: bool
) -> None:
    assert seen(**args) == (triggers, state, missing)


@pytest.mark.parametrize(
    ("target", "exposure", "expected"),
    [
        (0, 0, 0),  # closed, nothing filled late
        (0, 3, 0),  # closed, three filled late: they are to be exited
        (5, 3, 3),  # halved to five, only three ever came: nothing is bought for it
        (5, 8, 5),  # halved to five, eight came: three are to be exited
        (-5, -3, -3),
        (-5, 3, 0),  # never across flat
        (-5, 0, 0),
    ],
)
def test_the_target_when_an_overtaken_entry_ends(target: int, exposure: int, expected: int) -> None:
    assert overtaken_target(D(target), D(exposure)) == expected
