"""Which stops there should be and what is done about it: worked out by hand, and by chance."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D
from random import Random

import pytest

from strategies.domain.settings import CopySettings, LeaderEvent, StopsMode, TradeDirection
from trading.domain.stops.legs import PARTS, RUNNER, Leg, legs_of
from trading.domain.stops.protection import (
    Held,
    Protection,
    is_passed,
    protection_of,
    reached_targets,
)
from trading.domain.stops.states import (
    TRANSITIONS,
    InvalidStopTransitionError,
    StopState,
    StopTrigger,
    advance,
)
from trading.domain.stops.steps import Standing, Steps, steps_towards
from trading.domain.stops.terms import (
    LeaderStops,
    StopTerms,
    asks_for_stops,
    leader_stops,
    terms_from_json,
    terms_of,
    terms_to_json,
)
from venues.domain.types import Instrument, InstrumentKind

BTC = Instrument(
    symbol="BTC/USDT:USDT",
    venue_symbol="BTC-USDT-SWAP",
    kind=InstrumentKind.LINEAR,
    base="BTC",
    quote="USDT",
    settle="USDT",
    contract_size=D("0.01"),
    lot=D("0.1"),
    tick=D("0.5"),
    min_size=D("0.1"),
    max_market_size=D(100),
    max_limit_size=None,
    max_leverage=D(100),
    is_live=True,
)
LONG = Held(D(10), D(60000))
SHORT = Held(D(-10), D(60000))
OWN = StopTerms(mode=StopsMode.OWN)
LEADER = StopTerms(mode=StopsMode.AS_LEADER)


def prices(terms: StopTerms, held: Held, *, reached: bool = False) -> Protection:
    return protection_of(terms, held, BTC, target_was_reached=reached)


# --- prices ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "stop", "target"),
    [
        (LONG, "57000", "66000"),
        (SHORT, "63000", "54000"),
        # 5 % of 60000.3 is 3000.015: towards the entry, whatever side it lies on.
        (Held(D(10), D("60000.3")), "57000.5", "66000"),
        (Held(D(-10), D("60000.3")), "63000", "54000.5"),
    ],
)
def test_own_distances(held: Held, stop: str, target: str) -> None:
    terms = replace(OWN, stop_loss_percent=D(5), targets=((D(10), D(1)),))
    assert prices(terms, held) == Protection(D(stop), ((D(target), D(1)),))


@pytest.mark.parametrize(
    ("held", "best", "stop"),
    [
        (LONG, None, "58800"),  # 2 % below the entry
        (LONG, "59000", "58800"),  # never further away
        (LONG, "65000", "63700"),
        (SHORT, None, "61200"),
        (SHORT, "50000", "51000"),
    ],
)
def test_a_trailing_stop_follows_the_best_price(held: Held, best: str | None, stop: str) -> None:
    terms = replace(OWN, trailing_percent=D(2))
    held = replace(held, best_price=None if best is None else D(best))
    assert prices(terms, held).stop_loss == D(stop)


@pytest.mark.parametrize(("held", "stop"), [(LONG, 60000), (SHORT, 60000)])
def test_break_even_after_the_first_target(held: Held, stop: int) -> None:
    terms = replace(OWN, stop_loss_percent=D(5), break_even_after_target=True)
    assert prices(terms, held).stop_loss != stop
    assert prices(terms, held, reached=True).stop_loss == stop


def test_the_nearest_of_several_stops_counts() -> None:
    terms = replace(OWN, stop_loss_percent=D(1), trailing_percent=D(3))
    assert prices(terms, LONG).stop_loss == D(59400)
    assert prices(terms, replace(LONG, best_price=D(70000))).stop_loss == D(67900)


def test_the_leaders_prices_are_taken_as_they_are() -> None:
    leader = leader_stops(D(58000), D(65000))
    terms = replace(LEADER, leader=leader)
    assert prices(terms, LONG) == Protection(D(58000), ((D(65000), D(1)),))


def test_who_copies_reversed_has_them_the_other_way_round() -> None:
    """The leader is long: what ends his trade with a loss ends this one with a gain."""
    leader = leader_stops(
        D(58000),
        None,
        [{"price": "62000", "fraction": "0.5"}, {"price": "65000", "fraction": "0.5"}],
    )
    settings = CopySettings(direction=TradeDirection.REVERSED)
    terms = terms_of(settings, leader)
    assert prices(terms, SHORT) == Protection(D(65000), ((D(58000), D(1)),))


def test_no_stops_are_no_stops() -> None:
    assert prices(StopTerms(), LONG) == Protection()
    assert not asks_for_stops(StopTerms())
    assert not asks_for_stops(LEADER)
    assert asks_for_stops(replace(LEADER, trailing_percent=D(1)))


def test_the_single_take_profit_takes_what_the_targets_leave() -> None:
    settings = CopySettings(
        stops_mode=StopsMode.OWN,
        take_profit_targets=((D(2), D("0.5")), (D(4), D("0.3"))),
        take_profit_percent=D(10),
    )
    assert terms_of(settings, LeaderStops()).targets[-1] == (D(10), D("0.2"))
    nearer = replace(settings, take_profit_percent=D(3))
    assert len(terms_of(nearer, LeaderStops()).targets) == 2


def test_terms_are_stored_exactly() -> None:
    terms = StopTerms(
        mode=StopsMode.AS_LEADER,
        stop_loss_percent=D("0.1"),
        targets=((D("1.5"), D("0.25")),),
        trailing_percent=None,
        break_even_after_target=True,
        on_change=LeaderEvent.ALERT,
        is_reversed=True,
        leader=LeaderStops(D("58000.25"), ((D("1E+3"), D(1)),)),
    )
    assert terms_from_json(terms_to_json(terms)) == terms


def test_what_a_price_reaches() -> None:
    protection = Protection(D(58000), ((D(62000), D("0.5")), (D(64000), D("0.5"))))
    assert not is_passed(protection, D("58000.5"), 1)
    assert is_passed(protection, D(58000), 1)
    assert reached_targets(protection, D(62000), 1, ()) == [0]
    assert reached_targets(protection, D(70000), 1, (0,)) == [1]
    short = Protection(D(62000), ((D(58000), D(1)),))
    assert is_passed(short, D(62000), -1)
    assert reached_targets(short, D(57000), -1, ()) == [0]


# --- legs -----------------------------------------------------------------------------------------


def shared(quantity: str, *shares: str, done: tuple[int, ...] = (), **filters: D) -> list[str]:
    """The legs' quantities, each with its place."""
    targets = tuple((D(61000 + 1000 * n), D(share)) for n, share in enumerate(shares))
    legs = legs_of(Protection(D(58000), targets), D(quantity), replace(BTC, **filters), done)
    return [f"{leg.place}:{leg.quantity.normalize():f}" for leg in legs]


