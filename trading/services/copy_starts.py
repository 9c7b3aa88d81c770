"""The start of a copy: what its leader holds already is entered, if the copy's settings say so.

Each position becomes one signal, addressed to that copy alone, through the door of all signals. It
is exact while the leader goes on trading: the position is read when every signal that it includes
has been planned, and what is planned for the copy between the reading and the entry makes the
entry void; then it is read again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.failpoints import failpoint
from customers.models import ExchangeAccount
from customers.wakeup import wake_on_commit
from signals_app.domain.source_holdings import Holding, HoldingDoubt
from signals_app.models import Leader, Signal
from signals_app.services.leaders.taking import leader_locked
from signals_app.services.signals import SignalRefusedError, signal_accept
from signals_app.services.source_holdings import LEADER_KINDS, holdings_said, leader_holdings
from strategies.domain.settings import ExistingPositions
from strategies.domain.settings.reading import SettingValueError
from strategies.models import Strategy, Subscription
from strategies.selectors.settings import subscription_settings
from trading.domain.copy_starts import (
    StartPosition,
    Step,
    position_from_json,
    position_to_json,
)
from trading.domain.planning import MAIN_LEG
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.reconciliation import books_are_fresh
from trading.models import CopyStart, Intent, SignalShard

PATIENCE = timedelta(minutes=5)
"""After it nothing more is entered: the client no longer expects it."""
FRESH = timedelta(minutes=2)
"""So long ago at most a leader's account was compared with the venue."""

Holdings = Mapping[str, Holding | HoldingDoubt]
Positions = dict[str, StartPosition]


def copy_start_note(subscription: Subscription) -> CopyStart | None:
    """In the transaction that makes the copy: the row by which its start goes on."""
    reason: Reason | None = None
    try:
        wanted = subscription_settings(subscription).settings.existing_positions
    except SettingValueError as error:
        wanted = ExistingPositions.ALL
        reason = Reason(ReasonCode.SETTINGS_UNREADABLE, {"setting": error.name})
    if wanted is ExistingPositions.IGNORE:
        return None
    now = timezone.now()
    start = CopyStart(
        tenant_id=subscription.tenant_id,
        subscription_id=subscription.pk,
        takes=wanted.value,
        created_at=now,
    )
    if reason is not None:
        _end(start, now, reason)
    start.save(force_insert=True)
    if reason is None:
        wake_on_commit(
            "trading.tasks.copy_start",
            subscription_id=subscription.pk,
            tenant_id=subscription.tenant_id,
        )
    return start


def copy_start(*, tenant_id: str, subscription_id: str) -> bool:
    """One step; True when the start is over with it. In the tenant's scope.

    Running it again, twice at once, or after a crash anywhere enters nothing a second time.
    """
    return retry_on_deadlock(lambda: _step(tenant_id, subscription_id))


@transaction.atomic
def _step(tenant_id: str, subscription_id: str) -> bool:
    copy = (
        Subscription.objects.for_tenant(tenant_id)
        .select_related("strategy__source__tenant", "account")
        .get(pk=subscription_id)
    )
    # The leader before the start: whoever holds it moves its followers.
    leader = _leader(copy)
    start = (
        CopyStart.objects.for_tenant(tenant_id)
        .select_for_update()
        .filter(subscription_id=subscription_id, status=CopyStart.Status.DUE)
        .first()
    )
    if start is None:
        return True
    now = timezone.now()
    positions = {
        symbol: _looked_at(copy, position_from_json(stored))
        for symbol, stored in start.positions.items()
    }
    waits_for = _waits_for(copy, leader, now)
    refusal = _refusal(copy)
    if refusal is None and now > start.created_at + PATIENCE:
        refusal = waits_for or Reason(ReasonCode.START_TOO_LATE)
    if refusal is not None:
        positions = {
            symbol: position.ended(refusal) if position.step is Step.TO_DO else position
            for symbol, position in positions.items()
        }
        if not start.was_read:
            _end(start, now, refusal)
    elif waits_for is None:
        positions = _entered(copy, leader, start, positions, now)
    start.positions = {symbol: position_to_json(position) for symbol, position in positions.items()}
    if start.was_read and all(position.step is Step.DONE for position in positions.values()):
        _end(start, now)
    start.save()
    failpoint("copy_start.before_commit")
    return start.status == CopyStart.Status.DONE


def _end(start: CopyStart, now: datetime, reason: Reason | None = None) -> None:
    start.status, start.done_at = CopyStart.Status.DONE, now
    if reason is not None:
        start.reason_code, start.reason_params = reason.code, dict(reason.params)


# --- whether it can go on -------------------------------------------------------------------------


def _leader(copy: Subscription) -> Leader | None:
    """Locked. None of a source that has no account."""
    source = copy.strategy.source
    if source.kind not in LEADER_KINDS:
        return None
    found = Leader.objects.for_tenant(copy.tenant_id).filter(source_id=source.pk)
    leader_id = found.values_list("pk", flat=True).first()
    if leader_id is None:
        return None
    return leader_locked(tenant_id=copy.tenant_id, leader_id=leader_id)


