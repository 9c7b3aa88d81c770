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
    CLOCK_UNKNOWN = "clock_unknown"