@pytest.mark.parametrize(
    ("quantity", "shares", "done", "expected"),
    [
        ("10", (), (), [f"{RUNNER}:10"]),
        ("10", ("1",), (), ["0:10"]),
        ("10", ("0.5", "0.3"), (), ["0:5", "1:3", f"{RUNNER}:2"]),
        ("5", ("0.5", "0.3"), (0,), ["1:3", f"{RUNNER}:2"]),
        ("2", ("0.5", "0.3"), (0, 1), [f"{RUNNER}:2"]),
        # All went off and something is left: it is still guarded.
        ("0.4", ("0.5", "0.5"), (0, 1), [f"{RUNNER}:0.4"]),
        # 1/3 of 10 on a lot of 0.1: rounded down, the last has the rest.
        ("10", ("0.33", "0.33", "0.34"), (), ["0:3.3", "1:3.3", "2:3.4"]),
        # Too small for two orders.
        ("0.1", ("0.5", "0.5"), (), ["1:0.1"]),
        ("0.05", ("0.5", "0.5"), (), []),
        ("10.07", ("1",), (), ["0:10"]),
        ("250", ("1",), (), ["0:100", "0:100", "0:50"]),
    ],
)
def test_a_position_is_shared_out(
    quantity: str, shares: tuple[str, ...], done: tuple[int, ...], expected: list[str]
) -> None:
    assert shared(quantity, *shares, done=done) == expected


