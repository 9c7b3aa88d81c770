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
    WAITING_LEAVE = "waiting_leave"
    """They stay and exits are followed; entries that wait are cancelled."""
    WATCHED_AT_ONCE = "watched_at_once"
    """The new limit counts for what is open, which may be closed by it at once."""
    STOPS_STAY = "stops_stay"
    """They keep their stops until the next entry in their symbol."""
    WAITING_STAY = "waiting_stay"
    """Entries that rest on the book go on as they were placed."""
    AT_THE_STOP = "at_the_stop"
    """It counts when the copy is stopped."""
    AT_THE_START = "at_the_start"
    """It counts for copies that start from then on."""
    LEADERS_NEXT_CHANGE = "leaders_next_change"
    """It counts for what the leader changes from then on, and for positions that are open."""
    LEVERAGE_SHARED = "leverage_shared"
    """The next entry changes the leverage of the whole position. Not so its margin mode: that
    stays as long as it is open."""


_EFFECTS: Mapping[str, Effect] = {
    **dict.fromkeys(
        (
            "allowed_symbols", "denied_symbols", "direction", "symbol_map",
        ),
        Effect.EXITS_FOLLOWED,
    ),
    **dict.fromkeys(("close_only", "monitor_only"), Effect.WAITING_LEAVE),
    **dict.fromkeys(("copy_loss_limit", "copy_equity_fall_percent"), Effect.WATCHED_AT_ONCE),
    **dict.fromkeys(
        (
            "stops_mode", "take_profit_percent", "stop_loss_percent", "take_profit_targets",
            "trailing_percent", "break_even_after_target", "on_stops_change",
        ),
        Effect.STOPS_STAY,
    ),
    "on_stop": Effect.AT_THE_STOP,
    "existing_positions": Effect.AT_THE_START,
    **dict.fromkeys(
        ("on_margin_topup", "on_leverage_change", "on_transfer_out"), Effect.LEADERS_NEXT_CHANGE
    ),
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


def _effect(change: Difference) -> Effect:
    found = _EFFECTS.get(change.name, Effect.ENTRIES_ONLY)
    # Switched off, they let entries go on and touch nothing else.
    return Effect.ENTRIES_ONLY if found is Effect.WAITING_LEAVE and not change.after else found


def effects(changed: list[Difference]) -> dict[Effect, list[str]]:
    """Each with the settings whose change has it, in a fixed order."""
    found: dict[Effect, list[str]] = {}
    for effect in Effect:
        names = [each.name for each in changed if _effect(each) is effect]
        if names:
            found[effect] = names
    return found
