"""The Celery application. Queues are in settings; tasks live in each app's tasks.py."""

import gc
import logging
import os
import signal
import threading
from importlib import import_module
from typing import Any

from celery import Celery
from celery.signals import (
    task_prerun,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_shutting_down,
)
from django.core.exceptions import ImproperlyConfigured
from django.db import close_old_connections, connections

from config import broker, pool_upkeep
from customers import wakeup
from customers.draining import drain_begin

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 25.0
"""What a worker that was told to stop may take; all that it does is made to end well before."""
LATE_ANSWER_SECONDS = 15.0
"""Longer than a request that has left may take."""
GC_THRESHOLD = 20_000
"""New objects between collections of the youngest, where Python takes 700."""

broker.install()
app = Celery("tandem")
# For every thread, also when the settings' module was not known yet: otherwise wake-ups, which go
# out from a thread, would look for a RabbitMQ on this machine.
app.set_default()
pool_upkeep.install(app)
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
    gc.freeze()  # a collection in a child would write to all of it, and so copy it


@task_prerun.connect
def _keep_what_still_works(**_: Any) -> None:
    """As Django does between requests: a connection goes when it is old or broken. Celery itself
    would open a new one for every task."""
    close_old_connections()


@worker_process_init.connect
def _collect_seldom(**_: Any) -> None:
    """A full collection walks all that is loaded, for 100 ms in the middle of a fan-out; what the
    libraries hold is never garbage, and a chunk of orders alone makes thousands of objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 20)


@worker_shutting_down.connect
def _drain(**_: Any) -> None:
    """SIGTERM: Celery takes no more messages and waits for running tasks, without any limit."""
    drain_begin()
    limit = threading.Timer(DRAIN_SECONDS, _give_up)
    limit.daemon = True
    limit.start()


def _give_up() -> None:
    """As if the machine lost it: the pool goes with it, and the rows say how far each order is."""
    logger.error("still working %.0f s after the signal to stop; killed", DRAIN_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


@worker_process_shutdown.connect
def _finish(**_: Any) -> None:
    """In each process of the pool, when its last task is done."""
    from trading.services.submission.stragglers import stragglers

    stragglers.wait(LATE_ANSWER_SECONDS)
    wakeup.flush()