def test_parts_have_slots_of_their_own() -> None:
    legs = legs_of(Protection(D(58000)), D(250), BTC)
    assert [leg.slot for leg in legs] == [RUNNER * PARTS + n for n in range(3)]


def test_what_cannot_be_parted_is_one_order_and_no_endless_work() -> None:
    assert shared("1.5", max_market_size=D(1), min_size=D(1)) == [f"{RUNNER}:1.5"]
    assert shared("12", max_market_size=D(10), min_size=D(8)) == [f"{RUNNER}:12"]
    assert shared("17", max_market_size=D(10), min_size=D(8)) == [f"{RUNNER}:8", f"{RUNNER}:9"]


def test_without_a_stop_loss_the_rest_has_no_order() -> None:
    legs = legs_of(Protection(None, ((D(62000), D("0.5")),)), D(10), BTC)
    assert [(leg.quantity, leg.take_profit) for leg in legs] == [(D(5), D(62000))]


def test_random_positions_are_never_exceeded() -> None:
    chance = Random(5)
    for _ in range(3000):
        parts = [chance.randrange(1, 10) for _ in range(chance.randrange(5))]
        whole = sum(parts) + chance.randrange(4)
        targets = tuple((D(61000 + n), D(part) / whole) for n, part in enumerate(parts))
        lot = chance.choice([D("0.1"), D(1), D("0.01")])
        instrument = replace(
            BTC, lot=lot, min_size=lot * chance.randrange(1, 4), max_market_size=D(40)
        )
        quantity = D(chance.randrange(1, 20_000)) / 100
        done = tuple(n for n in range(len(parts)) if chance.random() < 0.3)
        legs = legs_of(Protection(D(58000), targets), quantity, instrument, done)
        total = sum((leg.quantity for leg in legs), D(0))
        if instrument.quantity_down(quantity) < instrument.min_size:
            assert legs == []
            continue
        assert total == instrument.quantity_down(quantity)
        for leg in legs:
            assert leg.quantity >= instrument.min_size
            assert leg.quantity == instrument.quantity_down(leg.quantity)
            assert leg.place not in done


# --- steps ----------------------------------------------------------------------------------------


def leg(slot: int, quantity: str, stop: int | None = 58000, target: int | None = None) -> Leg:
    return Leg(slot, D(quantity), stop and D(stop), target and D(target))


def standing(name: str, of: Leg, **changes: object) -> Standing:
    values: dict[str, object] = {"largest": of.quantity, **changes}
    return Standing(
        id=name,
        slot=of.slot,
        quantity=of.quantity,
        stop_loss=of.stop_loss,
        take_profit=of.take_profit,
        **values,  # type: ignore[arg-type]
    )


def test_what_is_missing_is_placed_and_what_is_there_stays() -> None:
    steps = steps_towards([leg(0, "5"), leg(1, "5")], [standing("a", leg(0, "5"))], D(10))
    assert (steps.place, steps.amend, steps.cancel) == ((leg(1, "5"),), (), ())
    steps = steps_towards([leg(0, "5")], [standing("a", leg(0, "5"))], D(5))
    assert steps.is_empty
    assert (steps.covers, steps.waits) == (True, False)


def test_sizes_and_prices_are_amended() -> None:
    wanted = leg(0, "5", 59000)
    steps = steps_towards([wanted], [standing("a", leg(0, "10"))], D(5))
    assert steps.amend == (("a", wanted),)
    assert not steps.covers


