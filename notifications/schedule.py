"""When this app's periodic tasks run; merged into CELERY_BEAT_SCHEDULE."""

DELIVERIES_SECONDS = 10.0

SCHEDULE = {
    "notifications: deliveries that are due": {
        "task": "notifications.tasks.deliveries_sweep",
        "schedule": DELIVERIES_SECONDS,
    },
    "notifications: settled signals without a summary": {
        "task": "notifications.tasks.summaries_sweep",
        "schedule": 30.0,
    },
    "notifications: alerts that nobody was told of": {
        "task": "notifications.tasks.alerts_sweep",
        "schedule": 20.0,
    },
}
