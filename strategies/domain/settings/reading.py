"""Values of settings as JSON and back, with what is wrong in the user's words' terms: the name
of the setting, a code and the numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from strategies.domain.settings.checking import SettingProblem, SettingProblemCode
from strategies.domain.settings.fields import SPECS, CopySettings, Kind, SettingSpec
from strategies.domain.settings.merging import Layer, Level

MAX_SYMBOLS = 500
MAX_EXCEPTIONS = 100
"""Symbols for which a level states something else."""
MAX_TARGETS = 10
MAX_WINDOWS = 20
_SHOWN = 48
"""Characters of what somebody sent that a refusal repeats."""
_SYMBOL = re.compile(r"[A-Z0-9]{1,15}/[A-Z0-9]{1,15}(:[A-Z0-9]{1,15}(-[0-9]{6})?)?")
_DAYS = "mon|tue|wed|thu|fri|sat|sun"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00"
_WINDOW = re.compile(rf"({_DAYS})(-({_DAYS}))? ({_TIME})-({_TIME})")
_PLAIN = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,18})?")


class SettingValueError(Exception):
    """The text is no value of this setting."""

    def __init__(self, code: SettingProblemCode, params: Mapping[str, str] | None = None) -> None:
        super().__init__(code.value)
        self.name = ""
        self.code = code
        self.params = dict(params or {})


def read_value(spec: SettingSpec, raw: Any) -> Any:
    """One value from JSON, amounts as decimal strings. Raises SettingValueError."""
    try:
        return _READERS[spec.kind](spec, raw)
    except SettingValueError as error:
        error.name = spec.name
        raise


def value_to_json(spec: SettingSpec, value: Any) -> Any:
    """What `read_value` reads."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    if spec.kind is Kind.CHOICE:
        return str(value)
    if spec.kind is Kind.SYMBOLS:
        return sorted(value)
    if spec.kind is Kind.SYMBOL_MAP:
        return dict(value)
    if spec.kind is Kind.TARGETS:
        return [[format(part, "f") for part in target] for target in value]
    return list(value)


def settings_to_json(settings: CopySettings) -> dict[str, Any]:
    """All that is in force, for the snapshot that an intent refers to."""
    return {name: value_to_json(spec, getattr(settings, name)) for name, spec in SPECS.items()}


def layer_from_json(
    level: Level, content: Mapping[str, Any], binding: frozenset[str] = frozenset()
) -> Layer:
    """What a level states, as it was stored: `{"values": {…}, "symbols": {symbol: {…}}}`.

    Raises SettingValueError for what a form would have refused.
    """
    content = _object(content)
    symbols = _object(content.get("symbols"))
    return Layer(
        level,
        _values(_object(content.get("values"))),
        {symbol: _values(_object(stated)) for symbol, stated in symbols.items()},
        binding,
    )


NO_OBJECT = "?"
"""Named instead of a setting, where all that is stored is of another kind."""


def _object(stored: Any) -> Mapping[str, Any]:
    if stored is None or isinstance(stored, Mapping):
        return stored or {}
    error = SettingValueError(SettingProblemCode.UNKNOWN)
    error.name = NO_OBJECT
    raise error


def layer_problems(content: Mapping[str, Any]) -> list[SettingProblem]:
    """Everything that is wrong with a level's values, each with its setting and symbol."""
    problems = _problems_of(content.get("values") or {}, "")
    symbols = content.get("symbols") or {}
    if len(symbols) > MAX_EXCEPTIONS:
        limit = {"limit": str(MAX_EXCEPTIONS)}
        return [*problems, SettingProblem("symbols", SettingProblemCode.TOO_MANY, limit)]
    for symbol, stated in symbols.items():
        if not _SYMBOL.fullmatch(symbol):
            short = symbol[:_SHOWN]
            problems.append(
                SettingProblem("symbols", SettingProblemCode.NOT_A_SYMBOL, symbol=short)
            )
            continue
        problems += _problems_of(stated, symbol)
    return problems


def _values(stated: Mapping[str, Any]) -> dict[str, Any]:
    return {name: read_value(_spec(name), raw) for name, raw in stated.items()}


def _spec(name: str) -> SettingSpec:
    spec = SPECS.get(name)
    if spec is None:
        error = SettingValueError(SettingProblemCode.UNKNOWN)
        error.name = name[:_SHOWN]
        raise error
    return spec


def _problems_of(stated: Mapping[str, Any], symbol: str) -> list[SettingProblem]:
    problems = []
    for name, raw in stated.items():
        spec = SPECS.get(name)
        if spec is None or (symbol and not spec.per_symbol):
            short = name[:_SHOWN]
            problems.append(SettingProblem(short, SettingProblemCode.UNKNOWN, symbol=symbol))
            continue
        try:
            read_value(spec, raw)
        except SettingValueError as error:
            problems.append(SettingProblem(name, error.code, error.params, symbol))
    return problems


# --- readers by kind ----------------------------------------------------------------------------


