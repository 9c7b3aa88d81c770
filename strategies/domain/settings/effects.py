"""What a change of settings does to positions that are open already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from strategies.domain.settings.fields import CopySettings


class Effect(StrEnum):
    ENTRIES_ONLY = "entries_only"
    """Open positions stay as they are."""
    EXITS_FOLLOWED = "exits_followed"
    """They stay, nothing is added, the leader's exits are followed."""
    WATCHED_AT_ONCE = "watched_at_once"
    """The new limit counts for what is open, which may be closed by it at once."""
    STOPS_STAY = "stops_stay"
    """They keep their stops until the next entry in their symbol."""
    WAITING_STAY = "waiting_stay"
    """Entries that rest on the book go on as they were placed."""
    AT_THE_STOP = "at_the_stop"
    """It counts when the copy is stopped."""
    LEVERAGE_SHARED = "leverage_shared"
    """The next entry changes the leverage of the whole position. Not so its margin mode: that
    stays as long as it is open."""


_EFFECTS: Mapping[str, Effect] = {
    **dict.fromkeys(
        (
            "close_only", "monitor_only", "allowed_symbols", "denied_symbols", "direction",
            "symbol_map",
        ),
        Effect.EXITS_FOLLOWED,
    ),
    **dict.fromkeys(("copy_loss_limit", "copy_equity_fall_percent"), Effect.WATCHED_AT_ONCE),
    **dict.fromkeys(
        (
            "stops_mode", "take_profit_percent", "stop_loss_percent", "take_profit_targets",
            "trailing_percent", "break_even_after_target", "on_stops_change",
        ),
        Effect.STOPS_STAY,
    ),
    "on_stop": Effect.AT_THE_STOP,
    **dict.fromkeys(
        (
            "execution", "limit_follow_percent", "limit_timeout_seconds", "slice_count",
            "slice_interval_seconds", "sliced_above",
        ),
        Effect.WAITING_STAY,
    ),
    **dict.fromkeys(
        ("leverage_mode", "leverage", "max_leverage"), Effect.LEVERAGE_SHARED
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    name: str
    before: Any
    after: Any


def differences(before: CopySettings, after: CopySettings) -> list[Difference]:
    """What would be in force otherwise than now."""
    names = (each.name for each in fields(CopySettings))
    found = ((name, getattr(before, name), getattr(after, name)) for name in names)
    return [Difference(name, old, new) for name, old, new in found if old != new]


def effects(changed: list[Difference]) -> dict[Effect, list[str]]:
    """Each with the settings whose change has it, in a fixed order."""
    found: dict[Effect, list[str]] = {}
    for effect in Effect:
        names = [c.name for c in changed if _EFFECTS.get(c.name, Effect.ENTRIES_ONLY) is effect]
        if names:
            found[effect] = names
    return found
