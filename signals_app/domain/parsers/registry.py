"""The formats by name. A new file in `formats/` with a `PARSER` is all that a new one needs."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from signals_app.domain.parsers import formats
from signals_app.domain.parsers.base import Parser

TANDEM = "tandem"


@cache
def parsers() -> Mapping[str, Parser]:
    """All formats that are stored first and parsed after, by name."""
    found: dict[str, Parser] = {}
    for module in sorted(pkgutil.iter_modules(formats.__path__), key=lambda entry: entry.name):
        parser = import_module(f"{formats.__name__}.{module.name}").PARSER
        assert isinstance(parser, Parser) and parser.name not in found
        found[parser.name] = parser
    return MappingProxyType(found)


def parser_named(name: str) -> Parser:
    """Raises LookupError for one that is not there."""
    return parsers()[name]
