"""The one door for signals: whatever the source, a signal comes in through `signal_accept`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction

from customers.deadlocks import retry_on_deadlock
from customers.failpoints import failpoint
from customers.models import Tenant
from customers.services.events import EventDraft, events_record, staff_audience
from customers.tenancy import tenant_scope
from signals_app.domain.canonical import (
    EXIT_ACTIONS,
    LEADER_EVENTS,
    Action,
    CanonicalSignal,
    canonical_to_json,
)
from signals_app.domain.flips import exit_of_flip
from signals_app.domain.leaders.catching_up import NotFollowed
from signals_app.models import Signal, SignalSource
from signals_app.problem_texts import problem_text
from signals_app.services.sequences import sequence_note
from signals_app.signals import signal_accepted
from venues.markets import known_symbols

MAX_EXTERNAL_ID_LENGTH = 128
RATE_LIMITED = "rate_limited"


class SignalRefusedError(Exception):
    """A well-formed signal that is not taken. `code` is for machines, `status` is HTTP's."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int,
        field: str = "",
        params: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.params = dict(params or {"field": field, "message": message})
        self.code = code
        self.message = message
        self.status = status
        self.field = field


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a signal is shown and not followed: a code of signals_app.skip_texts, and its numbers."""

    code: NotFollowed
    params: Mapping[str, str] = field(default_factory=dict)


def signal_accept(
    *,
    source: SignalSource,
    canonical: CanonicalSignal,
    external_id: str,
    raw_payload: str,
    received_at: datetime,
    skip: Skip | None = None,
    amends: Signal | None = None,
    worst_price: Decimal | None = None,
    addressed_to: str = "",
) -> tuple[Signal, bool]:
    """Store a signal once per source and external id; (the signal, whether it is new).

    With `skip` it is only shown, with that reason: nobody follows it.
    `amends`: the signal whose resting orders it replaces or cancels. `worst_price`: followers
    enter at once and no worse, or not at all. Of a flip beyond the source's limit of entries the
    close is taken. `addressed_to`: the id of the one copy that follows it; the source's limit of
    entries leaves it out.

    The same external id with the same `raw_payload` gives the stored signal again and does
    nothing; with another payload, or when the source takes none, SignalRefusedError is raised.
    Runs in the source's tenant scope by itself, and joins a surrounding transaction, so that a
    caller can commit its cursor with it.
    """
    signal = signal_draft(source, canonical, external_id, raw_payload, received_at)
    signal.amends, signal.worst_price = amends, worst_price
    signal.addressed_to = addressed_to
    if skip is not None:
        signal.skip_code, signal.skip_params = skip.code, dict(skip.params)
        signal.status, signal.done_at = Signal.Status.DONE, received_at
    with tenant_scope(source.tenant_id):
        try:
            _check_source(source, canonical)
            if canonical.symbol:
                signal_check_symbol(source, canonical.symbol)
            # What rests must not be left behind, and one copy's start is no entry of all.
            if skip is None and amends is None and not addressed_to:
                _check_rate(source, canonical, received_at)
        except SignalRefusedError as refused:
            # What was taken before a pause is still answered as taken.
            stored = _stored(signal)
            if stored is not None and stored.body_hash == signal.body_hash:
                return stored, False
            keeps_exits = refused.code == RATE_LIMITED or (
                refused.code == "source_paused" and _was_paused_by_the_system(source)
            )
            if not keeps_exits or canonical.action is not Action.FLIP:
                raise
            # These are for entries: what the flip closes is closed.
            return signal_accept(
                source=source,
                canonical=exit_of_flip(canonical),
                external_id=external_id,
                raw_payload=raw_payload,
                received_at=received_at,
            )
        # Two deliveries that wait for a third which rolls back can deadlock in InnoDB.
        return retry_on_deadlock(lambda: _store_once(signal))


def _was_paused_by_the_system(source: SignalSource) -> bool:
    return source.status == SignalSource.Status.PAUSED and bool(source.paused_code)


def _check_source(source: SignalSource, canonical: CanonicalSignal) -> None:
    if source.tenant.status != Tenant.Status.ACTIVE:
        raise SignalRefusedError(
            "tenant_suspended", "The operator of this source is suspended.", status=403
        )
    if canonical.action in EXIT_ACTIONS and _was_paused_by_the_system(source):
        return  # for what it could not understand; what closes a position is still followed
    if source.status != SignalSource.Status.ACTIVE:
        text = source.paused_reason or problem_text(source.paused_code, source.paused_params)
        reason = f": {text}" if text else "."
        raise SignalRefusedError(
            "source_paused",
            f"This source is paused{reason}",
            status=403,
            params={"reason": text},
        )


def signal_check_symbol(source: SignalSource, symbol: str) -> None:
    """Raises SignalRefusedError for one that the source's venue is known not to list."""
    symbols = known_symbols(source.venue)
    if symbols is not None and symbol not in symbols:
        raise SignalRefusedError(
            "unknown_symbol",
            f"{source.venue} does not list {symbol}.",
            status=422,
            field="symbol",
            params={"venue": source.venue, "text": symbol},
        )


