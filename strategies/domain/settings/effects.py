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
            "trailing_percent", "break_even_after_target",
        ),
        Effect.STOPS_STAY,
    ),
    **dict.fromkeys(
        ("execution", "limit_follow_percent", "limit_timeout_seconds"), Effect.WAITING_STAY
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


def effects(changed: list[Difference]) -> list[Effect]:
    """Each once, in a fixed order; that entries alone are meant goes without the others."""
    found = {_EFFECTS.get(change.name, Effect.ENTRIES_ONLY) for change in changed}
    return [effect for effect in Effect if effect in found]
