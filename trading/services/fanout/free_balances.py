"""What an account has to enter with: its balance as told last, less the margin of entries that
left since, or have not left yet. The venue froze nothing for those when it told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from django.db.models import Q

from customers.domain.ids import first_id_of
from trading.domain.order_states import OrderState
from trading.models import Balance, Order
from trading.services.fanout.loading import FollowerRow
from trading.services.instruments import instrument_in_memory
from venues.domain.types import InstrumentKind

ONE = Decimal(1)
TOLD_WITHIN = timedelta(minutes=4)
"""No account's balance is older for long: readings and streams see to it (services/sweeps.py)."""
WRITTEN_WITHIN = timedelta(seconds=20)
"""What a stream tells of a balance is in its row within this."""
_UNSENT = [str(state) for state in (OrderState.READY, OrderState.CLAIMED)]
_NEVER_THERE = [
    str(state) for state in (OrderState.REJECTED, OrderState.EXPIRED, OrderState.NOT_PLACED)
]
_COLUMNS = (
    "account_id", "symbol", "state", "quantity", "filled_quantity", "price",
    "average_price", "intent__reference_price", "leverage", "sent_at",
)  # fmt: skip

_Entry = tuple[Any, ...]
_Key = tuple[str, str]
"""Account and currency."""


def free_balances_of(
    tenant_id: str, followers: Sequence[FollowerRow], now: datetime
) -> dict[str, dict[str, tuple[Decimal, Decimal]]]:
    """(equity, what is available) by account and currency. Two queries."""
    venues = {row.account_id: row.venue for row in followers}
    found, told = _told(tenant_id, venues)
    oldest = min(told.values(), default=now)
    entries = _entries(tenant_id, venues, _since(told, now), sent_after=oldest)
    for (account_id, currency), margin in _reserved(entries, venues, told).items():
        if currency in found.get(account_id, {}):
            equity, available = found[account_id][currency]
            found[account_id][currency] = (equity, available - margin)
    return found


def _told(
    tenant_id: str, account_ids: Collection[str]
) -> tuple[dict[str, dict[str, tuple[Decimal, Decimal]]], dict[_Key, datetime]]:
    """The balances, and when each was told."""
    rows = Balance.objects.for_tenant(tenant_id).filter(account_id__id_in=set(account_ids))
    found: dict[str, dict[str, tuple[Decimal, Decimal]]] = defaultdict(dict)
    told = {}
    for account_id, currency, equity, available, updated_at, synced_at in rows.values_list(
        "account_id", "currency", "equity", "available", "updated_at", "account__synced_at"
    ):
        found[account_id][currency] = (equity, available)
        # A reading is as old as its question.
        told[account_id, currency] = min(updated_at, synced_at or updated_at)
    return found, told


def _since(told: Mapping[_Key, datetime], now: datetime) -> datetime:
    """Who was told of by all of these balances froze what was sent before. Of an account the newest
    counts: the venue tells of a currency that changed."""
    newest: dict[str, datetime] = {}
    for (account_id, _), at in told.items():
        newest[account_id] = max(at, newest.get(account_id, at))
    return max(min(newest.values(), default=now) - WRITTEN_WITHIN, now - TOLD_WITHIN)


def _reserved(
    entries: Iterable[_Entry], venues: Mapping[str, str], told: Mapping[_Key, datetime]
) -> dict[_Key, Decimal]:
    """In the currency itself. What has no price, or whose market this process does not know, has
    none: the venue has the last word."""
    reserved: dict[_Key, Decimal] = defaultdict(Decimal)
    instrument_of = cache(instrument_in_memory)  # for this chunk
    for account_id, symbol, state, quantity, filled, *prices, times, sent in entries:
        instrument = instrument_of(venues[account_id], symbol)
        if instrument is None:
            continue
        at = told.get((account_id, instrument.settle))
        if at is None or (sent is not None and sent <= at):
            continue
        wanted = filled if state == OrderState.CANCELLED else quantity
        cost = next((price for price in prices if price), None)
        if not wanted or not cost:
            continue
        if instrument.kind is InstrumentKind.INVERSE:
            worth = instrument.coins(wanted, cost)
        else:
            worth = instrument.notional(wanted, cost)
        reserved[account_id, instrument.settle] += worth / max(times or ONE, ONE)
    return reserved


def _entries(
    tenant_id: str, account_ids: Iterable[str], since: datetime, *, sent_after: datetime
) -> Iterable[_Entry]:
    """Of late, and those that still wait to be sent. By their ids, which are ordered by time: an
    account's history is not searched. What all balances were told after is not fetched."""
    entries = Order.objects.for_tenant(tenant_id).filter(
        account_id__among=set(account_ids), is_entry=True
    )
    not_told = Q(sent_at=None) | Q(sent_at__gt=sent_after)
    recent = entries.filter(not_told, pk__gte=first_id_of(since)).exclude(state__in=_NEVER_THERE)
    unsent = entries.filter(pk__lt=first_id_of(since), state__in=_UNSENT)
    return recent.values_list(*_COLUMNS).union(unsent.values_list(*_COLUMNS), all=True)
