"""Single fields of OKX's rows: as documented, or an UnreadableError with the field's name.

Amounts and times are text, absence is "" or null. Nothing is guessed: a number that is not text,
or that no book could hold, is as doubtful as a word in its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any, TypeVar

from venues.domain.okx_outcomes import printable
from venues.domain.types import UnreadableError

T = TypeVar("T")
Row = dict[str, Any]

INTEGER_DIGITS = 20
DECIMAL_PLACES = 18
"""What books can hold, and more than any venue has."""

_EXACT = Context(prec=100)
_QUANTUM = Decimal(1).scaleb(-DECIMAL_PLACES)
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?")
_TIME = re.compile(r"[0-9]{12,14}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NUMBERED = re.compile(r"[0-9]{1,40}")
_INSTRUMENT = re.compile(r"(?=.{3,48}$)[A-Za-z0-9_.]+(-[A-Za-z0-9_.]+)+")
_CURRENCY = re.compile(r"[A-Za-z0-9_.-]{1,16}")
_EARLIEST_MS = 1_000_000_000_000  # 2001
_LATEST_MS = 4_102_444_800_000  # 2100


def row_of(value: Any) -> Row:
    """Raises UnreadableError for what is no object."""
    if not isinstance(value, dict):
        raise UnreadableError("row")
    return value


def is_absent(row: Row, field: str) -> bool:
    return row.get(field) in (None, "")


def decimal(row: Row, field: str) -> Decimal:
    """Exact and signed. More than 20 integer digits or 18 decimals is unreadable."""
    number = _number(row, field)
    exact = number.quantize(_QUANTUM, context=_EXACT)
    if exact != number:
        raise UnreadableError(field)
    return number


def decimal_down(row: Row, field: str) -> Decimal:
    """Signed; what is finer than 18 decimals is rounded down, so that it is never more."""
    number = _number(row, field)
    exact = number.quantize(_QUANTUM, rounding=ROUND_FLOOR, context=_EXACT)
    return number if exact == number else exact


def _number(row: Row, field: str) -> Decimal:
    value = row.get(field)
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise UnreadableError(field)
    number = Decimal(value)
    if number.adjusted() >= INTEGER_DIGITS:
        raise UnreadableError(field)
    return number


def positive(row: Row, field: str) -> Decimal:
    number = decimal(row, field)
    if number <= 0:
        raise UnreadableError(field)
    return number


def unsigned(row: Row, field: str) -> Decimal:
    number = decimal(row, field)
    if number < 0:
        raise UnreadableError(field)
    return number


def positive_or_none(row: Row, field: str) -> Decimal | None:
    """None when it is absent, or 0, which some rows say instead."""
    return None if is_absent(row, field) else unsigned(row, field) or None


def down_or_none(row: Row, field: str) -> Decimal | None:
    return None if is_absent(row, field) else decimal_down(row, field)


def time_ms(row: Row, field: str) -> int:
    value = row.get(field)
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise UnreadableError(field)
    if not _EARLIEST_MS <= int(value) <= _LATEST_MS:
        raise UnreadableError(field)
    return int(value)


def choice(row: Row, field: str, choices: Mapping[str, T]) -> T:
    value = row.get(field)
    if not isinstance(value, str) or value not in choices:
        raise UnreadableError(field)
    return choices[value]


def identifier(row: Row, field: str) -> str:
    """An id that somebody chose, or one word."""
    return _matching(row, field, _IDENTIFIER)


def identifier_or_none(row: Row, field: str) -> str:
    """Empty when the venue says that there is none, which it does not by silence."""
    return "" if row.get(field) == "" else identifier(row, field)


def number_id(row: Row, field: str) -> str:
    """An id that the venue gave."""
    return _matching(row, field, _NUMBERED)


def instrument(row: Row) -> str:
    """The venue's name of it."""
    return _matching(row, "instId", _INSTRUMENT)


def currency(row: Row, field: str) -> str:
    return _matching(row, field, _CURRENCY)


def _matching(row: Row, field: str, pattern: re.Pattern[str]) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise UnreadableError(field)
    return value


def remark(row: Row, field: str) -> str:
    """Words that only inform: cut, and empty when they are none."""
    return printable(row.get(field), 32)
