"""A signal in canonical form, and the parser of the canonical JSON (docs/signals.md).

`signal.schema.json` beside this file says the same for other programs; a property test holds the
two together. What the schema cannot express is only checked here: prices against each other and
times against the clock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from signals_app.domain.errors import FormatCode, SignalFormatError
from signals_app.domain.symbols import unified_symbol

MAX_BODY_BYTES = 256 * 1024
"""Of what brings a signal: a few hundred bytes are usual, larger ones are abuse."""
MAX_CLOCK_AHEAD = timedelta(seconds=5)
MAX_AGE = timedelta(days=1)
MAX_LIFETIME = timedelta(days=1)

# What AmountField stores: DECIMAL(38, 18).
MAX_DECIMALS = 18
AMOUNT_LIMIT = Decimal(10) ** 20

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_AMOUNT = re.compile(r"[0-9]{1,20}(\.[0-9]{1,18})?")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)


class Action(StrEnum):
    OPEN = "open"
    INCREASE = "increase"
    REDUCE = "reduce"
    CLOSE = "close"
    FLIP = "flip"
    SET_TARGET = "set_target"


class Side(StrEnum):
    LONG = "long"
    SHORT = "short"


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"


class SizeBasis(StrEnum):
    BASE = "base"
    CONTRACTS = "contracts"
    QUOTE = "quote"
    EQUITY_FRACTION = "equity_fraction"
    POSITION_FRACTION = "position_fraction"


@dataclass(frozen=True, slots=True)
class CanonicalSignal:
    """One instruction to followers. Amounts are exact and positive unless said.

    `side` is the position's side (for a flip: the new one). `size` is in `size_basis`: coins,
    the venue's contracts, quote currency, a fraction of the leader's equity, or (reduce only) a
    fraction of the position in (0, 1]; for set_target it may be 0. `price` is the limit price, or
    with a market order the leader's own price. Times are aware UTC.
    """

    action: Action
    symbol: str
    emitted_at: datetime
    side: Side | None = None
    order_type: OrderType = OrderType.MARKET
    price: Decimal | None = None
    size: Decimal | None = None
    size_basis: SizeBasis | None = None
    leader_equity: Decimal | None = None
    leverage: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    expires_at: datetime | None = None


FIELD_NAMES = frozenset(field.name for field in fields(CanonicalSignal))
SIDED_ACTIONS = frozenset({Action.OPEN, Action.INCREASE, Action.FLIP})
EXIT_ACTIONS = frozenset({Action.REDUCE, Action.CLOSE})
ENTRY_BASES = frozenset(
    {SizeBasis.BASE, SizeBasis.CONTRACTS, SizeBasis.QUOTE, SizeBasis.EQUITY_FRACTION}
)
REDUCE_BASES = frozenset(
    {SizeBasis.BASE, SizeBasis.CONTRACTS, SizeBasis.QUOTE, SizeBasis.POSITION_FRACTION}
)

_Choice = TypeVar("_Choice", bound=StrEnum)


def canonical_from_json(payload: Any, now: datetime) -> CanonicalSignal:
    """Check a decoded JSON document (see exact_json.load_json). Raises SignalFormatError."""
    if not isinstance(payload, Mapping):
        raise SignalFormatError(FormatCode.NOT_AN_OBJECT, "A signal is a JSON object.")
    for name in payload:
        if name not in FIELD_NAMES:
            raise SignalFormatError(
                FormatCode.UNKNOWN_FIELD, f"There is no field {name[:40]!r}.", name[:40]
            )
    signal = CanonicalSignal(
        action=_required(_choice(payload, "action", Action), "action"),
        symbol=_required(_symbol(payload), "symbol"),
        side=_choice(payload, "side", Side),
        order_type=_choice(payload, "order_type", OrderType) or OrderType.MARKET,
        price=_positive(payload, "price"),
        size=_amount(payload, "size"),
        size_basis=_choice(payload, "size_basis", SizeBasis),
        leader_equity=_positive(payload, "leader_equity"),
        leverage=_positive(payload, "leverage"),
        stop_loss=_positive(payload, "stop_loss"),
        take_profit=_positive(payload, "take_profit"),
        emitted_at=_required(_time(payload, "emitted_at"), "emitted_at"),
        expires_at=_time(payload, "expires_at"),
    )
    check_canonical(signal, now)
    return signal


def check_canonical(signal: CanonicalSignal, now: datetime) -> None:
    """The rules between fields, also for signals not made from JSON. Raises SignalFormatError."""
    _check_size(signal)
    _check_side(signal)
    _check_prices(signal)
    _check_times(signal, now)


def canonical_to_json(signal: CanonicalSignal) -> dict[str, str]:
    """The canonical JSON document; parsing it gives the same signal again."""
    document: dict[str, str] = {}
    for field in fields(signal):
        value = getattr(signal, field.name)
        if value is None:
            continue
        if isinstance(value, Decimal):
            document[field.name] = format(value, "f")
        elif isinstance(value, datetime):
            document[field.name] = value.isoformat().replace("+00:00", "Z")
        else:
            document[field.name] = str(value)
    return document


# --- single fields ------------------------------------------------------------------------------


_Value = TypeVar("_Value")


def _required(value: _Value | None, name: str) -> _Value:
    if value is None:
        raise SignalFormatError(FormatCode.MISSING_FIELD, f"The field {name} is missing.", name)
    return value


def _text(payload: Mapping[str, Any], name: str) -> str | None:
    if name not in payload:
        return None
    value = payload[name]
    if not isinstance(value, str):
        raise SignalFormatError(FormatCode.WRONG_TYPE, f"{name} must be a string.", name)
    return value


def _choice(payload: Mapping[str, Any], name: str, choices: type[_Choice]) -> _Choice | None:
    text = _text(payload, name)
    if text is None:
        return None
    try:
        return choices(text)
    except ValueError as error:
        allowed = ", ".join(choices)
        raise SignalFormatError(
            FormatCode.BAD_CHOICE, f"{name} must be one of: {allowed}.", name
        ) from error


def _symbol(payload: Mapping[str, Any]) -> str | None:
    text = _text(payload, "symbol")
    if text is None:
        return None
    symbol = unified_symbol(text)
    if symbol is None:
        raise SignalFormatError(
            FormatCode.BAD_SYMBOL,
            "symbol must look like BTC/USDT:USDT (or an OKX instId like BTC-USDT-SWAP).",
            "symbol",
        )
    return symbol


def _amount(payload: Mapping[str, Any], name: str) -> Decimal | None:
    """A decimal string without exponent, or a JSON number (already a Decimal)."""
    if name not in payload:
        return None
    value = payload[name]
    if isinstance(value, str):
        if value.strip("+-").lower() in {"nan", "snan", "inf", "infinity"}:
            amount = Decimal("NaN")
        elif _AMOUNT.fullmatch(value):
            amount = Decimal(value)
        elif _DECIMAL.fullmatch(value):
            raise _negative(name) if value.startswith("-") else _too_long(name)
        else:
            raise SignalFormatError(
                FormatCode.NOT_A_NUMBER, f"{name} must be a decimal like 12.5.", name
            )
    elif isinstance(value, Decimal):
        amount = value
    elif isinstance(value, int) and not isinstance(value, bool):
        amount = Decimal(value)
    else:
        raise SignalFormatError(
            FormatCode.WRONG_TYPE, f"{name} must be a decimal string or a number.", name
        )
    return _fitting(amount, name)


def _fitting(amount: Decimal, name: str) -> Decimal:
    if not amount.is_finite():
        raise SignalFormatError(FormatCode.NOT_FINITE, f"{name} must be a finite number.", name)
    if amount.is_zero():
        return Decimal(0)
    if amount < 0:
        raise _negative(name)
    # By digits and exponent, because rounding contexts do not see a 10000-digit number through.
    sign, digits, exponent = amount.as_tuple()
    assert isinstance(exponent, int)  # finite
    spare = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    if amount.adjusted() >= AMOUNT_LIMIT.adjusted() or -(exponent + spare) > MAX_DECIMALS:
        raise _too_long(name)
    return Decimal((sign, digits[: len(digits) - spare], exponent + spare))


def _negative(name: str) -> SignalFormatError:
    return SignalFormatError(FormatCode.NOT_POSITIVE, f"{name} must not be negative.", name)


def _too_long(name: str) -> SignalFormatError:
    return SignalFormatError(
        FormatCode.OUT_OF_RANGE,
        f"{name} may have 20 digits before and {MAX_DECIMALS} after the point.",
        name,
    )


def _positive(payload: Mapping[str, Any], name: str) -> Decimal | None:
    amount = _amount(payload, name)
    if amount is not None and amount == 0:
        raise SignalFormatError(FormatCode.NOT_POSITIVE, f"{name} must be above 0.", name)
    return amount


def _time(payload: Mapping[str, Any], name: str) -> datetime | None:
    text = _text(payload, name)
    if text is None:
        return None
    try:
        if not _TIME.fullmatch(text):
            raise ValueError(text)
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise SignalFormatError(
            FormatCode.BAD_TIME,
            f"{name} must be an ISO 8601 time with its zone, like 2030-01-31T12:00:00Z.",
            name,
        ) from error


# --- rules between fields -----------------------------------------------------------------------


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
        _required(size, "size")
    if (size is None) != (basis is None):
        _required(size, "size")
        _required(basis, "size_basis")
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
        _required(signal.side, "side")


def _check_prices(signal: CanonicalSignal) -> None:
    if signal.order_type is OrderType.LIMIT:
        _required(signal.price, "price")
    for name in ("stop_loss", "take_profit"):
        if getattr(signal, name) is not None and (
            signal.action in EXIT_ACTIONS
            or (signal.action is Action.SET_TARGET and signal.size == 0)
        ):
            raise SignalFormatError(
                FormatCode.FIELD_NOT_ALLOWED, f"A signal that only exits has no {name}.", name
            )
    # Below a long's price lies its stop, above it its target; for a short it is the other way.
    low, high = ("stop_loss", "take_profit")
    if signal.side is Side.SHORT:
        low, high = high, low
    below, above = getattr(signal, low), getattr(signal, high)
    for lower, upper, name in (
        (below, signal.price, low),
        (signal.price, above, high),
        (below, above, "stop_loss"),
    ):
        if lower is not None and upper is not None and lower >= upper:
            raise SignalFormatError(
                FormatCode.WRONG_SIDE_OF_PRICE,
                f"{name} is on the wrong side for a {signal.side} position.",
                name,
            )


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
