"""A chunk's rows in a fixed number of queries, and each follower's facts from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from customers.models import Customer, ExchangeAccount
from strategies.domain.sizing import FollowerTerms, LeaderSize, SizeBasis, SizingMode
from strategies.models import Strategy, Subscription
from trading.domain.order_states import LIVE_STATES
from trading.domain.planning import Book, Follower, Instruction
from trading.domain.risk import EntryFacts
from trading.models import Balance, CopiedPosition, Order
from trading.services.control_state import controls_for
from trading.services.fanout.context import Market, ShardContext
from venues.domain.types import Instrument, InstrumentKind

ZERO, ONE = Decimal(0), Decimal(1)


def locked_positions(
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


def books_of(
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


def balances_of(
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


def instruction_for(context: ShardContext, market: Market) -> Instruction:
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


def follower_facts(
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
