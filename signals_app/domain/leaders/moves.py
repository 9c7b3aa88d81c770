"""From a leader's exposure before and after to what followers should do. Pure.

Exposures are signed quantities in the venue's native unit (long positive), exact. A run of moves
in which each begins where the one before ended leads followers to the same place however the way
was cut into moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from signals_app.domain.canonical import MAX_DECIMALS, Action, Side

ZERO = Decimal(0)
_SMALLEST = Decimal(1).scaleb(-MAX_DECIMALS)


@dataclass(frozen=True, slots=True)
class Move:
    """One change of the leader's exposure in a symbol, never none. `action` is what it amounts to:
    open, increase, reduce, close or flip."""

    before: Decimal
    after: Decimal

    @property
    def action(self) -> Action:
        if not self.before:
            return Action.OPEN
        if not self.after:
            return Action.CLOSE
        if self.before * self.after < 0:
            return Action.FLIP
        return Action.INCREASE if abs(self.after) > abs(self.before) else Action.REDUCE

    @property
    def side(self) -> Side:
        """Of the position: the new one's, if there is one."""
        return Side.LONG if (self.after or self.before) > 0 else Side.SHORT

    @property
    def order_side(self) -> str:
        return "buy" if self.after > self.before else "sell"

    @property
    def is_exit(self) -> bool:
        """It only takes exposure away."""
        return self.action in (Action.REDUCE, Action.CLOSE)

    @property
    def entered(self) -> Decimal:
        """What is added to, or opened on, the side of `after`; unsigned, 0 for an exit."""
        if self.is_exit:
            return ZERO
        return abs(self.after) - (abs(self.before) if self.action is Action.INCREASE else ZERO)

    @property
    def fraction(self) -> Decimal:
        """The share of `before` that is given up, in (0, 1], at the 18 decimals of a signal.

        Followers use before and after themselves where a signal has them: those are exact.
        """
        if not self.is_exit:
            return ZERO
        share = (self.before - self.after) / self.before
        rounded = share.quantize(_SMALLEST, ROUND_HALF_EVEN)
        return min(max(rounded, _SMALLEST), Decimal(1))

    def parts(self) -> tuple[Move, ...]:
        """A flip as its close and its opening; any other move as it is."""
        if self.action is Action.FLIP:
            return Move(self.before, ZERO), Move(ZERO, self.after)
        return (self,)


def move_between(before: Decimal, after: Decimal) -> Move | None:
    return Move(before, after) if before != after else None
