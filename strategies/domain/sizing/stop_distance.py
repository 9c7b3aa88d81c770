"""How far away the stop is that ends a loss, for sizing by risk."""

from __future__ import annotations

from decimal import Decimal

from strategies.domain.sizing.leader import LeaderSize
from strategies.domain.sizing.modes import MissingFact, SizingError
from venues.domain.types import Instrument, InstrumentKind

HUNDRED = Decimal(100)


def stop_price(
    leader: LeaderSize,
    instrument: Instrument,
    price: Decimal,
    direction: int,
    *,
    own_percent: Decimal | None,
    own_first: bool,
) -> Decimal:
    """Where the follower's loss ends, for an entry at `price`.

    The signal's stop is a price of the leader's market. In a market of another coin or currency, or
    turned round, the stop is as far away as the leader's from the leader's price, in per cent; in
    another symbol, from the price of the leader's market.
    `own_first`: the follower's own percentage counts where both say a stop, else it stands in.
    Raises SizingError.
    """
    if own_percent is not None and (own_first or leader.stop_loss is None):
        stop = price * (1 - direction * own_percent / HUNDRED)
    elif leader.stop_loss is None:
        raise SizingError(MissingFact.STOP)
    elif _is_same_price(leader, instrument) and leader.direction in (0, direction):
        stop = leader.stop_loss
    else:
        reference = leader.market_price or leader.price
        if reference <= 0:
            raise SizingError(MissingFact.LEADER_PRICE)
        side = leader.direction or direction
        fall = (reference - leader.stop_loss) * side / reference
        stop = price * (1 - direction * fall)
    if (price - stop) * direction <= 0 or stop <= 0:
        raise SizingError(MissingFact.STOP_PASSED)
    return stop


def _is_same_price(leader: LeaderSize, instrument: Instrument) -> bool:
    own = leader.instrument
    is_same = own.base == instrument.base and own.quote == instrument.quote
    return is_same and leader.market_price is None


def loss_of_one(instrument: Instrument, price: Decimal, stop: Decimal) -> Decimal:
    """What one native unit loses between entry and stop, in the quote currency at `price`.

    An inverse contract loses coins, and the equity it is compared with is coins, too.
    """
    if instrument.kind is InstrumentKind.INVERSE:
        return instrument.contract_size * abs(price - stop) / stop
    return instrument.contract_size * abs(price - stop)
