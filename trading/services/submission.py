"""Sending orders: each once, after its row says so.

claimed → last checks → marked SENDING in a committed UPDATE → one request → answer written in
bulk. A process that dies leaves rows that say how far it came: CLAIMED ones go back to READY,
SENDING ones are looked up, never sent again. No network inside a transaction.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from customers.domain.ids import new_id
from customers.wakeup import wake
from trading.domain.order_states import LIVE_STATES, OrderState, OrderTrigger
from trading.domain.planning import CLOSE_LEG
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk import control_denial
from trading.models import InstrumentSetting, Intent, Order, OrderEvent
from trading.services.account_health import account_mark_unhealthy
from trading.services.control_state import controls_for
from trading.services.credentials import credentials_of_accounts
from trading.services.order_updates import OrderUpdate, order_updates_apply
from trading.services.row_updates import rows_upsert
from venues import markets
from venues.domain.types import (
    Credentials,
    Instrument,
    OrderRequest,
    Placement,
    PlacementResult,
    RejectKind,
    VenueError,
    VenueErrorKind,
)
from venues.runtime import gateway_for, submit

logger = logging.getLogger(__name__)

CLAIM = timedelta(seconds=10)
DEADLINE = timedelta(seconds=4)
"""How long the venue may still accept the request; it discards what arrives later."""
SEND_CHUNK = 100
FLUSH_SIZE = 250
FLUSH_SECONDS = 0.02


def claimant() -> str:
    """Names this process and thread in claims."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"[:80]