def test_another_kind_is_another_order_and_the_old_one_goes_first() -> None:
    wanted = leg(0, "5", 58000, 62000)
    steps = steps_towards([wanted], [standing("a", leg(0, "5"))], D(5))
    assert (steps.cancel, steps.place) == (("a",), ())
    assert steps.waits
    leaving = standing("a", leg(0, "5"), is_leaving=True)
    assert steps_towards([wanted], [leaving], D(5)).is_empty


def test_nothing_grows_before_there_is_room() -> None:
    """One shrinks from 8 to 2 and another is to have the 6: not both at once."""
    there = [standing("a", leg(0, "8")), standing("b", leg(1, "2"))]
    steps = steps_towards([leg(0, "2"), leg(1, "8")], there, D(10))
    assert steps.amend == (("a", leg(0, "2")),)
    assert steps.waits


def test_an_amendment_under_way_counts_with_its_larger_size() -> None:
    there = [standing("a", leg(0, "8"), largest=D(10), is_settled=False)]
    steps = steps_towards([leg(0, "8"), leg(1, "2")], there, D(10))
    assert steps.is_empty
    assert steps.waits


def test_one_of_unknown_outcome_is_waited_for() -> None:
    there = [standing("a", leg(0, "5"), is_settled=False)]
    steps = steps_towards([leg(0, "5")], there, D(5))
    assert steps.is_empty
    assert (steps.covers, steps.waits) == (False, True)


def test_twins_and_orphans_are_cancelled() -> None:
    there = [standing("a", leg(0, "5")), standing("b", leg(0, "5")), standing("c", leg(3, "1"))]
    assert steps_towards([leg(0, "5")], there, D(5)).cancel == ("b", "c")
    assert steps_towards([], there[:1], D(0)).cancel == ("a",)


def test_random_changes_never_leave_more_at_the_venue_than_is_held() -> None:
    """Each request may be done or not before the next decision."""
    chance = Random(11)
    for _ in range(400):
        there: dict[str, Standing] = {}
        held, number = D(0), 0
        for _ in range(12):
            grows = chance.random() < 0.6
            held = held + chance.randrange(1, 30) if grows else D(0)
            while sum((each.largest for each in there.values()), D(0)) > held:
                _do(steps_towards([], there.values(), held), there, chance, number)
            parts = tuple((D(61000 + n), D("0.3")) for n in range(chance.randrange(4)))
            wanted = legs_of(Protection(D(58000), parts), held, BTC)
            for _ in range(8):
                number += 1
                steps = steps_towards(wanted, there.values(), held)
                _do(steps, there, chance, number)
                assert sum((each.largest for each in there.values()), D(0)) <= held
            for _ in range(12):
                number += 1
                steps = steps_towards(wanted, there.values(), held)
                _do(steps, there, Random(1), number)
            final = steps_towards(wanted, there.values(), held)
            assert final.covers
            assert final.is_empty


def _do(steps: Steps, there: dict[str, Standing], chance: Random, number: int) -> None:
    for stop_id in steps.cancel:
        if chance.random() < 0.7:
            del there[stop_id]
    for stop_id, to in steps.amend:
        if chance.random() < 0.7:
            there[stop_id] = standing(stop_id, to)
    for n, each in enumerate(steps.place):
        if chance.random() < 0.7:
            there[f"{number:06d}-{n}"] = standing(f"{number:06d}-{n}", each)


# --- states ---------------------------------------------------------------------------------------


def test_no_state_is_left_by_what_makes_no_sense() -> None:
    for state in StopState:
        for trigger in StopTrigger:
            if (state, trigger) in TRANSITIONS:
                assert advance(state, trigger) == TRANSITIONS[state, trigger]
            else:
                with pytest.raises(InvalidStopTransitionError):
                    advance(state, trigger)


def test_a_lost_placement_is_never_sending_again() -> None:
    assert all(after is not StopState.SENDING for after in TRANSITIONS.values())
