"""JSON without surprises: numbers stay exact decimals, a key comes once, NaN is visible.

Every number becomes a Decimal made from its digits; a float is never involved. NaN and Infinity,
which are no JSON but are written by many serialisers, become Decimals too, so that the field's
own check can name the field.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any

from signals_app.domain.errors import FormatCode, SignalFormatError

_SURROGATE = b"\\ud"


def load_json(body: bytes) -> Any:
    """The document in `body` (UTF-8). Raises SignalFormatError."""
    try:
        document = json.loads(
            body.decode("utf-8"),
            parse_float=_number,
            parse_int=_number,
            parse_constant=Decimal,
            object_pairs_hook=_object,
        )
        if _SURROGATE in body.lower():
            _check_text(document)
        return document
    except RecursionError:
        problem = "it is nested too deeply"
    except ValueError as error:  # bad UTF-8 as well as bad JSON
        problem = str(error)
    raise SignalFormatError(FormatCode.INVALID_JSON, f"The body is not JSON: {problem}.")


def _check_text(document: Any) -> None:
    """Half a character, which JSON can escape, is no text: nothing could store it. ValueError."""
    if isinstance(document, str):
        document.encode()
    elif isinstance(document, dict):
        for key, value in document.items():
            _check_text(key)
            _check_text(value)
    elif isinstance(document, list):
        for value in document:
            _check_text(value)


def _number(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation as error:  # an exponent beyond what any decimal can hold
        raise SignalFormatError(
            FormatCode.OUT_OF_RANGE, f"The number {digits[:40]} is out of range."
        ) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Readers disagree on which of two equal keys counts, so neither does.
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise SignalFormatError(
                FormatCode.DUPLICATE_FIELD, f"The field {key[:40]!r} is there twice.", key[:40]
            )
        found[key] = value
    return found
