"""What of the leader's trade a follower copies, by its direction. Pure."""

from __future__ import annotations

from strategies.domain.settings import TradeDirection


def is_copied(direction: int, setting: TradeDirection) -> bool:
    """Whether anything is opened in this direction of the follower's own."""
    if setting is TradeDirection.LONG_ONLY:
        return direction > 0
    if setting is TradeDirection.SHORT_ONLY:
        return direction < 0
    return True
