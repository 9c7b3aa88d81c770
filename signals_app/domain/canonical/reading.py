"""The canonical JSON, read strictly: one precise error for what is not as documented."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from signals_app.domain.canonical.checking import check_canonical, required
from signals_app.domain.canonical.shape import (
    AMOUNT_LIMIT,
    FIELD_NAMES,
    INSTRUCTIONS,
    MAX_DECIMALS,
    MAX_SEQUENCE,
    MAX_TARGETS,
    Action,
    CanonicalSignal,
    MarginMode,
    OrderType,
    Side,
    SizeBasis,
    Target,
    equal_targets,
)
from signals_app.domain.errors import FormatCode, SignalFormatError
from signals_app.domain.symbols import unified_symbol

MAX_BODY_BYTES = 256 * 1024
"""Of what brings a signal: a few hundred bytes are usual, larger ones are abuse."""

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_AMOUNT = re.compile(r"[0-9]{1,20}(\.[0-9]{1,18})?")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
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
        action=required(_choice(payload, "action", Action, INSTRUCTIONS), "action"),
        symbol=required(_symbol(payload), "symbol"),
        side=_choice(payload, "side", Side),
        order_type=_choice(payload, "order_type", OrderType) or OrderType.MARKET,
        price=_positive(payload, "price"),
        size=_amount(payload, "size"),
        size_basis=_choice(payload, "size_basis", SizeBasis),
        leader_equity=_positive(payload, "leader_equity"),
        leverage=_positive(payload, "leverage"),
        stop_loss=_positive(payload, "stop_loss"),
        take_profit=_positive(payload, "take_profit"),
        emitted_at=required(_time(payload, "emitted_at"), "emitted_at"),
        expires_at=_time(payload, "expires_at"),
        margin_mode=_choice(payload, "margin_mode", MarginMode),
        leader_position_before=_amount(payload, "leader_position_before", signed=True),
        leader_position_after=_amount(payload, "leader_position_after", signed=True),
        entry_low=_positive(payload, "entry_low"),
        entry_high=_positive(payload, "entry_high"),
        targets=_targets(payload),
        sequence=_sequence(payload),
    )
    check_canonical(signal, now)
    return signal


# --- single fields ------------------------------------------------------------------------------


def _text(payload: Mapping[str, Any], name: str) -> str | None:
    if name not in payload:
        return None
    value = payload[name]
    if not isinstance(value, str):
        raise SignalFormatError(FormatCode.WRONG_TYPE, f"{name} must be a string.", name)
    return value


def _choice(
    payload: Mapping[str, Any],
    name: str,
    choices: type[_Choice],
    allowed: tuple[_Choice, ...] = (),
) -> _Choice | None:
    text = _text(payload, name)
    if text is None:
        return None
    words = allowed or tuple(choices)
    if text not in words:
        raise SignalFormatError(
            FormatCode.BAD_CHOICE, f"{name} must be one of: {', '.join(words)}.", name
        )
    return choices(text)


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


def _amount(payload: Mapping[str, Any], name: str, *, signed: bool = False) -> Decimal | None:
    """A decimal string without exponent, or a JSON number (already a Decimal)."""
    if name not in payload:
        return None
    value = payload[name]
    if signed and isinstance(value, str) and value.startswith("-"):
        size = _amount({name: value[1:]}, name)
        return -size if size else size
    if signed and isinstance(value, Decimal) and value.is_finite() and value < 0:
        return -_fitting(-value, name)
    if signed and isinstance(value, int) and value < 0:
        return -_fitting(Decimal(-value), name)
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


def _targets(payload: Mapping[str, Any]) -> tuple[Target, ...]:
    if "targets" not in payload:
        return ()
    items = payload["targets"]
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise SignalFormatError(
            FormatCode.WRONG_TYPE, "targets must be a list of objects with a price.", "targets"
        )
    if not 0 < len(items) <= MAX_TARGETS:
        raise SignalFormatError(
            FormatCode.OUT_OF_RANGE, f"There are 1 to {MAX_TARGETS} targets.", "targets"
        )
    for item in items:
        for name in item:
            if name not in ("price", "fraction"):
                raise SignalFormatError(
                    FormatCode.UNKNOWN_FIELD, f"A target has no field {name[:40]!r}.", "targets"
                )
    prices = [required(_positive(item, "price"), "price") for item in items]
    fractions = [_positive(item, "fraction") for item in items]
    given = [fraction for fraction in fractions if fraction is not None]
    if any(fraction > 1 for fraction in given):
        raise SignalFormatError(
            FormatCode.OUT_OF_RANGE, "A target's fraction is at most 1.", "targets"
        )
    if not given:
        return equal_targets(prices)
    if len(given) != len(items):
        raise SignalFormatError(
            FormatCode.MISSING_FIELD, "Either all targets have a fraction or none.", "targets"
        )
    return tuple(map(Target, prices, given))


def _sequence(payload: Mapping[str, Any]) -> int | None:
    if "sequence" not in payload:
        return None
    value = payload["sequence"]
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise SignalFormatError(
            FormatCode.WRONG_TYPE, "sequence must be a whole number.", "sequence"
        )
    if isinstance(value, Decimal) and not value.is_finite():
        raise SignalFormatError(
            FormatCode.NOT_FINITE, "sequence must be a finite number.", "sequence"
        )
    if not 0 <= value <= MAX_SEQUENCE or value != int(value):
        raise SignalFormatError(
            FormatCode.OUT_OF_RANGE,
            f"sequence must be a whole number from 0 to {MAX_SEQUENCE}.",
            "sequence",
        )
    return int(value)
