"""What a leader changed about its account without trading: leverage, margin, stops. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from signals_app.domain.canonical import (
    Action,
    CanonicalSignal,
    MarginMode,
    Side,
    SizeBasis,
)
from signals_app.domain.leaders.book import Slot


@dataclass(frozen=True, slots=True)
class PositionTerms:
    """Of an open position. `margin` only of an isolated one, in settle currency."""

    quantity: Decimal
    leverage: Decimal | None
    margin_mode: str
    margin: Decimal | None


@dataclass(frozen=True, slots=True)
class AccountChange:
    """A leader's event as a signal, with what staff read of it: `facts` are a kind of
    signals_app.event_texts and its numbers."""

    signal: CanonicalSignal
    facts: Mapping[str, str]


class ChangeKind(StrEnum):
    LEVERAGE = "leverage"
    MARGIN_ADDED = "margin_added"
    MARGIN_TAKEN = "margin_taken"
    STOP_SET = "stop_set"
    STOP_MOVED = "stop_moved"
    STOP_REMOVED = "stop_removed"
    MONEY_IN = "money_in"
    MONEY_OUT = "money_out"


@dataclass(frozen=True, slots=True)
class StopTerms:
    symbol: str
    stop_loss: Decimal | None
    take_profit: Decimal | None


def margin_mode_of(text: str) -> MarginMode | None:
    return MarginMode(text) if text in ("cross", "isolated") else None


def position_changes(
    before: Mapping[Slot, PositionTerms], after: Mapping[Slot, PositionTerms], now: datetime
) -> list[AccountChange]:
    """Leverage and margin of positions that were not traded meanwhile.

    Trading moves an isolated position's margin, and so does another leverage: only what is left
    is a top-up or a withdrawal of margin.
    """
    changes = []
    for slot, new in after.items():
        old = before.get(slot)
        if (
            old is None
            or not old.quantity
            or not new.quantity
            or old.margin_mode != new.margin_mode
        ):
            continue
        if old.leverage is None or new.leverage is None:
            continue
        if old.leverage != new.leverage:
            signal = CanonicalSignal(
                action=Action.LEVERAGE,
                symbol=slot[0],
                emitted_at=now,
                side=_side(new.quantity),
                leverage=new.leverage,
                margin_mode=margin_mode_of(new.margin_mode),
            )
            facts = _facts(
                ChangeKind.LEVERAGE, symbol=slot[0], before=old.leverage, after=new.leverage
            )
            changes.append(AccountChange(signal, facts))
        elif old.quantity == new.quantity and old.margin and new.margin:
            added = new.margin - old.margin
            if added:
                signal = CanonicalSignal(
                    action=Action.MARGIN,
                    symbol=slot[0],
                    emitted_at=now,
                    side=_side(new.quantity),
                    size=added,
                    size_basis=SizeBasis.QUOTE,
                    leverage=new.leverage,
                    margin_mode=margin_mode_of(new.margin_mode),
                )
                kind = ChangeKind.MARGIN_ADDED if added > 0 else ChangeKind.MARGIN_TAKEN
                settle = slot[0].partition(":")[2].split("-")[0]
                facts = _facts(
                    kind, symbol=slot[0], amount=abs(added), currency=settle, before=old.margin
                )
                changes.append(AccountChange(signal, facts))
    return changes


def stop_changes(
    before: Mapping[str, StopTerms], after: Mapping[str, StopTerms], now: datetime
) -> list[AccountChange]:
    """Stops by their venue's id: set, moved, or removed (then without triggers)."""
    changes = []
    for stop_id in sorted({*before, *after}):
        old, new = before.get(stop_id), after.get(stop_id)
        if old == new:
            continue
        symbol = (new or old).symbol  # type: ignore[union-attr]  # one of them is there
        signal = CanonicalSignal(
            action=Action.STOPS,
            symbol=symbol,
            emitted_at=now,
            stop_loss=new.stop_loss if new else None,
            take_profit=new.take_profit if new else None,
        )
        kind = ChangeKind.STOP_MOVED
        if old is None:
            kind = ChangeKind.STOP_SET
        elif new is None:
            kind = ChangeKind.STOP_REMOVED
        facts = _facts(
            kind,
            symbol=symbol,
            stop_before=old.stop_loss if old else None,
            stop=new.stop_loss if new else None,
            target_before=old.take_profit if old else None,
            target=new.take_profit if new else None,
        )
        changes.append(AccountChange(signal, facts))
    return changes


def transfer(amount: Decimal, currency: str, moved_at: datetime) -> AccountChange:
    """Money in (positive) or out."""
    signal = CanonicalSignal(
        action=Action.TRANSFER,
        symbol="",
        emitted_at=moved_at,
        size=amount,
        size_basis=SizeBasis.QUOTE,
    )
    kind = ChangeKind.MONEY_IN if amount > 0 else ChangeKind.MONEY_OUT
    return AccountChange(signal, _facts(kind, amount=abs(amount), currency=currency))


def _facts(kind: ChangeKind, **numbers: Decimal | str | None) -> dict[str, str]:
    """Numbers as people write them; those that there are none of are empty."""
    return {"kind": kind.value} | {
        name: _text(number) if isinstance(number, Decimal) else number or ""
        for name, number in numbers.items()
    }


def _text(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def slots(terms: Iterable[tuple[Slot, PositionTerms]]) -> dict[Slot, PositionTerms]:
    """By slot; of a cross and an isolated position on one slot, the larger counts."""
    found: dict[Slot, PositionTerms] = {}
    for slot, each in terms:
        if slot not in found or abs(each.quantity) > abs(found[slot].quantity):
            found[slot] = each
    return found


def _side(quantity: Decimal) -> Side:
    return Side.LONG if quantity > 0 else Side.SHORT
