"""What an API key may be used for, by what the venue says of it. Pure.

A new key that could move money out is refused for good. One that gains that right while it is in
use opens nothing more, but goes on signing exits until it is replaced: a position that nobody can
close would cost the client more.
"""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from venues.domain.types import AccountConfig

FORBIDDEN_PERMISSIONS = frozenset({"withdraw", "transfer"})
_TRADE = "trade"

EXITS_WAIT_FOR = frozenset(
    {
        ReasonCode.CREDENTIALS_REFUSED,
        ReasonCode.KEY_ALREADY_USED,
        ReasonCode.KEY_CAN_WITHDRAW,
        ReasonCode.KEY_CANNOT_TRADE,
        ReasonCode.KEY_MISSING,
        ReasonCode.KEY_OF_OTHER_USER,
        ReasonCode.KEY_UNREADABLE,
    }
)
"""An account that has one of these has no key that could sign: its exits wait for one."""


def can_move_money(permissions: frozenset[str]) -> bool:
    return bool(permissions & FORBIDDEN_PERMISSIONS)


def new_key_refusal(config: AccountConfig, *, venue_uid: str) -> Reason | None:
    """Why a new key must never be used.

    `venue_uid` is the exchange user that the account was found to be, empty before its first
    check. Another user's key would find none of its orders, prove absent what is there, and
    close nothing.
    """
    if can_move_money(config.permissions):
        return Reason(ReasonCode.KEY_CAN_WITHDRAW)
    if venue_uid and config.uid != venue_uid:
        return Reason(ReasonCode.KEY_OF_OTHER_USER, {"uid": config.uid, "expected": venue_uid})
    return None


def key_shortcoming(config: AccountConfig) -> Reason | None:
    """Why a key cannot be used as it is now."""
    if _TRADE not in config.permissions:
        return Reason(ReasonCode.KEY_CANNOT_TRADE)
    return None


def active_key_trouble(config: AccountConfig) -> Reason | None:
    """Why a key that was in use already stops entries."""
    if can_move_money(config.permissions):
        return Reason(ReasonCode.KEY_GAINED_WITHDRAWAL)
    return key_shortcoming(config)
