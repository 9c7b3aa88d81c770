"""Plan one shard: load in a fixed number of queries, decide purely, write in bulk."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from customers.domain.ids import new_id
from customers.fields import rounded
from customers.models import Customer, ExchangeAccount
from customers.services.events import (
    EventDraft,
    customer_audience,
    events_record,
    staff_audience,
)
from signals_app.models import Signal
from strategies.domain.sizing import FollowerTerms, LeaderSize, SizeBasis, SizingMode
from strategies.models import Strategy, Subscription
from trading.domain.order_states import LIVE_STATES, OrderState
from trading.domain.planning import Book, Follower, Instruction, Leg, Plan, plan_follower
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk import EntryFacts
from trading.models import (
    Balance,
    CopiedPosition,
    EffectiveSettings,
    Intent,
    Order,
    OrderEvent,
    SignalShard,
)
from trading.services.cancelling import entries_cancel
from trading.services.control_state import controls_for
from trading.services.row_updates import rows_update
from venues import markets
from venues.domain.types import Instrument, InstrumentKind, VenueError
from venues.gateway import UnknownVenueError

ZERO, ONE = Decimal(0), Decimal(1)
CHUNK = 250
FIRST_CHUNK = 50
"""The first orders leave while the next are being planned."""
SHARD_LEASE = timedelta(seconds=15)
ORDER_LEASE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Market:
    """One venue's view of the signal's symbol; either may be missing."""

    instrument: Instrument | None
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class ShardContext:
    """What is the same for every follower of a shard."""

    shard: SignalShard
    signal: Signal
    strategy: Strategy
    leader_market: Market
    markets: dict[str, Market]
    claimed_by: str


def shard_claim(*, shard_id: str, tenant_id: str, claimed_by: str) -> SignalShard | None:
    """The shard, if this caller won it: a pending one, or one whose planner died."""
    now = timezone.now()
    rows = SignalShard.objects.for_tenant(tenant_id).filter(pk=shard_id)
    values: dict[str, Any] = {
        "status": SignalShard.Status.CLAIMED,
        "claimed_by": claimed_by,
        "claimed_until": now + SHARD_LEASE,
    }
    won = rows.filter(status=SignalShard.Status.PENDING).update(**values)
    if not won:
        won = rows.filter(status=SignalShard.Status.CLAIMED, claimed_until__lt=now).update(**values)
    return rows.select_related("signal__source", "strategy").get() if won else None


def shard_context(shard: SignalShard, claimed_by: str) -> ShardContext:
    """Markets and prices for the shard, over the network if they are not cached."""
    signal = shard.signal
    venues = set(
        ExchangeAccount.objects.for_tenant(shard.tenant_id)
        .filter(
            subscriptions__strategy_id=shard.strategy_id,
            subscriptions__pk__gte=shard.first_subscription_id,
            subscriptions__pk__lte=shard.last_subscription_id,
        )
        .values_list("venue", flat=True)
        .distinct()
    )
    found = {venue: _market(venue, signal) for venue in venues}
    leader = found.get(signal.source.venue) or _market(signal.source.venue, signal)
    return ShardContext(shard, signal, shard.strategy, leader, found, claimed_by)


def _market(venue: str, signal: Signal) -> Market:
    try:
        instrument = markets.instrument(venue, signal.symbol)
    except (VenueError, TimeoutError, UnknownVenueError):
        instrument = None
    if instrument is None:
        return Market(None, None)
    return Market(instrument, markets.last_price(venue, signal.symbol) or signal.price)


def shard_plan(context: ShardContext) -> Iterator[list[str]]:
    """Plan the shard chunk by chunk; yields the ids of the orders of each committed chunk.

    The orders are CLAIMED for the caller. Followers that have an intent for this signal already
    are left alone, so a second run only does what is missing.
    """
    shard = context.shard
    rows = list(
        Subscription.objects.for_tenant(shard.tenant_id)
        .filter(
            strategy_id=shard.strategy_id,
            pk__gte=shard.first_subscription_id,
            pk__lte=shard.last_subscription_id,
        )
        .exclude(status=Subscription.Status.STOPPED)
        .select_related("account", "customer")
        .order_by("pk")
    )
    rows = _rotated(rows, shard.signal_id)
    for start, end in _chunks(len(rows)):
        order_ids = _plan_chunk(context, rows[start:end])
        if order_ids:
            yield order_ids
    SignalShard.objects.for_tenant(shard.tenant_id).filter(
        pk=shard.pk, claimed_by=context.claimed_by
    ).update(status=SignalShard.Status.PLANNED, claimed_until=None)


def _rotated(rows: list[Subscription], signal_id: str) -> list[Subscription]:
    """Start at another follower with every signal, so that nobody is always last."""
    if not rows:
        return rows
    start = int(hashlib.sha256(signal_id.encode()).hexdigest(), 16) % len(rows)
    return rows[start:] + rows[:start]


def _chunks(count: int) -> Iterator[tuple[int, int]]:
    start, size = 0, FIRST_CHUNK
    while start < count:
        yield start, min(start + size, count)
        start, size = start + size, CHUNK


# --- one chunk ----------------------------------------------------------------------------------


def _plan_chunk(context: ShardContext, subscriptions: Sequence[Subscription]) -> list[str]:
    tenant_id = context.shard.tenant_id
    symbol = context.signal.symbol
    by_id = {row.pk: row for row in subscriptions}
    now = timezone.now()
    with transaction.atomic():
        positions = _locked_positions(tenant_id, subscriptions, symbol, now)
        planned = set(
            Intent.objects.for_tenant(tenant_id)
            .filter(signal=context.signal, subscription_id__in=by_id)
            .values_list("subscription_id", flat=True)
        )
        todo = [row for row in subscriptions if row.pk not in planned]
        books = _books(tenant_id, todo, positions, symbol)
        balances = _balances(tenant_id, todo)
        writer = _ChunkWriter(context, now)
        for subscription in todo:
            market = context.markets[subscription.account.venue]
            position = positions[subscription.pk]
            balance = balances.get(subscription.account_id, {})
            if market.instrument is None or not market.instrument.is_live:
                plan = _unplannable(context, subscription, position, ReasonCode.SYMBOL_NOT_LISTED)
                writer.add(subscription, position, plan, market, None)
                continue
            if market.price is None:
                plan = _unplannable(context, subscription, position, ReasonCode.PRICE_UNKNOWN)
                writer.add(subscription, position, plan, market, None)
                continue
            follower = _follower(
                context, subscription, books[subscription.pk], market, balance, now
            )
            plan = plan_follower(_instruction(context, market), follower)
            writer.add(subscription, position, plan, market, follower)
        return writer.store()


def _unplannable(
    context: ShardContext, subscription: Subscription, position: CopiedPosition, code: ReasonCode
) -> Plan:
    params = {"symbol": context.signal.symbol, "venue": subscription.account.venue}
    is_entry = context.signal.action not in (Signal.Action.REDUCE, Signal.Action.CLOSE)
    return Plan((Leg(0, is_entry, 0, ZERO, Reason(code, params)),), position.target)


def _locked_positions(
    tenant_id: str, subscriptions: Sequence[Subscription], symbol: str, now: datetime
) -> dict[str, CopiedPosition]:
    rows = CopiedPosition.objects.for_tenant(tenant_id).filter(
        subscription_id__in=[row.pk for row in subscriptions], symbol=symbol
    )
    have = set(rows.values_list("subscription_id", flat=True))
    missing = [
        CopiedPosition(
            tenant_id=tenant_id,
            subscription_id=row.pk,
            account_id=row.account_id,
            customer_id=row.customer_id,
            symbol=symbol,
            changed_at=now,
        )
        for row in subscriptions
        if row.pk not in have
    ]
    CopiedPosition.objects.bulk_create(missing, ignore_conflicts=True)
    locked = rows.order_by("pk").select_for_update()
    return {row.subscription_id: row for row in locked}


def _books(
    tenant_id: str,
    subscriptions: Sequence[Subscription],
    positions: dict[str, CopiedPosition],
    symbol: str,
) -> dict[str, Book]:
    """Each follower's sub-ledger with its live orders and the account's other sub-ledgers."""
    accounts = {row.account_id for row in subscriptions}
    entries: dict[str, Decimal] = defaultdict(Decimal)
    exits: dict[str, Decimal] = defaultdict(Decimal)
    account_exposure: dict[str, Decimal] = defaultdict(Decimal)
    own_exposure: dict[str, Decimal] = defaultdict(Decimal)
    live = (
        Order.objects.for_tenant(tenant_id)
        .filter(account_id__in=accounts, symbol=symbol, state__in=[str(s) for s in LIVE_STATES])
        .values_list(
            "subscription_id", "account_id", "side", "quantity", "filled_quantity", "is_entry"
        )
    )
    for subscription_id, account_id, side, quantity, filled, is_entry in live:
        rest = (quantity - filled) * (1 if side == "buy" else -1)
        (entries if is_entry else exits)[subscription_id] += rest
        account_exposure[account_id] += rest
        own_exposure[subscription_id] += rest
    held = (
        CopiedPosition.objects.for_tenant(tenant_id)
        .filter(account_id__in=accounts, symbol=symbol)
        .values_list("subscription_id", "account_id", "filled")
    )
    for subscription_id, account_id, filled in held:
        account_exposure[account_id] += filled
        own_exposure[subscription_id] += filled
    return {
        row.pk: Book(
            target=positions[row.pk].target,
            filled=positions[row.pk].filled,
            working_entries=entries[row.pk],
            working_exits=exits[row.pk],
            others=account_exposure[row.account_id] - own_exposure[row.pk],
        )
        for row in subscriptions
    }


def _balances(
    tenant_id: str, subscriptions: Sequence[Subscription]
) -> dict[str, dict[str, tuple[Decimal, Decimal]]]:
    """(equity, available) by account and currency."""
    rows = (
        Balance.objects.for_tenant(tenant_id)
        .filter(account_id__in={row.account_id for row in subscriptions})
        .values_list("account_id", "currency", "equity", "available")
    )
    found: dict[str, dict[str, tuple[Decimal, Decimal]]] = defaultdict(dict)
    for account_id, currency, equity, available in rows:
        found[account_id][currency] = (equity, available)
    return found


def _leverage(context: ShardContext, subscription: Subscription, instrument: Instrument) -> Decimal:
    """As the leader, never above any limit; at least 1."""
    if instrument.kind is InstrumentKind.SPOT:
        return ONE
    limits = (
        context.signal.leverage or ONE,
        context.strategy.max_leverage,
        subscription.max_leverage,
        subscription.account.max_leverage,
        instrument.max_leverage,
    )
    return max(ONE, min(limit for limit in limits if limit is not None))


def _instruction(context: ShardContext, market: Market) -> Instruction:
    signal = context.signal
    leader = context.leader_market
    assert market.instrument is not None
    assert market.price is not None
    basis = SizeBasis(signal.size_basis) if signal.size_basis else None
    fraction = signal.size if basis is SizeBasis.POSITION_FRACTION else None
    return Instruction(
        action=signal.action,  # type: ignore[arg-type]  # the model's choices are the Literal's
        direction={"long": 1, "short": -1}.get(signal.side, 0),
        leader=LeaderSize(
            size=signal.size,
            basis=basis,
            instrument=leader.instrument or market.instrument,
            price=signal.price or leader.price or market.price,
            leverage=signal.leverage or ONE,
            equity=signal.leader_equity,
        ),
        reduce_fraction=fraction,
    )


def _follower(
    context: ShardContext,
    subscription: Subscription,
    book: Book,
    market: Market,
    balance: dict[str, tuple[Decimal, Decimal]],
    now: datetime,
) -> Follower:
    instrument, price = market.instrument, market.price
    assert instrument is not None
    assert price is not None
    account, strategy = subscription.account, context.strategy
    leverage = _leverage(context, subscription, instrument)
    equity, available = balance.get(instrument.settle, (None, None))
    if instrument.kind is InstrumentKind.INVERSE and equity is not None and available is not None:
        equity, available = equity * price, available * price  # settled in the base coin
    return Follower(
        book=book,
        terms=FollowerTerms(
            mode=SizingMode(subscription.sizing_mode),
            fixed_amount=subscription.fixed_amount,
            ratio=subscription.ratio,
            follow_ratio=strategy.follow_ratio,
            leverage=leverage,
            equity=equity,
        ),
        instrument=instrument,
        price=price,
        controls=controls_for(
            tenant_id=context.shard.tenant_id,
            strategy_id=strategy.pk,
            customer_id=subscription.customer_id,
        ),
        entry=EntryFacts(
            now=now,
            expires_at=context.signal.expires_at,
            symbol=context.signal.symbol,
            allowed_symbols=tuple(strategy.symbols),
            strategy_active=strategy.status == Strategy.Status.ACTIVE,
            subscription_active=subscription.status == Subscription.Status.ACTIVE,
            account_active=account.status == ExchangeAccount.Status.ACTIVE,
            account_healthy=account.health != ExchangeAccount.Health.UNHEALTHY,
            customer_active=subscription.customer.status == Customer.Status.ACTIVE,
            instrument=instrument,
            quantity=ZERO,
            price=price,
            leverage=leverage,
            available=available,
            currency=instrument.quote,
        ),
        account_closed=account.status == ExchangeAccount.Status.CLOSED,
    )


# --- writing ------------------------------------------------------------------------------------


class _ChunkWriter:
    """Collects a chunk's rows and writes each kind in one statement."""

    def __init__(self, context: ShardContext, now: datetime) -> None:
        self.context = context
        self.now = now
        self.intents: list[Intent] = []
        self.orders: list[Order] = []
        self.targets: dict[str, dict[str, Any]] = {}
        self.cancel_for: list[str] = []
        self.settings_ids: dict[str, str] = {}
        self.settings_rows: dict[str, tuple[str, dict[str, Any]]] = {}

    def add(
        self,
        subscription: Subscription,
        position: CopiedPosition,
        plan: Plan,
        market: Market,
        follower: Follower | None,
    ) -> None:
        settings_hash = self._settings(subscription, follower)
        for leg in plan.legs:
            intent = self._intent(subscription, leg, plan, position, market)
            intent.settings_id = settings_hash  # replaced by the row's id in store()
            self.intents.append(intent)
            if leg.is_order:
                assert follower is not None
                self.orders.append(self._order(subscription, leg, intent, follower))
        target = rounded(plan.target)
        if target != position.target:
            self.targets[position.pk] = {
                "target": target,
                "version": position.version + 1,
                "changed_at": self.now,
            }
        if plan.cancel_entries:
            self.cancel_for.append(subscription.pk)

    def _settings(self, subscription: Subscription, follower: Follower | None) -> str:
        """Content hash of the inherited settings in force for this follower."""
        strategy = self.context.strategy
        content = {
            "sizing_mode": subscription.sizing_mode,
            "fixed_amount": _text(subscription.fixed_amount),
            "ratio": _text(subscription.ratio),
            "follow_ratio": _text(strategy.follow_ratio),
            "symbols": sorted(strategy.symbols),
            "max_leverage": {
                "strategy": _text(strategy.max_leverage),
                "subscription": _text(subscription.max_leverage),
                "account": _text(subscription.account.max_leverage),
            },
            "leverage": None if follower is None else _text(follower.terms.leverage),
            "margin_mode": subscription.account.margin_mode,
            "position_mode": subscription.account.position_mode,
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        self.settings_rows.setdefault(digest, (new_id(), content))
        return digest

    def _intent(
        self,
        subscription: Subscription,
        leg: Leg,
        plan: Plan,
        position: CopiedPosition,
        market: Market,
    ) -> Intent:
        signal = self.context.signal
        return Intent(
            id=new_id(),
            tenant_id=signal.tenant_id,
            key=f"signal:{signal.pk}:{subscription.pk}:{leg.leg}",
            cause=Intent.Cause.SIGNAL,
            cause_id=signal.pk,
            signal_id=signal.pk,
            subscription_id=subscription.pk,
            account_id=subscription.account_id,
            customer_id=subscription.customer_id,
            leg=leg.leg,
            symbol=signal.symbol,
            is_entry=leg.is_entry,
            side={1: "buy", -1: "sell", 0: ""}[leg.direction],
            quantity=leg.quantity if leg.is_order else None,
            reference_price=signal.price or market.price,
            target_before=position.target,
            target_after=rounded(plan.target),
            status=Intent.Status.WORKING if leg.is_order else Intent.Status.SKIPPED,
            reason_code=leg.reason.code if leg.reason else "",
            reason_params=leg.reason.params if leg.reason else {},
            created_at=self.now,
            finished_at=None if leg.is_order else self.now,
        )

    def _order(
        self, subscription: Subscription, leg: Leg, intent: Intent, follower: Follower
    ) -> Order:
        signal, account = self.context.signal, subscription.account
        spot = follower.instrument.kind is InstrumentKind.SPOT
        hedged = account.position_mode == ExchangeAccount.PositionMode.LONG_SHORT and not spot
        opens_long = (leg.direction > 0) == leg.is_entry
        first_wave = leg.wave == 0
        order_type = signal.order_type if leg.is_entry else Signal.OrderType.MARKET
        price = signal.price if order_type == Signal.OrderType.LIMIT else None
        return Order(
            id=new_id(),
            tenant_id=signal.tenant_id,
            intent_id=intent.pk,
            account_id=account.pk,
            signal_id=signal.pk,
            subscription_id=subscription.pk,
            strategy_id=self.context.strategy.pk,
            customer_id=subscription.customer_id,
            wave=leg.wave,
            symbol=signal.symbol,
            side=intent.side,
            position_side=("long" if opens_long else "short") if hedged else "net",
            is_entry=leg.is_entry,
            reduce_only=not leg.is_entry and not spot,
            order_type=order_type,
            quantity=leg.quantity,
            price=None if price is None else follower.instrument.price_to_tick(price),
            leverage=follower.terms.leverage if leg.is_entry and not spot else None,
            margin_mode="cash" if spot else account.margin_mode,
            state=OrderState.CLAIMED if first_wave else OrderState.READY,
            claimed_by=self.context.claimed_by if first_wave else "",
            claimed_until=self.now + ORDER_LEASE if first_wave else None,
            expires_at=signal.expires_at if leg.is_entry else None,
            created_at=self.now,
        )

    def store(self) -> list[str]:
        """Write everything; returns the ids of the orders to send now, exits first."""
        self._store_settings()
        Intent.objects.bulk_create(self.intents, batch_size=500)
        Order.objects.bulk_create(self.orders, batch_size=500)
        OrderEvent.objects.bulk_create(
            [
                OrderEvent(
                    id=new_id(),
                    tenant_id=order.tenant_id,
                    order_id=order.pk,
                    kind="create",
                    from_state="",
                    to_state=order.state,
                    occurred_at=self.now,
                )
                for order in self.orders
            ],
            batch_size=500,
        )
        rows_update(CopiedPosition, self.targets, ("target", "version", "changed_at"))
        self._cancel_working_entries()
        events_record(self._event_drafts())
        sendable = [order for order in self.orders if order.wave == 0]
        sendable.sort(key=lambda order: order.is_entry)
        return [order.pk for order in sendable]

    def _store_settings(self) -> None:
        tenant_id = self.context.shard.tenant_id
        known = dict(
            EffectiveSettings.objects.for_tenant(tenant_id)
            .filter(content_hash__in=self.settings_rows)
            .values_list("content_hash", "pk")
        )
        missing = [
            EffectiveSettings(
                id=row_id,
                tenant_id=tenant_id,
                content_hash=digest,
                content=content,
                created_at=self.now,
            )
            for digest, (row_id, content) in self.settings_rows.items()
            if digest not in known
        ]
        if missing:
            EffectiveSettings.objects.bulk_create(missing, ignore_conflicts=True)
            known = dict(
                EffectiveSettings.objects.for_tenant(tenant_id)
                .filter(content_hash__in=self.settings_rows)
                .values_list("content_hash", "pk")
            )
        for intent in self.intents:
            intent.settings_id = known[str(intent.settings_id)]

    def _cancel_working_entries(self) -> None:
        """End the entries that an exit overtakes; what still fills is exited by the next look."""
        if not self.cancel_for:
            return
        tenant_id = self.context.shard.tenant_id
        entries_cancel(
            tenant_id=tenant_id,
            subscription_ids=self.cancel_for,
            symbol=self.context.signal.symbol,
            now=self.now,
        )

    def _event_drafts(self) -> list[EventDraft]:
        tenant_id = self.context.shard.tenant_id
        order_of = {order.intent_id: order.pk for order in self.orders}
        rows = [
            {
                "intent": intent.pk,
                "order": order_of.get(intent.pk, ""),
                "account": intent.account_id,
                "status": intent.status,
                "reason_code": intent.reason_code,
            }
            for intent in self.intents
        ]
        drafts = [
            EventDraft(
                tenant_id,
                customer_audience(intent.customer_id),
                "order.changed",
                {
                    "order": order_of.get(intent.pk, ""),
                    "intent": intent.pk,
                    "account": intent.account_id,
                    "symbol": intent.symbol,
                    "side": intent.side,
                    "status": intent.status,
                    "quantity": _text(intent.quantity),
                    "filled": "0",
                    "average_price": None,
                    "reason_code": intent.reason_code,
                    "reason_params": intent.reason_params,
                },
            )
            for intent in self.intents
        ]
        if rows:
            payload = {"signal": self.context.signal.pk, "rows": rows}
            drafts.append(EventDraft(tenant_id, staff_audience(tenant_id), "signal.rows", payload))
        return drafts


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")
