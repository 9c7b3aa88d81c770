"""Answers with a field of nonsense, every other left as it is: what a venue should never send.

What is put in can be told for nonsense by itself or by the fields beside it. A wrong number that
could be right is no garbage but a lie.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any, Protocol

UNSET: Any = object()
REMOVED = "<removed>"
"""As a rule's `value`: the field is missing from its row."""

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_SIGNED = frozenset({"fee", "pos", "eq", "upl", "pnl", "liqPx", "realizedPnl", "fillPnl"})
_BROKEN = "<broken>"
_BROKEN_BYTES = b"\xe2\x82"
"""The beginning of a character whose end is missing."""

NONSENSE: tuple[Any, ...] = (None, True, False, 7, 1.5, [], {}, [None], {"a": 1})
_OF_NUMBERS: tuple[Any, ...] = (
    "NaN", "Infinity", "-Infinity", "sNaN", "1e999", "9" * 60, "0x1F", "１２", "1_0", "1,5",
    "--1", " ", "no number", REMOVED,
)  # fmt: skip
_OF_TEXT: tuple[Any, ...] = (
    "no such thing", "x" * 5000, "\ud800", "a\u0000b", "�", "<b>", REMOVED,
)  # fmt: skip


class Spoiling(Protocol):
    """A fault rule: which field of which row, and what is put there; by chance when not given."""

    field: str | None
    row: int | None
    value: Any
    rng: Random


def spoiled(body: bytes, rule: Spoiling) -> bytes:
    """The body with one field spoiled; as it was when it has no such field."""
    answer = json.loads(body)
    places = list(_places(answer, rule))
    if not places:
        return body
    holder, key = rule.rng.choice(places)
    value = _nonsense(key, holder[key], rule.rng) if rule.value is UNSET else rule.value
    if value == REMOVED and isinstance(holder, dict):
        del holder[key]
    else:
        holder[key] = None if value == REMOVED else value
    text = json.dumps(answer).encode()
    return text.replace(_BROKEN.encode(), _BROKEN_BYTES)


def _places(answer: dict[str, Any], rule: Spoiling) -> Iterator[tuple[Any, Any]]:
    """Where a rule may strike: holder and key. Without a field, in the envelope too."""
    if rule.row is None:
        yield from ((answer, key) for key in answer if rule.field in (None, key))
    rows = answer.get("data")
    if not isinstance(rows, list):
        return
    inner = [row["details"] for row in rows if isinstance(row, dict) and row.get("details")]
    for found in [*inner, rows]:
        places = list(_places_in(found, rule))
        yield from places
        if places and rule.field is not None:
            return  # what rows and the rows in them have is spoiled in the latter


def _places_in(rows: list[Any], rule: Spoiling) -> Iterator[tuple[Any, Any]]:
    for number, row in enumerate(rows):
        if rule.row not in (None, number):
            continue
        if rule.field in (None, "row"):
            yield rows, number
        if isinstance(row, dict):
            yield from ((row, key) for key in row if rule.field in (None, key))


def _nonsense(key: Any, value: Any, rng: Random) -> Any:
    if not isinstance(value, str):
        return rng.choice(["no such thing", 17, None, _BROKEN, REMOVED])
    if not value:
        return rng.choice([*NONSENSE, "no such thing"])
    if not _NUMBER.fullmatch(value):
        return rng.choice([*NONSENSE, *_OF_TEXT, _BROKEN])
    negative = [] if key in _SIGNED or value.startswith("-") else [f"-{value}"]
    return rng.choice([*NONSENSE, *_OF_NUMBERS, *negative, _BROKEN])
