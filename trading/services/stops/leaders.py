"""A leader set, moved or removed its stops: copies that follow them do the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from signals_app.models import Signal
from strategies.domain.settings import LeaderEvent, StopsMode
from trading.domain.stops.terms import (
    LeaderStops,
    StopTerms,
    at_ratio,
    terms_from_json,
    terms_of,
    terms_to_json,
    with_leader,
)
from trading.models import CopiedPosition, Intent, PositionStops
from trading.services.prices import current_prices
from trading.services.stops.in_force import stops_in_force
from trading.services.stops.marking import settings_of_intent, stops_mark, terms_set

ONE = Decimal(1)
CHUNK = 100


def stops_follow(*, tenant_id: str, signal_id: str) -> int:
    """Returns how many positions go by other prices now. Repeating it changes nothing.

    What is in force at the leader is read, not what the signal says: it tells of one stop of
    several, and a later one may have overtaken it. In the tenant's scope.
    """
    signal = Signal.objects.for_tenant(tenant_id).select_related("source").get(pk=signal_id)
    if signal.action != Signal.Action.STOPS:
        return 0
    found: dict[str, LeaderStops] = {}
    following = (
        CopiedPosition.objects.for_tenant(tenant_id)
        .filter(subscription__strategy__source_id=signal.source_id)
        .filter(Q(symbol=signal.symbol, leader_symbol="") | Q(leader_symbol=signal.symbol))
    )
    positions = list(following.values_list("pk", flat=True).order_by("pk"))
    ratios = _ratios(signal, following)
    count = 0
    for start in range(0, len(positions), CHUNK):
        part = positions[start : start + CHUNK]
        count += retry_on_deadlock(lambda part=part: _follow(signal, part, found, ratios))  # type: ignore[misc]
    Signal.objects.for_tenant(tenant_id).filter(pk=signal_id, claimed_until=None).update(
        claimed_until=timezone.now()
    )
    return count


@transaction.atomic
def _follow(
    signal: Signal,
    position_ids: Sequence[str],
    found: dict[str, LeaderStops],
    ratios: Mapping[str, Decimal],
) -> int:
    now = timezone.now()
    tenant_id = signal.tenant_id
    positions = list(
        CopiedPosition.objects.for_tenant(tenant_id)
        .filter(pk__in=position_ids)
        .order_by("pk")
        .select_for_update()
    )
    positions = [position for position in positions if position.filled]
    known = {
        row.copied_position_id: row
        for row in PositionStops.objects.for_tenant(tenant_id).filter(
            copied_position_id__in=[position.pk for position in positions]
        )
    }
    changed = []
    for position in positions:
        row = known.get(position.pk)
        agreed = _agreed(row, position)
        if agreed is None or agreed.mode is not StopsMode.AS_LEADER:
            continue
        if agreed.on_change is not LeaderEvent.FOLLOW:
            continue
        long = (position.filled > 0) != agreed.is_reversed
        side = "long" if long else "short"
        if side not in found:
            found[side] = _in_force(signal, long=long)
        leader = found[side]
        if position.followed_symbol != position.symbol:
            leader = at_ratio(leader, ratios.get(position.pk, position.price_ratio))
        terms = with_leader(agreed, leader)
        if row is None:
            row = PositionStops(tenant_id=tenant_id, copied_position_id=position.pk, changed_at=now)
        elif row.opened_at == position.opened_at and row.terms == terms_to_json(terms):
            continue
        terms_set(row, position, terms, now)
        row.save()
        changed.append(position)
    stops_mark(tenant_id=tenant_id, positions=changed, entered_by={}, now=now)
    return len(changed)


def _ratios(signal: Signal, following: QuerySet[CopiedPosition]) -> dict[str, Decimal]:
    """Of the prices of now, by position, in other symbols than the leader's: its stops move to
    where they are as far from the price as its own. Over the network, where there are any."""
    mapped = following.exclude(leader_symbol="").exclude(filled=Decimal(0))
    markets = {
        pk: (venue, symbol)
        for pk, venue, symbol in mapped.values_list("pk", "account__venue", "symbol")
    }
    if not markets:
        return {}
    own = (signal.source.venue, signal.symbol)
    prices = current_prices([own, *markets.values()])
    leaders = prices.get(own)
    if not leaders:
        return {}
    return {pk: prices[key] / leaders for pk, key in markets.items() if key in prices}


def _agreed(row: PositionStops | None, position: CopiedPosition) -> StopTerms | None:
    """The terms of the position, or, without any, what its last entry was settled on."""
    if row is not None and row.terms and row.opened_at == position.opened_at:
        return terms_from_json(row.terms)
    intent = (
        Intent.objects.for_tenant(position.tenant_id)
        .filter(
            subscription_id=position.subscription_id,
            symbol=position.symbol,
            is_entry=True,
            settings__isnull=False,
            status__in=[Intent.Status.FILLED, Intent.Status.PARTIAL],
        )
        .order_by("-pk")
        .select_related("settings")
        .first()
    )
    return None if intent is None else terms_of(settings_of_intent(intent), LeaderStops())


def _in_force(signal: Signal, *, long: bool) -> LeaderStops:
    leader_id = getattr(getattr(signal.source, "leader", None), "pk", None)
    if leader_id is None:
        targets = () if signal.take_profit is None else ((signal.take_profit, ONE),)
        return LeaderStops(signal.stop_loss, targets)
    return stops_in_force(signal.tenant_id, leader_id, signal.symbol, long=long)
