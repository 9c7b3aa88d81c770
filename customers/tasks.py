"""Periodic work of this app (customers/schedule.py says when)."""

from celery import shared_task
from django.utils import timezone

from customers.services.event_retention import events_delete_old
from customers.tenancy import system_scope


@shared_task(name="customers.tasks.events_clean_up")
def events_clean_up() -> int:
    with system_scope("old events of all tenants are deleted"):
        return events_delete_old(now=timezone.now())