@dataclass(frozen=True, slots=True)
class _Job:
    """One order on its way out. Credentials live here only for the send."""

    order: Order
    request: OrderRequest
    credentials: Credentials
    set_leverage: bool


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The leverage was set on the venue, or why not; the order has not left."""

    job: _Job
    error: VenueError | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """The order has left, and this came of it."""

    job: _Job
    placement: Placement


# --- claiming -----------------------------------------------------------------------------------


def orders_claim(*, tenant_id: str, order_ids: Sequence[str], claimed_by: str) -> list[str]:
    """Claim READY orders that may go now; an entry of a later wave waits for its close."""
    now = timezone.now()
    waiting_for = Order.objects.for_tenant(tenant_id).filter(
        signal_id=OuterRef("signal_id"),
        subscription_id=OuterRef("subscription_id"),
        wave__lt=OuterRef("wave"),
        state__in=[str(state) for state in LIVE_STATES],
    )
    free = list(
        Order.objects.for_tenant(tenant_id)
        .filter(pk__in=order_ids, state=OrderState.READY)
        .exclude(Exists(waiting_for))
        .values_list("pk", flat=True)
    )
    if not free:
        return []
    Order.objects.for_tenant(tenant_id).filter(pk__in=free, state=OrderState.READY).update(
        state=OrderState.CLAIMED, claimed_by=claimed_by, claimed_until=now + CLAIM
    )
    return list(
        Order.objects.for_tenant(tenant_id)
        .filter(pk__in=free, state=OrderState.CLAIMED, claimed_by=claimed_by)
        .values_list("pk", flat=True)
    )


def orders_submit(*, tenant_id: str, order_ids: Sequence[str]) -> int:
    """Claim and send what is READY among these; returns how many were claimed."""
    claimed_by = claimant()
    claimed = orders_claim(tenant_id=tenant_id, order_ids=order_ids, claimed_by=claimed_by)
    if claimed:
        orders_send(tenant_id=tenant_id, order_ids=claimed, claimed_by=claimed_by)
    return len(claimed)


# --- sending ------------------------------------------------------------------------------------


def orders_send(*, tenant_id: str, order_ids: Sequence[str], claimed_by: str) -> None:
    """Send orders that this caller has claimed, and write what came of each."""
    sender = OrderSender(tenant_id, claimed_by)
    sender.send(order_ids)
    sender.finish()


class OrderSender:
    """Sends chunks of claimed orders and writes answers as they come.

    `send` returns when the chunk is on its way, so that the next can be planned meanwhile;
    `finish` waits for all answers.
    """

    def __init__(self, tenant_id: str, claimed_by: str) -> None:
        self.tenant_id = tenant_id
        self.claimed_by = claimed_by
        self.instruments: dict[str, dict[str, Instrument]] = {}
        self._news: queue.SimpleQueue[_Prepared | _Answer] = queue.SimpleQueue()
        self._in_flight = 0

    def send(self, order_ids: Sequence[str]) -> None:
        for start in range(0, len(order_ids), SEND_CHUNK):
            self._send_chunk(order_ids[start : start + SEND_CHUNK])
            self._collect(wait=False)

    def finish(self) -> None:
        while self._in_flight:
            self._collect(wait=True)

    def _send_chunk(self, order_ids: Sequence[str]) -> None:
        orders = list(
            Order.objects.for_tenant(self.tenant_id)
            .filter(pk__in=order_ids, state=OrderState.CLAIMED, claimed_by=self.claimed_by)
            .select_related("account", "intent")
        )
        position = {pk: number for number, pk in enumerate(order_ids)}
        orders.sort(key=lambda order: position[order.pk])
        jobs = self._last_checks(orders)
        # A neighbour that needs no preparation does not wait for one that does.
        self._start(_prepare_all, [job for job in jobs if job.set_leverage])
        self._let_go([job for job in jobs if not job.set_leverage])

    def _let_go(self, jobs: list[_Job]) -> None:
        self._mark_sending(jobs)
        self._start(_send_all, jobs)

    def _start(self, work: _Work, jobs: Sequence[_Job]) -> None:
        by_venue: dict[str, list[_Job]] = defaultdict(list)
        for job in jobs:
            by_venue[job.order.account.venue].append(job)
        for venue, venue_jobs in by_venue.items():
            self._in_flight += len(venue_jobs)
            submit(work(venue, venue_jobs, self._news))

    # --- last checks ----------------------------------------------------------------------------

    def _last_checks(self, orders: Sequence[Order]) -> list[_Job]:
        """Jobs for what may leave; the rest is refused or expired with its reason."""
        credentials = credentials_of_accounts(
            tenant_id=self.tenant_id, account_ids=[order.account_id for order in orders]
        )
        settings = _confirmed_leverage(self.tenant_id, orders)
        close_failed = _failed_closes(self.tenant_id, orders)
        refused: list[OrderUpdate] = []
        jobs: list[_Job] = []
        for order in orders:
            reason = self._denial(order, close_failed)
            keys = credentials.get(order.account_id)
            if reason is None and not isinstance(keys, Credentials):
                reason = keys or Reason(
                    ReasonCode.CREDENTIALS_REFUSED, {"code": "-", "message": "no keys are stored"}
                )
            instrument = self._instrument(order)
            if reason is None and instrument is None:
                params = {"symbol": order.symbol, "venue": order.account.venue}
                reason = Reason(ReasonCode.SYMBOL_NOT_LISTED, params)
            if reason is not None:
                late = reason.code is ReasonCode.SIGNAL_EXPIRED
                trigger = OrderTrigger.EXPIRE if late else OrderTrigger.REFUSE
                refused.append(OrderUpdate(order.pk, trigger, reason=reason))
                continue
            assert isinstance(keys, Credentials)
            assert instrument is not None
            confirmed = settings.get((order.account_id, order.symbol, order.margin_mode))
            jobs.append(
                _Job(
                    order=order,
                    request=_request(order, instrument),
                    credentials=keys,
                    set_leverage=order.leverage is not None and confirmed != order.leverage,
                )
            )
        order_updates_apply(tenant_id=self.tenant_id, updates=refused, instruments=self.instruments)
        return jobs

    def _denial(self, order: Order, close_failed: set[tuple[str, str]]) -> Reason | None:
        if order.is_entry and order.expires_at is not None:
            late = (timezone.now() - order.expires_at).total_seconds()
            if late > 0:
                return Reason(ReasonCode.SIGNAL_EXPIRED, {"late_seconds": f"{late:.1f}"})
        if order.cancel_requested_at is not None:
            return Reason(ReasonCode.CANCELLED_BY_VENUE, {"source": "before sending"})
        if order.wave and (order.signal_id, order.subscription_id) in close_failed:
            return Reason(ReasonCode.CLOSE_LEG_UNFINISHED)
        controls = controls_for(
            tenant_id=self.tenant_id,
            strategy_id=order.strategy_id,
            customer_id=order.customer_id,
        )
        return control_denial(controls, is_entry=order.is_entry)

    def _instrument(self, order: Order) -> Instrument | None:
        venue = order.account.venue
        known = self.instruments.setdefault(venue, {})
        if order.symbol not in known:
            try:
                found = markets.instrument(venue, order.symbol)
            except (VenueError, TimeoutError, LookupError):
                found = None
            if found is None:
                return None
            known[order.symbol] = found
        return known[order.symbol]

    # --- write-ahead ----------------------------------------------------------------------------

    def _mark_sending(self, jobs: list[_Job]) -> None:
        """Commit that these leave now. What another process took meanwhile drops out."""
        if not jobs:
            return
        now = timezone.now()
        ids = [job.order.pk for job in jobs]
        with transaction.atomic():
            rows = Order.objects.for_tenant(self.tenant_id).filter(
                pk__in=ids, state=OrderState.CLAIMED, claimed_by=self.claimed_by
            )
            updated = rows.update(
                state=OrderState.SENDING,
                sent_at=now,
                deadline_at=now + DEADLINE,
                claimed_until=None,
            )
            if updated != len(ids):
                marked = set(
                    Order.objects.for_tenant(self.tenant_id)
                    .filter(pk__in=ids, state=OrderState.SENDING, sent_at=now)
                    .values_list("pk", flat=True)
                )
                jobs[:] = [job for job in jobs if job.order.pk in marked]
            OrderEvent.objects.bulk_create(
                [
                    OrderEvent(
                        id=new_id(),
                        tenant_id=self.tenant_id,
                        order_id=job.order.pk,
                        kind=OrderTrigger.SEND,
                        from_state=OrderState.CLAIMED,
                        to_state=OrderState.SENDING,
                        occurred_at=now,
                    )
                    for job in jobs
                ]
            )
        for job in jobs:
            job.order.sent_at, job.order.deadline_at = now, now + DEADLINE

    # --- answers --------------------------------------------------------------------------------

    def _collect(self, *, wait: bool) -> None:
        """Deal with the news that are there; with `wait`, at least one and those right after."""
        news: list[_Prepared | _Answer] = []
        timeout: float | None = None
        while len(news) < FLUSH_SIZE and len(news) < self._in_flight:
            try:
                news.append(self._news.get(timeout=timeout) if wait else self._news.get_nowait())
            except queue.Empty:
                break
            timeout = FLUSH_SECONDS
        self._in_flight -= len(news)
        prepared = [item for item in news if isinstance(item, _Prepared)]
        answers = [item for item in news if isinstance(item, _Answer)]
        if prepared:
            self._take_prepared(prepared)
        if answers:
            self._apply([_update(answer) for answer in answers])
            for answer in answers:
                self._note_refused_keys(answer.job.order, _refusal_of_keys(answer.placement))
            self._follow(answers)

    def _apply(self, updates: Sequence[OrderUpdate]) -> None:
        order_updates_apply(tenant_id=self.tenant_id, updates=updates, instruments=self.instruments)

    def _take_prepared(self, prepared: Sequence[_Prepared]) -> None:
        ready = [item.job for item in prepared if item.error is None]
        self._remember_leverage(ready)
        refused = []
        for item in prepared:
            if item.error is None:
                continue
            refused.append(
                OrderUpdate(
                    item.job.order.pk,
                    OrderTrigger.REFUSE,
                    reason=_leverage_reason(item.job.order, item.error),
                )
            )
            if item.error.kind is VenueErrorKind.CREDENTIALS:
                self._note_refused_keys(item.job.order, (item.error.code, item.error.message))
        self._apply(refused)
        self._let_go(ready)

    def _remember_leverage(self, jobs: Sequence[_Job]) -> None:
        now = timezone.now()
        rows = [
            InstrumentSetting(
                tenant_id=self.tenant_id,
                account_id=job.order.account_id,
                symbol=job.order.symbol,
                margin_mode=job.order.margin_mode,
                leverage=job.order.leverage,
                confirmed_at=now,
            )
            for job in jobs
        ]
        rows_upsert(
            InstrumentSetting,
            rows,
            ["account", "symbol", "margin_mode"],
            ["leverage", "confirmed_at"],
        )

    def _note_refused_keys(self, order: Order, words: tuple[str, str] | None) -> None:
        if words is not None:
            code, message = words
            account_mark_unhealthy(
                account=order.account,
                code=ReasonCode.CREDENTIALS_REFUSED,
                params={"code": code, "message": message},
            )

    def _follow(self, answers: Iterable[_Answer]) -> None:
        ids = [
            answer.job.order.pk
            for answer in answers
            if answer.placement.result is not PlacementResult.REJECTED
        ]
        if ids:
            wake("trading.tasks.orders_check", order_ids=ids, tenant_id=self.tenant_id)


def _refusal_of_keys(placement: Placement) -> tuple[str, str] | None:
    """The venue's code and words when it refused the key itself."""
    if (
        placement.result is PlacementResult.REJECTED
        and placement.reject_kind is RejectKind.CREDENTIALS
    ):
        return placement.code, placement.message
    return None


