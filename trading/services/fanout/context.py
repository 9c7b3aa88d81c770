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
from strategies.selectors.settings import SHARED_LEVELS, shared_merged
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
    """One venue's view of the traded symbol; either may be missing. An instrument that is not
    live takes exits only."""

    instrument: Instrument | None
    price: Decimal | None
    doubt: Reason | None = None
    """Why it takes no entry although it may be listed."""
    day_range_percent: Decimal | None = None
    """How far the price moved within 24 hours."""
    is_quoted: bool = False
    """The price is the venue's own, and not the signal's."""
    ratio: Decimal | None = None
    """Of its price to that in the leader's symbol, where that is another one."""


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
        self._symbol, self._shared = symbol, shared
        levels = (shared.get(level.name.lower()) or {} for level in SHARED_LEVELS)
        self.maps_for_all = any("symbol_map" in stated_by(each) for each in levels)
        """Some level above the copies states a map of symbols."""
        self._known: dict[Hashable, FollowerSettings] = {}
        self._above: Merged | Reason
        try:
            self._above = shared_merged(shared, symbol)
        except SettingValueError as error:
            self._above = _unreadable(error)

    def in_symbol(self, symbol: str) -> SettingsInForce:
        return SettingsInForce(self._shared, symbol)

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


def stated_by(level: Any) -> Any:
    """What it states in general; nothing where what is stored is no object."""
    return (level.get("values") or ()) if isinstance(level, Mapping) else ()


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
    own_symbol: str = ""
    """What these followers trade instead of the signal's symbol (`fanout.mapping`)."""
    is_aside: bool = False
    """They only leave what they hold in it: what they enter, they enter in another one."""
    doubts: Mapping[str, Reason] = field(default_factory=dict)
    """By subscription: why it enters nothing in this symbol."""

    @property
    def symbol(self) -> str:
        """The traded one."""
        return self.own_symbol or self.signal.symbol

    @property
    def is_mapped(self) -> bool:
        return self.symbol != self.signal.symbol

    @property
    def action(self) -> str:
        if self.is_aside and self.signal.action != Signal.Action.REDUCE:
            return Signal.Action.CLOSE
        return self.signal.action

    def price_here(self, price: Decimal | None, market: Market) -> Decimal | None:
        """A price of the leader's market in the one that is traded: as far from what is paid there
        now, in per cent. None when that cannot be said."""
        if price is None or not self.is_mapped:
            return price
        return None if market.ratio is None else price * market.ratio


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
    found = {venue: market_of(venue, signal) for venue in venues}
    leader = found.get(signal.source.venue) or market_of(signal.source.venue, signal)
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


def market_of(venue: str, signal: Signal, symbol: str = "") -> Market:
    """The venue's view of the signal's symbol, or of another one. Network, if not in memory."""
    symbol = symbol or signal.symbol
    signals_own = signal.price if symbol == signal.symbol else None
    try:
        instrument = markets.instrument(venue, symbol)
    except (VenueError, TimeoutError, UnknownVenueError):
        instrument = None
    if instrument is None:
        # As it was traded: whoever holds it gets out by that.
        past = instrument_of_order(venue, symbol)
        doubt = market_doubt(venue, symbol)
        if doubt is not None:
            unreadable_note(signal.tenant_id, venue, "instruments", doubt.params["field"])
        return Market(past and replace(past, is_live=False), signals_own, doubt)
    instrument_note(venue, instrument)
    price = _last_price(venue, symbol)
    if price is None:
        # An exit may be reckoned by the signal's. An entry that takes what is there may not: its
        # size, and how far the price ran from the leader's, would go by what the signal says.
        has_limit = signal.order_type == Signal.OrderType.LIMIT or signal.worst_price is not None
        unknown = Reason(ReasonCode.PRICE_UNKNOWN, {"symbol": symbol})
        return Market(instrument, signals_own, None if has_limit else unknown)
    day_range = _day_range_percent(venue, symbol)
    return Market(instrument, price, day_range_percent=day_range, is_quoted=True)


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
