"""All rules in their order. A rule is a module of `rules` with a `RULE`: adding one is one file."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from strategies.domain.settings import CopySettings, DynamicSizing
from trading.domain.risk import rules
from trading.domain.risk.verdicts import Fact, Rule


def _found() -> Iterator[Rule]:
    for module in iter_modules(rules.__path__, f"{rules.__name__}."):
        yield import_module(module.name).RULE


RULES: tuple[Rule, ...] = tuple(sorted(_found(), key=lambda rule: (rule.place, rule.name)))
_ASKING = tuple(rule for rule in RULES if rule.asks)


def facts_asked(settings: CopySettings) -> frozenset[Fact]:
    """What has to be loaded for somebody with these settings."""
    asked: set[Fact] = set()
    for rule in _ASKING:
        if rule.is_on(settings):
            asked |= rule.asks
    if settings.dynamic_sizing is DynamicSizing.DRAWDOWN:  # no rule, but of the same fact
        asked.add(Fact.EQUITY)
    return frozenset(asked)
