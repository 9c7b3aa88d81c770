"""What is still followed of what a leader did while nobody listened. Pure.

Exits at once, however late: what they close is still open. Entries only within the signal's
lifetime, and only while the market has not run away from the leader's price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from signals_app.domain.canonical import MAX_DECIMALS, Action
from signals_app.domain.leaders.book import LeaderBook, average_price, trade_order
from signals_app.domain.leaders.moves import Move, move_between
from venues.domain.types import FillSnapshot

_BASIS_POINTS = Decimal(10_000)


class NotFollowed(StrEnum):
    """Why something of a leader's is shown, but not followed."""

    TOO_LATE = "entry_too_late"
    SLIPPED = "entry_slipped"
    UNREAD = "entry_unread"
    EVENT = "event_not_followed"
    STOPS = "leader_stops"


@dataclass(frozen=True, slots=True)
class Step:
    """One move to hand on. `refusal`: it is shown with this reason and its numbers instead."""

    move: Move
    price: Decimal | None
    happened_ms: int
    trade_id: str = ""
    refusal: NotFollowed | None = None
    numbers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Guard:
    """`market_price` None: the venue does not tell, so entries are not judged by it."""

    now_ms: int
    lifetime_ms: int
    market_price: Decimal | None
    max_slippage_bps: Decimal


def catch_up_fills(
    book: LeaderBook, fills: Sequence[FillSnapshot], guard: Guard
) -> tuple[LeaderBook, list[Step]]:
    """Missed fills of one symbol, counted into the book: what is too old for entries in one move,
    and then the rest in another."""
    oldest = guard.now_ms - guard.lifetime_ms
    ordered = sorted(fills, key=trade_order)
    stale = [fill for fill in ordered if fill.filled_at_ms < oldest]
    fresh = ordered[len(stale) :]
    steps: list[Step] = []
    for group in (stale, fresh):
        if not group:
            continue
        symbol = group[0].symbol
        after = book.with_fills(group)
        move = move_between(book.exposure(symbol), after.exposure(symbol))
        book = after
        if move is not None:
            price = average_price(group, move.order_side)
            last = group[-1]
            # By its first fill: an entry must not look younger than its oldest part.
            happened = last.filled_at_ms if move.is_exit else group[0].filled_at_ms
            steps += judged(move, price, happened, guard, trade_id=last.trade_id)
    return book, steps


def judged(
    move: Move, price: Decimal | None, happened_ms: int, guard: Guard, *, trade_id: str = ""
) -> list[Step]:
    """One move as one step, or a flip whose entry is refused as two: its exit goes all the same."""
    whole = Step(move, price, happened_ms, trade_id)
    refusal, numbers = _refusal(move, price, happened_ms, guard)
    if refusal is None:
        return [whole]
    return _without_entry(whole, refusal, numbers)


def exits_of(step: Step) -> list[Step]:
    """While it is not known what was missed before: what looks like an entry may close something
    that nobody here has heard of."""
    return _without_entry(step, NotFollowed.UNREAD, ())


def _without_entry(
    whole: Step, refusal: NotFollowed, numbers: tuple[tuple[str, str], ...]
) -> list[Step]:
    if whole.move.is_exit:
        return [whole]
    *exits, entry = whole.move.parts()
    return [
        *(replace(whole, move=part) for part in exits),
        replace(whole, move=entry, refusal=refusal, numbers=numbers),
    ]


def _refusal(
    move: Move, price: Decimal | None, happened_ms: int, guard: Guard
) -> tuple[NotFollowed | None, tuple[tuple[str, str], ...]]:
    late_ms = guard.now_ms - happened_ms
    if late_ms > guard.lifetime_ms:
        seconds = (
            ("late_seconds", str(late_ms // 1000)),
            ("lifetime_seconds", str(guard.lifetime_ms // 1000)),
        )
        return NotFollowed.TOO_LATE, seconds
    slipped = slippage_bps(move, price, guard.market_price)
    if slipped is not None and slipped > guard.max_slippage_bps:
        return NotFollowed.SLIPPED, (
            ("slippage_bps", format(slipped, "f")),
            ("max_slippage_bps", format(guard.max_slippage_bps, "f")),
        )
    return None, ()


def slippage_bps(move: Move, price: Decimal | None, market_price: Decimal | None) -> Decimal | None:
    """How much worse the market is now than the leader's price, in basis points to one decimal;
    negative when it is better, None when a price is missing."""
    if not price or not market_price:
        return None
    worse = market_price - price if move.after > move.before else price - market_price
    return (worse / price * _BASIS_POINTS).quantize(Decimal("0.1"))


def added_price(
    move: Move, average_before: Decimal | None, average_after: Decimal | None
) -> Decimal | None:
    """What an entry was bought at, from the position's average before and after it, at 18 decimals.

    Of linear contracts, whose averages are by quantity. None when it cannot be said.
    """
    if move.is_exit or average_after is None:
        return None
    value = abs(move.after) * average_after
    if move.action is Action.INCREASE:
        if average_before is None:
            return None
        value -= abs(move.before) * average_before
    price = (value / move.entered).quantize(Decimal(1).scaleb(-MAX_DECIMALS))
    return price if price > 0 else None
