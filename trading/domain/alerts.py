"""What staff are alerted to."""

from __future__ import annotations

from enum import StrEnum


class AlertCode(StrEnum):
    VENUE_STOPPED = "venue_stopped"
    STRATEGY_STOPPED = "strategy_stopped"
    FANOUT_EXCEEDED = "fanout_exceeded"
    KEY_GAINED_WITHDRAWAL = "key_gained_withdrawal"
    OUTCOMES_UNKNOWN = "outcomes_unknown"
    CLOCK_SKEWED = "clock_skewed"
    SOURCE_PAUSED = "source_paused"
    LEADER_CHANGED = "leader_changed"
    SEQUENCE_GAP = "sequence_gap"
    CLOCK_UNKNOWN = "clock_unknown"
    BOOKS_DIFFER = "books_differ"
    FINDINGS_OPEN = "findings_open"
    POSITION_UNGUARDED = "position_unguarded"
    STOPS_LEFT = "stops_left"
    ANSWERS_UNREADABLE = "answers_unreadable"
    SETTINGS_UNREADABLE = "settings_unreadable"
    COPY_LIMIT_REACHED = "copy_limit_reached"
    RISK_THRESHOLD = "risk_threshold"
    RISK_LEVEL = "risk_level"
