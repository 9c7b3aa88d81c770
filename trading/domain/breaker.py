"""When refusals, or more orders than followers, stop entries. Pure.

Two breakers watch what a venue answers: one for each strategy, one for the venue. They stop
entries only; a refused order has opened nothing, so the price of waiting is a missed entry and the
price of going on is a burst of refusals. What counts, and why, is in docs/breaker.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from venues.domain.types import Placement, PlacementResult, RejectKind

LONGEST_COOL_DOWN = timedelta(minutes=30)
PROBE_ANSWERS = 5
"""After a cool-down a breaker opens again by this many answers; it may not burn a full count."""

_EVIDENCE = frozenset({RejectKind.ORDER, RejectKind.LATE, RejectKind.CLOCK})
"""What speaks against the venue or against what we send. A lack of funds and a refused key are
their account's own, a rate limit is the limiter's: a hundred poor accounts stop no rich one."""


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """Trips at `percent` refusals of at least `min_answers` answers within `window`.

    `cool_down` doubles with each trip in a row; zero leaves the breaker to an operator.
    """

    percent: int
    min_answers: int
    window: timedelta
    cool_down: timedelta


@dataclass(frozen=True, slots=True)
class Answers:
    """How many definite answers, and how many of them were refusals that count."""

    answers: int = 0
    refused: int = 0

    def __add__(self, other: Answers) -> Answers:
        return Answers(self.answers + other.answers, self.refused + other.refused)

    def __sub__(self, other: Answers) -> Answers:
        return Answers(self.answers - other.answers, self.refused - other.refused)

    def trips(self, rule: BreakerRule, *, least: int | None = None) -> bool:
        """`least`: the number of answers without which nothing is judged; the rule's by default."""
        enough = self.answers >= max(rule.min_answers if least is None else least, 1)
        return enough and self.refused > 0 and self.refused * 100 >= self.answers * rule.percent


NOTHING = Answers()


def evidence(placement: Placement) -> Answers:
    """What one answer says. One of unknown outcome says nothing: it is looked up."""
    if placement.result is PlacementResult.ACCEPTED:
        return Answers(answers=1)
    if placement.result is PlacementResult.REJECTED and placement.reject_kind in _EVIDENCE:
        return Answers(answers=1, refused=1)
    return NOTHING


def besides_the_worst(by_strategy: Mapping[str, Answers]) -> Answers:
    """A venue's answers without those of the strategy that it refused most often.

    One strategy that orders nonsense is its own breaker's matter: only when others are refused
    as well is it the venue. So one firm's mistake does not stop another firm's entries.
    """
    total = sum(by_strategy.values(), NOTHING)
    worst = max(by_strategy.values(), key=lambda counted: counted.refused, default=NOTHING)
    return total - worst


def cool_down_after(rule: BreakerRule, trips: int) -> timedelta | None:
    """The pause before entries are tried again after so many trips in a row; None: never."""
    if not rule.cool_down:
        return None
    doublings: int = 2 ** min(trips - 1, 20)
    return min(rule.cool_down * doublings, LONGEST_COOL_DOWN)
