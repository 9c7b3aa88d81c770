"""A machine that plays a bad network against a venue's ledger, over the table of order states."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from trading.domain.order_progress import (
    observe,
    take_steps,
)
from trading.domain.order_states import (
    InvalidTransitionError,
    OrderState,
    OrderTrigger,
)
from trading.domain.resolution import (
    DEADLINE_MARGIN,
    MIN_MISSES,
    MIN_WATCH,
    WATCH_AFTER,
    Conclusion,
    counts_as_miss,
    judge_absence,
    judge_watched,
)
from venues.domain.types import VenueOrderState

QUANTITY = 6
START = datetime(2026, 1, 1, tzinfo=UTC)
LIFETIME = timedelta(seconds=4)
"""From sending to the moment after which the venue discards the request."""
BOOKING_LATENESS = DEADLINE_MARGIN
"""The venue's clock may be this much behind."""


@dataclass
class Venue:
    """Books at most one order, at most once; may hide it; fills it in pieces; cancels the rest."""

    deadline: datetime | None = None
    on_the_way: bool = False
    booked: bool = False
    hidden_until: datetime = START
    fills: dict[str, int] = field(default_factory=dict)
    cancelled: bool = False
    sends: int = 0

    @property
    def filled(self) -> int:
        return sum(self.fills.values())

    @property
    def state(self) -> VenueOrderState:
        if self.filled == QUANTITY:
            return VenueOrderState.FILLED
        if self.cancelled:
            return VenueOrderState.CANCELLED
        return VenueOrderState.PARTIALLY_FILLED if self.filled else VenueOrderState.WORKING