def _leverage_reason(order: Order, error: VenueError) -> Reason:
    words = {"code": error.code or "-", "message": error.message}
    if error.kind is VenueErrorKind.CREDENTIALS:
        return Reason(ReasonCode.CREDENTIALS_REFUSED, words)
    return Reason(
        ReasonCode.LEVERAGE_NOT_SET, {**words, "leverage": format(order.leverage or 0, "f")}
    )


def _request(order: Order, instrument: Instrument) -> OrderRequest:
    deadline = timezone.now() + DEADLINE
    return OrderRequest(
        client_order_id=order.pk,
        instrument=instrument,
        side=order.side,  # type: ignore[arg-type]  # written by our own planning
        order_type=order.order_type,  # type: ignore[arg-type]
        quantity=order.quantity,
        price=order.price,
        position_side=order.position_side,  # type: ignore[arg-type]
        reduce_only=order.reduce_only,
        margin_mode=order.margin_mode,  # type: ignore[arg-type]
        deadline_ms=int(deadline.timestamp() * 1000),
    )


def _update(answer: _Answer) -> OrderUpdate:
    order, placement = answer.job.order, answer.placement
    if placement.result is PlacementResult.ACCEPTED:
        return OrderUpdate(
            order.pk,
            OrderTrigger.ACCEPT,
            venue_order_id=placement.venue_order_id,
            check_at=timezone.now(),
        )
    words = {"code": placement.code, "message": placement.message}
    if placement.result is PlacementResult.UNKNOWN:
        return OrderUpdate(
            order.pk,
            OrderTrigger.LOSE,
            reason=Reason(ReasonCode.OUTCOME_UNKNOWN, words),
            check_at=timezone.now(),
        )
    codes = {
        RejectKind.CREDENTIALS: ReasonCode.CREDENTIALS_REFUSED,
        RejectKind.RATE_LIMIT: ReasonCode.RATE_LIMITED,
    }
    code = codes.get(placement.reject_kind, ReasonCode.VENUE_REJECTED)
    retry = placement.reject_kind in (RejectKind.RATE_LIMIT, RejectKind.LATE)
    return OrderUpdate(
        order.pk, OrderTrigger.REJECT, reason=Reason(code, words), details={"retry": retry}
    )


