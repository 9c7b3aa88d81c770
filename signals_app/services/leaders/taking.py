"""A leader's fills counted in, and what they move handed on: in one transaction, once each."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from customers.bulk_rows import rows_insert
from customers.deadlocks import retry_on_deadlock
from customers.failpoints import failpoint
from customers.services.events import EventDraft, events_record, staff_audience
from signals_app.domain.canonical import Action, CanonicalSignal, MarginMode
from signals_app.domain.leaders.account_changes import AccountChange, margin_mode_of
from signals_app.domain.leaders.average_prices import average_after
from signals_app.domain.leaders.book import (
    LeaderBook,
    Slot,
    TradeKey,
    new_fills,
    take_fills,
)
from signals_app.domain.leaders.catching_up import (
    Guard,
    NotFollowed,
    Step,
    catch_up_fills,
    exits_of,
)
from signals_app.domain.leaders.instructions import LeaderFacts, canonical_of_move, moment
from signals_app.models import Leader, LeaderOrder, LeaderPosition, LeaderTrade, Signal
from signals_app.services.signals import SignalRefusedError, Skip, signal_accept
from signals_app.signals import leader_changed
from venues.domain.types import FillSnapshot, TransferSnapshot

ZERO = Decimal(0)
Outcome = LeaderTrade.Outcome
_WHY_SHOWN = {Action.STOPS: NotFollowed.STOPS}


@dataclass(frozen=True, slots=True)
class Terms:
    """Leverage and margin mode of what was traded, as far as they are known."""

    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None


def leader_fills_take(
    *,
    tenant_id: str,
    leader_id: str,
    fills: Sequence[FillSnapshot],
    terms: Mapping[str, Terms] | None = None,
    guards: Mapping[str, Guard] | None = None,
    is_unread: bool = False,
) -> list[Signal]:
    """Count in those of these fills that are new, and hand on what they move; the new signals.

    With `guards` (by symbol) they were missed, and are judged by their age and the market.
    `is_unread`: what was missed before them is not known yet, so only exits are followed. A leader
    that has not been started is left alone: its positions will be taken over with these in them.
    """

    def take() -> list[Signal]:
        with transaction.atomic():
            leader = leader_locked(tenant_id=tenant_id, leader_id=leader_id)
            if leader is None or leader.started_at is None:
                return []
            return fills_into(leader, fills, terms or {}, guards, is_unread=is_unread)

    return retry_on_deadlock(take)


def leader_locked(*, tenant_id: str, leader_id: str) -> Leader | None:
    """The leader, its row locked: who holds it moves its followers."""
    rows = Leader.objects.for_tenant(tenant_id).filter(pk=leader_id)
    if not rows.select_for_update().values_list("pk", flat=True):
        return None
    return rows.select_related("source__tenant").get()


def fills_into(
    leader: Leader,
    fills: Sequence[FillSnapshot],
    terms: Mapping[str, Terms],
    guards: Mapping[str, Guard] | None,
    transfers: Sequence[TransferSnapshot] = (),
    *,
    is_unread: bool = False,
) -> list[Signal]:
    """`leader_fills_take` for a caller that has the leader locked, in its transaction.

    `transfers` are in its equity already, though some may be younger than the fills.
    """
    book = leader_book(leader)
    fresh = new_fills(fills, book=book, seen=_seen(leader, fills))
    if not fresh:
        return []
    now = timezone.now()
    by_symbol: dict[str, list[FillSnapshot]] = defaultdict(list)
    for fill in fresh:
        by_symbol[fill.symbol].append(fill)
    told: dict[TradeKey, tuple[str, Signal | None]] = {}
    signals: list[Signal] = []
    after = book
    working = _followed_while_resting(leader, fresh)
    for symbol, mine in by_symbol.items():
        outcome = _not_heard(leader, symbol)
        if outcome == Outcome.SPOT:
            told |= {(symbol, fill.trade_id): (outcome, None) for fill in mine}
            continue
        # Followers have orders of their own for these.
        resting = [fill for fill in mine if fill.venue_order_id in working]
        if resting:
            told |= {(symbol, fill.trade_id): (Outcome.WORKING, None) for fill in resting}
            after = after.with_fills(resting)
            mine = [fill for fill in mine if fill.venue_order_id not in working]
            if not mine:
                continue
        after, steps = _steps(after, mine, guards.get(symbol) if guards is not None else None)
        if is_unread:
            steps = [part for step in steps for part in exits_of(step)]
        made: list[Signal] = []
        if not outcome:
            later = [each for each in transfers if each.moved_at_ms > mine[-1].filled_at_ms]
            facts = leader_facts(leader, symbol, terms.get(symbol), mine[-1].price, later)
            made = [
                signal
                for number, step in enumerate(steps)
                if (signal := _hand_on(leader, symbol, step, number, facts, mine, now)) is not None
            ]
            if steps and not made:
                outcome = Outcome.REFUSED
        signals += made
        last = made[-1] if made else None
        told |= {(symbol, fill.trade_id): (outcome, last) for fill in mine}
    _store_positions(leader, book, after, fresh, terms, now)
    _store_trades(leader, fresh, told, now)
    cursor = max(leader.cursor_ms, *(fill.filled_at_ms for fill in fresh))
    Leader.objects.for_tenant(leader.tenant_id).filter(pk=leader.pk).update(cursor_ms=cursor)
    leader.cursor_ms = cursor
    failpoint("leader.before_commit")
    return signals


def _steps(
    book: LeaderBook, fills: Sequence[FillSnapshot], guard: Guard | None
) -> tuple[LeaderBook, list[Step]]:
    if guard is not None:
        return catch_up_fills(book, fills, guard)
    book, taken = take_fills(book, fills)
    return book, [
        Step(each.move, each.price, each.first_ms, each.last.trade_id)
        for each in taken
        if each.move is not None
    ]


def _followed_while_resting(leader: Leader, fills: Sequence[FillSnapshot]) -> set[str]:
    rows = LeaderOrder.objects.for_tenant(leader.tenant_id).filter(
        leader=leader,
        venue_order_id__in={fill.venue_order_id for fill in fills},
        signal__isnull=False,
    )
    return set(rows.values_list("venue_order_id", flat=True))


def is_heard(leader: Leader, symbol: str) -> bool:
    return not _not_heard(leader, symbol)


def _not_heard(leader: Leader, symbol: str) -> str:
    """Why fills in this symbol move nobody; empty when they do."""
    if ":" not in symbol:
        return Outcome.SPOT
    if leader.symbols and symbol not in leader.symbols:
        return Outcome.SYMBOL
    return Outcome.NONE


def _hand_on(
    leader: Leader,
    symbol: str,
    step: Step,
    number: int,
    facts: LeaderFacts,
    fills: Sequence[FillSnapshot],
    now: datetime,
) -> Signal | None:
    # Each step has its own last trade, but for the parts of a flip.
    suffix = f":{number}" if number else ""
    included = [fill.trade_id for fill in fills]
    return step_hand_on(
        leader,
        symbol,
        step,
        facts=facts,
        external_id=f"{symbol}:{step.trade_id}{suffix}",
        raw={"trades": included, "orders": sorted({fill.venue_order_id for fill in fills})},
        now=now,
    )


def step_hand_on(
    leader: Leader,
    symbol: str,
    step: Step,
    *,
    facts: LeaderFacts,
    external_id: str,
    raw: Mapping[str, object],
    now: datetime,
) -> Signal | None:
    """None when the source takes no signal; staff read why."""
    canonical = canonical_of_move(
        step.move, symbol=symbol, happened_ms=step.happened_ms, price=step.price, facts=facts
    )
    skip = Skip(step.refusal, dict(step.numbers)) if step.refusal is not None else None
    return canonical_hand_on(
        leader, canonical, external_id=external_id, raw=raw, now=now, skip=skip
    )


def canonical_hand_on(
    leader: Leader,
    canonical: CanonicalSignal,
    *,
    external_id: str,
    raw: Mapping[str, object],
    now: datetime,
    skip: Skip | None = None,
    amends: Signal | None = None,
    worst_price: Decimal | None = None,
) -> Signal | None:
    try:
        signal, _ = signal_accept(
            source=leader.source,
            canonical=canonical,
            external_id=external_id,
            raw_payload=json.dumps(raw, sort_keys=True, default=str),
            received_at=now,
            skip=skip,
            amends=amends,
            worst_price=worst_price,
        )
    except SignalRefusedError as refused:
        payload = {"leader": leader.pk, "symbol": canonical.symbol, "code": refused.code}
        audience = staff_audience(leader.tenant_id)
        events_record([EventDraft(leader.tenant_id, audience, "leader.not_followed", payload)])
        return None
    return signal


def event_hand_on(
    leader: Leader, change: AccountChange, *, external_id: str, now: datetime
) -> Signal | None:
    """A leader's event: stored, shown and told to staff. It changes no position, so no order
    follows it; stops are followed by whoever keeps those of copies."""
    signal = canonical_hand_on(
        leader,
        change.signal,
        external_id=external_id,
        raw=change.facts,
        now=now,
        skip=Skip(_WHY_SHOWN.get(change.signal.action, NotFollowed.EVENT), change.facts),
    )
    if signal is not None:
        leader_changed.send(sender=Leader, trading_signal=signal, facts=change.facts)
    return signal


# --- the leader's rows --------------------------------------------------------------------------


def leader_book(leader: Leader) -> LeaderBook:
    rows = LeaderPosition.objects.for_tenant(leader.tenant_id).filter(leader=leader)
    positions: dict[Slot, Decimal] = {
        (symbol, side): quantity
        for symbol, side, quantity in rows.values_list("symbol", "position_side", "quantity")
    }
    return LeaderBook(positions, leader.settled_ms)


def leader_facts(
    leader: Leader,
    symbol: str,
    terms: Terms | None,
    price: Decimal | None,
    later: Sequence[TransferSnapshot] = (),
) -> LeaderFacts:
    """What followers size by; the venue's last word where the trade itself says nothing.

    `later`: money moved since, which its equity at that time did not know of: what is taken out
    after an entry would make it look larger.
    """
    terms = terms or Terms()
    leverage, mode = terms.leverage, terms.margin_mode
    if leverage is None or mode is None:
        rows = LeaderPosition.objects.for_tenant(leader.tenant_id).filter(
            leader=leader, symbol=symbol, leverage__isnull=False
        )
        known = rows.order_by("-changed_at").values_list("leverage", "margin_mode").first()
        if known is not None:
            leverage = leverage or known[0]
            mode = mode or margin_mode_of(known[1])
    return LeaderFacts(
        equity=_equity_in_quote(leader, symbol, price, later), leverage=leverage, margin_mode=mode
    )


def _equity_in_quote(
    leader: Leader, symbol: str, price: Decimal | None, later: Sequence[TransferSnapshot]
) -> Decimal | None:
    """Of the currency that the symbol is settled in; coins at the leader's price."""
    pair, _, settle = symbol.partition(":")
    settle = settle.split("-")[0]
    held = leader.equities.get(settle)
    if held is None and not leader.equities:
        return None
    # A currency that is not there is one of which there is nothing, once balances were read.
    moved = sum((each.amount for each in later if each.currency == settle), ZERO)
    equity = Decimal(held or 0) - moved
    if settle == pair.split("/")[0]:
        return None if price is None else (equity * price).quantize(Decimal("1e-18"))
    return equity


