"""Numbered signals: what is missing is noted with the source, and told to the staff."""

from __future__ import annotations

from customers.services.events import EventDraft, events_record, staff_audience
from signals_app.domain.sequences import Sequence, sequence_step
from signals_app.models import IntakeState, Signal
from signals_app.signals import sequence_gap_found


def sequence_note(signal: Signal) -> None:
    """In the transaction that stores a new signal with a number."""
    number = signal.sequence
    assert number is not None
    rows = IntakeState.objects.for_tenant(signal.tenant_id)
    rows.get_or_create(source_id=signal.source_id, defaults={"tenant_id": signal.tenant_id})
    stored = rows.select_for_update().get(source_id=signal.source_id)
    before = Sequence(stored.last_sequence, tuple((first, last) for first, last in stored.gaps))
    after, gap = sequence_step(before, number)
    if after == before:
        return
    rows.filter(pk=stored.pk).update(
        last_sequence=after.last, gaps=[list(missing) for missing in after.gaps]
    )
    if gap is None:
        return
    payload = {"source": signal.source_id, "first": gap[0], "last": gap[1]}
    audience = staff_audience(signal.tenant_id)
    events_record([EventDraft(signal.tenant_id, audience, "source.sequence_gap", payload)])
    sequence_gap_found.send(sender=Signal, source=signal.source, gap=gap)
