"""Doing what copies were decided to do: the row says so before the venue is asked."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.failpoints import failpoint
from signals_app.models import Signal
from strategies.models import Subscription
from strategies.services.subscriptions import SubscriptionRefusedError, subscription_pause
from trading.domain.reasons import Reason, ReasonCode
from trading.models import FollowedChange
from trading.services.leader_changes import leverages, margins
from trading.services.leader_changes.ending import change_end, change_locked
from venues.runtime import run_batches

Does, State = FollowedChange.Does, FollowedChange.State
TIMEOUT_SECONDS = 20.0


def leader_changes_do(*, tenant_id: str, change_ids: Sequence[str]) -> None:
    """One step of each. In the tenant's scope; safe to repeat, to run twice at once, and to be
    killed anywhere."""
    rows = (
        FollowedChange.objects.for_tenant(tenant_id)
        .filter(pk__in=change_ids, check_at__isnull=False)
        .select_related("signal__source", "subscription__strategy", "account")
    )
    jobs, added_to = [], []
    for change in rows.order_by("pk"):
        if change.does == Does.PAUSE:
            _pause(change)
        elif change.signal.action == Signal.Action.MARGIN:
            added_to.append(change)
        elif change.signal.action == Signal.Action.LEVERAGE:
            job = leverages.prepare(change)
            if job is not None:
                jobs.append(job)
    failpoint("leader_change.written")
    _set_leverages(tenant_id, jobs)
    _add_margins(tenant_id, added_to)


def _set_leverages(tenant_id: str, jobs: Sequence[leverages.Job]) -> None:
    asking = [leverages.ask(job) for job in jobs]
    for answers in run_batches(asking, timeout_seconds=TIMEOUT_SECONDS) if asking else ():
        failpoint("leader_change.answered")
        for answer in answers:
            retry_on_deadlock(lambda answer=answer: leverages.learn(tenant_id, answer))  # type: ignore[misc]


def _add_margins(tenant_id: str, changes: Sequence[FollowedChange]) -> None:
    jobs = margins.prepare(tenant_id, changes)
    failpoint("leader_change.margin_written")
    asking = [margins.ask(job) for job in jobs]
    for answers in run_batches(asking, timeout_seconds=TIMEOUT_SECONDS) if asking else ():
        failpoint("leader_change.margin_answered")
        for answer in answers:
            retry_on_deadlock(lambda answer=answer: margins.learn(tenant_id, answer))  # type: ignore[misc]


def _pause(change: FollowedChange) -> None:
    """In one transaction with its row: a second pause would undo the client's resuming."""

    def pause() -> None:
        with transaction.atomic():
            now = timezone.now()
            locked = change_locked(change, now)
            if locked is None:
                return
            reason = None
            copy = change.subscription
            facts = change.signal.skip_params
            try:
                if copy.status != Subscription.Status.ACTIVE:
                    reason = Reason(ReasonCode.SUBSCRIPTION_PAUSED)
                else:
                    subscription_pause(
                        subscription=copy,
                        actor=None,
                        code=Subscription.PauseCode.LEADER_TRANSFER,
                        params={name: facts.get(name, "") for name in ("amount", "currency")},
                    )
            except SubscriptionRefusedError:
                reason = Reason(ReasonCode.SUBSCRIPTION_PAUSED)
            change_end(locked, now, reason)

    retry_on_deadlock(pause)
