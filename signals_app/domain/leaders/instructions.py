"""A leader's move as the canonical signal that followers get. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from signals_app.domain.canonical import (
    Action,
    CanonicalSignal,
    MarginMode,
    OrderType,
    SizeBasis,
)
from signals_app.domain.leaders.moves import Move

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LeaderFacts:
    """What followers size by. `equity` in the symbol's quote currency; it may be 0 or less, and is
    None when it is not known. `leverage` and `margin_mode` are those of the leader's position."""

    equity: Decimal | None = None
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None


def canonical_of_move(
    move: Move,
    *,
    symbol: str,
    happened_ms: int,
    price: Decimal | None,
    facts: LeaderFacts,
    limit_price: Decimal | None = None,
) -> CanonicalSignal:
    """Sizes are in contracts of the leader's venue, and for a reduction the share of the position.

    With `limit_price` followers place a limit order instead of buying at the market.
    """
    size, basis = move.entered, SizeBasis.CONTRACTS
    if move.action is Action.REDUCE:
        size, basis = move.fraction, SizeBasis.POSITION_FRACTION
    sized = move.action is not Action.CLOSE
    return CanonicalSignal(
        action=move.action,
        symbol=symbol,
        emitted_at=moment(happened_ms),
        side=move.side,
        order_type=OrderType.MARKET if limit_price is None else OrderType.LIMIT,
        price=price if limit_price is None else limit_price,
        size=size if sized else None,
        size_basis=basis if sized else None,
        leader_equity=facts.equity,
        leverage=facts.leverage,
        margin_mode=facts.margin_mode,
        leader_position_before=move.before,
        leader_position_after=move.after,
    )


def moment(epoch_ms: int) -> datetime:
    """The venue's milliseconds as an aware UTC time, exactly."""
    return _EPOCH + timedelta(milliseconds=epoch_ms)
