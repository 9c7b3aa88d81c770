"""The rules between a signal's fields, and for its times against the clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeVar

from signals_app.domain.canonical.shape import (
    ENTRY_BASES,
    EXIT_ACTIONS,
    REDUCE_BASES,
    SIDED_ACTIONS,
    Action,
    CanonicalSignal,
    OrderType,
    Side,
    SizeBasis,
)
from signals_app.domain.errors import FormatCode, SignalFormatError

MAX_CLOCK_AHEAD = timedelta(seconds=5)
MAX_AGE = timedelta(days=1)
MAX_LIFETIME = timedelta(days=1)

_Value = TypeVar("_Value")


def check_canonical(signal: CanonicalSignal, now: datetime) -> None:
    """The rules between fields, also for signals not made from JSON. Raises SignalFormatError."""
    _check_size(signal)
    _check_side(signal)
    _check_prices(signal)
    _check_targets(signal)
    _check_times(signal, now)


def required(value: _Value | None, name: str) -> _Value:
    if value is None:
        raise SignalFormatError(FormatCode.MISSING_FIELD, f"The field {name} is missing.", name)
    return value


def _check_size(signal: CanonicalSignal) -> None:
    size, basis, action = signal.size, signal.size_basis, signal.action
    if action is Action.CLOSE:
        for name, value in (("size", size), ("size_basis", basis)):
            if value is not None:
                raise SignalFormatError(
                    FormatCode.FIELD_NOT_ALLOWED,
                    f"A close has no {name}: it closes all. To close a part, use reduce.",
                    name,
                )
        return
    if action in (Action.REDUCE, Action.SET_TARGET):
        required(size, "size")
    if (size is None) != (basis is None):
        required(size, "size")
        required(basis, "size_basis")
    if size is None or basis is None:
        return
    allowed = REDUCE_BASES if action is Action.REDUCE else ENTRY_BASES
    if basis not in allowed:
        raise SignalFormatError(
            FormatCode.BAD_CHOICE,
            f"For {action} size_basis must be one of: {', '.join(sorted(allowed))}.",
            "size_basis",
        )
    if size == 0 and action is not Action.SET_TARGET:
        raise SignalFormatError(FormatCode.NOT_POSITIVE, "size must be above 0.", "size")
    if basis is SizeBasis.POSITION_FRACTION and size > 1:
        raise SignalFormatError(
            FormatCode.OUT_OF_RANGE, "A fraction of the position is at most 1.", "size"
        )


def _check_side(signal: CanonicalSignal) -> None:
    sided = signal.action in SIDED_ACTIONS
    if signal.action is Action.SET_TARGET and signal.size:
        sided = True
    if sided:
        required(signal.side, "side")


def _check_prices(signal: CanonicalSignal) -> None:
    if signal.order_type is OrderType.LIMIT:
        required(signal.price, "price")
    exits = signal.action in EXIT_ACTIONS or (
        signal.action is Action.SET_TARGET and signal.size == 0
    )
    for name in ("stop_loss", "take_profit", "entry_low", "entry_high", "targets"):
        if exits and getattr(signal, name):
            raise SignalFormatError(
                FormatCode.FIELD_NOT_ALLOWED, f"A signal that only exits has no {name}.", name
            )
    if signal.targets and signal.take_profit is not None:
        raise SignalFormatError(
            FormatCode.FIELD_NOT_ALLOWED, "There is either take_profit or targets.", "targets"
        )
    _check_entry_range(signal)
    # Below a long's price lies its stop, above it its target; for a short it is the other way.
    low, high = ("stop_loss", "take_profit")
    if signal.side is Side.SHORT:
        low, high = high, low
    below, above = getattr(signal, low), getattr(signal, high)
    for lower, upper, name in (
        (below, signal.price, low),
        (below, signal.entry_low, low),
        (signal.price, above, high),
        (signal.entry_high, above, high),
        (below, above, "stop_loss"),
    ):
        if lower is not None and upper is not None and lower >= upper:
            raise _wrong_side(name, signal)


def _wrong_side(name: str, signal: CanonicalSignal) -> SignalFormatError:
    return SignalFormatError(
        FormatCode.WRONG_SIDE_OF_PRICE,
        f"{name} is on the wrong side for a {signal.side} position.",
        name,
    )


def _check_entry_range(signal: CanonicalSignal) -> None:
    low, high = signal.entry_low, signal.entry_high
    if low is None and high is None:
        return
    low, high = required(low, "entry_low"), required(high, "entry_high")
    outside = signal.price is not None and not low <= signal.price <= high
    if low >= high or outside:
        raise SignalFormatError(
            FormatCode.BAD_RANGE,
            "entry_low must be below entry_high, and price between them.",
            "price" if outside and low < high else "entry_low",
        )


def _check_targets(signal: CanonicalSignal) -> None:
    targets = signal.targets
    if not targets:
        return
    away = 1 if signal.side is not Side.SHORT else -1
    prices = [target.price * away for target in targets]
    if prices != sorted(set(prices)) or sum(target.fraction for target in targets) > 1:
        raise SignalFormatError(
            FormatCode.BAD_TARGETS,
            "targets must go away from the entry, and take at most the whole position.",
            "targets",
        )
    entry = signal.entry_high if away > 0 else signal.entry_low
    for bound in (signal.price, entry, signal.stop_loss):
        if bound is not None and prices[0] <= bound * away:
            raise _wrong_side("targets", signal)


def _check_times(signal: CanonicalSignal, now: datetime) -> None:
    if signal.emitted_at > now + MAX_CLOCK_AHEAD:
        raise SignalFormatError(
            FormatCode.IN_THE_FUTURE,
            "emitted_at is in the future: check the sender's clock.",
            "emitted_at",
        )
    if signal.emitted_at < now - MAX_AGE:
        raise SignalFormatError(
            FormatCode.TOO_OLD, "emitted_at is more than a day ago.", "emitted_at"
        )
    if signal.expires_at is None:
        return
    if not signal.emitted_at < signal.expires_at <= signal.emitted_at + MAX_LIFETIME:
        raise SignalFormatError(
            FormatCode.BAD_EXPIRY,
            "expires_at must be after emitted_at, by at most a day.",
            "expires_at",
        )
