"""What a signal can say: its fields, their words, and the largest that is stored of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum

# What AmountField stores: DECIMAL(38, 18).
MAX_DECIMALS = 18
AMOUNT_LIMIT = Decimal(10) ** 20
MAX_TARGETS = 10
MAX_SEQUENCE = 2**53 - 1
"""What every sender's JSON can write exactly."""

_FRACTION_STEP = Decimal("1e-6")


class Action(StrEnum):
    OPEN = "open"
    INCREASE = "increase"
    REDUCE = "reduce"
    CLOSE = "close"
    FLIP = "flip"
    SET_TARGET = "set_target"
    CANCEL = "cancel"
    """Of a leader's resting order; only leader sources say it, and the rest below."""
    # What a leader did without changing its position.
    LEVERAGE = "leverage"
    MARGIN = "margin"
    STOPS = "stops"
    TRANSFER = "transfer"


class Side(StrEnum):
    LONG = "long"
    SHORT = "short"


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"


class SizeBasis(StrEnum):
    BASE = "base"
    CONTRACTS = "contracts"
    QUOTE = "quote"
    EQUITY_FRACTION = "equity_fraction"
    POSITION_FRACTION = "position_fraction"


class MarginMode(StrEnum):
    CROSS = "cross"
    ISOLATED = "isolated"


@dataclass(frozen=True, slots=True)
class Target:
    """Take profit for a `fraction` of the position, in (0, 1], at `price`."""

    price: Decimal
    fraction: Decimal


@dataclass(frozen=True, slots=True)
class CanonicalSignal:
    """One instruction to followers. Amounts are exact and positive unless said.

    `side` is the position's side (for a flip: the new one). `size` is in `size_basis`: coins,
    the venue's contracts, quote currency, a fraction of the leader's equity, or (reduce only) a
    fraction of the position in (0, 1]; for set_target it may be 0. `price` is the limit price, or
    with a market order the leader's own price. `leader_position_before` and `_after` are signed,
    in the venue's contracts: a reduction by a third is exact with them. `entry_low` and
    `entry_high` are the range in which the sender wants to enter. `targets` go away from the entry,
    at most the whole position together. `sequence` counts the source's signals, so that a missing
    one shows. Times are aware UTC.

    A leader's event (LEADER_EVENTS) changes no position. A change of leverage has `leverage`; of
    margin or a transfer `size`, in the quote currency, and signed: negative is taken out; of stops
    the triggers as they are now, none when they were removed.
    """

    action: Action
    symbol: str
    emitted_at: datetime
    side: Side | None = None
    order_type: OrderType = OrderType.MARKET
    price: Decimal | None = None
    size: Decimal | None = None
    size_basis: SizeBasis | None = None
    leader_equity: Decimal | None = None
    leverage: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    expires_at: datetime | None = None
    margin_mode: MarginMode | None = None
    leader_position_before: Decimal | None = None
    leader_position_after: Decimal | None = None
    entry_low: Decimal | None = None
    entry_high: Decimal | None = None
    targets: tuple[Target, ...] = ()
    sequence: int | None = None


FIELD_NAMES = frozenset(field.name for field in fields(CanonicalSignal))
SIDED_ACTIONS = frozenset({Action.OPEN, Action.INCREASE, Action.FLIP})
LEADER_EVENTS = frozenset({Action.LEVERAGE, Action.MARGIN, Action.STOPS, Action.TRANSFER})
INSTRUCTIONS = tuple(action for action in Action if action not in LEADER_EVENTS | {Action.CANCEL})
EXIT_ACTIONS = frozenset({Action.REDUCE, Action.CLOSE})
ENTRY_BASES = frozenset(
    {SizeBasis.BASE, SizeBasis.CONTRACTS, SizeBasis.QUOTE, SizeBasis.EQUITY_FRACTION}
)
REDUCE_BASES = frozenset(
    {SizeBasis.BASE, SizeBasis.CONTRACTS, SizeBasis.QUOTE, SizeBasis.POSITION_FRACTION}
)


def equal_targets(prices: Sequence[Decimal]) -> tuple[Target, ...]:
    """Equal parts of the whole position; the last takes what the division leaves."""
    if not prices:
        return ()
    part = (Decimal(1) / len(prices)).quantize(_FRACTION_STEP, rounding=ROUND_DOWN)
    *first, last = prices
    rest = 1 - part * len(first)
    return (*(Target(price, part) for price in first), Target(last, rest))
