"""Clients and staff read what a copy did about its leader's change."""

from __future__ import annotations

from collections.abc import Sequence

from customers.services.events import (
    EventDraft,
    customer_audience,
    events_record,
    staff_audience,
)
from signals_app.models import Signal
from trading.models import FollowedChange

KIND = "copy.leader_changed"


def changes_tell(
    signal: Signal, changes: Sequence[FollowedChange], customer_ids: Sequence[str]
) -> None:
    """In the transaction that ends them. Staff have read of the leader itself once, for all."""
    drafts = []
    for change, customer_id in zip(changes, customer_ids, strict=True):
        payload = {
            "subscription": change.subscription_id,
            "signal": signal.pk,
            "facts": dict(signal.skip_params),
            "does": change.does,
            "state": change.state,
            "code": change.reason_code,
            "params": dict(change.reason_params),
        }
        audiences = [customer_audience(customer_id)]
        if change.does != FollowedChange.Does.TELL:
            audiences.append(staff_audience(change.tenant_id))
        drafts += [EventDraft(change.tenant_id, each, KIND, payload) for each in audiences]
    events_record(drafts)