# --- facts for the last checks --------------------------------------------------------------------


def _confirmed_leverage(tenant_id: str, orders: Sequence[Order]) -> dict[tuple[str, str, str], Any]:
    rows = (
        InstrumentSetting.objects.for_tenant(tenant_id)
        .filter(account_id__in={order.account_id for order in orders if order.leverage})
        .values_list("account_id", "symbol", "margin_mode", "leverage")
    )
    return {(account, symbol, mode): leverage for account, symbol, mode, leverage in rows}


def _failed_closes(tenant_id: str, orders: Sequence[Order]) -> set[tuple[str, str]]:
    """(signal, subscription) of later-wave entries whose close did not fill completely."""
    later = [order for order in orders if order.wave]
    if not later:
        return set()
    return set(
        Intent.objects.for_tenant(tenant_id)
        .filter(
            signal_id__in={order.signal_id for order in later},
            subscription_id__in={order.subscription_id for order in later},
            leg__gte=CLOSE_LEG,
        )
        .exclude(status=Intent.Status.FILLED)
        .values_list("signal_id", "subscription_id")
    )


# --- on the venue loop ----------------------------------------------------------------------------

_News = queue.SimpleQueue[_Prepared | _Answer]
_Work = Callable[[str, Sequence[_Job], _News], Coroutine[Any, Any, None]]


async def _prepare_all(venue: str, jobs: Sequence[_Job], news: _News) -> None:
    await asyncio.gather(*(_prepare_one(venue, job, news) for job in jobs))


async def _prepare_one(venue: str, job: _Job, news: _News) -> None:
    """Always puts exactly one piece of news."""
    order = job.order
    assert order.leverage is not None
    try:
        await gateway_for(venue).set_leverage(
            job.credentials,
            symbol=order.symbol,
            leverage=order.leverage,
            margin_mode=order.margin_mode,
            position_sides=[order.position_side],
        )
    except VenueError as error:
        news.put(_Prepared(job, error))
    except Exception as error:
        logger.exception("setting the leverage of order %s failed", order.pk)
        news.put(_Prepared(job, VenueError(VenueErrorKind.UNAVAILABLE, "", type(error).__name__)))
    else:
        news.put(_Prepared(job))


async def _send_all(venue: str, jobs: Sequence[_Job], news: _News) -> None:
    await asyncio.gather(*(_send_one(venue, job, news) for job in jobs))


async def _send_one(venue: str, job: _Job, news: _News) -> None:
    """Always puts exactly one answer: whatever fails here must not lose the order."""
    try:
        placement = await gateway_for(venue).place_order(job.credentials, job.request)
    except Exception as error:
        # Unknown is the safe name for whatever it was: it will be looked up.
        logger.exception("sending order %s failed", job.order.pk)
        placement = Placement(
            PlacementResult.UNKNOWN, code=type(error).__name__[:32], message="internal error"
        )
    news.put(_Answer(job, placement))
