"""What risk rules compare, loaded for a chunk in a fixed number of queries, and only if the
settings of somebody in it ask for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, Subquery

from customers.models import ExchangeAccount
from trading.domain.equity import on_day
from trading.domain.order_states import LIVE_STATES, OrderState
from trading.domain.risk import NO_COPY_FACTS, NO_EQUITY_FACTS, CopyFacts, EquityFacts, Fact
from trading.models import Balance, CopiedPosition, Intent, Order, Position, StopOrder
from trading.services.equity import equities_stored, total_value
from trading.services.fanout.context import ShardContext
from trading.services.fanout.follower_settings import settings_of
from trading.services.fanout.loading import FollowerRow
from trading.services.instruments import instrument_in_memory
from trading.services.stops.exits import WATCHED_PROFIT
from venues.domain.types import Instrument, InstrumentKind

ZERO, ONE = Decimal(0), Decimal(1)
MINUTE = timedelta(minutes=1)
_OF_ACCOUNT = frozenset({Fact.EXPOSURE, Fact.ORDER_RATE, Fact.WAITING})


@dataclass(frozen=True, slots=True)
class RiskFacts:
    """By subscription and by account."""

    copies: dict[str, CopyFacts] = field(default_factory=dict)
    accounts: dict[str, EquityFacts] = field(default_factory=dict)

    def copy(self, row: FollowerRow) -> CopyFacts:
        return self.copies.get(row.id, NO_COPY_FACTS)

    def account(self, row: FollowerRow) -> EquityFacts:
        return self.accounts.get(row.account_id, NO_EQUITY_FACTS)


NOTHING = RiskFacts()


Asking = Mapping[Fact, Sequence[FollowerRow]]


def asking_of(context: ShardContext, followers: Sequence[FollowerRow]) -> Asking:
    """Who of them asks for what; empty when nobody asks for anything."""
    found: dict[Fact, list[FollowerRow]] = {}
    for row in followers:
        for fact in settings_of(context, row).asks:
            found.setdefault(fact, []).append(row)
    return found


def accounts_lock(context: ShardContext, asking: Asking, followers: Sequence[FollowerRow]) -> None:
    """Of those whose caps look beyond the signal's symbol, so that two signals in different
    symbols do not each see the room that only one of them can have. The first of all locks."""
    ids = {row.account_id for fact in _OF_ACCOUNT for row in asking.get(fact, ())}
    ids |= {
        row.account_id
        for row in followers
        if settings_of(context, row).effective.settings.free_margin_reserve_percent
    }
    if ids:
        accounts = ExchangeAccount.objects.for_tenant(context.shard.tenant_id).filter(pk__in=ids)
        list(accounts.order_by("pk").select_for_update().values_list("pk", flat=True))


def risk_facts_of(context: ShardContext, asking: Asking, now: datetime) -> RiskFacts:
    if not asking:
        return NOTHING
    facts: dict[str, dict[str, Any]] = defaultdict(dict)
    for row, holdings in _holdings(context, asking.get(Fact.EXPOSURE, ()), now):
        facts[row.id] |= holdings
    for row, orders in _recent_orders(context, asking.get(Fact.ORDER_RATE, ()), now):
        facts[row.id]["recent_orders"] = orders
    for row, waiting in _waiting_entries(context, asking.get(Fact.WAITING, ())):
        facts[row.id]["waiting_entries"] = waiting
    for row, stops in _stops(context, asking.get(Fact.STOPS, ()), now):
        facts[row.id]["stops"] = stops
    copies = {subscription_id: CopyFacts(**values) for subscription_id, values in facts.items()}
    return RiskFacts(copies, _equities(context, asking.get(Fact.EQUITY, ()), now))


# --- what is held and on its way -----------------------------------------------------------------


@dataclass
class _Held:
    """In one symbol of an account. Quantities unsigned, values in the quote currency."""

    copied: Decimal = ZERO
    shown: Decimal = ZERO
    """By the exchange: with what the client holds by himself."""
    price: Decimal | None = None
    working: Decimal | None = ZERO
    """Value of entries on their way; None when it cannot be told."""


@dataclass
class _Own:
    """Of one copy. `invested` None: something of it has no value, in `unpriced`."""

    invested: Decimal | None = ZERO
    held: dict[str, Decimal] = field(default_factory=dict)
    """Of it, what is held, by symbol."""
    symbols: set[str] = field(default_factory=set)
    unpriced: str = ""

    def add(self, symbol: str, margin: Decimal | None) -> None:
        self.symbols.add(symbol)
        if margin is None:
            self.invested, self.unpriced = None, symbol
        elif self.invested is not None:
            self.invested += margin


def _holdings(
    context: ShardContext, followers: Sequence[FollowerRow], now: datetime
) -> Iterator[tuple[FollowerRow, dict[str, object]]]:
    if followers:
        holdings = _Holdings.load(context, followers, now)
        yield from ((row, holdings.of(row)) for row in followers)


class _Holdings:
    def __init__(self, context: ShardContext, followers: Sequence[FollowerRow]) -> None:
        self._symbol = context.symbol
        self._markets = context.markets
        self._venues = {row.account_id: row.venue for row in followers}
        self._instruments: dict[tuple[str, str], Instrument | None] = {}
        self._held: dict[str, dict[str, _Held]] = defaultdict(lambda: defaultdict(_Held))
        self._own: dict[str, _Own] = defaultdict(_Own)

    @classmethod
    def load(
        cls, context: ShardContext, followers: Sequence[FollowerRow], now: datetime
    ) -> _Holdings:
        found = cls(context, followers)
        tenant_id = context.shard.tenant_id
        mine = {"account_id__id_in": list(found._venues)}
        shown = Position.objects.for_tenant(tenant_id).filter(**mine)
        for account_id, symbol, quantity, mark, average in shown.values_list(
            "account_id", "symbol", "quantity", "mark_price", "average_price"
        ):
            found._add_shown(account_id, symbol, quantity, mark or average)
        copied = CopiedPosition.objects.for_tenant(tenant_id).filter(**mine).exclude(filled=ZERO)
        for values in copied.values_list(
            "subscription_id", "account_id", "symbol", "filled", "average_entry_price", "leverage"
        ):
            found._add_copied(*values)
        live = [str(state) for state in LIVE_STATES]
        orders = (
            Order.objects.for_tenant(tenant_id)
            .filter(is_entry=True, state__in=[*live, str(OrderState.NOT_PLACED)], **mine)
            .filter(Q(state__in=live) | Q(watch_until__gt=now))
        )
        for values in orders.values_list(
            "subscription_id",
            "account_id",
            "symbol",
            "quantity",
            "filled_quantity",
            "price",
            "intent__reference_price",
            "leverage",
        ):
            found._add_working(*values)
        return found

    def of(self, row: FollowerRow) -> dict[str, object]:
        own, held = self._own[row.id], self._held[row.account_id]
        values = {symbol: self._value(row.account_id, symbol, one) for symbol, one in held.items()}
        unpriced = [symbol for symbol, value in values.items() if value is None]
        total = None if unpriced else sum((value or ZERO for value in values.values()), ZERO)
        return {
            "invested": own.invested,
            "invested_here": own.held.get(self._symbol, ZERO),
            "symbol_exposure": values.get(self._symbol, ZERO),
            "account_exposure": total,
            "open_positions": len(own.symbols),
            "is_in_symbol": self._symbol in own.symbols,
            "unpriced_symbol": own.unpriced or next(iter(unpriced), ""),
        }

    def _add_shown(
        self, account_id: str, symbol: str, quantity: Decimal, price: Decimal | None
    ) -> None:
        held = self._held[account_id][symbol]
        held.shown += abs(quantity)
        held.price = price

    def _add_copied(
        self,
        subscription_id: str,
        account_id: str,
        symbol: str,
        filled: Decimal,
        entry_price: Decimal | None,
        leverage: Decimal | None,
    ) -> None:
        held = self._held[account_id][symbol]
        held.copied += abs(filled)
        held.price = held.price or entry_price
        margin = self._margin(account_id, symbol, abs(filled), entry_price, leverage)
        own = self._own[subscription_id]
        own.add(symbol, margin)
        own.held[symbol] = margin or ZERO

    def _add_working(
        self,
        subscription_id: str,
        account_id: str,
        symbol: str,
        quantity: Decimal,
        filled: Decimal,
        limit: Decimal | None,
        reference: Decimal | None,
        leverage: Decimal | None,
    ) -> None:
        held = self._held[account_id][symbol]
        rest, price = quantity - filled, limit or reference
        value = self._notional(account_id, symbol, rest, price)
        held.working = None if value is None or held.working is None else held.working + value
        margin = self._margin(account_id, symbol, rest, price, leverage)
        self._own[subscription_id].add(symbol, margin)

    def _value(self, account_id: str, symbol: str, held: _Held) -> Decimal | None:
        """What is shown lags behind what is copied, and knows of more: the larger one counts."""
        price = held.price
        market = self._markets.get(self._venues[account_id])
        if symbol == self._symbol and market is not None and market.price is not None:
            price = market.price
        value = self._notional(account_id, symbol, max(held.copied, held.shown), price)
        return None if value is None or held.working is None else value + held.working

    def _margin(
        self,
        account_id: str,
        symbol: str,
        quantity: Decimal,
        price: Decimal | None,
        leverage: Decimal | None,
    ) -> Decimal | None:
        notional = self._notional(account_id, symbol, quantity, price)
        return None if notional is None else notional / max(leverage or ONE, ONE)

    def _notional(
        self, account_id: str, symbol: str, quantity: Decimal, price: Decimal | None
    ) -> Decimal | None:
        if not quantity:
            return ZERO
        instrument = self._instrument(self._venues[account_id], symbol)
        if instrument is None:
            return None
        if price is None and instrument.kind is not InstrumentKind.INVERSE:
            return None
        return instrument.notional(quantity, price or ONE)

    def _instrument(self, venue: str, symbol: str) -> Instrument | None:
        key = venue, symbol
        if key not in self._instruments:
            self._instruments[key] = instrument_in_memory(venue, symbol)
        return self._instruments[key]


# --- what happened lately ------------------------------------------------------------------------


def _recent_orders(
    context: ShardContext, followers: Sequence[FollowerRow], now: datetime
) -> Iterator[tuple[FollowerRow, int]]:
    if not followers:
        return
    rows = (
        Order.objects.for_tenant(context.shard.tenant_id)
        .filter(
            subscription_id__id_in=[row.id for row in followers],
            created_at__gt=now - MINUTE,
            send_at=None,  # its first slice is counted
        )
        .order_by()
        .values_list("subscription_id")
        .annotate(orders=Count("pk"))
    )
    found = dict(rows)
    yield from ((row, found.get(row.id, 0)) for row in followers)


def _waiting_entries(
    context: ShardContext, followers: Sequence[FollowerRow]
) -> Iterator[tuple[FollowerRow, int]]:
    """What the venue takes only in parts is one entry."""
    if not followers:
        return
    rows = (
        Order.objects.for_tenant(context.shard.tenant_id)
        .filter(
            subscription_id__id_in=[row.id for row in followers],
            is_entry=True,
            order_type="limit",
            state__in=[str(state) for state in LIVE_STATES],
        )
        .order_by()
        .values_list("subscription_id")
        .annotate(entries=Count("signal_id", distinct=True))
    )
    found = dict(rows)
    yield from ((row, found.get(row.id, 0)) for row in followers)


def _stops(
    context: ShardContext, followers: Sequence[FollowerRow], now: datetime
) -> Iterator[tuple[FollowerRow, tuple[datetime, ...]]]:
    """Newest first: exits by a stop that filled, at least in part, and was no take profit. What
    one position's stops closed in several orders is one."""
    if not followers:
        return
    longest = max(
        settings_of(context, row).effective.settings.cooldown_minutes or 0 for row in followers
    )
    tenant_id = context.shard.tenant_id
    stop = StopOrder.objects.for_tenant(tenant_id).filter(pk=OuterRef("cause_id"))
    rows = (
        Intent.objects.for_tenant(tenant_id)
        .exclude(key__endswith=WATCHED_PROFIT)
        .filter(
            ~Exists(stop.filter(triggered_by="tp")),
            subscription_id__id_in=[row.id for row in followers],
            cause=Intent.Cause.STOP,
            status__in=[Intent.Status.FILLED, Intent.Status.PARTIAL],
            finished_at__gt=now - 2 * timedelta(minutes=longest),
        )
        .order_by("-finished_at")
        .values_list(
            "subscription_id", "symbol", "finished_at", Subquery(stop.values("opened_at")[:1])
        )
    )
    found: dict[str, list[datetime]] = defaultdict(list)
    positions = set()
    for subscription_id, symbol, finished_at, opened_at in rows:
        position = subscription_id, symbol, opened_at
        if opened_at is None or position not in positions:
            found[subscription_id].append(finished_at)
        positions.add(position)
    yield from ((row, tuple(found[row.id])) for row in followers)


# --- what the accounts are worth -----------------------------------------------------------------


def _equities(
    context: ShardContext, followers: Sequence[FollowerRow], now: datetime
) -> dict[str, EquityFacts]:
    if not followers:
        return {}
    tenant_id = context.shard.tenant_id
    ids = {row.account_id for row in followers}
    today = now.astimezone(context.zone).date()
    stored = equities_stored(tenant_id, ids, today)
    balances: dict[str, list[tuple[Decimal, Decimal | None]]] = defaultdict(list)
    rows = Balance.objects.for_tenant(tenant_id).filter(account_id__id_in=ids)
    for account_id, equity, value in rows.values_list("account_id", "equity", "equity_usd"):
        balances[account_id].append((equity, value))
    found = {}
    for account_id in ids:
        equity = total_value(balances[account_id]) if account_id in balances else None
        known = stored.get(account_id)
        if known is None or equity is None:
            found[account_id] = EquityFacts(now=equity)
            continue
        record = on_day(known.record, today)
        found[account_id] = EquityFacts(equity, record.start, max(record.peak, equity))
    return found
