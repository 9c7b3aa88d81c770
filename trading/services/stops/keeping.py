"""Bringing the stops of positions in line: decide, send, learn, and again until all is done."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from customers.failpoints import failpoint
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.stops.states import StopState, StopTrigger
from trading.models import PositionStops, StopOrder
from trading.services.account_health import account_key_failed
from trading.services.credentials import credentials_of_accounts
from trading.services.stops.checking import SEEN_AGAIN, stops_look_up
from trading.services.stops.learning import StopUpdate, passed_reason, stop_updates_apply
from trading.services.stops.planning import Job, stops_plan
from venues.domain.okx_outcomes import is_passed_code
from venues.domain.types import (
    Credentials,
    Placement,
    PlacementResult,
    RejectKind,
    VenueError,
    VenueErrorKind,
)
from venues.runtime import gateway_for, run_batches

logger = logging.getLogger(__name__)

ROUNDS = 8
TIMEOUT_SECONDS = 20.0
_PAUSES_SECONDS = (1, 2, 4, 8, 15, 30, 60)
"""After refusals in a row."""


@dataclass(frozen=True, slots=True)
class _Answer:
    job: Job
    placement: Placement | None = None
    error: VenueError | None = None
    """Of an amendment or a cancellation."""


def stops_keep(*, tenant_id: str, position_ids: Sequence[str]) -> None:
    """Until they are in line, or something has to wait: then they are due again.

    In the tenant's scope. Safe to run twice at once, and to be killed anywhere.
    """
    todo = list(position_ids)
    for _ in range(ROUNDS):
        jobs = stops_plan(tenant_id, todo)
        failpoint("stops.written")
        if not jobs:
            return
        done = _send(tenant_id, jobs)
        todo = _due_now(tenant_id, done)
        if not todo:
            return


def _send(tenant_id: str, jobs: Sequence[Job]) -> list[str]:
    """The stop orders that there is news of."""
    keys = credentials_of_accounts(
        tenant_id=tenant_id, account_ids=sorted({job.account_id for job in jobs})
    )
    news: list[str] = []
    refused: dict[str, VenueError] = {}
    able = [job for job in jobs if isinstance(keys.get(job.account_id), Credentials)]
    keyless = [job for job in jobs if job not in able]
    _learn(tenant_id, [_without_key(job) for job in keyless])
    asking = [_ask(job, keys[job.account_id]) for job in able]
    for answers in run_batches(asking, timeout_seconds=TIMEOUT_SECONDS) if asking else ():
        failpoint("stops.answered")
        _learn(tenant_id, answers)
        news += [answer.job.stop_id for answer in answers]
        refused |= {
            answer.job.stop_id: answer.error
            for answer in answers
            if answer.error is not None and answer.job.kind == "amend"
        }
    # What is not proven by the answer alone: cancellations, and what was not answered.
    unclear = StopOrder.objects.for_tenant(tenant_id).filter(
        pk__in=news, check_at__lte=timezone.now()
    )
    ids = list(unclear.values_list("pk", flat=True))
    stops_look_up(tenant_id=tenant_id, stop_ids=ids, wakes=False)
    _try_amendments_later(tenant_id, refused)
    return news


def _due_now(tenant_id: str, stop_ids: Sequence[str]) -> list[str]:
    rows = PositionStops.objects.for_tenant(tenant_id).filter(
        copied_position__stop_orders__pk__in=stop_ids, due_at__lte=timezone.now()
    )
    return sorted(set(rows.values_list("copied_position_id", flat=True)))


async def _ask(job: Job, credentials: Credentials | Reason) -> _Answer:
    assert isinstance(credentials, Credentials)
    gateway = gateway_for(job.venue)
    request = job.request
    try:
        failpoint("stops.leaving")
        if job.kind == "place":
            return _Answer(job, await gateway.place_stop(credentials, request))
        if job.kind == "amend":
            await gateway.amend_stop(credentials, request)
        else:
            await gateway.cancel_stop(
                credentials,
                symbol=request.instrument.symbol,
                client_stop_id=request.client_stop_id,
            )
    except VenueError as error:
        return _Answer(job, error=error)
    except Exception as error:
        # Unknown is the safe name for whatever it was: it will be looked up.
        logger.exception("a request about stop %s failed", job.stop_id)
        words = VenueError(VenueErrorKind.UNAVAILABLE, type(error).__name__[:32], "internal error")
        if job.kind == "place":
            return _Answer(job, Placement(PlacementResult.UNKNOWN, code=words.code))
        return _Answer(job, error=words)
    return _Answer(job)


def _without_key(job: Job) -> _Answer:
    words = "no key of the account can be used"
    if job.kind == "place":
        return _Answer(
            job,
            Placement(PlacementResult.REJECTED, message=words, reject_kind=RejectKind.CREDENTIALS),
        )
    return _Answer(job, error=VenueError(VenueErrorKind.CREDENTIALS, "", words))


# --- what came of it ------------------------------------------------------------------------------


def _learn(tenant_id: str, answers: Sequence[_Answer]) -> None:
    now = timezone.now()
    updates = [_update_for(answer, now) for answer in answers]
    stop_updates_apply(tenant_id=tenant_id, updates=updates, wakes=False)
    for answer in answers:
        placement = answer.placement
        if placement is None or placement.result is not PlacementResult.REJECTED:
            continue
        if placement.reject_kind is RejectKind.PASSED:
            continue
        words = {"code": placement.code, "message": placement.message}
        refusal = Reason(ReasonCode.VENUE_REJECTED, words)
        _try_later(tenant_id, answer.job.stop_id, refusal, after_ms=placement.retry_after_ms)
        if placement.reject_kind is RejectKind.CREDENTIALS and placement.code:
            account_key_failed(
                tenant_id=tenant_id,
                account_id=answer.job.account_id,
                reason=Reason(ReasonCode.CREDENTIALS_REFUSED, words),
            )


def _update_for(answer: _Answer, now: datetime) -> StopUpdate:
    stop_id = answer.job.stop_id
    if answer.placement is not None:
        return _placed(stop_id, answer.placement, now)
    error = answer.error
    if answer.job.kind == "cancel" or error is not None:
        # Only a look-up tells what is there now. One that never left needs none at once.
        details = {} if error is None else {"code": error.code, "message": error.message}
        passed = error is not None and is_passed_code(error.code)
        reason = passed_reason(error.code, error.message) if error and passed else None
        return StopUpdate(
            stop_id,
            StopTrigger.LOSE,
            check_at=now,
            reason=reason,
            is_passed=passed,
            details=details,
        )
    return StopUpdate(stop_id, StopTrigger.AMEND, check_at=now + SEEN_AGAIN)


def _placed(stop_id: str, placement: Placement, now: datetime) -> StopUpdate:
    words = {"code": placement.code, "message": placement.message}
    if placement.result is PlacementResult.ACCEPTED:
        return StopUpdate(
            stop_id,
            StopTrigger.ACCEPT,
            venue_stop_id=placement.venue_order_id,
            check_at=now + SEEN_AGAIN,
        )
    if placement.result is PlacementResult.UNKNOWN:
        reason = Reason(ReasonCode.STOP_NOT_ANSWERED, words)
        return StopUpdate(stop_id, StopTrigger.LOSE, reason=reason, check_at=now)
    if placement.reject_kind is RejectKind.PASSED:
        reason = passed_reason(placement.code, placement.message)
        return StopUpdate(stop_id, StopTrigger.REJECT, reason=reason, is_passed=True)
    return StopUpdate(stop_id, StopTrigger.REJECT, reason=Reason(ReasonCode.VENUE_REJECTED, words))


def _try_amendments_later(tenant_id: str, refused: Mapping[str, VenueError]) -> None:
    """Of those that are still there: what is gone is replaced at once."""
    waiting = StopOrder.objects.for_tenant(tenant_id).filter(
        pk__in=list(refused), state=StopState.WAITING
    )
    for stop_id in waiting.values_list("pk", flat=True):
        error = refused[stop_id]
        words = {"code": error.code, "message": error.message}
        is_clear = error.kind is not VenueErrorKind.UNAVAILABLE
        code = ReasonCode.VENUE_REJECTED if is_clear else ReasonCode.STOP_NOT_ANSWERED
        _try_later(tenant_id, stop_id, Reason(code, words))


def _try_later(tenant_id: str, stop_id: str, reason: Reason, *, after_ms: int = 0) -> None:
    """The next attempt, a placement another stop order's, is later with every refusal."""
    row = (
        PositionStops.objects.for_tenant(tenant_id)
        .filter(copied_position__stop_orders__pk=stop_id)
        .first()
    )
    if row is None or row.open_since is None:
        return
    pause = timedelta(seconds=_PAUSES_SECONDS[min(row.tries, len(_PAUSES_SECONDS) - 1)])
    pause = max(pause, timedelta(milliseconds=after_ms))
    PositionStops.objects.for_tenant(tenant_id).filter(pk=row.pk).update(
        due_at=timezone.now() + pause,
        tries=row.tries + 1,
        reason_code=reason.code,
        reason_params=reason.params,
    )
