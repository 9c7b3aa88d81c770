"""Tasks of the system itself."""

from celery import shared_task

from config.health import canary_seen


@shared_task(name="config.tasks.canary")
def canary(*, queue: str) -> None:
    canary_seen(queue)
