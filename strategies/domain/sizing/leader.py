"""The leader's entry, as the signal says it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from strategies.domain.sizing.modes import MissingFact, SizeBasis, SizingError
from venues.domain.types import Instrument, InstrumentKind

_OF_THE_COIN = (SizeBasis.BASE, SizeBasis.CONTRACTS)
_DOLLARS = frozenset({"USD", "USDT", "USDC"})
"""Worth the same here, as everywhere where amounts are compared."""


@dataclass(frozen=True, slots=True)
class LeaderSize:
    """The leader's entry as the signal states it.

    `instrument` is the leader's own (its contract size counts), `price` the leader's price.
    `equity` in quote currency; `leverage` at least 1. `stop_loss` a price of the leader's market,
    `direction` +1 when it is long, −1 short, 0 when the signal does not say. `market_price`: of the
    leader's market now, where the follower's is another one: stops are as far from that.
    """

    size: Decimal | None
    basis: SizeBasis | None
    instrument: Instrument
    price: Decimal
    leverage: Decimal
    equity: Decimal | None
    stop_loss: Decimal | None = None
    direction: int = 0
    market_price: Decimal | None = None

    def notional(self) -> Decimal:
        """Value of the leader's entry in quote currency. Raises SizingError."""
        if self.size is None or self.basis is None:
            raise SizingError(MissingFact.LEADER_SIZE)
        if self.basis is SizeBasis.BASE:
            return self.size * self._known_price()
        if self.basis is SizeBasis.CONTRACTS:
            if self.instrument.kind is InstrumentKind.INVERSE:
                return self.size * self.instrument.contract_size
            return self.instrument.notional(self.size, self._known_price())
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
        if self.equity is None:
            raise SizingError(MissingFact.LEADER_EQUITY)
        if self.equity <= 0:
            raise SizingError(MissingFact.LEADER_FUNDS)
        return notional / self.leverage / self.equity

    def quantity_in(self, instrument: Instrument, price: Decimal) -> Decimal:
        """The leader's own size in another instrument's native unit, not rounded.

        Said in coins or contracts of the same base coin, it is as many coins: prices do not enter,
        so that copies of the same signals hold exactly what the leader holds. Dollar contracts of
        the same coin are as many dollars. Everything else is the same value, the leader's at its
        price and the follower's at `price`. Raises SizingError.
        """
        own = self.instrument
        is_coins = self.basis in _OF_THE_COIN and own.base == instrument.base
        if self.size is None or not is_coins:
            if not _is_same_currency(own.quote, instrument.quote):
                raise SizingError(MissingFact.SAME_CURRENCY)
            return instrument.quantity_of_notional(self.notional(), price)
        if self.basis is SizeBasis.BASE:
            coins = self.size
        elif own.kind is not InstrumentKind.INVERSE:
            coins = self.size * own.contract_size
        elif instrument.kind is InstrumentKind.INVERSE and own.quote == instrument.quote:
            return self.size * own.contract_size / instrument.contract_size
        else:
            coins = self.size * own.contract_size / self._known_price()
        if instrument.kind is InstrumentKind.INVERSE:
            return coins * price / instrument.contract_size
        return coins / instrument.contract_size

    def _known_price(self) -> Decimal:
        if self.price <= 0:
            raise SizingError(MissingFact.LEADER_PRICE)
        return self.price


def _is_same_currency(one: str, other: str) -> bool:
    return one == other or (one in _DOLLARS and other in _DOLLARS)
