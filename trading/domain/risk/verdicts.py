"""What a rule is, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from strategies.domain.settings import CopySettings
from trading.domain.reasons import Reason
from trading.domain.risk.facts import EntryFacts


@dataclass(frozen=True, slots=True)
class Allow:
    pass


@dataclass(frozen=True, slots=True)
class Reduce:
    """Go on with this smaller quantity (native unit, unsigned)."""

    quantity: Decimal
    reason: Reason


@dataclass(frozen=True, slots=True)
class Deny:
    reason: Reason


Verdict = Allow | Reduce | Deny
ALLOW = Allow()


class Fact(StrEnum):
    """What is loaded for an entry only when a rule that is on asks for it."""

    EXPOSURE = "exposure"
    """What the copy and its account hold and work in all symbols."""
    ORDER_RATE = "order_rate"
    WAITING = "waiting"
    """How many entries of the copy rest on the book."""
    STOPS = "stops"
    EQUITY = "equity"
    """The account's value now, at the start of the day and at its peak."""
    ORDER_BOOK = "order_book"
    DEMAND = "demand"
    """The sum of what all followers of the signal are about to order on the venue."""
    FUNDING = "funding"


@dataclass(frozen=True, slots=True)
class Rule:
    """`place` is its order among the rules, smaller first: what costs nothing to say comes before
    what is reckoned, and what cuts a size before what is compared with it.

    `settings` switch it on: any of them that is set; a rule without settings is always on.
    """

    name: str
    place: int
    judge: Callable[[EntryFacts], Verdict]
    settings: tuple[str, ...] = ()
    asks: frozenset[Fact] = frozenset()

    def is_on(self, settings: CopySettings) -> bool:
        if not self.settings:
            return True
        return any(getattr(settings, name) not in (None, False) for name in self.settings)