def _check_rate(source: SignalSource, canonical: CanonicalSignal, received_at: datetime) -> None:
    limit = source.entries_per_minute
    if limit is None or canonical.action in EXIT_ACTIONS or canonical.action in LEADER_EVENTS:
        return
    recent = (
        Signal.objects.for_tenant(source.tenant_id)
        .filter(
            source_id=source.pk, received_at__gt=received_at - timedelta(minutes=1), skip_code=""
        )
        .filter(addressed_to="")
    )
    if recent.exclude(action__in=[*EXIT_ACTIONS, *LEADER_EVENTS]).count() >= limit:
        raise SignalRefusedError(
            RATE_LIMITED,
            f"The source takes {limit} entries a minute.",
            status=429,
            params={"limit": str(limit)},
        )


def _store_once(signal: Signal) -> tuple[Signal, bool]:
    try:
        # The unique key decides between concurrent deliveries; asking first would decide nothing.
        # Receivers of signal_accepted wake their own work when this is committed.
        with transaction.atomic():
            signal.save(force_insert=True)
            events_record([_accepted_event(signal)])
            if signal.sequence is not None:
                sequence_note(signal)
            if not signal.skip_code:
                signal_accepted.send(sender=Signal, trading_signal=signal)
            failpoint("signal.before_commit")
    except IntegrityError:
        stored = _stored(signal)
        if stored is None:
            raise  # another constraint than the external id
        if stored.body_hash != signal.body_hash:
            raise SignalRefusedError(
                "duplicate_id_different_body",
                "This id was used before for another signal.",
                status=409,
            ) from None
        return stored, False
    failpoint("signal.committed")
    return signal, True


def _stored(signal: Signal) -> Signal | None:
    found: Signal | None = (
        Signal.objects.for_tenant(signal.tenant_id)
        .filter(source_id=signal.source_id, external_id_hash=signal.external_id_hash)
        .first()
    )
    return found


def signal_draft(
    source: SignalSource,
    canonical: CanonicalSignal,
    external_id: str,
    raw_payload: str,
    received_at: datetime,
) -> Signal:
    """The signal as it would be stored; nothing is."""
    if not 0 < len(external_id) <= MAX_EXTERNAL_ID_LENGTH:
        raise ValueError(f"An external id has 1 to {MAX_EXTERNAL_ID_LENGTH} characters.")
    # The operator's lifetime is a limit; the sender may only ask for less.
    expires_at = canonical.emitted_at + timedelta(seconds=source.signal_lifetime_seconds)
    if canonical.expires_at is not None:
        expires_at = min(expires_at, canonical.expires_at)
    return Signal(
        tenant_id=source.tenant_id,
        source=source,
        external_id=external_id,
        external_id_hash=_sha256(external_id),
        body_hash=_sha256(raw_payload),
        action=canonical.action.value,
        symbol=canonical.symbol,
        side=canonical.side.value if canonical.side else "",
        order_type=canonical.order_type.value,
        price=canonical.price,
        size=canonical.size,
        size_basis=canonical.size_basis.value if canonical.size_basis else "",
        leader_equity=canonical.leader_equity,
        leverage=canonical.leverage,
        stop_loss=canonical.stop_loss,
        take_profit=canonical.take_profit,
        margin_mode=canonical.margin_mode.value if canonical.margin_mode else "",
        entry_low=canonical.entry_low,
        entry_high=canonical.entry_high,
        targets=canonical_to_json(canonical).get("targets", []),
        sequence=canonical.sequence,
        leader_position_before=canonical.leader_position_before,
        leader_position_after=canonical.leader_position_after,
        emitted_at=canonical.emitted_at,
        received_at=received_at,
        expires_at=expires_at,
        raw_payload=raw_payload,
    )


def _accepted_event(signal: Signal) -> EventDraft:
    return EventDraft(
        tenant_id=signal.tenant_id,
        audience=staff_audience(signal.tenant_id),
        kind="signal.accepted",
        payload={
            "signal": signal.pk,
            "source": signal.source_id,
            "action": signal.action,
            "symbol": signal.symbol,
        },
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
