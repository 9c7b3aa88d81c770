"""Who trades another symbol than the signal's, and who has to leave another one for it.

A copy enters for the signal in the symbol that its map names, and leaves every book that follows
the signal's symbol, whatever the map says by now. Followers with the same symbol are planned
together, by a context of that symbol; who maps nothing is found without a query.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from signals_app.models import Signal
from signals_app.services.source_holdings import LEADER_KINDS
from strategies.models import Subscription
from trading.domain.order_states import LIVE_STATES, OrderState
from trading.domain.planning import Book, Leg, Plan
from trading.domain.reasons import Reason, ReasonCode
from trading.models import CopiedPosition, Intent, Order
from trading.services.fanout.context import Market, ShardContext, market_of
from trading.services.fanout.follower_settings import may_map, symbol_map_of, symbol_of
from trading.services.fanout.loading import FollowerRow, PositionRow
from trading.services.fanout.writing import ASIDE

ZERO = Decimal(0)
_EXITS = (Signal.Action.REDUCE, Signal.Action.CLOSE)
_ADDS = (Signal.Action.OPEN, Signal.Action.INCREASE)
Symbols = Mapping[str, Collection[str]]
"""By subscription."""


@dataclass(frozen=True, slots=True)
class Route:
    """Followers who are planned in one symbol. `shared` is the context in the signal's own."""

    shared: ShardContext
    symbol: str
    rows: list[FollowerRow]
    is_aside: bool = False

    def context(self) -> ShardContext:
        """Over the network, if the symbol's price is not in memory; outside of transactions."""
        inside = in_symbol(self.shared, self.symbol, {row.venue for row in self.rows})
        return replace(inside, is_aside=True) if self.is_aside else inside


def routes(
    context: ShardContext, followers: Sequence[FollowerRow], *, stores: bool = True
) -> list[Route]:
    """The signal's own symbol first: nobody in it waits for others' prices. Without `stores`
    nothing is written."""
    mapping = [row for row in followers if may_map(context, row)]
    if not mapping:
        return [Route(context, context.signal.symbol, list(followers))]
    action = context.signal.action
    held = {} if action in _ADDS else _followed_in(context, mapping)
    main: dict[str, list[FollowerRow]] = defaultdict(list)
    aside: dict[str, list[FollowerRow]] = defaultdict(list)
    planned = _planned_in(context, mapping) if stores else {}
    chosen = {
        row.id: _chosen(context, row, held.get(row.id, ()), planned.get(row.id)) for row in mapping
    }
    for row in followers:
        symbol, others = chosen.get(row.id, (context.signal.symbol, ()))
        main[symbol].append(row)
        for other in others:
            aside[other].append(row)
    if stores and action not in _EXITS:
        _note_mapped(context, mapping)
    context = replace(context, doubts=_doubts(context, mapping))
    own = context.signal.symbol
    first = [
        Route(context, symbol, main[symbol])
        for symbol in sorted(main, key=lambda each: (each != own, each))
    ]
    return first + [Route(context, symbol, aside[symbol], True) for symbol in sorted(aside)]


def _chosen(
    context: ShardContext, row: FollowerRow, held: Collection[str], planned: str | None
) -> tuple[str, Sequence[str]]:
    """Where the follower is planned, and where it only leaves what it holds. `planned`: where a
    planner that did not come to the rest has planned it, whatever the map says by now."""
    symbol = planned or symbol_of(context, row)
    if planned is None and context.signal.action in _EXITS and held and symbol not in held:
        symbol = min(held)
    return symbol, sorted(set(held) - {symbol})


def _planned_in(context: ShardContext, followers: Iterable[FollowerRow]) -> dict[str, str]:
    rows = Intent.objects.for_tenant(context.signal.tenant_id).filter(
        signal_id=context.signal.pk,
        subscription_id__id_in=[row.id for row in followers],
        leg__lt=ASIDE,
    )
    return dict(rows.values_list("subscription_id", "symbol"))


def _followed_in(context: ShardContext, followers: Iterable[FollowerRow]) -> Symbols:
    """The symbols in which they hold, enter, or may find to have entered something for signals in
    this one."""
    signal = context.signal
    live = [str(state) for state in LIVE_STATES]
    entering = Order.objects.for_tenant(signal.tenant_id).filter(
        Q(state__in=live)
        | Q(state=OrderState.NOT_PLACED, is_entry=True, watch_until__gt=timezone.now()),
        subscription_id=OuterRef("subscription_id"),
        symbol=OuterRef("symbol"),
    )
    rows = (
        CopiedPosition.objects.for_tenant(signal.tenant_id)
        .filter(subscription_id__id_in=[row.id for row in followers])
        .filter(Q(leader_symbol=signal.symbol) | Q(leader_symbol="", symbol=signal.symbol))
        .filter(~Q(filled=ZERO) | ~Q(target=ZERO) | Exists(entering))
        .values_list("subscription_id", "symbol")
    )
    found: dict[str, set[str]] = defaultdict(set)
    for subscription_id, symbol in rows:
        found[subscription_id].add(symbol)
    return found


