"""Sends claimed orders in chunks and writes what comes back, while more is being planned."""

from __future__ import annotations

import queue
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from customers.bulk_rows import rows_update, rows_upsert
from customers.draining import is_draining
from customers.failpoints import failpoint
from customers.wakeup import wake
from trading.domain.order_states import OrderState, OrderTrigger
from trading.domain.reasons import Reason
from trading.models import InstrumentSetting, Order
from trading.services.account_health import account_key_failed
from trading.services.acknowledgements import acknowledgements_apply
from trading.services.breaker import AnswerTally, Departures, FanoutExceededError
from trading.services.clocks import deadline_ms
from trading.services.control_state import controls_watch
from trading.services.order_updates import OrderUpdate, order_updates_apply
from trading.services.outgoing import CLAIM_LIFETIME, OutgoingOrder
from trading.services.submission.answers import (
    closed_markets,
    leverage_reason,
    refusal_of_account,
    update_for,
)
from trading.services.submission.claims import claims_release, claims_renew
from trading.services.submission.last_checks import Instruments, checked_again, last_checks
from trading.services.submission.refusals import asked_for, refusals_note
from trading.services.submission.stragglers import stragglers
from trading.services.submission.wire import (
    Answer,
    Job,
    News,
    Prepared,
    Work,
    prepare_all,
    send_all,
)
from venues import markets
from venues.domain.types import PlacementResult, VenueErrorKind
from venues.runtime import submit

DEADLINE = timedelta(seconds=4)
"""How long the venue may still accept the request; it discards what arrives later."""
SEND_CHUNK = 500
FLUSH_SIZE = 500
FLUSH_SECONDS = 0.02
SILENCE_SECONDS = 0.25
PATIENCE_SECONDS = 1.0
"""So long a worker waits for the last answers before it takes the next task."""
RENEW_SECONDS = CLAIM_LIFETIME.total_seconds() / 3


