"""Followers, instructions and books for the tests of planning.

Contracts of 0.01 BTC at 50,000: a contract is 500 of notional. The lot is one contract, unless a
test says otherwise, and the follower copies the leader's contracts one to one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

from strategies.domain.sizing import FollowerTerms, LeaderSize, SizeBasis, SizingMode
from trading.domain.planning import (
    Action,
    Book,
    Follower,
    Instruction,
    Plan,
)
from trading.domain.reasons import ReasonCode
from trading.domain.risk import Controls, EntryFacts
from venues.domain.types import Instrument, InstrumentKind

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG, SHORT = 1, -1
BTC = Instrument(
    symbol="BTC/USDT:USDT",
    venue_symbol="BTC-USDT-SWAP",
    kind=InstrumentKind.LINEAR,
    base="BTC",
    quote="USDT",
    settle="USDT",
    contract_size=D("0.01"),
    lot=D(1),
    tick=D("0.1"),
    min_size=D(1),
    max_market_size=None,
    max_limit_size=None,
    max_leverage=D(100),
    is_live=True,
)


def follower(book: Book | None = None, instrument: Instrument = BTC, **changes: Any) -> Follower:
    """A follower with room for everything; `changes` are of its entry facts, or its own."""
    entry = EntryFacts(
        now=NOW,
        expires_at=NOW + timedelta(seconds=60),
        symbol=instrument.symbol,
        strategy_active=True,
        subscription_active=True,
        account_active=True,
        account_checked=True,
        account_healthy=True,
        customer_active=True,
        instrument=instrument,
        quantity=D(0),
        price=D(50_000),
        leverage=D(5),
        available=D(10) ** 12,
        currency="USDT",
    )
    own = {name: changes.pop(name) for name in ("controls", "account_closed") if name in changes}
    return Follower(
        book=book or Book(),
        terms=FollowerTerms(SizingMode.LEADER_RATIO, None, D(1), D(1), D(5), D(10_000)),
        instrument=instrument,
        price=D(50_000),
        controls=own.get("controls", Controls()),
        entry=replace(entry, **changes),
        account_closed=own.get("account_closed", False),
    )


def say(
    action: Action, size: object = None, direction: int = LONG, *, fraction: object = None
) -> Instruction:
    """The leader says contracts."""
    leader = LeaderSize(
        size=None if size is None else D(str(size)),
        basis=None if size is None else SizeBasis.CONTRACTS,
        instrument=BTC,
        price=D(50_000),
        leverage=D(5),
        equity=None,
    )
    part = fraction if fraction is None or isinstance(fraction, D) else D(str(fraction))
    return Instruction(action, direction, leader, part)


def orders(plan: Plan) -> list[tuple[int, str, str, D, int]]:
    return [
        (leg.leg, "entry" if leg.is_entry else "exit", side(leg.direction), leg.quantity, leg.wave)
        for leg in plan.legs
        if leg.is_order
    ]


def side(direction: int) -> str:
    return {1: "buy", -1: "sell", 0: ""}[direction]


def reason(plan: Plan) -> ReasonCode | None:
    return plan.legs[-1].reason.code if plan.legs[-1].reason else None


def settled(plan: Plan, book: Book) -> Book:
    """The book after all of the plan's orders filled and working entries were cancelled."""
    change = sum((leg.quantity * leg.direction for leg in plan.legs if leg.is_order), D(0))
    return Book(
        target=plan.target,
        filled=book.filled + change,
        others_long=book.others_long,
        others_short=book.others_short,
    )


def working(plan: Plan, book: Book) -> Book:
    """The book with the plan's orders on their way, without the entries that it cancels."""
    entries = sum((o.quantity * o.direction for o in plan.legs if o.is_order and o.is_entry), D(0))
    exits = sum(
        (o.quantity * o.direction for o in plan.legs if o.is_order and not o.is_entry), D(0)
    )
    return replace(
        book,
        target=plan.target,
        working_entries=(D(0) if plan.cancel_entries else book.working_entries) + entries,
        working_exits=book.working_exits + exits,
    )


def held(amount: object, target: object = None, **more: Any) -> Book:
    return Book(target=D(str(amount if target is None else target)), filled=D(str(amount)), **more)