def _note_mapped(context: ShardContext, followers: Iterable[FollowerRow]) -> None:
    """Before anything is entered in it: exits look for it even when the map is gone by then."""
    signal = context.signal
    new = [
        row.id
        for row in followers
        if not row.is_mapped and symbol_of(context, row) != signal.symbol
    ]
    if new:
        rows = Subscription.objects.for_tenant(signal.tenant_id).filter(pk__in=new)
        rows.update(is_mapped=True)


def _doubts(context: ShardContext, followers: Sequence[FollowerRow]) -> dict[str, Reason]:
    symbol = context.signal.symbol
    doubts = {}
    for row in followers:
        pairs = symbol_map_of(context, row).items()
        taken = next((here for here, there in pairs if there == symbol != here), None)
        if taken is not None and symbol_of(context, row) == symbol:
            params = {"symbol": symbol, "leader_symbol": taken}
            doubts[row.id] = Reason(ReasonCode.SYMBOL_TAKEN, params)
    return doubts | _changed_in_between(context, followers)


def _changed_in_between(
    context: ShardContext, followers: Sequence[FollowerRow]
) -> dict[str, Reason]:
    """Whose order, that this signal goes on from, was in another symbol: its size says nothing in
    this one."""
    if not context.amended:
        return {}
    orders = Order.objects.for_tenant(context.signal.tenant_id).filter(
        signal_id__in=context.amended,
        subscription_id__id_in=[row.id for row in followers],
        is_entry=True,
    )
    before = dict(orders.values_list("subscription_id", "symbol"))
    doubts = {}
    for row in followers:
        symbol = symbol_of(context, row)
        other = before.get(row.id, symbol)
        if other != symbol:
            params = {"symbol": other, "other_symbol": symbol}
            doubts[row.id] = Reason(ReasonCode.MAP_CHANGED, params)
    return doubts


# --- another symbol ------------------------------------------------------------------------------


def in_symbol(context: ShardContext, symbol: str, venues: Collection[str]) -> ShardContext:
    """The context of a signal for those who trade this symbol. Over the network, if its price is
    not in memory."""
    if symbol == context.signal.symbol:
        return context
    return replace(
        context,
        own_symbol=symbol,
        markets={venue: _market(context, venue, symbol) for venue in venues},
        settings=context.settings.in_symbol(symbol),
    )


def _market(context: ShardContext, venue: str, symbol: str) -> Market:
    """With the ratio of both prices, and without it no entry: sizes, the leader's price and its
    stops are nothing here without it."""
    signal, market = context.signal, market_of(venue, context.signal, symbol)
    is_limit = signal.order_type == Signal.OrderType.LIMIT
    theirs = (context.leader_market, context.markets.get(venue))
    leader = next((each.price for each in theirs if each is not None and each.is_quoted), None)
    doubt = market.doubt
    if is_limit and signal.source.kind in LEADER_KINDS:
        # Its fill is followed, which is exact. Of other sources nobody tells one.
        params = {"symbol": symbol, "leader_symbol": signal.symbol}
        doubt = Reason(ReasonCode.LIMIT_NOT_MAPPED, params)
    elif market.is_quoted and not leader:
        doubt = Reason(ReasonCode.PRICE_UNKNOWN, {"symbol": signal.symbol})
    elif market.instrument is not None and market.instrument.is_live and not market.is_quoted:
        doubt = doubt or Reason(ReasonCode.PRICE_UNKNOWN, {"symbol": symbol})
    ratio = market.price / leader if market.is_quoted and market.price and leader else None
    return replace(market, doubt=doubt, ratio=ratio)


# --- whose book it is ----------------------------------------------------------------------------


def settled(
    context: ShardContext, position: PositionRow, book: Book
) -> tuple[PositionRow, Book] | None:
    """The sub-ledger as this signal finds it; None when it follows other signals by now.

    One that holds nothing is free for the signals of any symbol; what it carried was of others.
    """
    if (position.leader_symbol or context.symbol) == context.signal.symbol:
        return position, book
    if book.filled or book.holds or book.working_entries or book.working_exits:
        return None
    free = position._replace(target=ZERO, leader_symbol=context.signal.symbol)
    return free, replace(book, target=ZERO)


def taken(context: ShardContext, position: PositionRow) -> Plan:
    """The book is left alone: it follows signals in another symbol."""
    is_entry = context.action not in _EXITS
    followed = position.leader_symbol or context.symbol
    params = {"symbol": context.symbol, "leader_symbol": followed}
    reason = Reason(ReasonCode.SYMBOL_TAKEN, params)
    if not is_entry:
        reason = Reason(ReasonCode.NOTHING_TO_REDUCE)
    return Plan((Leg(0, is_entry, 0, ZERO, reason),), position.target)


def market_for(context: ShardContext, row: FollowerRow) -> Market:
    """The venue's, with what keeps this follower alone from entering."""
    market, doubt = context.markets[row.venue], context.doubts.get(row.id)
    return market if doubt is None else replace(market, doubt=doubt)
