"""When this app's periodic tasks run; merged into CELERY_BEAT_SCHEDULE."""

from celery.schedules import crontab

SCHEDULE = {
    "customers: delete old events": {
        "task": "customers.tasks.events_clean_up",
        "schedule": crontab(hour="3", minute="17"),
    },
    "customers: delete old stored answers": {
        "task": "customers.tasks.idempotency_clean_up",
        "schedule": crontab(minute="47"),
    },
}
