"""Numbering events per audience: five statements per batch, whatever its size.

Only the holder of the relay's lease numbers, and proves it in the same transaction; the unique
key (audience, sequence) would refuse a second writer anyway. Numbers follow the events' ids as
far as they are visible: a row that is committed late simply gets a later number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from django.db import InterfaceError, OperationalError, connection, transaction

from customers.domain.event_wire import NumberedEvent
from customers.failpoints import failpoint
from customers.models import AudienceCounter, Event
from customers.services.leases import lease_renew
from customers.signals import event_relayed

BATCH_LIMIT = 250  # small enough that the first of a burst is pushed early


def events_number(
    *, lease_name: str, lease_holder: str, lease_lifetime: timedelta, limit: int = BATCH_LIMIT
) -> list[NumberedEvent]:
    """Number up to `limit` waiting events, hand them on, and return them in order.

    Needs the system scope: a batch is of many tenants, and the number is all that it writes.
    Raises LeaseLostError when another relay took over; then nothing was written.
    """
    waiting = _waiting(limit)
    if not waiting:
        return []
    with transaction.atomic():
        lease_renew(name=lease_name, holder=lease_holder, lifetime=lease_lifetime)
        numbered = _with_sequences(waiting)
        _store(numbered)
        _hand_on(numbered)
        failpoint("relay.before_commit")
    return numbered


def _waiting(limit: int) -> list[NumberedEvent]:
    rows = (
        Event.objects.filter(sequence__isnull=True)
        .order_by("id")
        .values_list("id", "tenant_id", "audience", "kind", "payload", "created_at")[:limit]
    )
    return [
        NumberedEvent(
            id=pk,
            tenant_id=tenant_id,
            audience=audience,
            sequence=0,
            kind=kind,
            payload=payload,
            created_at=created_at,
        )
        for pk, tenant_id, audience, kind, payload, created_at in rows
    ]


def _with_sequences(waiting: Sequence[NumberedEvent]) -> list[NumberedEvent]:
    audiences = sorted({event.audience for event in waiting})
    last: dict[str, int] = dict.fromkeys(audiences, 0)
    last.update(
        AudienceCounter.objects.select_for_update()
        .filter(audience__in=audiences)
        .values_list("audience", "last_sequence")
    )
    numbered = []
    for event in waiting:
        last[event.audience] += 1
        numbered.append(replace(event, sequence=last[event.audience]))
    # MySQL's upsert names no target; the other databases need it.
    targeted = connection.features.supports_update_conflicts_with_target
    AudienceCounter.objects.bulk_create(
        [AudienceCounter(audience=name, last_sequence=last[name]) for name in audiences],
        update_conflicts=True,
        update_fields=["last_sequence"],
        unique_fields=["audience"] if targeted else None,
    )
    return numbered


def _store(numbered: Sequence[NumberedEvent]) -> None:
    """One UPDATE for all rows: the ORM's own forms of it are twenty times slower."""
    table = connection.ops.quote_name(Event._meta.db_table)
    cases = " ".join(["WHEN %s THEN %s"] * len(numbered))
    ids = ", ".join(["%s"] * len(numbered))
    parameters: list[str | int] = []
    for event in numbered:
        parameters += [event.id, event.sequence]
    parameters += [event.id for event in numbered]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET sequence = CASE id {cases} END"  # noqa: S608  (placeholders)
            f" WHERE sequence IS NULL AND id IN ({ids})",
            parameters,
        )
        if cursor.rowcount != len(numbered):
            raise RuntimeError(
                f"{cursor.rowcount} of {len(numbered)} events were waiting to be numbered."
            )


def _hand_on(numbered: list[NumberedEvent]) -> None:
    """A receiver's bug is logged (by Django) and costs that receiver the batch, not everybody the
    push; a database that is gone rolls the batch back, and it comes again."""
    for _, response in event_relayed.send_robust(sender=Event, events=numbered):
        if isinstance(response, (OperationalError, InterfaceError)):
            raise response
