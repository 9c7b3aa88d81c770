"""Why an order was not placed, or did not end as wished: an enumerated code plus its numbers.

Stored as code + parameters; the text for a reader is made by trading.reason_texts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class ReasonCode(StrEnum):
    # decided before sending
    SIGNAL_EXPIRED = "signal_expired"
    PLATFORM_HALTED = "platform_halted"
    TENANT_HALTED = "tenant_halted"
    STRATEGY_HALTED = "strategy_halted"
    CUSTOMER_HALTED = "customer_halted"
    ENTRIES_STOPPED = "entries_stopped"
    CONTROL_STALE = "control_stale"
    VENUE_STOPPED = "venue_stopped"
    STRATEGY_STOPPED = "strategy_stopped"
    FANOUT_EXCEEDED = "fanout_exceeded"
    CLOCK_UNKNOWN = "clock_unknown"
    STRATEGY_NOT_ACTIVE = "strategy_not_active"
    SUBSCRIPTION_PAUSED = "subscription_paused"
    ACCOUNT_NOT_ACTIVE = "account_not_active"
    ACCOUNT_UNCHECKED = "account_unchecked"
    ACCOUNT_UNHEALTHY = "account_unhealthy"
    CUSTOMER_NOT_ACTIVE = "customer_not_active"
    SYMBOL_NOT_ALLOWED = "symbol_not_allowed"
    SYMBOL_NOT_LISTED = "symbol_not_listed"
    LEVERAGE_TOO_HIGH = "leverage_too_high"
    PRICE_UNKNOWN = "price_unknown"
    BALANCE_UNKNOWN = "balance_unknown"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    LEADER_SIZE_UNKNOWN = "leader_size_unknown"
    LEADER_EQUITY_UNKNOWN = "leader_equity_unknown"
    BELOW_MINIMUM_SIZE = "below_minimum_size"
    ABOVE_MAXIMUM_SIZE = "above_maximum_size"
    NOTHING_TO_REDUCE = "nothing_to_reduce"
    ALREADY_AT_TARGET = "already_at_target"
    OPPOSITE_POSITION = "opposite_position"
    SPOT_SHORT = "spot_short"
    CLOSE_LEG_UNFINISHED = "close_leg_unfinished"
    WAITING_FOR_KEY = "waiting_for_key"
    # about an account's API key
    CREDENTIALS_REFUSED = "credentials_refused"
    KEY_ALREADY_USED = "key_already_used"
    KEY_CAN_WITHDRAW = "key_can_withdraw"
    KEY_CANNOT_TRADE = "key_cannot_trade"
    KEY_GAINED_WITHDRAWAL = "key_gained_withdrawal"
    KEY_MISSING = "key_missing"
    KEY_OF_OTHER_USER = "key_of_other_user"
    KEY_UNREADABLE = "key_unreadable"
    # decided by sending
    VENUE_REJECTED = "venue_rejected"
    MARKET_CLOSED = "market_closed"
    LEVERAGE_NOT_SET = "leverage_not_set"
    NOT_PLACED = "not_placed"
    OUTCOME_UNKNOWN = "outcome_unknown"
    FORGOTTEN_BY_VENUE = "forgotten_by_venue"
    CANCELLED_BY_VENUE = "cancelled_by_venue"
    RATE_LIMITED = "rate_limited"
    CLOCK_REFUSED = "clock_refused"
    TOO_LATE = "too_late"


@dataclass(frozen=True, slots=True)
class Reason:
    """A code and the numbers that were compared (text, so that it stores as JSON exactly)."""

    code: ReasonCode
    params: dict[str, str] = field(default_factory=dict)
