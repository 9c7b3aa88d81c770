"""From stored deliveries to signals, each source's one after the other, in the order they came.

One reader per source at a time: an exit that overtook its entry would leave the entry open. The
claim is renewed in the transaction that writes a delivery's outcome, so a reader that was asleep
for longer than its claim writes nothing any more.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.draining import is_draining
from customers.failpoints import failpoint
from customers.services.events import EventDraft, events_record, staff_audience
from customers.tenancy import TenantQuerySet
from signals_app.domain.parsers.base import ConfigError, Parsed, Payload
from signals_app.domain.parsers.problems import Ignored, ParseProblem, ProblemCode
from signals_app.domain.parsers.reading import symbol_in
from signals_app.domain.parsers.registry import parser_named, parsers
from signals_app.domain.symbol_aliases import SymbolBook
from signals_app.models import IntakeState, RawDelivery, SignalSource
from signals_app.services.misbehaviour import TOO_MANY_PROBLEMS, source_check_problems
from signals_app.services.price_checks import ANOTHER_MARKET_PERCENT, signal_price_check
from signals_app.services.signals import SignalRefusedError, signal_accept
from venues import markets
from venues.domain.types import VenueError
from venues.gateway import UnknownVenueError

logger = logging.getLogger(__name__)

CLAIM = timedelta(seconds=30)
"""Longer than loading a venue's markets takes."""
RETRY = timedelta(seconds=5)
PATIENCE = timedelta(minutes=10)
"""So long a delivery waits for its venue's list of symbols."""
_BATCH = 100


class _LostClaimError(Exception):
    """Another reader took over."""


class MarketsUnavailableError(Exception):
    """The venue's symbols cannot be had now; nothing is guessed without them."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a delivery became, or is about to become."""

    state: str
    code: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    parsed: Parsed = field(default_factory=lambda: Parsed(()))


def payload_parse(*, source: SignalSource, payload: Payload) -> Parsed:
    """The payload's signals by the source's format. Raises ParseProblem, MarketsUnavailableError.

    Nothing is stored. Network: the venue's markets, if they are not in memory.
    """
    try:
        parser = parser_named(source.parser)
        config = parser.config(source.parser_config)
    except (LookupError, ConfigError) as error:
        raise ParseProblem(ProblemCode.FORMAT_UNUSABLE, format=source.parser) from error
    book = SymbolBook(
        listed=_listed(source.venue),
        venue=source.venue,
        market=config["market"],
        default_quote=config["default_quote"],
        aliases=config["symbols"],
    )
    return parser.parse(payload, config, book)


def symbol_typed(*, source: SignalSource, text: str) -> str:
    """The one symbol of the source's venue that a person means, such as by `BTCUSDT`. Raises
    ParseProblem, MarketsUnavailableError. Network as `payload_parse`."""
    return symbol_in(SymbolBook(_listed(source.venue), source.venue), text)


def _listed(venue: str) -> frozenset[str]:
    try:
        return frozenset(markets.instruments(venue))
    except UnknownVenueError as error:
        raise ParseProblem(ProblemCode.VENUE_UNKNOWN, venue=venue) from error
    except (VenueError, TimeoutError) as error:
        raise MarketsUnavailableError(venue) from error


def deliveries_parse(*, source_id: str, tenant_id: str) -> int:
    """Read what waits of one source; how many were read. Twice at once is harmless."""
    reader = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"[:80]
    IntakeState.objects.for_tenant(tenant_id).get_or_create(
        source_id=source_id, defaults={"tenant_id": tenant_id}
    )
    handled = 0
    while not is_draining() and _claim(tenant_id, source_id, reader):
        try:
            count, goes_on = _read_waiting(tenant_id, source_id, reader)
        except _LostClaimError:
            return handled
        finally:
            _claims(tenant_id, source_id).filter(claimed_by=reader).update(
                claimed_by="", claimed_until=None
            )
        handled += count
        # What came between the last look and the release found the source claimed.
        if not goes_on or not _waiting(tenant_id, source_id).exists():
            return handled
    return handled


