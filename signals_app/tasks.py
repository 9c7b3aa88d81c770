from celery import shared_task

from signals_app.services.rejections import rejections_purge


@shared_task
def rejections_clean_up() -> None:
    rejections_purge()
