"""What planning decides by, for one follower, from the rows of its chunk."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from customers.models import Customer, ExchangeAccount
from signals_app.models import Signal, SignalSource
from strategies.domain.settings import CopySettings, Execution, TradeDirection, sizing_terms
from strategies.models import Strategy, Subscription
from trading.domain.planning import Book, Follower
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.reconciliation import books_are_fresh
from trading.domain.risk import (
    NO_COPY_FACTS,
    NO_EQUITY_FACTS,
    NO_MARKET_FACTS,
    CopyFacts,
    EntryFacts,
    EquityFacts,
)
from trading.services.control_state import controls_for
from trading.services.fanout.context import Market, ShardContext
from trading.services.fanout.follower_settings import settings_of
from trading.services.fanout.loading import FollowerRow, PositionRow
from trading.services.fanout.margin_terms import entry_leverage, freed_margin, margin_mode
from venues.domain.types import InstrumentKind

ZERO = Decimal(0)


_DOUBTS = (ReasonCode.ACCOUNT_UNREADABLE, ReasonCode.ACCOUNT_MODE_OTHER)


def _account_doubt(row: FollowerRow) -> Reason | None:
    if row.account_health_code not in _DOUBTS:
        return None
    return Reason(ReasonCode(row.account_health_code), row.account_health_params)


def _compared_price(
    context: ShardContext, settings: CopySettings, market: Market
) -> Decimal | None:
    """The leader's, for the limit of slippage. A chase has a limit of its own (`worst_price`),
    beside which only a limit counts that somebody stated. What the leader holds since long is
    entered at what it costs now."""
    signal = context.signal
    if signal.addressed_to:
        return market.price
    if signal.is_chase and settings.max_entry_slippage_percent is None:
        return None
    return context.price_here(signal.price, market)


def _chooses_style(signal: Signal, settings: CopySettings) -> bool:
    """Not where the leader's order rests, or is chased: there followers do as it says."""
    if settings.execution is Execution.MARKET:
        return False
    return signal.order_type == Signal.OrderType.MARKET and signal.worst_price is None


def follower_facts(
    context: ShardContext,
    row: FollowerRow,
    position: PositionRow,
    book: Book,
    market: Market,
    balance: dict[str, tuple[Decimal, Decimal]],
    now: datetime,
    copy: CopyFacts = NO_COPY_FACTS,
    account: EquityFacts = NO_EQUITY_FACTS,
    *,
    later_exit: bool = False,
) -> Follower:
    instrument, price = market.instrument, market.price
    assert instrument is not None
    strategy = context.strategy
    found = settings_of(context, row)
    settings = found.effective.settings
    leverage = entry_leverage(
        context.signal.leverage, settings, position.leverage, book, instrument
    )
    rests = context.signal.order_type == Signal.OrderType.LIMIT
    if rests:
        # What it will cost when it fills.
        price = context.price_here(context.signal.price, market) or price
    worst = None if rests else context.price_here(context.signal.worst_price, market)
    equity, available = balance.get(instrument.settle, (None, None))
    if instrument.kind is InstrumentKind.INVERSE and equity is not None and available is not None:
        coin = price or ZERO  # settled in the base coin
        equity, available = equity * coin, available * coin
    return Follower(
        book=book,
        terms=sizing_terms(
            settings,
            leverage=leverage,
            equity=equity,
            daily_range_percent=market.day_range_percent,
        ),
        instrument=instrument,
        price=price,
        controls=controls_for(
            tenant_id=context.shard.tenant_id,
            strategy_id=strategy.pk,
            customer_id=row.customer_id,
            venue=row.venue,
        ),
        entry=EntryFacts(
            now=now,
            expires_at=context.signal.expires_at,
            symbol=context.symbol,
            leader_symbol=context.signal.symbol if context.is_mapped else "",
            settings=settings,
            settings_doubt=found.doubt,
            strategy_active=strategy.status == Strategy.Status.ACTIVE,
            subscription_active=row.status == Subscription.Status.ACTIVE,
            account_active=row.account_status == ExchangeAccount.Status.ACTIVE,
            account_checked=row.account_health != ExchangeAccount.Health.UNKNOWN,
            account_healthy=row.account_health != ExchangeAccount.Health.UNHEALTHY,
            customer_active=row.customer_status == Customer.Status.ACTIVE,
            account_reconciled=books_are_fresh(row.reconciled_at, now),
            instrument=instrument,
            quantity=ZERO,
            price=worst or price or ZERO,
            leverage=leverage,
            margin_mode=margin_mode(
                context.signal.margin_mode,
                settings,
                account=row.margin_mode,
                position=position.margin_mode,
                book=book,
                instrument=instrument,
            ),
            others=book.others_terms,
            available=available,
            currency=instrument.quote,
            is_limit=rests or worst is not None,
            rests=rests,
            venue=row.venue,
            takes_contracts=row.takes_contracts,
            account_doubt=_account_doubt(row),
            market_doubt=market.doubt,
            signal_at=min(context.signal.emitted_at, context.signal.received_at),
            local_now=now.astimezone(context.zone),
            leader_price=_compared_price(context, settings, market),
            last_price=None if worst is None else market.price,
            equity=equity,
            freed=freed_margin(position, row.margin_mode, instrument, market.price),
            copy=copy,
            account=account,
            later_exit=later_exit,
            market=context.told.get(row.venue, NO_MARKET_FACTS),
        ),
        account_closed=row.account_status == ExchangeAccount.Status.CLOSED,
        is_reversed=settings.direction is TradeDirection.REVERSED,
        chooses_style=_chooses_style(context.signal, settings),
        carries=not (rests and context.signal.source.kind == SignalSource.Kind.LEADER),
    )