def _refusal(copy: Subscription) -> Reason | None:
    """Why nothing more is entered at all."""
    if copy.strategy.status == Strategy.Status.CLOSED:
        return Reason(ReasonCode.STRATEGY_NOT_ACTIVE)
    if copy.status != Subscription.Status.ACTIVE:
        return Reason(ReasonCode.SUBSCRIPTION_PAUSED)
    return None


def _waits_for(copy: Subscription, leader: Leader | None, now: datetime) -> Reason | None:
    """What is not known yet, and may be soon."""
    account = copy.account
    if account.health == ExchangeAccount.Health.UNKNOWN:
        return Reason(ReasonCode.ACCOUNT_UNCHECKED)
    if not books_are_fresh(account.reconciled_at, now):
        return Reason(ReasonCode.ACCOUNT_NOT_RECONCILED)
    if copy.strategy.source.kind not in LEADER_KINDS:
        return None
    read_at = None if leader is None or leader.started_at is None else leader.reconciled_at
    if read_at is None or read_at < now - FRESH:
        return Reason(ReasonCode.START_LEADER_UNREAD)
    return None


# --- its positions --------------------------------------------------------------------------------


def _looked_at(copy: Subscription, position: StartPosition) -> StartPosition:
    """With what became of its signal."""
    if position.step is not Step.SENT:
        return position
    intents = Intent.objects.for_tenant(copy.tenant_id).filter(signal_id=position.signal_id)
    codes = intents.filter(subscription_id=copy.pk, leg=MAIN_LEG).values_list("reason_code")
    found = codes.first()
    if found is not None:
        return position.after_planning(found[0])
    signals = Signal.objects.for_tenant(copy.tenant_id).filter(pk=position.signal_id)
    is_over = signals.filter(status=Signal.Status.DONE).exists()
    return position.ended(Reason(ReasonCode.START_TOO_LATE)) if is_over else position


def _entered(
    copy: Subscription,
    leader: Leader | None,
    start: CopyStart,
    positions: Positions,
    now: datetime,
) -> Positions:
    """What can be entered now is. The order of the three questions makes it exact: what is planned
    between them is seen by the first one, when the entry is planned."""
    planned = _planned(copy)
    holdings: Holdings = (
        holdings_said(copy.strategy.source) if leader is None else leader_holdings(leader)
    )
    unplanned = _unplanned(copy)
    if not start.was_read:
        start.was_read = True
        positions = {symbol: StartPosition() for symbol in sorted(holdings)}
    return {
        symbol: _entry(copy, start, symbol, position, holdings.get(symbol), planned, now)
        if position.step is Step.TO_DO and symbol not in unplanned
        else position
        for symbol, position in positions.items()
    }


def _planned(copy: Subscription) -> dict[str, int]:
    """Signals that were planned for the copy, by their symbol."""
    rows = Intent.objects.for_tenant(copy.tenant_id).filter(
        subscription_id=copy.pk, signal__isnull=False
    )
    counts = rows.order_by().values_list("signal__symbol").annotate(Count("pk"))
    return dict(counts)


def _unplanned(copy: Subscription) -> set[str]:
    """Symbols with a signal that may still be planned for the copy."""
    tenant_id, strategy = copy.tenant_id, copy.strategy
    signals = Signal.objects.for_tenant(tenant_id).filter(
        source_id=strategy.source_id,
        status__in=(Signal.Status.RECEIVED, Signal.Status.PLANNING),
    )
    shards = SignalShard.objects.for_tenant(tenant_id).filter(strategy_id=strategy.pk)
    shards = shards.exclude(status=SignalShard.Status.PLANNED)
    return {
        *signals.values_list("symbol", flat=True),
        *shards.values_list("signal__symbol", flat=True),
    }


def _entry(
    copy: Subscription,
    start: CopyStart,
    symbol: str,
    position: StartPosition,
    held: Holding | HoldingDoubt | None,
    planned: Mapping[str, int],
    now: datetime,
) -> StartPosition:
    if held is None:
        return position.ended(Reason(ReasonCode.START_FLAT, {"symbol": symbol}))
    if isinstance(held, HoldingDoubt):
        return position.ended(Reason(ReasonCode.START_UNCERTAIN, {"symbol": symbol}))
    no_worse = start.takes == CopyStart.Takes.NO_WORSE
    if held.price is None:
        if copy.strategy.source.kind in LEADER_KINDS:
            return position  # the venue's next word has it
        if no_worse:
            return position.ended(Reason(ReasonCode.LEADER_PRICE_UNKNOWN, {"symbol": symbol}))
    said = {"start_of": copy.pk, "symbol": symbol, "attempt": position.attempt}
    try:
        signal, _ = signal_accept(
            source=copy.strategy.source,
            canonical=held.as_entry(now),
            external_id=f"start:{copy.pk}:{symbol}:{position.attempt}",
            raw_payload=json.dumps(said, sort_keys=True),
            received_at=now,
            worst_price=held.price if no_worse else None,
            addressed_to=copy.pk,
        )
    except SignalRefusedError as refused:
        params = {"symbol": symbol, "code": refused.code}
        return position.ended(Reason(ReasonCode.START_REFUSED, params))
    return position.sent(signal.pk, planned.get(symbol, 0))
