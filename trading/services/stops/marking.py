"""What a change of a position means for its stops: they are due, on the terms of its entry."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from customers.domain.ids import new_id
from customers.wakeup import wake_on_commit
from signals_app.models import Leader
from strategies.domain.settings import SPECS, CopySettings, StopsMode
from strategies.domain.settings.reading import read_value
from trading.domain.stops.terms import (
    LeaderStops,
    StopTerms,
    asks_for_stops,
    at_ratio,
    leader_stops,
    still_ahead,
    terms_from_json,
    terms_of,
    terms_to_json,
    with_leader,
)
from trading.models import CopiedPosition, Intent, PositionStops
from trading.services.stops.in_force import stops_in_force

_SETTINGS = (
    "stops_mode",
    "stop_loss_percent",
    "take_profit_percent",
    "take_profit_targets",
    "trailing_percent",
    "break_even_after_target",
    "on_stops_change",
    "direction",
)
Shown = dict[tuple[str, str, bool], LeaderStops]
"""By leader, symbol and whether it is long there."""
TERMS_FIELDS = ("terms", "opened_at", "done", "target_reached", "best_price", "changed_at")


def stops_mark(
    *,
    tenant_id: str,
    positions: Collection[CopiedPosition],
    entered_by: Mapping[str, str],
    now: datetime,
) -> None:
    """The stops of these positions, which changed, are due. In the caller's transaction, which
    holds the positions. One query for those that have none.

    `entered_by`: by position, the intent of an entry that filled and wants stops.
    """
    if not positions:
        return
    known = {
        row.copied_position_id: row
        for row in PositionStops.objects.for_tenant(tenant_id).filter(
            copied_position_id__in=[position.pk for position in positions]
        )
    }
    intents = _intents(tenant_id, entered_by)
    shown: Shown = {}
    due: list[str] = []
    for position in positions:
        row = known.get(position.pk)
        intent = intents.get(entered_by.get(position.pk, ""))
        terms = None if intent is None else _terms(row, position, intent, shown)
        if row is None and (terms is None or not asks_for_stops(terms)):
            continue
        due.append(position.pk)
        if terms is not None:
            _agree(row, position, terms, now)
    rows = PositionStops.objects.for_tenant(tenant_id).filter(copied_position_id__in=due)
    if due:
        rows.filter(open_since=None).update(open_since=now)
        rows.update(due_at=now, tries=0)
        for start in range(0, len(due), 50):
            part = due[start : start + 50]
            wake_on_commit("trading.tasks.stops_keep", position_ids=part, tenant_id=tenant_id)


def _agree(
    row: PositionStops | None, position: CopiedPosition, terms: StopTerms, now: datetime
) -> None:
    """Terms of the newest entry."""
    if row is None:
        PositionStops.objects.bulk_create(
            [
                PositionStops(
                    id=new_id(),
                    tenant_id=position.tenant_id,
                    copied_position_id=position.pk,
                    terms=terms_to_json(terms),
                    opened_at=position.opened_at,
                    open_since=now,
                    changed_at=now,
                )
            ]
        )
        return
    terms_set(row, position, terms, now)
    row.save(update_fields=TERMS_FIELDS)


def terms_set(
    row: PositionStops, position: CopiedPosition, terms: StopTerms, now: datetime
) -> None:
    """The caller saves it. What the position before this one had reached is nothing of this one."""
    if row.opened_at != position.opened_at:
        terms_forget(row)
    row.terms, row.opened_at, row.changed_at = terms_to_json(terms), position.opened_at, now


def terms_forget(row: PositionStops) -> None:
    """Of a position that is gone. The caller saves it."""
    row.terms, row.opened_at = {}, None
    row.done, row.target_reached, row.best_price = [], False, None


def _intents(tenant_id: str, entered_by: Mapping[str, str]) -> dict[str, Intent]:
    if not entered_by:
        return {}
    intents = (
        Intent.objects.for_tenant(tenant_id)
        .filter(pk__in=set(entered_by.values()), settings__isnull=False)
        .select_related("settings", "signal__source__leader")
    )
    return {intent.pk: intent for intent in intents}


def _terms(
    row: PositionStops | None, position: CopiedPosition, intent: Intent, shown: Shown
) -> StopTerms:
    """What the leader named before stays until he names others; of a new position it is what he
    has set for his own by now."""
    terms = terms_of(settings_of_intent(intent), _leader(intent, position))
    if terms.mode is not StopsMode.AS_LEADER or not terms.leader.is_empty:
        return terms
    if row is not None and row.terms and row.opened_at == position.opened_at:
        return with_leader(terms, terms_from_json(row.terms).leader)
    entry = position.average_entry_price
    if entry is None or not position.filled:
        return terms
    long = (position.filled > 0) != terms.is_reversed
    by_now = _in_symbol(position, _set_by_now(intent, shown, long=long))
    return with_leader(terms, still_ahead(by_now, entry, long=long))


def _in_symbol(position: CopiedPosition, leader: LeaderStops) -> LeaderStops:
    """A leader's prices in the symbol that the position is in."""
    if position.followed_symbol == position.symbol:
        return leader
    return at_ratio(leader, position.price_ratio)


def _set_by_now(intent: Intent, shown: Shown, *, long: bool) -> LeaderStops:
    """`shown`: what was read already. In the leader's prices."""
    signal = intent.signal
    if signal is None:
        return LeaderStops()
    leader: Leader | None = getattr(signal.source, "leader", None)
    if leader is None:
        return LeaderStops()
    key = (leader.pk, signal.symbol, long)
    if key not in shown:
        shown[key] = stops_in_force(signal.tenant_id, leader.pk, signal.symbol, long=long)
    return shown[key]


def settings_of_intent(intent: Intent) -> CopySettings:
    """The settings that its snapshot holds, as far as stops go by them."""
    assert intent.settings is not None
    stored = intent.settings.content.get("settings", {})
    values = {
        name: read_value(SPECS[name], stored[name])
        for name in _SETTINGS
        if stored.get(name) is not None
    }
    return CopySettings(**values)


def _leader(intent: Intent, position: CopiedPosition) -> LeaderStops:
    """Nothing where the position follows other signals by now."""
    signal = intent.signal
    if signal is None or signal.symbol != position.followed_symbol:
        return LeaderStops()
    named = leader_stops(signal.stop_loss, signal.take_profit, signal.targets)
    return _in_symbol(position, named)
