"""Periodic work of this app (customers/schedule.py says when)."""

from celery import shared_task
from django.utils import timezone

from customers.services.event_retention import events_delete_old
from customers.services.idempotency import idempotency_purge
from customers.tenancy import system_scope


@shared_task(name="customers.tasks.events_clean_up")
def events_clean_up() -> int:
    with system_scope("old events of all tenants are deleted"):
        return events_delete_old(now=timezone.now())


@shared_task(name="customers.tasks.idempotency_clean_up")
def idempotency_clean_up() -> int:
    with system_scope("old stored answers of all tenants are deleted"):
        return idempotency_purge()
