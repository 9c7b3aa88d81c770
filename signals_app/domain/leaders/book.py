"""A leader's positions, kept from its fills. Pure.

Fills may come twice, late, and in another order than they happened: each counts once, by its
symbol and trade id, and what counts is their sum.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

from signals_app.domain.canonical import MAX_DECIMALS
from signals_app.domain.leaders.moves import ZERO, Move, move_between
from venues.domain.types import FillSnapshot, PositionSide, PositionSnapshot

Slot = tuple[str, PositionSide]
"""A symbol, and net, long or short."""
TradeKey = tuple[str, str]
"""A symbol and a trade id: ids are unique within a symbol only."""

_SMALLEST = Decimal(1).scaleb(-MAX_DECIMALS)


@dataclass(frozen=True, slots=True)
class LeaderBook:
    """Signed quantities by slot, in native units: a short is negative, also in hedge mode.

    `settled_ms`: until this time of the venue's the positions are known from the venue itself, so
    that a trade which turns up later and is not younger is in them already.
    """

    positions: Mapping[Slot, Decimal] = field(default_factory=dict)
    settled_ms: int = -1

    def exposure(self, symbol: str) -> Decimal:
        return sum(
            (held for (of_symbol, _), held in self.positions.items() if of_symbol == symbol), ZERO
        )

    def with_fills(self, fills: Iterable[FillSnapshot]) -> LeaderBook:
        positions = dict(self.positions)
        for fill in fills:
            slot = (fill.symbol, fill.position_side)
            positions[slot] = positions.get(slot, ZERO) + signed_quantity(fill)
        return LeaderBook(positions, self.settled_ms)

    def at_venue(self, reported: Iterable[PositionSnapshot], asked_ms: int) -> LeaderBook:
        """The book as the venue reports it in full; `asked_ms` by its clock, before it answered."""
        return LeaderBook(positions_of(reported), max(asked_ms, self.settled_ms))

    def is_settled(self, fill: FillSnapshot) -> bool:
        return fill.filled_at_ms <= self.settled_ms


def signed_quantity(fill: FillSnapshot) -> Decimal:
    """A buy adds and a sale takes away, in every mode: a sale that opens a short makes its
    quantity more negative."""
    return fill.quantity if fill.side == "buy" else -fill.quantity


def positions_of(reported: Iterable[PositionSnapshot]) -> dict[Slot, Decimal]:
    """Quantities by slot; a cross and an isolated position of one slot are one."""
    found: dict[Slot, Decimal] = {}
    for position in reported:
        slot = (position.symbol, position.position_side)
        found[slot] = found.get(slot, ZERO) + position.quantity
    return {slot: quantity for slot, quantity in found.items() if quantity}


def new_fills(
    fills: Iterable[FillSnapshot], *, book: LeaderBook, seen: Collection[TradeKey]
) -> list[FillSnapshot]:
    """Each fill that counts, once, in the order in which they happened."""
    found: dict[TradeKey, FillSnapshot] = {}
    for fill in fills:
        key = (fill.symbol, fill.trade_id)
        if key not in seen and not book.is_settled(fill):
            found.setdefault(key, fill)
    return sorted(found.values(), key=trade_order)


def trade_order(fill: FillSnapshot) -> tuple[int, int, str]:
    """By time; trades of one moment by their id, which venues count up."""
    return fill.filled_at_ms, len(fill.trade_id), fill.trade_id


@dataclass(frozen=True, slots=True)
class Taken:
    """What some fills of one symbol did: None when they cancel out. `price` is the average of
    those on the side of the move; `last` is the youngest."""

    symbol: str
    move: Move | None
    price: Decimal | None
    last: FillSnapshot
    first_ms: int


def take_fills(book: LeaderBook, fills: Iterable[FillSnapshot]) -> tuple[LeaderBook, list[Taken]]:
    """Count `new_fills` in: the book after them, and one move a symbol at most."""
    by_symbol: dict[str, list[FillSnapshot]] = {}
    for fill in fills:
        by_symbol.setdefault(fill.symbol, []).append(fill)
    taken = []
    for symbol, group in by_symbol.items():
        after = book.with_fills(group)
        move = move_between(book.exposure(symbol), after.exposure(symbol))
        ordered = sorted(group, key=trade_order)
        price = average_price(group, move.order_side) if move else None
        taken.append(Taken(symbol, move, price, ordered[-1], ordered[0].filled_at_ms))
        book = after
    return book, taken


def average_price(fills: Iterable[FillSnapshot], side: str) -> Decimal | None:
    """By quantity, of the fills on one side, rounded to 18 decimals, halves to even."""
    quantity = value = ZERO
    for fill in fills:
        if fill.side == side:
            quantity += fill.quantity
            value += fill.quantity * fill.price
    if not quantity:
        return None
    return (value / quantity).quantize(_SMALLEST, ROUND_HALF_EVEN)