def _claims(tenant_id: str, source_id: str) -> TenantQuerySet:
    return IntakeState.objects.for_tenant(tenant_id).filter(source_id=source_id)


def _claim(tenant_id: str, source_id: str, reader: str) -> bool:
    now = timezone.now()
    free = Q(claimed_until=None) | Q(claimed_until__lt=now)
    rows = _claims(tenant_id, source_id).filter(free)
    return bool(rows.update(claimed_by=reader, claimed_until=now + CLAIM))


def _waiting(tenant_id: str, source_id: str) -> TenantQuerySet:
    return (
        RawDelivery.objects.for_tenant(tenant_id)
        .filter(source_id=source_id, state=RawDelivery.State.PENDING, due_at__lte=timezone.now())
        .order_by("received_at", "pk")
    )


def _read_waiting(tenant_id: str, source_id: str, reader: str) -> tuple[int, bool]:
    """(how many, whether to look for more)."""
    source = SignalSource.objects.for_tenant(tenant_id).select_related("tenant").get(pk=source_id)
    count = 0
    for delivery in _waiting(tenant_id, source_id)[:_BATCH]:
        if is_draining():
            return count, False
        now = timezone.now()
        try:
            outcome = _read(source, delivery, now)
        except MarketsUnavailableError:
            if now < delivery.received_at + PATIENCE:
                # The others wait behind it: their order is worth more than their speed.
                _waiting(tenant_id, source_id).update(due_at=now + RETRY)
                return count, False
            params = {"venue": source.venue}
            outcome = _quarantine(ProblemCode.MARKETS_UNAVAILABLE, params)
        failpoint("delivery.read")
        _keep(source, delivery, outcome, reader)
        count += 1
    return count, True


def _keep(source: SignalSource, delivery: RawDelivery, outcome: _Outcome, reader: str) -> None:
    try:
        retry_on_deadlock(lambda: _write(source, delivery, outcome, reader))
    except (_LostClaimError, OperationalError, InterfaceError):
        raise
    except Exception:
        failed = _failed(delivery)
        retry_on_deadlock(lambda: _write(source, delivery, failed, reader))


def _failed(delivery: RawDelivery) -> _Outcome:
    """A defect of ours: it must not stop what comes behind it, an exit maybe."""
    logger.exception("delivery %s could not be read", delivery.pk)
    return _quarantine(ProblemCode.NOT_READ, {})


def _read(source: SignalSource, delivery: RawDelivery, now: datetime) -> _Outcome:
    payload = Payload(bytes(delivery.body), delivery.content_type, delivery.received_at, now)
    try:
        parsed = payload_parse(source=source, payload=payload)
        for signal in parsed.signals:
            signal_price_check(source, signal, default_percent=ANOTHER_MARKET_PERCENT)
    except SignalRefusedError as refusal:
        if refusal.code == "price_unavailable":
            raise MarketsUnavailableError(source.venue) from refusal
        return _quarantine(refusal.code, refusal.params)
    except Ignored as finding:
        return _Outcome(RawDelivery.State.IGNORED, finding.code, finding.params)
    except ParseProblem as problem:
        return _quarantine(problem.code, problem.params)
    except (MarketsUnavailableError, OperationalError, InterfaceError):
        raise
    except Exception:
        return _failed(delivery)
    return _Outcome(RawDelivery.State.PARSED, parsed=parsed)


def _quarantine(code: str, params: Mapping[str, str]) -> _Outcome:
    return _Outcome(RawDelivery.State.QUARANTINED, code, params)


