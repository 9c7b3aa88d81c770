"""The comparison of our books with the exchange's ledger. Pure; each finding is one sentence.

The ledger is what happened, and nothing in it is hidden or doubted. `reconcile` compares rows;
what makes a copy trading platform right beyond equal rows is here: one order per intent and leg,
nobody left out, targets that say what is held, and everybody flat after the leaders' last close.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from config.demo.reconcile import (
    BookedFill,
    BookedOrder,
    BookedPosition,
    inst_id,
    reconcile,
    with_names,
)

ENDED = frozenset({"filled", "cancelled", "rejected", "not_placed", "expired"})
OPEN_INTENTS = frozenset({"working", "unknown"})
LIVE_AT_VENUE = frozenset({"live", "partially_filled"})


@dataclass(frozen=True, slots=True)
class IntentRow:
    id: str
    signal_id: str
    subscription_id: str
    is_entry: bool
    quantity: Decimal | None
    status: str


@dataclass(frozen=True, slots=True)
class PositionRow:
    """One copied position; `smallest` is what the venue takes at least of the symbol."""

    subscription_id: str
    api_key: str
    symbol: str
    target: Decimal
    filled: Decimal
    smallest: Decimal

    @property
    def is_spot(self) -> bool:
        return ":" not in self.symbol


@dataclass(frozen=True, slots=True)
class GuardedRow:
    """A copied position that is to have a stop loss. `stop_ids`: what it has at the exchange, as
    far as we know; `excused`: it is new, an alert says why, or it is being closed."""

    subscription_id: str
    symbol: str
    quantity: Decimal
    stop_ids: frozenset[str]
    excused: bool


@dataclass(frozen=True, slots=True)
class Books:
    """All rows of ours that the comparison takes."""

    orders: Sequence[BookedOrder]
    fills: Sequence[BookedFill]
    intents: Sequence[IntentRow]
    positions: Sequence[PositionRow]
    signals: Mapping[str, tuple[str, str]]
    """Id → (source id, status)."""
    followers: Mapping[str, frozenset[str]]
    """Source id → the subscriptions that follow it."""
    guarded: Sequence[GuardedRow] = ()


KINDS = ("duplicates", "lost", "wrong_size", "unresolved", "naked", "orphaned")


@dataclass
class Verdict:
    duplicates: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong_size: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    naked: list[str] = field(default_factory=list)
    """Longer than five seconds without its stop, and nobody is told."""
    orphaned: list[str] = field(default_factory=list)
    """Stop orders at the exchange of positions that are closed."""

    @property
    def passed(self) -> bool:
        return not any(getattr(self, kind) for kind in KINDS)

    def sentences(self) -> list[str]:
        return [f"{kind}: {sentence}" for kind in KINDS for sentence in getattr(self, kind)]


Ledger = Mapping[str, Sequence[Mapping[str, Any]]]


def judge(books: Books, ledger: Ledger, *, taken: Sequence[str], flat: bool) -> Verdict:
    """`taken`: ids of signals that were answered with 202. `flat`: the leaders closed all."""
    verdict = Verdict(naked=find_naked(books, ledger))
    ledger = with_names(ledger)
    if flat:
        verdict.orphaned = _find_orphans(ledger)
    _find_duplicates(books, ledger, verdict)
    _find_lost(books, ledger, taken, verdict)
    _find_unresolved(books, verdict)
    _find_wrong_sizes(books, ledger, verdict, flat=flat)
    return verdict


def find_naked(books: Books, ledger: Ledger) -> list[str]:
    """By what waits at the exchange, not by what we think of it."""
    waiting = {
        row["algoClOrdId"]: Decimal(row["sz"])
        for row in ledger.get("algos", ())
        if row["state"] == "live" and row["slTriggerPx"]
    }
    found = []
    for row in books.guarded:
        there = sum((waiting.get(stop_id, Decimal(0)) for stop_id in row.stop_ids), Decimal(0))
        if there < row.quantity and not row.excused:
            found.append(
                f"{row.symbol} of subscription {row.subscription_id}: {row.quantity} is held, "
                f"{there} of it has a stop"
            )
    return found


def _find_orphans(ledger: Ledger) -> list[str]:
    return [
        f"stop {row['algoClOrdId'] or row['algoId']} in {row['instId']} is left"
        for row in ledger.get("algos", ())
        if row["state"] == "live"
    ]


def _find_duplicates(books: Books, ledger: Ledger, verdict: Verdict) -> None:
    ours = {order.id: order for order in books.orders}
    intents = {intent.id: intent for intent in books.intents}
    booked = Counter(row["clOrdId"] for row in ledger["orders"])
    verdict.duplicates += [
        f"order {client_id!r} is {count} times on the exchange"
        for client_id, count in booked.items()
        if count > 1
    ]
    of_intent: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in ledger["orders"]:
        if row["clOrdId"] in ours:
            of_intent[ours[row["clOrdId"]].intent_id].append(row)
    for intent_id, rows in of_intent.items():
        intent = intents[intent_id]
        executed = sum((Decimal(row["accFillSz"] or 0) for row in rows), Decimal(0))
        # An entry goes on in another order when one has ended, an exit when one did nothing.
        counts = is_live if intent.is_entry else executed_or_live
        effective = [row for row in rows if counts(row)]
        if len(effective) > 1:
            ids = [row["clOrdId"] for row in effective]
            verdict.duplicates.append(f"intent {intent_id} has {len(ids)} orders there: {ids}")
        elif intent.quantity is None or executed > intent.quantity:
            verdict.duplicates.append(
                f"intent {intent_id} of {intent.quantity} was executed with {executed}"
            )


def is_live(row: Mapping[str, Any]) -> bool:
    return row["state"] in LIVE_AT_VENUE


def executed_or_live(row: Mapping[str, Any]) -> bool:
    return bool(Decimal(row["accFillSz"] or 0)) or is_live(row)


def _find_lost(books: Books, ledger: Ledger, taken: Sequence[str], verdict: Verdict) -> None:
    ours = {order.id for order in books.orders}
    verdict.lost += [
        f"order {row['ordId']} ({row['clOrdId']!r}) of the exchange is not ours"
        for row in ledger["orders"]
        if row["clOrdId"] not in ours
    ]
    known = {(fill.api_key, inst_id(fill.symbol), fill.trade_id) for fill in books.fills}
    verdict.lost += [
        f"fill {row['tradeId']} of order {row['clOrdId']} is not here"
        for row in ledger["fills"]
        if (row["apiKey"], row["instId"], row["tradeId"]) not in known
    ]
    verdict.lost += [
        f"signal {signal_id} was taken and is not here"
        for signal_id in taken
        if signal_id not in books.signals
    ]
    decided: defaultdict[str, set[str]] = defaultdict(set)
    for intent in books.intents:
        decided[intent.signal_id].add(intent.subscription_id)
    for signal_id, (source_id, _) in books.signals.items():
        missing = books.followers[source_id] - decided[signal_id]
        if missing:
            verdict.lost.append(f"signal {signal_id} has no intent for {sorted(missing)}")
    live = {order.intent_id for order in books.orders if order.state not in ENDED}
    verdict.lost += [
        f"intent {intent.id} is {intent.status} and has no live order"
        for intent in books.intents
        if intent.status in OPEN_INTENTS and intent.id not in live
    ]


def _find_unresolved(books: Books, verdict: Verdict) -> None:
    verdict.unresolved += [
        f"order {order.id} is {order.state}" for order in books.orders if order.state not in ENDED
    ]
    verdict.unresolved += [
        f"signal {signal_id} is {status}"
        for signal_id, (_, status) in books.signals.items()
        if status != "done"
    ]


def _find_wrong_sizes(books: Books, ledger: Ledger, verdict: Verdict, *, flat: bool) -> None:
    compared = reconcile(
        orders=books.orders,
        fills=books.fills,
        positions=[BookedPosition(p.api_key, p.symbol, p.filled) for p in books.positions],
        ledger=ledger,
    )
    said = set(verdict.duplicates) | set(verdict.lost)
    verdict.wrong_size += [sentence for sentence in compared.differences if sentence not in said]
    if flat:
        verdict.wrong_size += _left_by_side(books, ledger)
    working: defaultdict[tuple[str, str], bool] = defaultdict(bool)
    intents = {intent.id: intent for intent in books.intents}
    for order in books.orders:
        if order.state not in ENDED:
            working[intents[order.intent_id].subscription_id, order.symbol] = True
    for row in books.positions:
        if working[row.subscription_id, row.symbol]:
            continue
        name = f"{row.symbol} of subscription {row.subscription_id}"
        # What is below the smallest order is carried; coins pay the fees of their purchase.
        carried = row.smallest * (2 if row.is_spot else 1)
        if abs(row.target - row.filled) >= carried + _fees_in_coins(row, books):
            verdict.wrong_size.append(f"{name}: held {row.filled}, target {row.target}")
        if flat and abs(row.filled) >= carried:
            verdict.wrong_size.append(f"{name}: {row.filled} is left after the last close")


def _left_by_side(books: Books, ledger: Ledger) -> list[str]:
    """After the last close an account holds neither side, which a sum over both would not show."""
    smallest = {(row.api_key, inst_id(row.symbol)): row.smallest for row in books.positions}
    held: defaultdict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for fill in ledger["fills"]:
        if fill["posSide"] in ("long", "short"):
            signed = Decimal(fill["fillSz"]) * (1 if fill["side"] == "buy" else -1)
            held[fill["apiKey"], fill["instId"], fill["posSide"]] += signed
    return [
        f"account {key[0]} is left with {amount} {key[1]} {key[2]}"
        for key, amount in held.items()
        if abs(amount) >= smallest.get(key[:2], Decimal(0))
    ]


def _fees_in_coins(row: PositionRow, books: Books) -> Decimal:
    if not row.is_spot:
        return Decimal(0)
    coin = row.symbol.partition("/")[0]
    return sum(
        (
            fill.fee
            for fill in books.fills
            if fill.api_key == row.api_key
            and fill.symbol == row.symbol
            and fill.fee_currency == coin
        ),
        Decimal(0),
    )