def _seen(leader: Leader, fills: Iterable[FillSnapshot]) -> set[TradeKey]:
    rows = LeaderTrade.objects.for_tenant(leader.tenant_id).filter(
        leader=leader, trade_id__in={fill.trade_id for fill in fills}
    )
    return set(rows.values_list("symbol", "trade_id"))


def _store_positions(
    leader: Leader,
    before: LeaderBook,
    after: LeaderBook,
    fills: Sequence[FillSnapshot],
    terms: Mapping[str, Terms],
    now: datetime,
) -> None:
    rows = LeaderPosition.objects.for_tenant(leader.tenant_id).filter(leader=leader)
    averages = {
        (symbol, side): average
        for symbol, side, average in rows.values_list("symbol", "position_side", "average_price")
    }
    by_slot: dict[Slot, list[FillSnapshot]] = defaultdict(list)
    for fill in fills:
        by_slot[fill.symbol, fill.position_side].append(fill)
    for slot, quantity in after.positions.items():
        if before.positions.get(slot) == quantity:
            continue
        symbol, side = slot
        # The margin was that of the quantity before.
        values: dict[str, object] = {"quantity": quantity, "margin": None, "changed_at": now}
        held = before.positions.get(slot, ZERO)
        values["average_price"] = average_after(held, averages.get(slot), by_slot[slot])
        known = terms.get(symbol)
        if known is not None and known.leverage is not None:
            values["leverage"] = known.leverage
        if known is not None and known.margin_mode is not None:
            values["margin_mode"] = known.margin_mode.value
        if not rows.filter(symbol=symbol, position_side=side).update(**values):
            LeaderPosition.objects.create(
                tenant_id=leader.tenant_id,
                leader=leader,
                symbol=symbol,
                position_side=side,
                **values,
            )


def _store_trades(
    leader: Leader,
    fills: Sequence[FillSnapshot],
    told: Mapping[TradeKey, tuple[str, Signal | None]],
    now: datetime,
) -> None:
    trades_store(
        leader, [(fill, *told[fill.symbol, fill.trade_id]) for fill in fills], recorded_at=now
    )


def trades_store(
    leader: Leader,
    trades: Iterable[tuple[FillSnapshot, str, Signal | None]],
    *,
    recorded_at: datetime,
) -> None:
    """The rows by which a trade is known again: (fill, outcome, its signal)."""
    rows_insert(
        LeaderTrade,
        [
            {
                "leader_id": leader.pk,
                "symbol": fill.symbol,
                "trade_id": fill.trade_id,
                "venue_order_id": fill.venue_order_id,
                "side": fill.side,
                "position_side": fill.position_side,
                "quantity": fill.quantity,
                "price": fill.price,
                "filled_at": moment(fill.filled_at_ms),
                "outcome": outcome,
                "signal_id": signal.pk if signal is not None else None,
            }
            for fill, outcome, signal in trades
        ],
        same={"tenant_id": leader.tenant_id, "recorded_at": recorded_at},
    )
