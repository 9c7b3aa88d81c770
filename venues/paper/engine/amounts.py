"""Decimal in, text out: how numbers look on the wire."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any

ZERO = Decimal(0)
# Amounts that a division made are rounded once, here, and never again: what a fill row says is
# what the balance moves by. 15 decimals hold every linear amount of the catalogue exactly.
QUANTUM = Decimal("1E-15")
# Sums of large balances with 15 decimals need more digits than the default context's 28.
PRECISION = 45


def q(value: Decimal) -> Decimal:
    return value.quantize(QUANTUM)


def text(value: Decimal) -> str:
    """Plain notation without trailing zeros."""
    if not value:
        return "0"
    out = str(value)
    if "E" in out:
        out = format(value, "f")
    if "." in out:
        out = out.rstrip("0")
        if out[-1] == ".":
            out = out[:-1]
    return out


def steps_text(count: int, places: int) -> str:
    """`count` steps of 10**-places each; what prices and sizes are made of."""
    if not places:
        return str(count)
    if count < 0:
        return "-" + steps_text(-count, places)
    digits = str(count)
    if len(digits) <= places:
        digits = digits.zfill(places + 1)
    rest = digits[-places:].rstrip("0")
    return f"{digits[:-places]}.{rest}" if rest else digits[:-places]


def decimal_of(raw: Any) -> Decimal | None:
    """What a client sent as a number; None when it is not a finite one."""
    if raw is None or raw == "" or isinstance(raw, bool):
        return None
    try:
        value = Decimal(str(raw).strip())
    except InvalidOperation:
        return None
    if not value.is_finite() or abs(value.adjusted()) > 30:
        return None
    return value


def floor_div(value: Decimal, unit: Decimal) -> int:
    return int((value / unit).to_integral_value(ROUND_FLOOR))


def steps(value: Decimal, unit: Decimal) -> int | None:
    """How many units make the value; None when it is not a whole number of them."""
    count = value / unit
    whole = int(count)
    return whole if whole == count else None


def given(params: dict[str, Any], key: str) -> str:
    """A parameter as text; "" for what is absent, None or empty (clients fill keys that way)."""
    raw = params.get(key)
    if raw is None:
        return ""
    return raw if type(raw) is str else str(raw)


def flag(params: dict[str, Any], key: str) -> bool:
    raw = params.get(key)
    return raw is True or raw == "true" or raw == "True"
