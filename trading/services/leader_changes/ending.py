"""A followed change has its turn, and is over: done, or not for a reason that can be read."""

from __future__ import annotations

from datetime import datetime

from signals_app.models import Signal
from strategies.models import Subscription
from trading.domain.reasons import Reason
from trading.models import FollowedChange
from trading.services.leader_changes.telling import changes_tell


def change_locked(change: FollowedChange, now: datetime) -> FollowedChange | None:
    """None when its turn is not now. In the caller's transaction."""
    return (
        FollowedChange.objects.for_tenant(change.tenant_id)
        .select_for_update()
        .filter(pk=change.pk, check_at__lte=now)
        .first()
    )


def change_end(change: FollowedChange, now: datetime, reason: Reason | None = None) -> None:
    """In the transaction that has it locked."""
    change.state = FollowedChange.State.DONE if reason is None else FollowedChange.State.REFUSED
    if reason is not None:
        change.reason_code, change.reason_params = reason.code, dict(reason.params)
    change.check_at, change.finished_at = None, now
    change.save()
    signal = Signal.objects.for_tenant(change.tenant_id).get(pk=change.signal_id)
    copies = Subscription.objects.for_tenant(change.tenant_id).filter(pk=change.subscription_id)
    changes_tell(signal, [change], [copies.values_list("customer_id", flat=True).get()])
