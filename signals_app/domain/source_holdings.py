"""What a source holds, as an entry that would lead a newcomer there; by its own signals where
nobody shows its positions. Pure.

Only what is known for sure: a size in two ways of counting, a limit order that may have filled or
not, an addition to what nobody saw opened are a doubt, which lasts until the source is flat again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from signals_app.domain.canonical import (
    MAX_DECIMALS,
    Action,
    CanonicalSignal,
    MarginMode,
    OrderType,
    Side,
    SizeBasis,
)
from signals_app.domain.symbols import is_inverse

_SMALLEST = Decimal(1).scaleb(-MAX_DECIMALS)
_AVERAGED = (SizeBasis.BASE, SizeBasis.CONTRACTS)


class HoldingDoubt(StrEnum):
    """Why it is not known what is held."""

    LIMIT_ORDER = "limit_order"
    """It may have filled or not."""
    SIZES_MIXED = "sizes_mixed"
    """Said in units that cannot be added."""
    BEGINNING_UNKNOWN = "beginning_unknown"
    """Added to, or reduced, before anything was opened, or opened against what was held."""


@dataclass(frozen=True, slots=True)
class Holding:
    """`size` in `basis`, unsigned; None where the source never says sizes. `price` is the average
    of its entries, None when one of them had none."""

    symbol: str
    side: Side
    size: Decimal | None
    basis: SizeBasis | None
    price: Decimal | None
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None
    leader_equity: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None

    def as_entry(self, now: datetime) -> CanonicalSignal:
        """What leads a newcomer there."""
        return CanonicalSignal(
            action=Action.OPEN,
            symbol=self.symbol,
            emitted_at=now,
            side=self.side,
            price=self.price,
            size=self.size,
            size_basis=self.basis,
            leverage=self.leverage,
            margin_mode=self.margin_mode,
            leader_equity=self.leader_equity,
            stop_loss=self.stop_loss,
            take_profit=self.take_profit,
        )


Known = Holding | HoldingDoubt | None
"""None: flat."""


def holdings_by_signals(signals: Iterable[CanonicalSignal]) -> dict[str, Holding | HoldingDoubt]:
    """By symbol, from all signals of a source in their order; what is flat is left out."""
    known: dict[str, Known] = {}
    for signal in signals:
        known[signal.symbol] = _after(known.get(signal.symbol), signal)
    return {symbol: each for symbol, each in known.items() if each is not None}


def _after(held: Known, signal: CanonicalSignal) -> Known:
    action = signal.action
    if action is Action.CLOSE or (action is Action.SET_TARGET and signal.size == 0):
        return held if _is_of_other_side(held, signal) else None
    if action is Action.REDUCE:
        return _reduced(held, signal)
    if action not in (Action.OPEN, Action.INCREASE, Action.FLIP, Action.SET_TARGET):
        return held  # a leader's event, which changes no position
    if signal.order_type is OrderType.LIMIT:
        return HoldingDoubt.LIMIT_ORDER
    if action is Action.SET_TARGET:
        opened = _opened(signal)
        # What was held before was entered at another price.
        return opened if held is None else replace(opened, price=None)
    if action is Action.FLIP:
        return _flipped(held, signal)
    if held is None:
        return _opened(signal) if action is Action.OPEN else HoldingDoubt.BEGINNING_UNKNOWN
    return _added(held, signal)


def _is_of_other_side(held: Known, signal: CanonicalSignal) -> bool:
    """ "Close short" ends no long."""
    return isinstance(held, Holding) and signal.side not in (None, held.side)


def _flipped(held: Known, signal: CanonicalSignal) -> Known:
    """To as much on the other side, when it does not say how much."""
    if signal.size is not None or not isinstance(held, Holding):
        return held if signal.size is None else _opened(signal)
    return replace(_opened(signal), size=held.size, basis=held.basis)


def _opened(signal: CanonicalSignal) -> Holding:
    assert signal.side is not None  # entries say it (SIDED_ACTIONS), and so does a target
    return Holding(
        signal.symbol,
        signal.side,
        signal.size,
        signal.size_basis,
        signal.price,
        signal.leverage,
        signal.margin_mode,
        signal.leader_equity,
        signal.stop_loss,
        signal.take_profit,
    )


def _added(held: Holding | HoldingDoubt, signal: CanonicalSignal) -> Known:
    if isinstance(held, HoldingDoubt):
        return held
    if signal.side is not held.side:
        return HoldingDoubt.BEGINNING_UNKNOWN
    if signal.size is None or held.size is None or signal.size_basis is not held.basis:
        return HoldingDoubt.SIZES_MIXED
    size = held.size + signal.size
    return replace(
        held,
        size=size,
        price=_average(held, signal, size),
        leverage=signal.leverage or held.leverage,
        margin_mode=signal.margin_mode or held.margin_mode,
        leader_equity=held.leader_equity if signal.leader_equity is None else signal.leader_equity,
        stop_loss=signal.stop_loss or held.stop_loss,
        take_profit=signal.take_profit or held.take_profit,
    )


def _average(held: Holding, signal: CanonicalSignal, size: Decimal) -> Decimal | None:
    if held.price is None or signal.price is None or held.size is None or signal.size is None:
        return None
    if held.price == signal.price:
        return held.price
    if held.basis not in _AVERAGED:
        return None
    if held.basis is SizeBasis.CONTRACTS and is_inverse(held.symbol):
        return (size / (held.size / held.price + signal.size / signal.price)).quantize(
            _SMALLEST, ROUND_HALF_EVEN
        )
    worth = held.size * held.price + signal.size * signal.price
    return (worth / size).quantize(_SMALLEST, ROUND_HALF_EVEN)


def _reduced(held: Known, signal: CanonicalSignal) -> Known:
    if held is None or _is_of_other_side(held, signal):
        return held
    if isinstance(held, HoldingDoubt):
        return held
    if held.size is None:
        return HoldingDoubt.SIZES_MIXED
    left = _left_of(held, signal)
    if left is None:
        return HoldingDoubt.SIZES_MIXED
    return replace(held, size=left) if left > 0 else None


def _left_of(held: Holding, signal: CanonicalSignal) -> Decimal | None:
    """None when it is said in other units."""
    assert held.size is not None
    before, after = signal.leader_position_before, signal.leader_position_after
    if before and after is not None:
        return (held.size * after / before).quantize(_SMALLEST, ROUND_HALF_EVEN)
    if signal.size is None:
        return None
    if signal.size_basis is SizeBasis.POSITION_FRACTION:
        return (held.size * (1 - signal.size)).quantize(_SMALLEST, ROUND_HALF_EVEN)
    return held.size - signal.size if signal.size_basis is held.basis else None
