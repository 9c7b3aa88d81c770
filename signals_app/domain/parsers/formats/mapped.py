"""Any JSON: paths to the fields, words for words, and constants, all set by the operator.

Paths are JSONPath as in RFC 9535, beginning with `$`. The functions `match` and `search` are not
allowed in them: a sender's text could keep a regular expression busy for hours. Nor may a path
branch at many places, or begin at the root again inside a filter: a small payload, made for it,
would be walked through millions of times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonpath import JSONPath, JSONPathEnvironment, JSONPathError

from signals_app.domain.canonical import (
    FIELD_NAMES,
    MAX_TARGETS,
    CanonicalSignal,
    canonical_from_json,
)
from signals_app.domain.parsers.base import (
    ConfigError,
    Parsed,
    Parser,
    ParserConfig,
    Payload,
    Setting,
)
from signals_app.domain.parsers.problems import ParseProblem, ProblemCode
from signals_app.domain.parsers.reading import (
    json_of,
    moment,
    number,
    sequence_of,
    symbol_in,
)
from signals_app.domain.symbol_aliases import SymbolBook, plain_text

MAX_ITEMS = 20
MAX_PATH_LENGTH = 200
_MOST_FOUND = 50
"""More than any field may have."""
_NUMBERS = frozenset(
    {"price", "size", "leader_equity", "leverage", "stop_loss", "take_profit", "entry_low",
     "entry_high"}
)  # fmt: skip
_TIMES = frozenset({"emitted_at", "expires_at"})
_WORDS = frozenset({"action", "side", "order_type", "size_basis"})
_OWN_FIELDS = frozenset({"id"})
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_MOST_OF = {"..": 1, "*": 3, "?": 3, "$": 1, ",": 12}
"""In a path, outside of quoted names."""
_FUNCTIONS = re.compile(r"\b(match|search)\s*\(")
_PATHS = JSONPathEnvironment(strict=True)


class Mapped(Parser):
    name = "mapped"
    title = "Mapped JSON"
    settings = (
        Setting("fields", {}, kind=dict),
        Setting("values", {}, kind=dict),
        Setting("constants", {}, kind=dict),
        Setting("items", ""),
    )
    example = """{
  "event": {"id": "a-17", "pair": "BTCUSDT", "side": "BUY", "amount": "0.25", "at": 1767225600}
}"""

    def check_config(self, values: Mapping[str, Any]) -> None:
        allowed = FIELD_NAMES | _OWN_FIELDS
        for group in ("fields", "values", "constants"):
            for name in values[group]:
                if name not in allowed:
                    raise ConfigError("unknown_field", group=group, name=str(name)[:40])
        for name, path in (*values["fields"].items(), ("items", values["items"] or "$")):
            _check_path(name, path)
        for name, words in values["values"].items():
            if not isinstance(words, dict):
                raise ConfigError("wrong_type", name=f"values.{name}", type="dict")
        for name, value in values["constants"].items():
            if not isinstance(value, (str, int)):
                raise ConfigError("wrong_type", name=f"constants.{name}", type="str")
        if not {"action", "symbol"} <= {*values["fields"], *values["constants"]}:
            raise ConfigError("mapping_incomplete", needed="action, symbol")

    def read(self, payload: Payload, config: ParserConfig, symbols: SymbolBook) -> Parsed:
        document = json_of(payload)
        items = _found(document, config["items"], "items") if config["items"] else [document]
        if not 0 < len(items) <= MAX_ITEMS:
            raise ParseProblem(ProblemCode.MISSING_FIELD, field=f"items ({len(items)})")
        found = [_values(item, config) for item in items]
        ids, times = _joined(found, "id"), _joined(found, "emitted_at")
        signals = tuple(_signal(values, payload, symbols) for values in found)
        return Parsed(signals, alert_id=ids, alert_time=times)


def _check_path(name: str, path: Any) -> None:
    if not isinstance(path, str) or _FUNCTIONS.search(path) or _is_costly(path):
        raise ConfigError("bad_path", name=str(name), path=str(path)[:80])
    try:
        _compiled(path)
    except (JSONPathError, RecursionError) as error:
        raise ConfigError("bad_path", name=str(name), path=path[:80]) from error


def _is_costly(path: str) -> bool:
    bare = _QUOTED.sub("", path)
    return len(path) > MAX_PATH_LENGTH or any(
        bare.count(part) > most for part, most in _MOST_OF.items()
    )


@lru_cache(maxsize=512)
def _compiled(path: str) -> JSONPath:
    compiled = _PATHS.compile(path)
    assert isinstance(compiled, JSONPath)
    return compiled


def _found(document: Any, path: str, field: str) -> list[Any]:
    try:
        return [match.obj for match in islice(_compiled(path).finditer(document), _MOST_FOUND)]
    except (JSONPathError, TypeError, ValueError) as error:
        raise ParseProblem(ProblemCode.BAD_VALUE, field=field, value=path) from error


def _values(item: Any, config: ParserConfig) -> dict[str, Any]:
    """Fields by name, words translated. An absent or null value is no value."""
    values: dict[str, Any] = {}
    for name, path in config["fields"].items():
        found = [value for value in _found(item, path, name) if value is not None]
        if name == "targets":
            found = [
                one for value in found for one in (value if isinstance(value, list) else [value])
            ]
            if found:
                values[name] = found
            continue
        if len(found) > 1:
            raise ParseProblem(ProblemCode.SEVERAL_VALUES, field=name, path=path)
        if found:
            values[name] = found[0]
    for name, words in config["values"].items():
        if name in values:
            values[name] = _translated(name, values[name], words)
    for name, constant in config["constants"].items():
        values.setdefault(name, constant)
    return {name: value for name, value in values.items() if value != ""}


def _translated(name: str, value: Any, words: Mapping[str, Any]) -> Any:
    if isinstance(value, bool):
        written = "true" if value else "false"
    else:
        written = plain_text(str(value)).strip()
    for key, meaning in words.items():
        if key.lower() == written.lower():
            return meaning
    if "*" in words:
        return words["*"]
    raise ParseProblem(ProblemCode.BAD_VALUE, field=name, value=written)


def _joined(items: Sequence[Mapping[str, Any]], name: str) -> str:
    """What all items have under this name; "" when one has none."""
    values = [str(item.get(name, "")) for item in items]
    return "|".join(values) if all(values) else ""


def _signal(values: Mapping[str, Any], payload: Payload, symbols: SymbolBook) -> CanonicalSignal:
    document: dict[str, Any] = {"emitted_at": payload.received_at.isoformat()}
    for name, value in values.items():
        if name == "symbol":
            document[name] = symbol_in(symbols, value)
        elif name in _NUMBERS:
            amount = number(value, name)
            if amount is not None:
                document[name] = amount
        elif name in _TIMES:
            at = moment(value, name)
            if at is not None:
                document[name] = at.isoformat()
        elif name in _WORDS:
            document[name] = value.lower() if isinstance(value, str) else value
        elif name == "targets":
            document[name] = _targets(value)
        elif name == "sequence":
            document[name] = sequence_of(value)
    for name in ("action", "symbol"):
        if name not in document:
            raise ParseProblem(ProblemCode.MISSING_FIELD, field=name)
    return canonical_from_json(document, payload.now)


def _targets(values: list[Any]) -> list[dict[str, Any]]:
    """Prices, or objects with a price and maybe a fraction."""
    targets: list[dict[str, Any]] = []
    for value in values[: MAX_TARGETS + 1]:
        item = dict(value) if isinstance(value, Mapping) else {"price": value}
        target = {
            name: number(item[name], "targets") for name in ("price", "fraction") if name in item
        }
        targets.append({name: amount for name, amount in target.items() if amount is not None})
    return targets


PARSER = Mapped()
