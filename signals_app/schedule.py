"""When this app's periodic tasks run; merged into CELERY_BEAT_SCHEDULE."""

from celery.schedules import crontab

SCHEDULE = {
    "signals: delete old refusals": {
        "task": "signals_app.tasks.rejections_clean_up",
        "schedule": crontab(hour="3", minute="37"),
    },
}
