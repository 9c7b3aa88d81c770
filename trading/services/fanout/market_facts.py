"""What risk rules compare of the market, the same for all followers of a signal on a venue: the
order book, the next funding fee, and what all of them together are about to order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from customers.fields import rounded
from customers.tenancy import system_scope
from signals_app.models import Signal
from strategies.models import Strategy, Subscription
from trading.domain.following import is_copied
from trading.domain.planning import Book, in_style
from trading.domain.planning.sized import entry_size
from trading.domain.risk import Fact, MarketFacts, order_book
from trading.models import CopiedPosition, SignalMarket, SignalShard
from trading.services.fanout.context import Market, SettingsInForce, ShardContext
from trading.services.fanout.follower_facts import follower_facts
from trading.services.fanout.follower_settings import symbol_of
from trading.services.fanout.instructions import instruction_at, instruction_for
from trading.services.fanout.loading import FollowerRow, PositionRow, balances_of, follower_rows
from trading.services.fanout.risk_facts import asking_of
from venues import markets
from venues.domain.types import BookSnapshot, InstrumentKind

ZERO = Decimal(0)
_ENTERING = frozenset(
    {Signal.Action.OPEN, Signal.Action.INCREASE, Signal.Action.FLIP, Signal.Action.SET_TARGET}
)
_OF_MARKET = (Fact.ORDER_BOOK, Fact.DEMAND, Fact.FUNDING)
FRESH_FOR = timedelta(seconds=15)
"""A fan-out is over by then. What is planned later, after an outage, goes by a new reading."""
KEPT_FOR = timedelta(days=2)
_DELETE_BATCH = 500


def with_market_facts(
    context: ShardContext, followers: Sequence[FollowerRow], *, stores: bool = True
) -> ShardContext:
    """The context with what the settings of these followers ask for, by venue.

    Over the network, so outside of transactions; once for a signal and venue, for all shards.
    What could not be had is missing. Without `stores`, nothing is written.
    """
    if context.action not in _ENTERING:
        return context
    asking = asking_of(context, followers)
    venues = {row.venue for fact in _OF_MARKET for row in asking.get(fact, ())}
    if not venues:
        return context
    told = _stored(context, venues) if stores else {}
    for venue in sorted(venues - told.keys()):
        market = context.markets[venue]
        if market.instrument is not None:
            found = _read(context, venue, market)
            if stores and found.bids:
                told[venue] = _facts(_store(context, found))
            else:
                told[venue] = _facts(found)
    return replace(context, told=told)


def _stored(context: ShardContext, venues: set[str]) -> dict[str, MarketFacts]:
    rows = SignalMarket.objects.for_tenant(context.shard.tenant_id).filter(
        signal_id=context.signal.pk, venue__in=venues, symbol=context.symbol
    )
    oldest = timezone.now() - FRESH_FOR
    if any(row.read_at <= oldest for row in rows):
        rows.filter(read_at__lte=oldest).delete()
    return {row.venue: _facts(row) for row in rows if row.read_at > oldest}


def _read(context: ShardContext, venue: str, market: Market) -> SignalMarket:
    symbol = context.symbol
    assert market.instrument is not None
    book = markets.order_book(venue, symbol)
    is_perpetual = market.instrument.kind is not InstrumentKind.SPOT
    funding = markets.next_funding(venue, symbol) if is_perpetual else None
    row = SignalMarket(
        tenant_id=context.shard.tenant_id,
        signal_id=context.signal.pk,
        venue=venue,
        symbol=symbol,
        bids=_levels(book, -1),
        asks=_levels(book, 1),
        demand=rounded(_demand(context, venue, market)),
        read_at=timezone.now(),
    )
    if funding is not None:
        row.funding_rate = funding.rate
        row.funding_at = datetime.fromtimestamp(funding.due_at_ms / 1000, tz=UTC)
    return row


def _store(context: ShardContext, row: SignalMarket) -> SignalMarket:
    """What the first of several shards stored counts for all."""
    rows = SignalMarket.objects.for_tenant(context.shard.tenant_id)
    rows.bulk_create([row], ignore_conflicts=True)
    stored = rows.filter(signal_id=row.signal_id, venue=row.venue, symbol=row.symbol)
    return stored.first() or row


def signal_markets_purge() -> int:
    """Delete what was read longer than KEPT_FOR ago, in batches; how many."""
    oldest_kept = timezone.now() - KEPT_FOR
    deleted = 0
    with system_scope("delete old readings of signals' markets"):
        while True:
            old = SignalMarket.objects.filter(read_at__lt=oldest_kept)
            # The oldest ids are found first: no index is needed for it.
            ids = list(old.order_by("id").values_list("id", flat=True)[:_DELETE_BATCH])
            deleted += old.filter(id__in=ids).delete()[0]
            if len(ids) < _DELETE_BATCH:
                return deleted


def _levels(book: BookSnapshot | None, direction: int) -> list[list[str]]:
    if book is None:
        return []
    side = book.asks if direction > 0 else book.bids
    return [[format(part, "f") for part in level] for level in side]


def _facts(row: SignalMarket) -> MarketFacts:
    sides = [
        [(Decimal(price), Decimal(size)) for price, size in side] for side in (row.bids, row.asks)
    ]
    has_book = bool(row.bids or row.asks)
    return MarketFacts(
        order_book(*sides) if has_book else None, row.demand, row.funding_rate, row.funding_at
    )


# --- what all of them order ----------------------------------------------------------------------


def _demand(context: ShardContext, venue: str, market: Market) -> Decimal:
    """The sum of all followers' sizes on the venue, of all strategies of the source, before any
    rule: by each strategy's settings as they were pinned for this fan-out."""
    now = timezone.now()
    total = ZERO
    for whole in _strategies(context):
        rows = [
            row
            for row in follower_rows(whole.shard)
            if row.venue == venue and symbol_of(whole, row) == context.symbol
        ]
        if _turns_what_is_held(context.signal):
            total += _held(context, rows)
            continue
        balances = balances_of(context.shard.tenant_id, rows)
        for row in rows:
            total += _size(whole, row, market, balances.get(row.account_id, {}), now)
    return total


