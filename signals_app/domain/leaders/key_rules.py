"""What a leader's key may be used for, by what the venue says of it. Pure.

A leader is only read. So a key that can trade is more than is needed, and is taken with a warning;
one that can move money out is refused for good. A key that gains that right while it is in use goes
on being read with, and everyone is told: not hearing of the leader's exits would cost followers
more.
"""

from __future__ import annotations

from enum import StrEnum

from venues.domain.types import AccountConfig

FORBIDDEN_PERMISSIONS = frozenset({"withdraw", "transfer"})
_TRADE = "trade"


class LeaderProblem(StrEnum):
    """What may be wrong with a leader, its key or its stream of news."""

    KEY_MISSING = "key_missing"
    KEY_UNREADABLE = "key_unreadable"
    KEY_CAN_TRADE = "key_can_trade"
    KEY_CAN_WITHDRAW = "key_can_withdraw"
    KEY_GAINED_WITHDRAWAL = "key_gained_withdrawal"
    KEY_OF_OTHER_USER = "key_of_other_user"
    KEY_OF_FOLLOWER = "key_of_follower"
    CREDENTIALS_REFUSED = "credentials_refused"
    VENUE_UNREADABLE = "venue_unreadable"
    LEAD_TRADER_UNKNOWN = "lead_trader_unknown"


def can_move_money(permissions: frozenset[str]) -> bool:
    return bool(permissions & FORBIDDEN_PERMISSIONS)


def key_refusal(
    config: AccountConfig, *, venue_uid: str, follower_uids: frozenset[str]
) -> tuple[LeaderProblem, dict[str, str]] | None:
    """Why a new key must never be used, with its numbers.

    `venue_uid` is the exchange user that the leader was found to be, empty before. A follower that
    led would copy its own orders without end: `follower_uids` are the tenant's accounts.
    """
    if can_move_money(config.permissions):
        return LeaderProblem.KEY_CAN_WITHDRAW, {}
    if venue_uid and config.uid != venue_uid:
        return LeaderProblem.KEY_OF_OTHER_USER, {"uid": config.uid, "expected": venue_uid}
    if config.uid in follower_uids:
        return LeaderProblem.KEY_OF_FOLLOWER, {"uid": config.uid}
    return None


def key_warning(permissions: frozenset[str]) -> LeaderProblem | None:
    """What should be better about a key in use; everything works all the same."""
    if can_move_money(permissions):
        return LeaderProblem.KEY_GAINED_WITHDRAWAL
    return LeaderProblem.KEY_CAN_TRADE if _TRADE in permissions else None
