"""What is the same for every follower of a shard: signal, terms, markets, prices."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from customers.models import ExchangeAccount
from customers.selectors.time_zones import zone_of
from signals_app.models import Signal
from strategies.domain.settings import Effective, Layer, Merged, effective_settings, merged
from strategies.domain.settings.reading import SettingValueError
from strategies.models import Strategy
from strategies.selectors.settings import shared_merged
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk import Fact, MarketFacts, facts_asked
from trading.models import SignalShard
from trading.services.amending import amended_signals
from trading.services.instruments import instrument_note, instrument_of_order, market_doubt
from trading.services.unreadable import unreadable_note
from venues import markets
from venues.domain.types import Instrument, VenueError
from venues.gateway import UnknownVenueError


@dataclass(frozen=True, slots=True)
class Market:
    """One venue's view of the signal's symbol; either may be missing. An instrument that is not
    live takes exits only."""

    instrument: Instrument | None
    price: Decimal | None
    doubt: Reason | None = None
    """Why it takes no entry although it may be listed."""
    day_range_percent: Decimal | None = None
    """How far the price moved within 24 hours."""


@dataclass(frozen=True, slots=True)
class FollowerSettings:
    """What is in force for a follower. `doubt`: what is stored is no value; then these are the
    defaults, and no entry goes by them."""

    effective: Effective
    doubt: Reason | None = None
    asks: frozenset[Fact] = frozenset()
    """What its rules need to be loaded."""


class SettingsInForce:
    """The copy settings of a shard's followers in one symbol; alike ones are merged once."""

    def __init__(self, shared: Mapping[str, Any], symbol: str) -> None:
        self._symbol = symbol
        self._known: dict[Hashable, FollowerSettings] = {}
        self._above: Merged | Reason
        try:
            self._above = shared_merged(shared, symbol)
        except SettingValueError as error:
            self._above = _unreadable(error)

    def of(self, key: Hashable, own: Callable[[], Sequence[Layer]]) -> FollowerSettings:
        """`own` makes the follower's own levels; followers with the same key have the same."""
        if key not in self._known:
            self._known[key] = self._merged(own)
        return self._known[key]

    def _merged(self, own: Callable[[], Sequence[Layer]]) -> FollowerSettings:
        if isinstance(self._above, Reason):
            return FollowerSettings(_DEFAULTS, self._above)
        try:
            found = merged(own(), self._symbol, onto=self._above)
        except SettingValueError as error:
            return FollowerSettings(_DEFAULTS, _unreadable(error))
        effective = effective_settings(found)
        return FollowerSettings(effective, asks=facts_asked(effective.settings))


_DEFAULTS = effective_settings(Merged({}, {}))


def _unreadable(error: SettingValueError) -> Reason:
    return Reason(ReasonCode.SETTINGS_UNREADABLE, {"setting": error.name})


@dataclass(frozen=True, slots=True)
class ShardContext:
    """What is the same for every follower of a shard."""

    shard: SignalShard
    signal: Signal
    strategy: Strategy
    leader_market: Market
    markets: dict[str, Market]
    claimed_by: str
    settings: SettingsInForce
    zone: ZoneInfo
    """Of the firm: its days and trading hours."""
    amended: tuple[str, ...] = ()
    """The signals whose resting orders this one replaces, the newest first."""
    told: Mapping[str, MarketFacts] = field(default_factory=dict)
    """By venue, where somebody's rules ask for it."""


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
    return ShardContext(
        shard,
        signal,
        shard.strategy,
        leader,
        found,
        claimed_by,
        SettingsInForce(shard.settings, signal.symbol),
        zone_of(shard.tenant),
        tuple(amended_signals(signal)),
    )


def _market(venue: str, signal: Signal) -> Market:
    try:
        instrument = markets.instrument(venue, signal.symbol)
    except (VenueError, TimeoutError, UnknownVenueError):
        instrument = None
    if instrument is None:
        # As it was traded: whoever holds it gets out by that.
        past = instrument_of_order(venue, signal.symbol)
        doubt = market_doubt(venue, signal.symbol)
        if doubt is not None:
            unreadable_note(signal.tenant_id, venue, "instruments", doubt.params["field"])
        return Market(past and replace(past, is_live=False), signal.price, doubt)
    instrument_note(venue, instrument)
    price = _last_price(venue, signal.symbol)
    if price is None:
        # An exit may be reckoned by the signal's. An entry that takes what is there may not: its
        # size, and how far the price ran from the leader's, would go by what the signal says.
        has_limit = signal.order_type == Signal.OrderType.LIMIT or signal.worst_price is not None
        unknown = Reason(ReasonCode.PRICE_UNKNOWN, {"symbol": signal.symbol})
        return Market(instrument, signal.price, None if has_limit else unknown)
    day_range = _day_range_percent(venue, signal.symbol)
    return Market(instrument, price, day_range_percent=day_range)


def _last_price(venue: str, symbol: str) -> Decimal | None:
    try:
        return markets.last_price(venue, symbol)
    except UnknownVenueError:  # the list of its markets is from before
        return None


def _day_range_percent(venue: str, symbol: str) -> Decimal | None:
    try:
        return markets.day_range_percent(venue, symbol)
    except UnknownVenueError:  # so is its last price
        return None