def _write(source: SignalSource, delivery: RawDelivery, outcome: _Outcome, reader: str) -> None:
    """The outcome and its signals in one transaction, if the claim and the delivery are ours."""
    with transaction.atomic():
        now = timezone.now()
        mine = _claims(source.tenant_id, source.pk).filter(claimed_by=reader)
        if not mine.update(claimed_until=now + CLAIM):
            raise _LostClaimError
        rows = RawDelivery.objects.for_tenant(source.tenant_id).filter(
            pk=delivery.pk, state=RawDelivery.State.PENDING
        )
        first = _sent_before(source, delivery, outcome.parsed)
        signal_ids: list[str] = []
        if first is not None:
            same = first.content_hash == delivery.content_hash
            state = RawDelivery.State.DUPLICATE if same else RawDelivery.State.QUARANTINED
            code = "" if same else ProblemCode.ID_REUSED
            outcome = _Outcome(state, code, {"first": first.pk})
        elif outcome.parsed.signals:
            try:
                with transaction.atomic():
                    signal_ids = _accept(source, delivery, outcome.parsed)
            except SignalRefusedError as refusal:
                outcome = _quarantine(refusal.code, refusal.params)
        written = rows.update(
            state=outcome.state,
            reason_code=outcome.code,
            reason_params=dict(outcome.params),
            signal_ids=signal_ids,
            parser=source.parser,
            parser_version=_version(source.parser),
            parsed_at=now,
            due_at=None,
        )
        if not written:
            raise _LostClaimError
        if outcome.state == RawDelivery.State.QUARANTINED:
            events_record([_quarantined_event(source, delivery, outcome)])
            if source_check_problems(source):
                source.status = SignalSource.Status.PAUSED
                source.paused_code = TOO_MANY_PROBLEMS
        failpoint("delivery.before_commit")


def _version(name: str) -> int:
    found = parsers().get(name)
    return found.version if found else 0


def _sent_before(source: SignalSource, delivery: RawDelivery, parsed: Parsed) -> RawDelivery | None:
    """The delivery that this one repeats. Senders try again when they got no answer in time."""
    rows = (
        RawDelivery.objects.for_tenant(source.tenant_id)
        .filter(source_id=source.pk)
        .exclude(pk=delivery.pk)
        .exclude(state=RawDelivery.State.DUPLICATE)
        .only("pk", "content_hash")
        .order_by("pk")
    )
    # The one that came first counts, unless a later one made the signal before it.
    earlier = Q(pk__lt=delivery.pk) | Q(state=RawDelivery.State.PARSED)
    if delivery.delivery_id:
        same = rows.filter(earlier, delivery_id=delivery.delivery_id)
    else:
        same = rows.filter(earlier, content_hash=delivery.content_hash, delivery_id="")
        if not (parsed.alert_id or parsed.alert_time):
            window = timedelta(seconds=source.repeat_seconds)
            same = same.filter(
                received_at__gte=delivery.received_at - window,
                received_at__lte=delivery.received_at + window,
            )
    found: RawDelivery | None = same.first()
    return found


def _accept(source: SignalSource, delivery: RawDelivery, parsed: Parsed) -> list[str]:
    """All of the delivery's signals, or none of them."""
    identity = _identity(delivery, parsed)
    raw_payload = bytes(delivery.body).decode("utf-8", "replace")
    ids = []
    for number, canonical in enumerate(parsed.signals):
        signal, _ = signal_accept(
            source=source,
            canonical=canonical,
            external_id=f"{source.parser}:{identity}:{number}",
            raw_payload=raw_payload,
            received_at=delivery.received_at,
        )
        ids.append(str(signal.pk))
    return ids


def _identity(delivery: RawDelivery, parsed: Parsed) -> str:
    """What is the same whenever the same alert is read: on re-play, or sent again."""
    if delivery.delivery_id:
        said = f"sender {delivery.delivery_id}"
    elif parsed.alert_id:
        said = f"alert {parsed.alert_id}"
    elif parsed.alert_time:
        said = f"body {delivery.content_hash}"
    else:
        said = f"delivery {delivery.pk}"
    return hashlib.sha256(said.encode()).hexdigest()[:40]


def _quarantined_event(
    source: SignalSource, delivery: RawDelivery, outcome: _Outcome
) -> EventDraft:
    return EventDraft(
        tenant_id=source.tenant_id,
        audience=staff_audience(source.tenant_id),
        kind="delivery.quarantined",
        payload={
            "delivery": delivery.pk,
            "source": source.pk,
            "code": outcome.code,
            "params": dict(outcome.params),
        },
    )
