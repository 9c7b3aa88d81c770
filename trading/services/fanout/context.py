"""What is the same for every follower of a shard: signal, terms, markets, prices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from customers.models import ExchangeAccount
from signals_app.models import Signal
from strategies.models import Strategy
from trading.models import SignalShard
from trading.services.instruments import instrument_note, instrument_of_order
from venues import markets
from venues.domain.types import Instrument, VenueError
from venues.gateway import UnknownVenueError


@dataclass(frozen=True, slots=True)
class Market:
    """One venue's view of the signal's symbol; either may be missing. An instrument that is not
    live takes exits only."""

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
        # As it was traded: whoever holds it gets out by that.
        past = instrument_of_order(venue, signal.symbol)
        return Market(past and replace(past, is_live=False), signal.price)
    instrument_note(venue, instrument)
    return Market(instrument, markets.last_price(venue, signal.symbol) or signal.price)
