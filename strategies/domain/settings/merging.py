"""From what each level states to what is in force, and from where.

Levels merge in their order. A cap takes the smallest of all, a reserve the largest, lists of
symbols intersect or unite, trading hours are those that all levels have in common, and a flag is
on when any level says so: there an exception for a symbol can only be stricter. Everything else
takes the nearest level to the subscription, unless a level above has made the term binding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from strategies.domain.settings.fields import DEFAULTS, SPECS, CopySettings, Kind, Merge
from strategies.domain.settings.hours import hours_in_common


class Level(IntEnum):
    """In the order of merging, the subscription last."""

    DEFAULT = 0
    PLATFORM = 1
    TENANT = 2
    STRATEGY = 3
    CUSTOMER = 4
    ACCOUNT = 5
    SUBSCRIPTION = 6


@dataclass(frozen=True, slots=True)
class Layer:
    """What one level states. `symbols` are its exceptions for single symbols; `binding` are the
    names whose value the levels below cannot change; stated by nobody, it is the default."""

    level: Level
    values: Mapping[str, Any] = field(default_factory=dict)
    symbols: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    binding: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Origin:
    """The level that a value came from; `symbol` when it was its exception for one."""

    level: Level
    symbol: str = ""


DEFAULT = Origin(Level.DEFAULT)


@dataclass(frozen=True, slots=True)
class Merged:
    """Several levels as one, for one symbol: only what somebody stated."""

    values: Mapping[str, Any]
    origins: Mapping[str, tuple[Origin, ...]]
    binding: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Effective:
    """`origins` lack what nobody stated; a list made of several levels has several. `binding` are
    the names that some level fixed for those below it."""

    settings: CopySettings
    origins: Mapping[str, tuple[Origin, ...]]
    binding: frozenset[str] = frozenset()

    def origin(self, name: str) -> tuple[Origin, ...]:
        return self.origins.get(name, (DEFAULT,))


NOTHING = Merged({}, {})


def merged(layers: Sequence[Layer], symbol: str, onto: Merged = NOTHING) -> Merged:
    """`layers`, in the order of their levels, merged onto what is above them."""
    values, origins, binding = dict(onto.values), dict(onto.origins), onto.binding
    for layer in layers:
        _take(values, origins, binding, layer.values, Origin(layer.level))
        exceptions = layer.symbols.get(symbol)
        if exceptions:
            _take(values, origins, binding, exceptions, Origin(layer.level, symbol))
        binding |= layer.binding
    return Merged(values, origins, binding)


def effective_settings(found: Merged) -> Effective:
    return Effective(replace(DEFAULTS, **found.values), found.origins, found.binding)


def _take(
    values: dict[str, Any],
    origins: dict[str, tuple[Origin, ...]],
    binding: frozenset[str],
    stated: Mapping[str, Any],
    origin: Origin,
) -> None:
    for name, value in stated.items():
        spec = SPECS[name]
        rule = spec.merge
        if rule is Merge.NEAREST:
            if name not in binding:
                values[name], origins[name] = value, (origin,)
        elif name not in values:
            values[name], origins[name] = value, (origin,)
        elif rule in _PICKS:
            if _PICKS[rule](value, values[name]):
                values[name], origins[name] = value, (origin,)
        else:
            join = hours_in_common if spec.kind is Kind.HOURS else _JOINS[rule]
            values[name] = join(values[name], value)
            origins[name] += (origin,)


_PICKS: dict[Merge, Callable[[Any, Any], bool]] = {
    Merge.MINIMUM: lambda new, old: new < old,
    Merge.MAXIMUM: lambda new, old: new > old,
    Merge.ANY: lambda new, old: new and not old,
}
_JOINS: dict[Merge, Callable[[Any, Any], Any]] = {
    Merge.INTERSECTION: lambda old, new: old & new,
    Merge.UNION: lambda old, new: old | new,
}
