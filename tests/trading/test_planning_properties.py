"""Whatever the signal and whatever the book: what every plan keeps."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.plans import (
    BTC,
    LONG,
    SHORT,
    follower,
    orders,
    say,
    working,
)
from trading.domain.planning import (
    MAIN_LEG,
    Action,
    Book,
    Follower,
    Instruction,
    plan_follower,
)
from trading.domain.risk import ControlMode, Controls

SMALL = st.decimals(min_value=0, max_value=50, places=3)
SIGNED = st.decimals(min_value=-50, max_value=50, places=2)
DIRECTIONS = st.sampled_from([LONG, SHORT])
INSTRUMENTS = st.builds(
    lambda lot, minimum, cap: replace(
        BTC, lot=lot, min_size=lot * minimum, max_market_size=None if cap is None else lot * cap
    ),
    lot=st.sampled_from([D("0.01"), D("0.1"), D(1), D(5)]),
    minimum=st.integers(1, 4),
    cap=st.none() | st.integers(8, 60),
)
INSTRUCTIONS = st.one_of(
    st.builds(say, st.sampled_from(["open", "increase", "flip", "set_target"]), SMALL, DIRECTIONS),
    st.builds(say, st.just("reduce"), SMALL, st.just(0)),
    st.builds(
        lambda part: say("reduce", fraction=part),
        st.decimals(min_value="0.001", max_value=1, places=3),
    ),
    st.builds(say, st.just("close"), st.none(), st.just(0)),
    st.builds(say, st.just("flip"), st.none(), DIRECTIONS),
)


@st.composite
def followers(draw: st.DrawFn) -> Follower:
    """Any book the flow can make: lots held and worked, a target near them, exits within them."""
    instrument = draw(INSTRUMENTS)
    sign = draw(DIRECTIONS)
    lots = st.integers(0, 40)
    filled = draw(lots) * instrument.lot
    exits = draw(st.integers(0, int(filled / instrument.lot))) * instrument.lot
    entries = draw(st.just(0) | lots) * instrument.lot
    residual = draw(st.decimals(min_value=0, max_value=1, places=3)) * instrument.lot
    book = Book(
        target=sign * (filled - exits + entries + residual),
        filled=sign * filled,
        working_exits=-sign * exits,
        working_entries=sign * entries,
        others_long=draw(st.just(D(0)) | SMALL),
        others_short=draw(st.just(D(0)) | SMALL),
    )
    available = draw(st.sampled_from([D(10) ** 12, D(3_000), None]))
    mode = draw(st.sampled_from([ControlMode.ACTIVE, ControlMode.REDUCING]))
    return follower(book, instrument, available=available, controls=Controls(tenant=mode))


@settings(max_examples=600, deadline=None)
@given(INSTRUCTIONS, followers())
def test_every_order_is_a_size_that_the_venue_takes(told: Instruction, one: Follower) -> None:
    plan = plan_follower(told, one)
    for leg in plan.legs:
        if leg.is_order:
            assert leg.quantity % one.instrument.lot == 0
            assert leg.quantity >= one.instrument.min_size
            if one.instrument.max_market_size is not None:
                assert leg.quantity <= one.instrument.max_market_size
            assert leg.direction in (LONG, SHORT)
        else:
            assert leg.quantity == 0
    assert len({leg.leg for leg in plan.legs}) == len(plan.legs)
    assert sum(leg.leg == MAIN_LEG for leg in plan.legs) == 1


@settings(max_examples=600, deadline=None)
@given(INSTRUCTIONS, followers())
def test_an_exit_never_sells_more_than_is_held_and_never_increases(
    told: Instruction, one: Follower
) -> None:
    book = one.book
    plan = plan_follower(told, one)
    exits = sum(
        (o.quantity * o.direction for o in plan.legs if o.is_order and not o.is_entry), D(0)
    )
    assert exits * book.filled <= 0
    assert abs(exits + book.working_exits) <= abs(book.filled)
    if told.action in ("reduce", "close"):
        assert not any(leg.is_entry for leg in plan.legs)
        assert abs(plan.target) <= abs(book.target) or exits == 0
        assert abs(plan.target) <= abs(book.target)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(["open", "increase"]), SMALL, DIRECTIONS, followers())
def test_an_entry_is_never_rounded_up(
    action: Action, size: D, direction: int, one: Follower
) -> None:
    plan = plan_follower(say(action, size, direction), one)
    missing = (one.book.target + size * direction - one.book.exposure) * direction
    for leg in plan.legs:
        if leg.is_order:
            assert leg.is_entry
            assert leg.direction == direction
            assert leg.quantity <= missing
            if one.instrument.max_market_size is None:
                assert missing - leg.quantity < one.instrument.lot


IDEMPOTENT = st.one_of(
    st.builds(say, st.just("set_target"), SMALL, DIRECTIONS),
    st.builds(say, st.just("flip"), SMALL, DIRECTIONS),
    st.builds(say, st.just("close"), st.none(), st.just(0)),
    st.builds(lambda: say("reduce", fraction=1)),
)


@settings(max_examples=600, deadline=None)
@given(IDEMPOTENT, followers())
def test_planning_again_with_the_first_orders_working_orders_nothing_new(
    told: Instruction, one: Follower
) -> None:
    """Signals that name where to be. One that adds is applied once, by its intent's unique key.

    Where the first had to cancel working entries, or was cut to the venue's largest order, the
    second may enter what is missing to its target, but nothing beyond.
    """
    first = plan_follower(told, one)
    book = working(first, one.book)
    again = plan_follower(told, replace(one, book=book))
    if not first.cancel_entries and one.instrument.max_market_size is None:
        assert orders(again) == []
    assert not any(leg.is_order and not leg.is_entry for leg in again.legs)
    if orders(again):
        assert abs(working(again, book).exposure) <= abs(again.target)


@settings(max_examples=600, deadline=None)
@given(INSTRUCTIONS, followers())
def test_the_target_is_what_is_held_and_worked_but_for_less_than_an_order(
    told: Instruction, one: Follower
) -> None:
    """A consistent book stays consistent under any signal, when nothing is overtaken."""
    plan = plan_follower(told, one)
    if plan.cancel_entries:
        return
    after = working(plan, one.book)
    smallest = max(one.instrument.min_size, one.instrument.lot)
    before = abs(one.book.target - one.book.exposure)
    assert abs(after.target - after.exposure) < max(smallest, before + D("0.000001"))
