"""What every format shares: the payload, the source's frozen settings, the parser's shape."""

from __future__ import annotations

import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar

from signals_app.domain.canonical import (
    CanonicalSignal,
    canonical_from_json,
    canonical_to_json,
)
from signals_app.domain.errors import FormatCode, SignalFormatError
from signals_app.domain.parsers.problems import ParseProblem, problem_of
from signals_app.domain.symbol_aliases import SymbolBook
from signals_app.domain.symbols import unified_symbol


class ConfigError(Exception):
    """A setting of a source's parser cannot be used. `code` is one of CONFIG_CODES."""

    def __init__(self, code: str, **params: str) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a parser's settings. `choices` empty: checked by the parser itself."""

    name: str
    default: Any
    choices: tuple[str, ...] = ()
    kind: type = str


@dataclass(frozen=True, slots=True)
class Payload:
    """One delivery as received. `received_at` is aware UTC; `now` is when it is parsed, which on
    re-play is later."""

    body: bytes
    content_type: str
    received_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Parsed:
    """`alert_id` is the sender's own id of the alert, however its text changes. `alert_time` is a
    time in the payload, so that an equal payload is the same alert. Without both, an equal payload
    later may be another alert."""

    signals: tuple[CanonicalSignal, ...]
    alert_id: str = ""
    alert_time: str = ""


@dataclass(frozen=True, slots=True)
class ParserConfig:
    """A source's settings for its parser, checked and complete."""

    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


COMMON_SETTINGS = (
    Setting("market", "swap", ("swap", "spot", "any")),
    Setting("default_quote", "USDT"),
    Setting("symbols", {}, kind=dict),
    Setting("only_from", [], kind=list),
)
"""`market`: what a symbol without a market means. `symbols`: the source's own names.
`only_from`: addresses or networks that may send, empty for all."""


class Parser(ABC):
    """A format. Stateless; `version` goes up when the same payload would give something else."""

    name: ClassVar[str]
    title: ClassVar[str]
    version: ClassVar[int] = 1
    settings: ClassVar[tuple[Setting, ...]] = ()
    example: ClassVar[str] = ""
    published_addresses: ClassVar[tuple[str, ...]] = ()
    """Where the sender says that it sends from."""

    def config(self, document: Any) -> ParserConfig:
        """Check a source's settings (a JSON object). Raises ConfigError."""
        if not isinstance(document, Mapping):
            raise ConfigError("not_an_object")
        known = {setting.name: setting for setting in (*COMMON_SETTINGS, *self.settings)}
        for name in document:
            if name not in known:
                raise ConfigError("unknown_setting", name=str(name)[:40])
        values: dict[str, Any] = {}
        for name, setting in known.items():
            value = document.get(name, setting.default)
            if not isinstance(value, setting.kind):
                raise ConfigError("wrong_type", name=name, type=setting.kind.__name__)
            if setting.choices and value not in setting.choices:
                raise ConfigError("bad_choice", name=name, choices=", ".join(setting.choices))
            values[name] = value
        _check_symbols(values["symbols"])
        _check_networks(values["only_from"])
        self.check_config(values)
        return ParserConfig(MappingProxyType(values))

    def check_config(self, values: Mapping[str, Any]) -> None:
        """Rules of this format's own; most have none. Raises ConfigError."""
        return

    def parse(self, payload: Payload, config: ParserConfig, symbols: SymbolBook) -> Parsed:
        """The payload's signals, checked. Raises ParseProblem (also for what is to be ignored)
        and nothing else, whatever the bytes are."""
        try:
            parsed = self.read(payload, config, symbols)
            # Through the door that everybody's JSON comes through: no format has rules of its own.
            checked = [
                canonical_from_json(canonical_to_json(signal), payload.now)
                for signal in parsed.signals
            ]
        except SignalFormatError as error:
            raise problem_of(error) from error
        except RecursionError as error:
            raise ParseProblem(
                FormatCode.INVALID_JSON, message="it is nested too deeply"
            ) from error
        return Parsed(tuple(checked), parsed.alert_id, parsed.alert_time)

    @abstractmethod
    def read(self, payload: Payload, config: ParserConfig, symbols: SymbolBook) -> Parsed:
        """`parse` without the rules that all signals share."""


def _check_networks(networks: list[Any]) -> None:
    for network in networks:
        try:
            ipaddress.ip_network(network if isinstance(network, str) else "", strict=False)
        except ValueError as error:
            raise ConfigError("bad_network", name=str(network)[:60]) from error


def _check_symbols(aliases: Mapping[str, Any]) -> None:
    for alias, symbol in aliases.items():
        if not isinstance(symbol, str) or unified_symbol(symbol) is None:
            raise ConfigError("bad_symbol", name=str(alias)[:40])
