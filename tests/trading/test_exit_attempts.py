"""Exits of one intent, tried again by themselves, against a venue that loses, hides and fills.

A hypothesis state machine over the order table, the resolver and the quantity of an attempt. The
venue hides orders for up to ten minutes, much longer than it takes to call one absent, so an
attempt may be called NOT_PLACED although it filled; the next one must then close nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from trading.domain.order_progress import next_exit_quantity, observe, take_steps
from trading.domain.order_states import LIVE_STATES, TERMINAL_STATES, OrderState, OrderTrigger
from trading.domain.resolution import Conclusion, counts_as_miss, judge_absence
from venues.domain.types import VenueOrderState

START = datetime(2026, 1, 1, tzinfo=UTC)
LIFETIME = timedelta(seconds=4)
SELL = -1


@dataclass
class Attempt:
    """Ours and the venue's view of one order."""

    quantity: int
    sent_at: datetime
    state: OrderState = OrderState.SENDING
    known_fills: dict[str, int] = field(default_factory=dict)
    misses: int = 0
    checks: int = 0
    booked: bool = False
    hidden_until: datetime = START
    fills: dict[str, int] = field(default_factory=dict)
    cancelled: bool = False

    @property
    def executed(self) -> int:
        return sum(self.fills.values())

    @property
    def known(self) -> int:
        return sum(self.known_fills.values())

    @property
    def venue_state(self) -> VenueOrderState:
        if self.executed == self.quantity:
            return VenueOrderState.FILLED
        if self.cancelled:
            return VenueOrderState.CANCELLED
        return VenueOrderState.PARTIALLY_FILLED if self.fills else VenueOrderState.WORKING


class ExitLeg(RuleBasedStateMachine):
    """One copy holds `own` on an account where another copy holds `others` beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.attempts: list[Attempt] = []

    @initialize(own=st.integers(1, 9), others=st.integers(0, 9), part=st.integers(1, 9))
    def hold(self, own: int, others: int, part: int) -> None:
        self.own, self.others = own, others
        self.intended = min(own, part)
        self.attempts.append(Attempt(self.intended, self.now))

    @property
    def last(self) -> Attempt:
        return self.attempts[-1]

    @property
    def executed(self) -> int:
        return sum(attempt.executed for attempt in self.attempts)

    @property
    def held(self) -> int:
        """By our books."""
        return self.own - sum(attempt.known for attempt in self.attempts)

    def step(self, attempt: Attempt, trigger: OrderTrigger) -> None:
        _, attempt.state = take_steps(attempt.state, [trigger])

    # --- the venue and its answer ---------------------------------------------------------------

    @precondition(lambda self: self.last.state is OrderState.SENDING)
    @rule(
        hide_seconds=st.sampled_from([0, 5, 60, 600]),
        fill=st.integers(0, 9),
        answered=st.booleans(),
    )
    def venue_takes(self, hide_seconds: int, fill: int, answered: bool) -> None:
        """A market exit fills at once or not at all; reduce-only caps it."""
        order = self.last
        order.booked = True
        order.hidden_until = self.now + timedelta(seconds=hide_seconds)
        filled = min(fill, order.quantity, self.own + self.others - self.executed)
        if filled:
            order.fills["a"] = filled
        order.cancelled = filled < order.quantity
        self.step(order, OrderTrigger.ACCEPT if answered else OrderTrigger.LOSE)

    @precondition(lambda self: self.last.state is OrderState.SENDING)
    @rule(answered=st.booleans())
    def venue_does_not_take(self, answered: bool) -> None:
        self.step(self.last, OrderTrigger.REJECT if answered else OrderTrigger.LOSE)

    # --- looking --------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 3, 60, 300]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.last.state is not OrderState.SENDING)
    @rule(which=st.integers(0, 9), answered=st.booleans())
    def look(self, which: int, answered: bool) -> None:
        order = self.attempts[which % len(self.attempts)]
        if order.state in (OrderState.SENDING, OrderState.REJECTED):
            return
        order.checks += 1
        if answered and order.booked and self.now >= order.hidden_until:
            before = order.known
            order.known_fills.update(order.fills)
            order.state = observe(
                state=order.state,
                quantity=D(order.quantity),
                filled_before=D(before),
                filled_now=D(order.known),
                venue_state=order.venue_state,
                venue_filled=D(order.executed),
            ).state
            return
        if order.state is not OrderState.UNKNOWN:
            return
        deadline = order.sent_at + LIFETIME
        order.misses += answered and counts_as_miss(now=self.now, deadline_at=deadline)
        verdict = judge_absence(
            now=self.now,
            deadline_at=deadline,
            checks=order.checks,
            misses=order.misses,
            thorough=answered,
        )
        if verdict.conclusion is Conclusion.NOT_PLACED:
            assert answered, "a look-up that failed concludes nothing"
            self.step(order, OrderTrigger.FIND_ABSENT)

    @precondition(lambda self: self.last.state is OrderState.UNKNOWN)
    @rule()
    def resolver_watches(self) -> None:
        """As long as it takes to conclude something when the venue answers."""
        for _ in range(7):
            self.now += timedelta(seconds=7)
            self.look(len(self.attempts) - 1, True)

    @precondition(lambda self: self.last.state in (OrderState.REJECTED, OrderState.NOT_PLACED))
    @rule()
    def try_again(self) -> None:
        """As the service does: after proof, and for a lost one after asking for the position."""
        lost = self.last.state is OrderState.NOT_PLACED
        quantity = next_exit_quantity(
            sign=SELL,
            rest=D(self.last.quantity - self.last.known),
            held=D(self.held),
            working_exits=D(0),
            at_venue=D(self.own + self.others - self.executed) if lost else None,
            held_by_others=D(self.others),
        )
        if quantity > 0:
            self.attempts.append(Attempt(int(quantity), self.now))

    # --- always ---------------------------------------------------------------------------------

    @invariant()
    def one_attempt_lives_at_a_time(self) -> None:
        live = [a for a in self.attempts if a.state in LIVE_STATES]
        assert len(live) <= 1
        assert all(a.state not in LIVE_STATES for a in self.attempts[:-1])

    @invariant()
    def the_other_copys_share_is_never_sold(self) -> None:
        if self.attempts:
            assert self.executed <= self.intended

    @invariant()
    def books_claim_only_what_the_venue_filled(self) -> None:
        for attempt in self.attempts:
            assert attempt.known_fills.items() <= attempt.fills.items()

    def teardown(self) -> None:
        """Everything shows up in the end, late twins too: the books become the venue's."""
        if not self.attempts:
            return
        if self.last.state is OrderState.SENDING:
            self.step(self.last, OrderTrigger.LOSE)
        for _ in range(12):
            self.now += timedelta(seconds=120)
            for number in range(len(self.attempts)):
                self.look(number, True)
        assert all(attempt.state in TERMINAL_STATES for attempt in self.attempts)
        assert self.held == self.own - self.executed


ExitLeg.TestCase.settings = settings(
    max_examples=300,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestExitLeg = ExitLeg.TestCase
