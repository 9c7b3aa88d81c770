"""Numbers, times and fields as foreign programs write them, read exactly or refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from signals_app.domain.canonical import AMOUNT_LIMIT, MAX_DECIMALS, MAX_SEQUENCE
from signals_app.domain.exact_json import load_json
from signals_app.domain.parsers.base import Payload
from signals_app.domain.parsers.problems import ParseProblem, ProblemCode
from signals_app.domain.symbol_aliases import SymbolBook, SymbolProblem, plain_text

_PLAIN = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]{1,30})?")
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
    r" ?(Z|UTC|[+-][0-9]{2}:?[0-9]{2})"
)
_PLACEHOLDER = re.compile(r"\{\{[^{}]{0,60}\}\}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SYMBOL_PROBLEMS = {
    "unknown": ProblemCode.SYMBOL_UNKNOWN,
    "ambiguous": ProblemCode.SYMBOL_AMBIGUOUS,
    "multiplier": ProblemCode.SYMBOL_MULTIPLIER,
}


def text_of(payload: Payload) -> str:
    """The body as text with plain letters and digits. Raises ParseProblem."""
    try:
        text = payload.body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParseProblem(ProblemCode.NOT_TEXT, position=str(error.start)) from error
    if not text.strip():
        raise ParseProblem(ProblemCode.EMPTY)
    return text


def json_of(payload: Payload) -> Any:
    """The body as JSON, its numbers exact. Raises ParseProblem or SignalFormatError."""
    return load_json(text_of(payload).encode())


def refuse_placeholders(text: str) -> None:
    """A chart's placeholder that was not filled in names nothing. Raises ParseProblem."""
    found = _PLACEHOLDER.search(text)
    if found:
        raise ParseProblem(ProblemCode.PLACEHOLDER_NOT_FILLED, placeholder=found[0])


def number(value: Any, field: str) -> Decimal | None:
    """A signed amount; None for an absent or empty one. Raises ParseProblem."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        text = plain_text(value).strip().lstrip("$")
        if text.lower() in ("", "na", "nan", "null", "none"):
            return None  # a chart writes NaN for what it does not know
        if _THOUSANDS.fullmatch(text):
            text = text.replace(",", "")
        elif not _PLAIN.fullmatch(text):
            raise ParseProblem(ProblemCode.NOT_A_NUMBER, field=field, value=value)
        value = Decimal(text)
    elif isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal):
        raise ParseProblem(ProblemCode.NOT_A_NUMBER, field=field, value=str(value))
    if value.is_nan():
        return None
    return _stored(value, field)


def _stored(value: Decimal, field: str) -> Decimal:
    """Within what is stored; more decimals than that, as charts write them, are cut."""
    if not value.is_finite() or value.adjusted() >= AMOUNT_LIMIT.adjusted():
        raise ParseProblem(ProblemCode.NOT_A_NUMBER, field=field, value=str(value))
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)  # finite
    if -exponent > MAX_DECIMALS or exponent > 0:
        try:
            value = value.quantize(Decimal(1).scaleb(-MAX_DECIMALS if exponent < 0 else 0))
        except InvalidOperation as error:  # more digits than the context has
            raise ParseProblem(ProblemCode.NOT_A_NUMBER, field=field, value=str(value)) from error
    return value if value else Decimal(0)


def positive(value: Any, field: str) -> Decimal | None:
    """As `number`; zero is as good as none, and less is refused."""
    amount = number(value, field)
    if amount is not None and amount < 0:
        raise ParseProblem(ProblemCode.NOT_A_NUMBER, field=field, value=str(value))
    return amount or None


def moment(value: Any, field: str) -> datetime | None:
    """ISO 8601 with a zone, or unix seconds or milliseconds. Raises ParseProblem."""
    if value is None or value == "":
        return None
    text = plain_text(str(value)).strip() if isinstance(value, (str, int, Decimal)) else ""
    try:
        if re.fullmatch(r"[0-9]{10}(\.[0-9]{1,9})?", text):
            return _EPOCH + timedelta(microseconds=int(Decimal(text) * 1_000_000))
        if re.fullmatch(r"[0-9]{13}", text):
            return _EPOCH + timedelta(milliseconds=int(text))
        if _ISO.fullmatch(text):
            written = text.replace("UTC", "Z").replace(" Z", "Z").replace("Z", "+00:00")
            return datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ParseProblem(ProblemCode.BAD_TIME, field=field, value=text) from error
    raise ParseProblem(ProblemCode.BAD_TIME, field=field, value=text)


def sequence_of(value: Any) -> int | None:
    """A count of the sender's signals. Raises ParseProblem."""
    amount = number(value, "sequence")
    if amount is None:
        return None
    if amount != int(amount) or not 0 <= amount <= MAX_SEQUENCE:
        raise ParseProblem(ProblemCode.NOT_A_NUMBER, field="sequence", value=str(value))
    return int(amount)


def symbol_in(book: SymbolBook, text: Any) -> str:
    """The listed symbol. Raises ParseProblem."""
    if not isinstance(text, str) or not text.strip():
        raise ParseProblem(ProblemCode.SYMBOL_MISSING)
    try:
        return book.resolve(text)
    except SymbolProblem as problem:
        raise ParseProblem(_SYMBOL_PROBLEMS[problem.code], **problem.params) from problem


def flattened(document: Mapping[str, Any], *, nested: Iterable[str] = ()) -> dict[str, Any]:
    """Keys in lower case with underscores, `nested` objects' keys beside the others' (which win).

    Charts' templates write `strategy.order.action`, `strategy: {order_action}` or `orderAction`.
    """
    flat: dict[str, Any] = {}
    for key, value in document.items():
        name = _key(key)
        if isinstance(value, Mapping) and name in nested:
            for inner, content in flattened(value, nested=nested).items():
                flat.setdefault(inner, content)
    for key, value in document.items():
        if not isinstance(value, Mapping):
            flat[_key(key)] = value
    return flat


def _key(key: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    name = re.sub(r"[^a-z0-9]+", "_", plain_text(snake).lower()).strip("_")
    return name.removeprefix("strategy_")


def first(fields: Mapping[str, Any], *names: str) -> Any:
    """The first of these fields that says something."""
    for name in names:
        value = fields.get(name)
        if value is not None and value != "":
            return value
    return None


def word(value: Any) -> str:
    """A field as a lower-case word; "" for what is none."""
    return (
        re.sub(r"[\s-]+", "_", plain_text(value).strip().lower()) if isinstance(value, str) else ""
    )
