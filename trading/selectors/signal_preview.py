"""What a signal would do to each follower, if it were sent now. Nothing is written.

The same planning as the fan-out's, on the same facts; only that nothing is locked, so what changes
in between is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from signals_app.models import Signal
from strategies.models import Strategy, Subscription
from strategies.selectors.settings import shared_settings
from trading.domain.planning import Plan, plan_follower
from trading.models import CopiedPosition, SignalShard
from trading.services.fanout.context import Market, shard_context
from trading.services.fanout.follower_facts import follower_facts
from trading.services.fanout.free_balances import free_balances_of
from trading.services.fanout.instructions import instruction_at, instruction_for
from trading.services.fanout.loading import FollowerRow, PositionRow, books_of, follower_rows
from trading.services.fanout.mapping import Route, market_for, routes, settled, taken
from trading.services.fanout.market_facts import with_market_facts
from trading.services.fanout.risk_facts import asking_of, risk_facts_of
from trading.services.fanout.shards import unplannable
from trading.services.fanout.sides import opened_reversed
from venues.domain.types import InstrumentKind

MOST_FOLLOWERS = 200
"""Planned one by one for the page; of further ones only the number is shown."""


@dataclass(frozen=True, slots=True)
class PlannedLeg:
    """An order, or a skip with its reason. `quantity` in the venue's native unit."""

    side: str
    quantity: Decimal | None
    is_entry: bool
    reason_code: str = ""
    reason_params: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class PlannedFollower:
    subscription_id: str
    customer: str
    account: str
    strategy: str
    venue: str
    coin: str
    """That the quantity is in; empty where it is in contracts."""
    leverage: Decimal | None
    legs: tuple[PlannedLeg, ...]
    symbol: str = ""
    """That it trades instead of the signal's."""

    @property
    def acts(self) -> bool:
        return any(not leg.reason_code for leg in self.legs)


@dataclass(frozen=True, slots=True)
class Preview:
    """`orders` and `skips` count the followers that are listed, `more` those that are not."""

    followers: tuple[PlannedFollower, ...]
    more: int

    @property
    def orders(self) -> int:
        return sum(follower.acts for follower in self.followers)

    @property
    def skips(self) -> int:
        return len(self.followers) - self.orders


def signal_preview(signal: Signal, now: datetime) -> Preview:
    """For an unsaved signal of its source. Network: markets and prices, if not in memory."""
    tenant_id = signal.tenant_id
    strategies = (
        Strategy.objects.for_tenant(tenant_id)
        .filter(source_id=signal.source_id)
        .exclude(status=Strategy.Status.CLOSED)
        .order_by("pk")
    )
    planned: list[PlannedFollower] = []
    more = 0
    for strategy in strategies:
        ids = list(
            Subscription.objects.for_tenant(tenant_id)
            .filter(strategy=strategy)
            .exclude(status=Subscription.Status.STOPPED)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        shown = ids[: MOST_FOLLOWERS - len(planned)]
        more += len(ids) - len(shown)
        if shown:
            planned += _planned(signal, strategy, shown, now)
    return Preview(tuple(planned), more)


def _planned(
    signal: Signal, strategy: Strategy, ids: list[str], now: datetime
) -> list[PlannedFollower]:
    shard = SignalShard(
        tenant_id=signal.tenant_id,
        signal=signal,
        strategy=strategy,
        first_subscription_id=ids[0],
        last_subscription_id=ids[-1],
        settings=shared_settings(strategy),
    )
    names = {
        pk: (customer, account)
        for pk, customer, account in Subscription.objects.for_tenant(signal.tenant_id)
        .filter(pk__in=ids)
        .values_list("pk", "customer__name", "account__label")
    }
    context = shard_context(shard, "")
    found: dict[str, list[PlannedFollower]] = {}
    for route in routes(context, follower_rows(shard), stores=False):
        for row, plan, leverage, market in _plans(route, now):
            whose = names.get(row.id, ("", ""))
            follower = _follower(route, row, whose, plan, leverage, market)
            found.setdefault(row.id, []).append(follower)
    return [follower for pk in ids for follower in found.get(pk, ())]


def _plans(
    route: Route, now: datetime
) -> Iterator[tuple[FollowerRow, Plan, Decimal | None, Market]]:
    rows = route.rows
    context = with_market_facts(route.context(), rows, stores=False)
    signal = context.signal
    positions = _positions(signal.tenant_id, rows, context.symbol)
    books = books_of(signal.tenant_id, rows, positions, context.symbol, now)
    balances = free_balances_of(signal.tenant_id, rows, now)
    risks = risk_facts_of(context, asking_of(context, rows), now)
    reversals = opened_reversed(context, rows, positions)
    for row in rows:
        market = market_for(context, row)
        ledger = settled(context, positions[row.id], books[row.id])
        if ledger is None:
            yield row, taken(context, positions[row.id]), None, market
            continue
        position, book = ledger
        if market.instrument is None:
            yield row, unplannable(context, row, position, market), None, market
            continue
        facts = follower_facts(
            context,
            row,
            position,
            book,
            market,
            balances.get(row.account_id, {}),
            now,
            risks.copy(row),
            risks.account(row),
        )
        if row.id in reversals:
            facts = replace(facts, is_reversed=reversals[row.id])
        instruction = instruction_for(context, market)
        if signal.leverage is None:
            instruction = instruction_at(instruction, facts.terms.leverage)
        yield row, plan_follower(instruction, facts), facts.terms.leverage, market


def _follower(
    route: Route,
    row: FollowerRow,
    whose: tuple[str, str],
    plan: Plan,
    leverage: Decimal | None,
    market: Market,
) -> PlannedFollower:
    instrument = market.instrument
    in_coins = instrument is not None and instrument.kind is InstrumentKind.SPOT
    customer, account = whose
    legs = tuple(
        PlannedLeg(
            side={1: "buy", -1: "sell"}.get(leg.direction, ""),
            quantity=leg.quantity if leg.is_order else None,
            is_entry=leg.is_entry,
            reason_code=leg.reason.code if leg.reason else "",
            reason_params=dict(leg.reason.params) if leg.reason else None,
        )
        for leg in plan.legs
    )
    enters = any(leg.is_entry and not leg.reason_code for leg in legs)
    return PlannedFollower(
        subscription_id=row.id,
        customer=customer,
        account=account,
        strategy=route.shared.strategy.name,
        venue=row.venue,
        coin=instrument.base if instrument is not None and in_coins else "",
        leverage=leverage if enters else None,
        legs=legs,
        symbol=route.symbol if route.symbol != route.shared.signal.symbol else "",
    )


def _positions(tenant_id: str, rows: list[FollowerRow], symbol: str) -> dict[str, PositionRow]:
    """As `locked_positions`, of what is there; a follower without a sub-ledger holds nothing."""
    stored = CopiedPosition.objects.for_tenant(tenant_id).filter(
        account_id__in={row.account_id for row in rows}, symbol=symbol
    )
    columns = (
        "pk", "subscription_id", "account_id", "target", "filled", "leverage", "version",
        "margin_mode", "average_entry_price", "leader_symbol",
    )  # fmt: skip
    positions = {values[1]: PositionRow._make(values) for values in stored.values_list(*columns)}
    for row in rows:
        positions.setdefault(
            row.id, PositionRow("", row.id, row.account_id, Decimal(0), Decimal(0), None, 0)
        )
    return positions
