"""The words of sizing: its modes, the ways to say a size, and what may be missing."""

from __future__ import annotations

from enum import StrEnum


class SizingMode(StrEnum):
    FIXED_AMOUNT = "fixed_amount"
    """Margin per entry."""
    LEADER_RATIO = "leader_ratio"
    """The leader's size × ratio."""
    EQUITY_PROPORTIONAL = "equity_proportional"
    """The same share of equity as the leader's."""
    FIXED_RISK = "fixed_risk"
    """So large that the stop costs a percentage of equity."""


class DynamicSizing(StrEnum):
    """What makes an entry smaller than its mode says. Never larger."""

    NONE = "none"
    VOLATILITY = "volatility"
    """Size × `target_volatility_percent` ÷ the symbol's daily range, at most × 1."""
    DRAWDOWN = "drawdown"
    """Size × (1 − drawdown ÷ `drawdown_zero_percent`)."""


class SizeBasis(StrEnum):
    BASE = "base"
    CONTRACTS = "contracts"
    QUOTE = "quote"
    EQUITY_FRACTION = "equity_fraction"
    POSITION_FRACTION = "position_fraction"


class MissingFact(StrEnum):
    """What a sizing mode needed and did not get."""

    OWN_AMOUNT = "own_amount"
    """The follower's settings do not say how much."""
    LEADER_SIZE = "leader_size"
    LEADER_EQUITY = "leader_equity"
    LEADER_FUNDS = "leader_funds"
    """Its equity is known, and is not above 0: no share of it can be said."""
    LEADER_PRICE = "leader_price"
    SAME_CURRENCY = "same_currency"
    """Its size is a value in one currency, the follower's market is priced in another one."""
    FOLLOWER_EQUITY = "follower_equity"
    FOLLOWER_FUNDS = "follower_funds"
    """Its equity is known, and is not above 0."""
    STOP = "stop"
    """Neither the signal nor the follower says where the loss ends."""
    STOP_PASSED = "stop_passed"
    """The stop is on the wrong side of the price: the trade would be over at once."""
    VOLATILITY = "volatility"
    DRAWDOWN = "drawdown"
    """The equity's peak is not known."""
    DRAWN_DOWN = "drawn_down"
    """So far below the peak that the scaling leaves nothing."""


class SizingError(Exception):
    def __init__(self, missing: MissingFact) -> None:
        super().__init__(missing.value)
        self.missing = missing
