"""How large a follower's entry is. Pure; quantities in the venue's native unit, not rounded.

Margin is notional ÷ leverage. `follow_ratio` of the strategy multiplies every mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from venues.domain.types import Instrument

ZERO = Decimal(0)


class SizingMode(StrEnum):
    FIXED_AMOUNT = "fixed_amount"
    LEADER_RATIO = "leader_ratio"
    EQUITY_PROPORTIONAL = "equity_proportional"


class SizeBasis(StrEnum):
    BASE = "base"
    CONTRACTS = "contracts"
    QUOTE = "quote"
    EQUITY_FRACTION = "equity_fraction"
    POSITION_FRACTION = "position_fraction"


class MissingFact(StrEnum):
    """What a sizing mode needed and did not get."""

    LEADER_SIZE = "leader_size"
    LEADER_EQUITY = "leader_equity"
    FOLLOWER_EQUITY = "follower_equity"


class SizingError(Exception):
    def __init__(self, missing: MissingFact) -> None:
        super().__init__(missing.value)
        self.missing = missing


@dataclass(frozen=True, slots=True)
class LeaderSize:
    """The leader's entry as the signal states it.

    `instrument` is the leader's own (its contract size counts), `price` the leader's price.
    `equity` in quote currency; `leverage` at least 1.
    """

    size: Decimal | None
    basis: SizeBasis | None
    instrument: Instrument
    price: Decimal
    leverage: Decimal
    equity: Decimal | None

    def notional(self) -> Decimal:
        """Value of the leader's entry in quote currency. Raises SizingError."""
        if self.size is None or self.basis is None:
            raise SizingError(MissingFact.LEADER_SIZE)
        if self.basis is SizeBasis.BASE:
            return self.size * self.price
        if self.basis is SizeBasis.CONTRACTS:
            return self.instrument.notional(self.size, self.price)
        if self.basis is SizeBasis.QUOTE:
            return self.size
        if self.basis is SizeBasis.EQUITY_FRACTION:
            if self.equity is None:
                raise SizingError(MissingFact.LEADER_EQUITY)
            return self.size * self.equity * self.leverage
        raise SizingError(MissingFact.LEADER_SIZE)

    def equity_fraction(self) -> Decimal:
        """The leader's margin of this entry as a share of the leader's equity."""
        if self.basis is SizeBasis.EQUITY_FRACTION and self.size is not None:
            return self.size
        notional = self.notional()
        if self.equity is None or self.equity <= 0:
            raise SizingError(MissingFact.LEADER_EQUITY)
        return notional / self.leverage / self.equity


@dataclass(frozen=True, slots=True)
class FollowerTerms:
    """The copy settings that sizing uses. `fixed_amount` is margin in quote currency."""

    mode: SizingMode
    fixed_amount: Decimal | None
    ratio: Decimal
    follow_ratio: Decimal
    leverage: Decimal
    equity: Decimal | None
    """The follower's equity in quote currency; None when unknown."""


def entry_quantity(
    leader: LeaderSize, terms: FollowerTerms, instrument: Instrument, price: Decimal
) -> Decimal:
    """The follower's quantity for one entry, unsigned, before rounding and caps.

    `instrument` and `price` are the follower's. Raises SizingError.
    """
    notional = _notional(leader, terms)
    return instrument.quantity_of_notional(notional, price)


def _notional(leader: LeaderSize, terms: FollowerTerms) -> Decimal:
    if terms.mode is SizingMode.FIXED_AMOUNT:
        if terms.fixed_amount is None:
            raise SizingError(MissingFact.LEADER_SIZE)
        return terms.fixed_amount * terms.leverage * terms.follow_ratio
    if terms.mode is SizingMode.LEADER_RATIO:
        return leader.notional() * terms.ratio * terms.follow_ratio
    fraction = leader.equity_fraction()
    if terms.equity is None:
        raise SizingError(MissingFact.FOLLOWER_EQUITY)
    # An account under water follows with nothing; a negative size would turn the order round.
    return fraction * max(terms.equity, ZERO) * terms.leverage * terms.ratio * terms.follow_ratio