def _choice(spec: SettingSpec, raw: Any) -> Any:
    for choice in spec.choices:
        if raw == choice.value:
            return choice
    params = {"choices": ", ".join(spec.choices)}
    raise SettingValueError(SettingProblemCode.NOT_A_CHOICE, params)


def _decimal(spec: SettingSpec, raw: Any) -> Decimal:
    if not isinstance(raw, str) or not _PLAIN.fullmatch(raw):
        raise SettingValueError(SettingProblemCode.NOT_A_NUMBER)
    try:
        value = Decimal(raw)
    except InvalidOperation as error:
        raise SettingValueError(SettingProblemCode.NOT_A_NUMBER) from error
    _check_range(spec, value)
    return value


def _whole(spec: SettingSpec, raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or abs(raw) > 10**9:
        raise SettingValueError(SettingProblemCode.NOT_A_WHOLE_NUMBER)
    _check_range(spec, Decimal(raw))
    return raw


def _check_range(spec: SettingSpec, value: Decimal) -> None:
    if spec.low is not None and (value < spec.low or (spec.above_low and value == spec.low)):
        code = SettingProblemCode.NOT_ABOVE if spec.above_low else SettingProblemCode.TOO_LOW
        raise SettingValueError(code, {"limit": format(spec.low, "f")})
    if spec.high is not None and value > spec.high:
        raise SettingValueError(SettingProblemCode.TOO_HIGH, {"limit": format(spec.high, "f")})


def _flag(spec: SettingSpec, raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise SettingValueError(SettingProblemCode.NOT_A_FLAG)
    return raw


def _symbol(raw: Any) -> str:
    if not isinstance(raw, str) or not _SYMBOL.fullmatch(raw):
        raise SettingValueError(SettingProblemCode.NOT_A_SYMBOL, {"symbol": str(raw)[:_SHOWN]})
    return raw


def _symbols(spec: SettingSpec, raw: Any) -> frozenset[str]:
    if not isinstance(raw, list) or len(raw) > MAX_SYMBOLS:
        raise SettingValueError(SettingProblemCode.NOT_A_LIST)
    return frozenset(map(_symbol, raw))


def _symbol_map(spec: SettingSpec, raw: Any) -> dict[str, str]:
    """Each traded symbol for one of the leader's: two would share a position. A list of pairs is
    what a form was sent when the leader's symbol stood on two lines."""
    if isinstance(raw, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in raw):
        _check_once([_symbol(here) for here, _there in raw])
    if not isinstance(raw, dict) or len(raw) > MAX_SYMBOLS:
        raise SettingValueError(SettingProblemCode.NOT_A_LIST)
    found = {_symbol(here): _symbol(there) for here, there in raw.items()}
    _check_once(found.values())
    return found


def _check_once(symbols: Iterable[str]) -> None:
    known: set[str] = set()
    for symbol in symbols:
        if symbol in known:
            raise SettingValueError(SettingProblemCode.MAPPED_TWICE, {"symbol": symbol})
        known.add(symbol)


def _targets(spec: SettingSpec, raw: Any) -> tuple[tuple[Decimal, Decimal], ...]:
    """Away from the entry, the shares together at most the whole position."""
    if not isinstance(raw, list) or len(raw) > MAX_TARGETS:
        raise SettingValueError(SettingProblemCode.NOT_A_LIST)
    targets = []
    for item in raw:
        if not isinstance(item, list) or len(item) != 2:
            raise SettingValueError(SettingProblemCode.NOT_A_LIST)
        percent, share = (_decimal(_PART, part) for part in item)
        targets.append((percent, share))
    distances = [percent for percent, _share in targets]
    if distances != sorted(set(distances)) or sum(share for _percent, share in targets) > 1:
        raise SettingValueError(SettingProblemCode.BAD_TARGETS)
    return tuple(targets)


_PART = SettingSpec(
    "", Kind.NUMBER, SPECS["ratio"].merge, None, low=Decimal(0), high=Decimal(1000), above_low=True
)


def _hours(spec: SettingSpec, raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list) or not 0 < len(raw) <= MAX_WINDOWS:
        raise SettingValueError(SettingProblemCode.NOT_A_LIST)
    for window in raw:
        match = _WINDOW.fullmatch(window) if isinstance(window, str) else None
        if match is None or match[4] >= match[5]:
            raise SettingValueError(
                SettingProblemCode.NOT_A_WINDOW, {"window": str(window)[:_SHOWN]}
            )
    return tuple(raw)


_READERS: dict[Kind, Callable[[SettingSpec, Any], Any]] = {
    Kind.CHOICE: _choice,
    Kind.AMOUNT: _decimal,
    Kind.NUMBER: _decimal,
    Kind.PERCENT: _decimal,
    Kind.COUNT: _whole,
    Kind.SECONDS: _whole,
    Kind.MINUTES: _whole,
    Kind.FLAG: _flag,
    Kind.SYMBOLS: _symbols,
    Kind.SYMBOL_MAP: _symbol_map,
    Kind.TARGETS: _targets,
    Kind.HOURS: _hours,
}
