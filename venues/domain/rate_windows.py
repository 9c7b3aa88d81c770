"""How often something may be asked: exact sliding windows, a part of each kept for exits. Pure.

A use counts from the moment it is taken until a window after its answer came. The venue counted
it at some moment between the two, so none of its windows sees more than the limit, wherever they
start and however long requests travel. Times are seconds of one clock that never goes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

MAX_PENALTY_SECONDS = 60.0
REFUSALS_FORGOTTEN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Budget:
    """`limit` uses in any `window_seconds`; the last `kept_for_exits` of them are for exits."""

    limit: int
    kept_for_exits: int
    window_seconds: float


@dataclass(frozen=True, slots=True)
class Processes:
    """Among how many a venue's limits are divided: `senders` plan and send orders, `lookups` look
    them up and cancel them, `accounts` read accounts."""

    senders: int
    lookups: int
    accounts: int


def share_of(limit: int, window_seconds: float, *, percent: int, processes: int) -> Budget:
    """One process's part of `percent` of a venue's limit; a fifth of it, rounded up, for exits.

    A part of less than one use becomes one use in a longer window. With a single use nothing can
    be kept: an exit then waits for its turn, ahead of all entries.
    """
    uses = limit * percent // (100 * processes)
    if uses < 1:
        return Budget(1, 0, window_seconds * 100 * processes / (limit * percent))
    return Budget(uses, -(-uses // 5) if uses > 1 else 0, window_seconds)


class RateWindow:
    """The uses of one budget by one account, address or instrument."""

    __slots__ = ("_answered", "_pending", "_refusals", "blocked_until", "budget")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.blocked_until = -inf
        self._pending = 0
        self._answered: list[float] = []  # ascending
        self._refusals = 0

    def free_at(self, now: float, is_exit: bool, uses: int = 1) -> float:
        """When `uses` more may be taken: `now`, a later moment (at the earliest), or `inf` while
        that depends on answers that are still to come."""
        if now < self.blocked_until:
            return self.blocked_until
        answered = self._answered
        budget = self.budget
        if answered and answered[0] + budget.window_seconds <= now:
            self._forget(now)
        allowed = budget.limit if is_exit else budget.limit - budget.kept_for_exits
        missing = self._pending + len(answered) + uses - allowed
        if missing <= 0:
            return now
        if missing > len(answered):
            return inf
        return answered[missing - 1] + budget.window_seconds

    def _forget(self, now: float) -> None:
        window_seconds = self.budget.window_seconds
        answered = self._answered
        over = 0
        while over < len(answered) and answered[over] + window_seconds <= now:
            over += 1
        del answered[:over]

    def take(self, now: float, is_exit: bool, uses: int = 1) -> bool:
        """Whether there was room; if so it is taken."""
        if self.free_at(now, is_exit, uses) > now:
            return False
        self._pending += uses
        return True

    def give_back(self, uses: int = 1) -> None:
        """What was taken is not used: nothing left for the venue."""
        self._pending -= uses

    def answer(self, now: float, uses: int = 1) -> None:
        """What was taken was answered, or will not be any more."""
        self._pending -= uses
        if uses == 1:
            self._answered.append(now)
        else:
            self._answered += [now] * uses
        if self._refusals and now >= self.blocked_until:
            self._refusals = 0

    def refuse(self, now: float, retry_after_seconds: float | None, uses: int = 1) -> None:
        """What was taken was answered by "too many": nothing more until the venue's time is over;
        without one, for a window, and twice as long each time in a row."""
        self._pending -= uses
        self._answered += [now] * uses
        if now >= self.blocked_until:  # the others of the same burst tell nothing new
            self._refusals += 1
        if not retry_after_seconds:
            doubled = self.budget.window_seconds * 2.0 ** min(self._refusals - 1, 16)
            retry_after_seconds = min(doubled, MAX_PENALTY_SECONDS)
        self.blocked_until = max(self.blocked_until, now + retry_after_seconds)

    def is_idle(self, now: float) -> bool:
        """Whether it remembers nothing that a new one would not know."""
        if self._pending:
            return False
        if self._refusals and now < self.blocked_until + REFUSALS_FORGOTTEN_SECONDS:
            return False
        return not self._answered or self._answered[-1] + self.budget.window_seconds <= now