def _turns_what_is_held(signal: Signal) -> bool:
    return signal.action == Signal.Action.FLIP and signal.size is None


def _held(context: ShardContext, followers: Sequence[FollowerRow]) -> Decimal:
    """Each enters on the other side what it holds."""
    rows = CopiedPosition.objects.for_tenant(context.shard.tenant_id).filter(
        subscription_id__id_in=[row.id for row in followers], symbol=context.symbol
    )
    return sum((abs(filled) for filled in rows.values_list("filled", flat=True)), ZERO)


def _strategies(context: ShardContext) -> Iterator[ShardContext]:
    """The contexts of all strategies that follow the signal, each with all of its followers."""
    shards: dict[str, list[SignalShard]] = {}
    stored = SignalShard.objects.for_tenant(context.shard.tenant_id).filter(
        signal_id=context.signal.pk
    )
    for shard in stored.select_related("strategy").order_by("number"):
        shards.setdefault(shard.strategy_id, []).append(shard)
    for parts in shards.values() or [[context.shard]]:
        whole = SignalShard(
            tenant_id=context.shard.tenant_id,
            signal_id=context.signal.pk,
            strategy=parts[0].strategy,
            first_subscription_id=min(part.first_subscription_id for part in parts),
            last_subscription_id=max(part.last_subscription_id for part in parts),
        )
        settings = SettingsInForce(parts[0].settings, context.symbol)
        yield replace(context, shard=whole, strategy=parts[0].strategy, settings=settings)


def _size(
    context: ShardContext,
    row: FollowerRow,
    market: Market,
    balance: Mapping[str, tuple[Decimal, Decimal]],
    now: datetime,
) -> Decimal:
    if (
        row.status != Subscription.Status.ACTIVE
        or context.strategy.status != Strategy.Status.ACTIVE
    ):
        return ZERO
    nothing = PositionRow("", row.id, row.account_id, ZERO, ZERO, None, 0)
    follower = follower_facts(context, row, nothing, Book(), market, dict(balance), now)
    instruction = instruction_for(context, market)
    if not is_copied(instruction.direction, follower.entry.settings.direction):
        return ZERO
    if context.signal.leverage is None:
        instruction = instruction_at(instruction, follower.terms.leverage)
    direction = -instruction.direction if follower.is_reversed else instruction.direction
    size = entry_size(instruction, in_style(follower, direction))
    return size if isinstance(size, Decimal) else ZERO
