"""Looking stop orders up: a placement is only ever looked up, never repeated."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from customers.failpoints import failpoint
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.resolution import WATCH_AFTER, WATCH_INTERVAL, lookup_delay
from trading.domain.stops.states import LIVE_STATES, StopState, StopTrigger
from trading.models import StopOrder
from trading.services.credentials import credentials_of_accounts
from trading.services.instruments import instruments_remind
from trading.services.stops.learning import StopUpdate, stop_updates_apply
from venues.domain.types import Credentials, LookupResult, StopLookup, StopSnapshot, VenueError
from venues.runtime import gateway_for, run_batches

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 25.0
LEASE = timedelta(seconds=30)
MISSES = 3
"""Look-ups that deny it before it is called absent, or forgotten."""
DEADLINE_MARGIN = timedelta(seconds=2)
CANCEL_DELAY = timedelta(seconds=2)
SEEN_AGAIN = timedelta(minutes=10)
"""What waits is looked up so often, whatever streams and lists say."""
_WAITS = frozenset({"live", "pause", "partially_failed"})
_WENT_OFF = frozenset({"effective", "partially_effective"})


@dataclass(frozen=True, slots=True)
class _Look:
    stop: StopOrder
    lookup: StopLookup


def stops_look_up(*, tenant_id: str, stop_ids: Sequence[str], wakes: bool = True) -> int:
    """Those of them that are due; returns how many were. In the tenant's scope."""
    due = _claim(tenant_id, stop_ids)
    if not due:
        return 0
    instruments_remind((stop.account.venue, stop.symbol) for stop in due)
    keys = credentials_of_accounts(
        tenant_id=tenant_id, account_ids=sorted({stop.account_id for stop in due})
    )
    asking = []
    for stop in due:
        opened = keys.get(stop.account_id)
        if isinstance(opened, Credentials):
            asking.append(_ask(stop, opened))
    for looks in run_batches(asking, timeout_seconds=TIMEOUT_SECONDS) if asking else ():
        failpoint("stops.looked_up")
        now = timezone.now()
        updates = [_conclude(look, now) for look in looks]
        stop_updates_apply(tenant_id=tenant_id, updates=updates, wakes=wakes)
    return len(due)


def _claim(tenant_id: str, stop_ids: Sequence[str]) -> list[StopOrder]:
    """Compare-and-set on check_at, so that one process looks at a time."""
    if not stop_ids:
        return []
    now = timezone.now()
    until = now + LEASE + timedelta(microseconds=secrets.randbelow(1_000_000))
    rows = StopOrder.objects.for_tenant(tenant_id).filter(pk__in=stop_ids)
    if not rows.filter(check_at__lte=now).update(check_at=until, version=F("version") + 1):
        return []
    return list(rows.filter(check_at=until).select_related("account"))


async def _ask(stop: StopOrder, credentials: Credentials) -> _Look:
    gateway = gateway_for(stop.account.venue)
    try:
        if stop.cancel_requested_at is not None and stop.state in LIVE_STATES and stop.checks > 1:
            # The answer is not believed either way; the look-up that follows shows the state.
            await _cancel(stop, credentials)
        lookup = await gateway.find_stop(credentials, symbol=stop.symbol, client_stop_id=stop.pk)
        return _Look(stop, lookup)
    except Exception as error:  # an answer of nonsense is no evidence either
        logger.exception("looking up stop %s failed", stop.pk)
        return _Look(stop, StopLookup(LookupResult.NO_EVIDENCE, detail=type(error).__name__))


async def _cancel(stop: StopOrder, credentials: Credentials) -> None:
    try:
        await gateway_for(stop.account.venue).cancel_stop(
            credentials, symbol=stop.symbol, client_stop_id=stop.pk
        )
    except VenueError as error:
        logger.info("cancelling stop %s: %s", stop.pk, error)


# --- concluding -----------------------------------------------------------------------------------


