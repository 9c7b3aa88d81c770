"""How large a follower's entry is. Pure; quantities in the venue's native unit, not rounded.

Margin is notional ÷ leverage. `follow_ratio` of the strategy multiplies every mode.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from strategies.domain.sizing.leader import LeaderSize
from strategies.domain.sizing.modes import MissingFact, SizingError, SizingMode
from strategies.domain.sizing.scaling import NO_SCALING, ScalingFacts, scaled_by
from strategies.domain.sizing.stop_distance import loss_of_one, stop_price
from venues.domain.types import Instrument

ZERO, HUNDRED = Decimal(0), Decimal(100)


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
    discount_percent: Decimal = ZERO
    """Taken off a size in proportion to equity, for slippage."""
    risk_percent: Decimal | None = None
    """Of equity, lost at the stop; for fixed risk."""
    stop_percent: Decimal | None = None
    """The follower's own stop, away from the entry."""
    own_stop_first: bool = False
    scaling: ScalingFacts = NO_SCALING


def entry_quantity(
    leader: LeaderSize,
    terms: FollowerTerms,
    instrument: Instrument,
    price: Decimal,
    direction: int = 1,
) -> Decimal:
    """The follower's quantity for one entry, unsigned, before rounding and caps.

    `instrument`, `price` and `direction` are the follower's. Raises SizingError.
    """
    scale = scaled_by(terms.scaling)
    return _quantity(leader, terms, instrument, price, direction) * scale


def reduction_quantity(
    leader: LeaderSize,
    terms: FollowerTerms,
    instrument: Instrument,
    price: Decimal,
    direction: int = 1,
) -> Decimal:
    """As `entry_quantity`, for what the leader takes off, said as an amount: in full, without what
    makes entries smaller. Raises SizingError."""
    full = replace(terms, discount_percent=ZERO)
    return _quantity(leader, full, instrument, price, direction)


def _quantity(
    leader: LeaderSize,
    terms: FollowerTerms,
    instrument: Instrument,
    price: Decimal,
    direction: int,
) -> Decimal:
    ratio = terms.ratio * terms.follow_ratio
    if terms.mode is SizingMode.LEADER_RATIO:
        return leader.quantity_in(instrument, price) * ratio
    if terms.mode is SizingMode.FIXED_AMOUNT:
        if terms.fixed_amount is None:
            raise SizingError(MissingFact.OWN_AMOUNT)
        notional = terms.fixed_amount * terms.leverage * terms.follow_ratio
    elif terms.mode is SizingMode.FIXED_RISK:
        return _by_risk(leader, terms, instrument, price, direction)
    else:
        share = leader.equity_fraction() * (1 - terms.discount_percent / HUNDRED)
        notional = share * _equity(terms) * terms.leverage * ratio
    return instrument.quantity_of_notional(notional, price)


def _by_risk(
    leader: LeaderSize,
    terms: FollowerTerms,
    instrument: Instrument,
    price: Decimal,
    direction: int,
) -> Decimal:
    if terms.risk_percent is None:
        raise SizingError(MissingFact.OWN_AMOUNT)
    stop = stop_price(
        leader,
        instrument,
        price,
        direction,
        own_percent=terms.stop_percent,
        own_first=terms.own_stop_first,
    )
    risk = _equity(terms) * terms.risk_percent / HUNDRED * terms.follow_ratio
    return risk / loss_of_one(instrument, price, stop)


def _equity(terms: FollowerTerms) -> Decimal:
    """An account under water follows with nothing; a negative size would turn the order round."""
    if terms.equity is None:
        raise SizingError(MissingFact.FOLLOWER_EQUITY)
    if terms.equity <= 0:
        raise SizingError(MissingFact.FOLLOWER_FUNDS)
    return terms.equity
