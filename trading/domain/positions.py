"""Arithmetic of a copied position under fills. Pure; signed quantities, long positive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from venues.domain.types import Instrument

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Holding:
    """What one subscription holds in one symbol, with the current round trip's sums.

    PnL is in settle currency before fees; fees positive when paid. `entered_value` and
    `exited_value` are quantity × price sums (quantity ÷ price for inverse contracts, whose
    average is harmonic).
    """

    filled: Decimal = ZERO
    average_entry_price: Decimal | None = None
    realised_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    opened_at: datetime | None = None
    entered_quantity: Decimal = ZERO
    entered_value: Decimal = ZERO
    exited_quantity: Decimal = ZERO
    exited_value: Decimal = ZERO
    round_trip_pnl: Decimal = ZERO
    round_trip_fees: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A finished trip from flat to flat."""

    direction: str
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    realised_pnl: Decimal
    fees: Decimal
    opened_at: datetime
    closed_at: datetime


def _is_inverse(instrument: Instrument) -> bool:
    return instrument.kind == "inverse"


def _value(quantity: Decimal, price: Decimal, instrument: Instrument) -> Decimal:
    return quantity / price if _is_inverse(instrument) else quantity * price


def _average(quantity: Decimal, value: Decimal, instrument: Instrument) -> Decimal:
    return quantity / value if _is_inverse(instrument) else value / quantity


def apply_fill(
    holding: Holding,
    *,
    signed_quantity: Decimal,
    price: Decimal,
    fee: Decimal,
    at: datetime,
    instrument: Instrument,
) -> tuple[Holding, RoundTrip | None]:
    """The holding after one fill, and the round trip it finished, if any.

    A fill that crosses zero is split: the closing part ends the trip, the rest starts the next
    one; its fee is shared out by quantity. Averages keep full precision and are not rounded.
    """
    if holding.filled * signed_quantity < 0 and abs(signed_quantity) > abs(holding.filled):
        closing = -holding.filled
        share = fee * abs(closing) / abs(signed_quantity)
        flat, trip = apply_fill(
            holding, signed_quantity=closing, price=price, fee=share, at=at, instrument=instrument
        )
        opened, _ = apply_fill(
            flat,
            signed_quantity=signed_quantity - closing,
            price=price,
            fee=fee - share,
            at=at,
            instrument=instrument,
        )
        return opened, trip
    if holding.filled * signed_quantity < 0:
        return _reduce(holding, signed_quantity, price, fee, at, instrument)
    return _add(holding, signed_quantity, price, fee, at, instrument), None


def _add(
    holding: Holding,
    signed_quantity: Decimal,
    price: Decimal,
    fee: Decimal,
    at: datetime,
    instrument: Instrument,
) -> Holding:
    quantity = abs(signed_quantity)
    if holding.filled == 0 or holding.average_entry_price is None:
        average = price
    else:
        held = abs(holding.filled)
        value = _value(held, holding.average_entry_price, instrument)
        value += _value(quantity, price, instrument)
        average = _average(held + quantity, value, instrument)
    return replace(
        holding,
        filled=holding.filled + signed_quantity,
        average_entry_price=average,
        fees=holding.fees + fee,
        opened_at=holding.opened_at or at,
        entered_quantity=holding.entered_quantity + quantity,
        entered_value=holding.entered_value + _value(quantity, price, instrument),
        round_trip_fees=holding.round_trip_fees + fee,
    )


def _reduce(
    holding: Holding,
    signed_quantity: Decimal,
    price: Decimal,
    fee: Decimal,
    at: datetime,
    instrument: Instrument,
) -> tuple[Holding, RoundTrip | None]:
    assert holding.average_entry_price is not None
    closed = -signed_quantity  # signed like the position that shrinks
    pnl = instrument.pnl(closed, holding.average_entry_price, price)
    quantity = abs(signed_quantity)
    after = replace(
        holding,
        filled=holding.filled + signed_quantity,
        realised_pnl=holding.realised_pnl + pnl,
        fees=holding.fees + fee,
        exited_quantity=holding.exited_quantity + quantity,
        exited_value=holding.exited_value + _value(quantity, price, instrument),
        round_trip_pnl=holding.round_trip_pnl + pnl,
        round_trip_fees=holding.round_trip_fees + fee,
    )
    if after.filled != 0:
        return after, None
    trip = RoundTrip(
        direction="long" if closed > 0 else "short",
        quantity=after.exited_quantity,
        entry_price=_average(after.entered_quantity, after.entered_value, instrument),
        exit_price=_average(after.exited_quantity, after.exited_value, instrument),
        realised_pnl=after.round_trip_pnl,
        fees=after.round_trip_fees,
        opened_at=after.opened_at or at,
        closed_at=at,
    )
    flat = Holding(realised_pnl=after.realised_pnl, fees=after.fees)
    return flat, trip
