"""Events live for thirty days."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from customers.models import Event
from customers.services import event_retention
from customers.tasks import events_clean_up
from customers.tenancy import system_scope
from tests.factories import EventFactory

pytestmark = pytest.mark.django_db


def test_only_what_is_older_than_thirty_days_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_retention, "CHUNK", 2)
    old = timezone.now() - timedelta(days=30, minutes=1)
    young = timezone.now() - timedelta(days=29, hours=23)
    for number in range(5):
        EventFactory(created_at=old, sequence=number, audience="tenant:a")
    kept = EventFactory(created_at=young, sequence=9)
    unnumbered = EventFactory(created_at=old)

    assert events_clean_up() == 5

    with system_scope("test"):
        left = set(Event.objects.values_list("pk", flat=True))
    assert left == {kept.pk, unnumbered.pk}