class OneOrder(RuleBasedStateMachine):
    """The protocol of DESIGN §2: one send, then only looking, until the books are the venue's."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.venue = Venue()
        self.state = OrderState.READY
        self.held: dict[str, int] = {}
        self.misses = self.checks = 0
        self.watch_until: datetime | None = None
        self.stopped_watching = False
        self.answer_due = False
        self.sent_at: datetime | None = None

    # helpers of the machine, not rules

    def step(self, trigger: OrderTrigger) -> None:
        _, self.state = take_steps(self.state, [trigger])

    def see(self, fills: dict[str, int], state: VenueOrderState, venue_filled: int) -> None:
        before = sum(self.held.values())
        for trade_id, quantity in fills.items():
            self.held.setdefault(trade_id, quantity)
        progress = observe(
            state=self.state,
            quantity=D(QUANTITY),
            filled_before=D(before),
            filled_now=D(sum(self.held.values())),
            venue_state=state,
            venue_filled=D(venue_filled),
        )
        self.state = progress.state

    @property
    def visible(self) -> bool:
        return self.venue.booked and self.now >= self.venue.hidden_until

    @property
    def deadline(self) -> datetime:
        assert self.venue.deadline is not None
        return self.venue.deadline

    # before it leaves

    @initialize()
    def claim(self) -> None:
        self.step(OrderTrigger.CLAIM)

    @precondition(lambda self: self.state is OrderState.CLAIMED)
    @rule()
    def sender_dies_before_sending(self) -> None:
        self.step(OrderTrigger.RELEASE)
        self.step(OrderTrigger.CLAIM)

    @precondition(lambda self: self.state is OrderState.CLAIMED)
    @rule()
    def send(self) -> None:
        self.step(OrderTrigger.SEND)
        self.venue.sends += 1
        self.sent_at = self.now
        self.venue.deadline = self.now + LIFETIME
        self.venue.on_the_way = self.answer_due = True

    # the venue

    @precondition(lambda self: self.venue.on_the_way)
    @rule(hide_seconds=st.sampled_from([0, 0, 1, 5, 12, 30]))
    def venue_books(self, hide_seconds: int) -> None:
        """It may take the request until the deadline, by a clock that may be late."""
        self.venue.on_the_way = False
        if self.now <= self.deadline + BOOKING_LATENESS:
            self.venue.booked = True
            # "the window": hidden for less than the watch that NOT_PLACED needs
            self.venue.hidden_until = self.now + timedelta(seconds=hide_seconds)

    @precondition(lambda self: self.venue.on_the_way)
    @rule()
    def request_is_lost(self) -> None:
        self.venue.on_the_way = False

    @precondition(lambda self: self.venue.booked and self.venue.state in OPEN)
    @rule(quantity=st.integers(1, QUANTITY))
    def venue_fills(self, quantity: int) -> None:
        number = len(self.venue.fills)
        self.venue.fills[f"t{number}"] = min(quantity, QUANTITY - self.venue.filled)

    @precondition(lambda self: self.venue.booked and self.venue.state in OPEN)
    @rule()
    def venue_cancels(self) -> None:
        self.venue.cancelled = True

    # the answer

    @precondition(lambda self: self.answer_due)
    @rule()
    def answer_is_unclear(self) -> None:
        self.answer_due = False
        self.try_step(OrderTrigger.LOSE)

    @precondition(lambda self: self.answer_due and self.venue.booked)
    @rule()
    def answer_says_accepted(self) -> None:
        self.answer_due = False
        self.try_step(OrderTrigger.ACCEPT)

    @precondition(
        lambda self: self.answer_due and not self.venue.booked and not self.venue.on_the_way
    )
    @rule()
    def answer_says_refused(self) -> None:
        self.answer_due = False
        self.try_step(OrderTrigger.REJECT)

    @precondition(lambda self: self.state is OrderState.SENDING)
    @rule()
    def sender_dies_while_sending(self) -> None:
        self.answer_due = False
        self.step(OrderTrigger.LOSE)

    def try_step(self, trigger: OrderTrigger) -> None:
        """As the books do: news that contradict the table are left out."""
        try:
            self.step(trigger)
        except InvalidTransitionError:
            assert self.state not in (OrderState.SENDING, OrderState.UNKNOWN)

    # looking

    @rule(seconds=st.sampled_from([0.2, 1, 3, 7, 15]))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.sent_at and self.state in LOOKED_AT)
    @rule(answered=st.booleans(), thorough=st.booleans(), stale=st.integers(0, 2))
    def look(self, answered: bool, thorough: bool, stale: int) -> None:
        self.checks += 1
        if answered and self.visible:
            known = dict(list(self.venue.fills.items())[: max(0, len(self.venue.fills) - stale)])
            self.see(known, self.venue.state, self.venue.filled)
            return
        if self.state not in UNCLEAR:
            return
        if self.state is OrderState.NOT_PLACED:
            assert self.watch_until is not None
            verdict = judge_watched(now=self.now, watch_until=self.watch_until)
            self.stopped_watching = verdict.conclusion is Conclusion.STOP_WATCHING
            assert not self.stopped_watching or self.now >= self.watch_until
            return
        self.misses += answered and counts_as_miss(now=self.now, deadline_at=self.deadline)
        verdict = judge_absence(
            now=self.now,
            deadline_at=self.deadline,
            checks=self.checks,
            misses=self.misses,
            thorough=thorough and answered,
        )
        assert verdict.next_look_at is not None
        if verdict.conclusion is not Conclusion.NOT_PLACED:
            self.step(OrderTrigger.LOSE)
            return
        assert self.misses >= MIN_MISSES
        assert self.now >= self.deadline + DEADLINE_MARGIN + MIN_WATCH
        assert answered and thorough
        # The point of it all: what could still appear is never called absent.
        assert not self.venue.booked
        self.step(OrderTrigger.LOSE)
        self.step(OrderTrigger.FIND_ABSENT)
        self.watch_until = verdict.watch_until
        assert self.watch_until == self.now + WATCH_AFTER

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def old_news_arrive_again(self, data: st.DataObject) -> None:
        """Fills repeat, in any order, with a snapshot of some earlier moment."""
        ids = data.draw(st.permutations(sorted(self.held)))
        again = {trade_id: self.held[trade_id] for trade_id in ids[:2]}
        before = (self.state, dict(self.held))
        self.see(again, VenueOrderState.PARTIALLY_FILLED, sum(again.values()))
        assert (self.state, self.held) == before

    # always

    @invariant()
    def sent_at_most_once(self) -> None:
        assert self.venue.sends <= 1

    @invariant()
    def the_books_never_claim_more_than_the_venue_did(self) -> None:
        assert self.held.items() <= self.venue.fills.items()

    @invariant()
    def an_end_is_the_venues_end(self) -> None:
        if self.state is OrderState.FILLED:
            assert self.held == self.venue.fills
        if self.state is OrderState.CANCELLED:
            assert self.venue.cancelled
            assert self.held == self.venue.fills
        if self.state is OrderState.REJECTED:
            assert not self.venue.booked

    def teardown(self) -> None:
        """The network recovers and everybody goes on looking: the books become the venue's."""
        if self.state is OrderState.CLAIMED or self.sent_at is None:
            return
        self.answer_due = False
        if self.state is OrderState.SENDING:
            self.step(OrderTrigger.LOSE)
        self.venue.on_the_way = False
        if self.venue.booked and self.venue.state in OPEN:
            self.venue.cancelled = True
        for _ in range(60):
            if self.state not in LOOKED_AT:
                break
            self.now += timedelta(seconds=5)
            self.look(answered=True, thorough=True, stale=0)
        if self.venue.booked:
            assert self.state in (OrderState.FILLED, OrderState.CANCELLED)
            assert self.held == self.venue.fills
        else:
            assert self.state in (OrderState.NOT_PLACED, OrderState.REJECTED)
            assert not self.held
        assert self.venue.sends == 1


OPEN = (VenueOrderState.WORKING, VenueOrderState.PARTIALLY_FILLED)
UNCLEAR = (OrderState.SENDING, OrderState.UNKNOWN, OrderState.NOT_PLACED)
LOOKED_AT = (*UNCLEAR, OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)

OneOrder.TestCase.settings = settings(
    max_examples=250,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestOneOrder = OneOrder.TestCase
