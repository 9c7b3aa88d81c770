"""Which copies do what about a leader's change: a row each, made once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.failpoints import failpoint
from signals_app.models import Signal
from strategies.domain.settings import CopySettings, LeaderEvent, LeverageMode, TransferOut
from strategies.models import Strategy, Subscription
from strategies.selectors.settings import shared_settings
from trading.models import CopiedPosition, FollowedChange, SignalShard
from trading.services.fanout.context import SettingsInForce
from trading.services.fanout.follower_settings import settings_by
from trading.services.fanout.loading import FollowerRow, follower_rows
from trading.services.leader_changes.telling import changes_tell

Does, State = FollowedChange.Does, FollowedChange.State
CHANGES = (Signal.Action.LEVERAGE, Signal.Action.MARGIN, Signal.Action.TRANSFER)
CHUNK = 200
TIMES = 3
ZERO = Decimal(0)
Concerned = Mapping[str, Sequence[str]]
"""Symbols in which something is held, by subscription."""


def leader_change_decide(*, tenant_id: str, signal_id: str) -> list[str]:
    """The rows that something is to be done about. In the tenant's scope; safe to repeat, to run
    twice at once and to be killed anywhere: who has a row has been decided for and told."""
    signal = Signal.objects.for_tenant(tenant_id).select_related("source").get(pk=signal_id)
    if signal.action not in CHANGES or _is_money_in(signal):
        _note_decided(signal)
        return []
    strategies = Strategy.objects.for_tenant(tenant_id).filter(source_id=signal.source_id)
    for strategy in strategies.exclude(status=Strategy.Status.CLOSED).order_by("pk"):
        in_force = SettingsInForce(shared_settings(strategy), signal.symbol)
        concerned = _concerned(signal, strategy)
        ids = sorted(concerned)
        for start in range(0, len(ids), CHUNK):
            part = {pk: concerned[pk] for pk in ids[start : start + CHUNK]}
            retry_on_deadlock(
                lambda part=part, strategy=strategy, in_force=in_force: _chunk(  # type: ignore[misc]
                    signal, strategy, part, in_force
                )
            )
            failpoint("leader_change.decided")
    _note_decided(signal)
    due = FollowedChange.objects.for_tenant(tenant_id).filter(
        signal_id=signal_id, check_at__isnull=False
    )
    return list(due.order_by("pk").values_list("pk", flat=True))


def _is_money_in(signal: Signal) -> bool:
    return signal.action == Signal.Action.TRANSFER and (signal.size or ZERO) >= ZERO


def _note_decided(signal: Signal) -> None:
    rows = Signal.objects.for_tenant(signal.tenant_id).filter(pk=signal.pk, claimed_until=None)
    rows.update(claimed_until=timezone.now())


def _concerned(signal: Signal, strategy: Strategy) -> Concerned:
    """Copies that hold something for signals in the symbol; of a transfer, all that copy."""
    copies = Subscription.objects.for_tenant(signal.tenant_id).filter(strategy=strategy)
    copies = copies.exclude(status=Subscription.Status.STOPPED)
    if signal.action == Signal.Action.TRANSFER:
        return {pk: [""] for pk in copies.values_list("pk", flat=True)}
    held = (
        CopiedPosition.objects.for_tenant(signal.tenant_id)
        .filter(Q(symbol=signal.symbol, leader_symbol="") | Q(leader_symbol=signal.symbol))
        .filter(subscription__in=copies)
        .exclude(filled=ZERO)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for subscription_id, symbol in held.order_by("pk").values_list("subscription_id", "symbol"):
        found[subscription_id].append(symbol)
    return found


def _chunk(
    signal: Signal, strategy: Strategy, concerned: Concerned, in_force: SettingsInForce
) -> None:
    shard = SignalShard(
        tenant_id=signal.tenant_id,
        signal=signal,
        strategy=strategy,
        first_subscription_id=min(concerned),
        last_subscription_id=max(concerned),
    )
    rows = [row for row in follower_rows(shard) if row.id in concerned]
    for left in reversed(range(TIMES)):
        try:
            _store(signal, rows, concerned, in_force)
        except IntegrityError:
            if not left:
                raise
            continue  # somebody else has decided for some of them just now
        return


@transaction.atomic
def _store(
    signal: Signal,
    rows: Sequence[FollowerRow],
    concerned: Concerned,
    in_force: SettingsInForce,
) -> None:
    now = timezone.now()
    known = set(
        FollowedChange.objects.for_tenant(signal.tenant_id)
        .filter(signal=signal, subscription_id__in=[row.id for row in rows])
        .values_list("subscription_id", "symbol")
    )
    there = {signal.symbol: in_force}
    made = []
    for row in rows:
        for symbol in concerned[row.id]:
            settings = there.setdefault(symbol, in_force.in_symbol(symbol))
            change = _change(signal, row, symbol, settings, now)
            if change is not None and (row.id, symbol) not in known:
                made.append((row, change))
    FollowedChange.objects.bulk_create([change for _, change in made])
    told = [(row, change) for row, change in made if change.state == State.DONE]
    changes_tell(signal, [change for _, change in told], [row.customer_id for row, _ in told])
    failpoint("leader_change.before_commit")


def _change(
    signal: Signal, row: FollowerRow, symbol: str, in_force: SettingsInForce, now: datetime
) -> FollowedChange | None:
    found = settings_by(in_force, row)
    does = Does.TELL if found.doubt is not None else _does(signal, found.effective.settings)
    if does is None:
        return None
    tells = does is Does.TELL
    return FollowedChange(
        tenant_id=signal.tenant_id,
        signal_id=signal.pk,
        subscription_id=row.id,
        account_id=row.account_id,
        symbol=symbol,
        does=does,
        state=State.DONE if tells else State.DUE,
        check_at=None if tells else now,
        created_at=now,
        finished_at=now if tells else None,
    )


_BY_EVENT = {
    LeaderEvent.IGNORE: None,
    LeaderEvent.ALERT: Does.TELL,
    LeaderEvent.FOLLOW: Does.FOLLOW,
}
_BY_TRANSFER = {
    TransferOut.IGNORE: None,
    TransferOut.ALERT: Does.TELL,
    TransferOut.PAUSE: Does.PAUSE,
}


def _does(signal: Signal, settings: CopySettings) -> FollowedChange.Does | None:
    if signal.action == Signal.Action.TRANSFER:
        return _BY_TRANSFER[settings.on_transfer_out]
    if signal.action == Signal.Action.MARGIN:
        does = _BY_EVENT[settings.on_margin_topup]
        is_added = (signal.size or ZERO) > ZERO
        return does if is_added or does is not Does.FOLLOW else Does.TELL
    does = _BY_EVENT[settings.on_leverage_change]
    if does is Does.FOLLOW and settings.leverage_mode is not LeverageMode.AS_LEADER:
        return None  # its own leverage is fixed
    return does