def _conclude(look: _Look, now: datetime) -> StopUpdate:
    stop, lookup = look.stop, look.lookup
    if lookup.result is LookupResult.FOUND and lookup.stop is not None:
        if not _can_be(stop, lookup.stop):
            logger.warning("stop %s: the venue shows something else by its name", stop.pk)
            return StopUpdate(stop.pk, StopTrigger.LOSE, check_at=now + lookup_delay(stop.checks))
        return update_of_shown(stop, lookup.stop, now)
    if lookup.result is LookupResult.NO_EVIDENCE:
        again = now + lookup_delay(stop.checks)
        if stop.state == StopState.NOT_PLACED:
            return StopUpdate(stop.pk, StopTrigger.FIND_ABSENT, check_at=again)
        return StopUpdate(stop.pk, StopTrigger.LOSE, check_at=again)
    return _absent(stop, now)


def _can_be(stop: StopOrder, shown: StopSnapshot) -> bool:
    return (
        shown.client_stop_id == stop.pk
        and shown.symbol == stop.symbol
        and shown.side in (None, stop.side)
    )


def update_of_shown(stop: StopOrder, shown: StopSnapshot, now: datetime) -> StopUpdate:
    """What a look-up, or a stream, shows of it."""
    if shown.state in _WENT_OFF:
        # Until its order is known it is looked up again.
        again = None if shown.venue_order_id else now + lookup_delay(stop.checks)
        return StopUpdate(stop.pk, StopTrigger.GO_OFF, shown=shown, check_at=again)
    if shown.state == "canceled":
        return StopUpdate(stop.pk, StopTrigger.CANCEL, shown=shown)
    if shown.state == "order_failed":
        reason = Reason(ReasonCode.STOP_FAILED, {"code": shown.fail_code})
        return StopUpdate(stop.pk, StopTrigger.FAIL, shown=shown, reason=reason)
    if shown.state not in _WAITS:
        logger.warning("stop %s is %s at the venue", stop.pk, shown.state)
        return StopUpdate(stop.pk, StopTrigger.LOSE, check_at=now + lookup_delay(stop.checks))
    again = now + (SEEN_AGAIN if stop.cancel_requested_at is None else CANCEL_DELAY)
    return StopUpdate(stop.pk, StopTrigger.ACCEPT, shown=shown, check_at=again)


def _absent(stop: StopOrder, now: datetime) -> StopUpdate:
    if stop.state == StopState.NOT_PLACED:
        over = stop.watch_until is None or now >= stop.watch_until
        later = None if over else now + WATCH_INTERVAL
        return StopUpdate(stop.pk, StopTrigger.FIND_ABSENT, check_at=later, misses=stop.misses + 1)
    again = now + lookup_delay(stop.checks)
    if stop.state == StopState.WAITING:
        # It was there before, and neither waits nor is remembered.
        misses = stop.misses + 1
        if misses < MISSES:
            return StopUpdate(stop.pk, StopTrigger.LOSE, check_at=again, misses=misses)
        reason = Reason(ReasonCode.FORGOTTEN_BY_VENUE)
        return StopUpdate(stop.pk, StopTrigger.CANCEL, reason=reason, misses=misses)
    if stop.state not in (StopState.SENDING, StopState.UNKNOWN):
        return StopUpdate(stop.pk, StopTrigger.LOSE)
    # It may be taken for as long as its signature is good: absence before proves nothing.
    misses = stop.misses + (now > stop.deadline_at + DEADLINE_MARGIN)
    if misses < MISSES or stop.state == StopState.SENDING:
        return StopUpdate(stop.pk, StopTrigger.LOSE, check_at=again, misses=misses)
    return StopUpdate(
        stop.pk,
        StopTrigger.FIND_ABSENT,
        reason=Reason(ReasonCode.NOT_PLACED),
        check_at=now + WATCH_INTERVAL,
        watch_until=now + WATCH_AFTER,
        misses=misses,
    )
