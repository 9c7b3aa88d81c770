"""Periodic work of this app (signals_app/schedule.py says when)."""

from celery import shared_task

from signals_app.services.rejections import rejections_purge


@shared_task(name="signals_app.tasks.rejections_clean_up")
def rejections_clean_up() -> int:
    return rejections_purge()