class OrderSender:
    """Sends chunks of claimed orders and writes answers as they come.

    `send` returns when the chunk is on its way, so that the next can be planned meanwhile;
    `finish` waits for the answers, a while. With `follow` off the caller sees to it that what was
    accepted is followed up; late answers are followed up here in any case.
    """

    def __init__(self, tenant_id: str, claimed_by: str, *, follow: bool = True) -> None:
        self.tenant_id = tenant_id
        self.claimed_by = claimed_by
        self.instruments: Instruments = {}
        self._news: News = queue.SimpleQueue()
        self._in_flight = 0
        self._follow = follow
        self._to_follow: list[str] = []
        self._preparing: set[str] = set()
        self._renew_at = time.monotonic() + RENEW_SECONDS
        self._departures = Departures(tenant_id)
        self._answered = AnswerTally(tenant_id)

    def send(self, orders: Sequence[OutgoingOrder]) -> None:
        for start in range(0, len(orders), SEND_CHUNK):
            self._send_chunk(orders[start : start + SEND_CHUNK])
            self._collect(wait=False)

    def finish(self) -> None:
        """Wait for all answers; those of silent accounts are left to the stragglers' thread."""
        until = time.monotonic() + PATIENCE_SECONDS
        while self._in_flight and time.monotonic() < until:
            self._collect(wait=True)
        self._follow_up()
        self._answered.report()
        if self._in_flight:
            self._follow = True
            stragglers.take(self)

    def take_late(self) -> bool:
        """What has come in since `finish` gave up waiting; whether that was all."""
        while self._collect(wait=False):
            pass
        self._follow_up()
        self._answered.report()
        return not self._in_flight

    def _follow_up(self) -> None:
        """Only now: while others wait to be sent it would compete with them."""
        if self._to_follow and self._follow:
            wake("trading.tasks.orders_check", order_ids=self._to_follow, tenant_id=self.tenant_id)
        self._to_follow = []

    def _send_chunk(self, orders: Sequence[OutgoingOrder]) -> None:
        if is_draining():
            self._release(orders)
            return
        # Asked again when they leave; here because what is prepared comes back one by one.
        orders, stopped = self._departures.sift(orders)
        self._apply(stopped)
        jobs, refused = last_checks(self.tenant_id, orders, self.instruments)
        self._apply(refused)
        # A neighbour that needs no preparation does not wait for one that does.
        self._prepare([job for job in jobs if job.set_leverage])
        self._let_go([job for job in jobs if not job.set_leverage])

    def _prepare(self, jobs: Sequence[Job]) -> None:
        self._preparing.update(job.order.id for job in jobs)
        self._start(prepare_all, jobs)

    def _release(self, orders: Iterable[OutgoingOrder]) -> None:
        ids = [order.id for order in orders]
        claims_release(tenant_id=self.tenant_id, order_ids=ids, claimed_by=self.claimed_by)

    def _keep_claims(self) -> None:
        """A venue that is slow to set leverages must not make two of us prepare the same order."""
        if self._preparing and time.monotonic() > self._renew_at:
            claims_renew(
                tenant_id=self.tenant_id, order_ids=self._preparing, claimed_by=self.claimed_by
            )
            self._renew_at = time.monotonic() + RENEW_SECONDS

    def _let_go(self, jobs: Sequence[Job]) -> None:
        if is_draining():
            self._release(job.order for job in jobs)
            return
        leaving, stopped = self._departures.sift([job.order for job in jobs])
        self._apply(stopped)
        by_id = {job.order.id: job for job in jobs}
        controls_watch()  # marking may wait for the database, and leaving for its turn
        jobs = [by_id[order.id] for order in leaving]
        try:
            marked = self._mark_sending(jobs)
        except FanoutExceededError as exceeded:
            self._departures.stop(exceeded)
            self._let_go(jobs)  # without that signal's entries
            return
        self._start(send_all, marked)

    def _start(self, work: Work, jobs: Sequence[Job]) -> None:
        by_venue: dict[str, list[Job]] = defaultdict(list)
        for job in jobs:
            by_venue[job.order.venue].append(job)
        for venue, venue_jobs in by_venue.items():
            self._in_flight += len(venue_jobs)
            submit(work(venue, venue_jobs, self._news))

    def _mark_sending(self, jobs: Sequence[Job]) -> list[Job]:
        """Commit that these leave now: the write-ahead. What was taken from us drops out.

        The row's `sent_at` is all that tells of it (`trading/selectors/order_events.py`).
        """
        if not jobs:
            return []
        ids = [job.order.id for job in jobs]
        with transaction.atomic():
            now = timezone.now()  # SQLite may have had us wait for the others' transactions
            marked = rows_update(
                Order,
                {key: {} for key in ids},
                (),
                same={
                    "state": OrderState.SENDING,
                    "sent_at": now,
                    "deadline_at": now + DEADLINE,
                    "claimed_until": None,
                },
                only_if={
                    "state": OrderState.CLAIMED,
                    "claimed_by": self.claimed_by,
                    "cancel_requested_at": None,
                    "withdrawn_by": "",
                },
            )
            if marked != len(ids):
                left = set(
                    Order.objects.for_tenant(self.tenant_id)
                    .filter(pk__id_in=ids, state=OrderState.SENDING, sent_at=now)
                    .values_list("pk", flat=True)
                )
                jobs = [job for job in jobs if job.order.id in left]
            self._departures.count(job.order for job in jobs)
            failpoint("orders.before_marked_sending")
        failpoint("orders.marked_sending")
        venues = {job.order.venue for job in jobs}
        until = {venue: deadline_ms(venue, now + DEADLINE) for venue in venues}
        return [replace(job, deadline_ms=until[job.order.venue]) for job in jobs]

    # --- answers --------------------------------------------------------------------------------

    def _collect(self, *, wait: bool) -> int:
        """Deal with the news that are there, or with `wait` soon are; returns how many."""
        if self._in_flight:
            controls_watch()
        self._keep_claims()
        news: list[Prepared | Answer] = []
        timeout = SILENCE_SECONDS
        while len(news) < FLUSH_SIZE and len(news) < self._in_flight:
            try:
                news.append(self._news.get(timeout=timeout) if wait else self._news.get_nowait())
            except queue.Empty:
                break
            timeout = FLUSH_SECONDS
        self._in_flight -= len(news)
        prepared = [item for item in news if isinstance(item, Prepared)]
        if prepared:
            self._take_prepared(prepared)
        answers = [item for item in news if isinstance(item, Answer)]
        if answers:
            self._take_answers(answers)
        return len(news)

    def _take_answers(self, answers: Sequence[Answer]) -> None:
        accepted = {
            answer.job.order.id: answer.placement.venue_order_id
            for answer in answers
            if answer.placement.result is PlacementResult.ACCEPTED
        }
        failpoint("orders.answered")
        written = acknowledgements_apply(tenant_id=self.tenant_id, venue_order_ids=accepted)
        failpoint("orders.acknowledged")
        now = timezone.now()
        self._apply(
            [update_for(answer, now) for answer in answers if answer.job.order.id not in written]
        )
        for venue in closed_markets(answers):
            markets.outdate(venue)
        self._answered.note((answer.job.order, answer.placement) for answer in answers)
        for answer in answers:
            reason = refusal_of_account(answer.placement)
            if reason is not None:
                self._stop_account(answer.job.order, reason)
        self._to_follow += [
            answer.job.order.id
            for answer in answers
            if answer.placement.result is not PlacementResult.REJECTED
        ]

    def _apply(self, updates: Sequence[OrderUpdate]) -> None:
        order_updates_apply(tenant_id=self.tenant_id, updates=updates, instruments=self.instruments)

    def _take_prepared(self, prepared: Sequence[Prepared]) -> None:
        self._preparing.difference_update(item.job.order.id for item in prepared)
        done = [item.job for item in prepared if item.error is None]
        self._remember_leverage(done)
        refusals_note(
            self.tenant_id,
            [(asked_for(item.job.order), item.error) for item in prepared if item.error],
        )
        failpoint("orders.prepared")
        ready: list[Job] = []
        refused: list[OrderUpdate] = []
        for item in prepared:
            if item.error is None:
                refusal = checked_again(item.job.order)
                if refusal is None:
                    ready.append(item.job)
                else:
                    refused.append(refusal)
                continue
            order = item.job.order
            reason = leverage_reason(order, item.error)
            refused.append(OrderUpdate(order.id, OrderTrigger.REFUSE, reason=reason))
            if item.error.kind in (VenueErrorKind.CREDENTIALS, VenueErrorKind.MODE):
                self._stop_account(order, reason)
        self._apply(refused)
        self._let_go(ready)

    def _remember_leverage(self, jobs: Iterable[Job]) -> None:
        now = timezone.now()
        rows_upsert(
            InstrumentSetting,
            [
                InstrumentSetting(
                    tenant_id=self.tenant_id,
                    account_id=job.order.account_id,
                    symbol=job.order.symbol,
                    margin_mode=job.order.margin_mode,
                    leverage=job.order.leverage,  # type: ignore[misc]  # set, or it were not here
                    confirmed_at=now,
                )
                for job in jobs
            ],
            ["account", "symbol", "margin_mode"],
            ["leverage", "confirmed_at"],
        )

    def _stop_account(self, order: OutgoingOrder, reason: Reason) -> None:
        account_key_failed(tenant_id=self.tenant_id, account_id=order.account_id, reason=reason)
