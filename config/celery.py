"""The Celery application. Queues are in settings; tasks live in each app's tasks.py."""

from importlib import import_module
from typing import Any

from celery import Celery
from celery.signals import worker_init
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

app = Celery("tandem")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def _refuse_a_wrong_key(**_: Any) -> None:
    """A worker that cannot open the exchange keys would turn every account unhealthy."""
    from customers.services.keyring import encryption_key_verify  # the apps are loaded only now

    try:
        encryption_key_verify(try_rows=True)
    except ImproperlyConfigured as error:
        # Celery logs and ignores what is an Exception here.
        raise SystemExit(f"The worker does not start. {error}") from error
    finally:
        connections.close_all()  # the pool's processes must not inherit it


@worker_init.connect
def _load_before_the_fork(**_: Any) -> None:
    """ccxt takes most of a second and 60 MB: loaded here, the pool's processes share it."""
    import_module("venues.okx")
