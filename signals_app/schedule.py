"""When this app's periodic tasks run; merged into CELERY_BEAT_SCHEDULE."""

from celery.schedules import crontab

SCHEDULE = {
    "signals: leaders": {"task": "signals_app.tasks.leaders_sweep", "schedule": 2.0},
    "signals: delete old trades of leaders": {
        "task": "signals_app.tasks.leader_trades_clean_up",
        "schedule": crontab(hour="3", minute="52"),
    },
    "signals: deliveries": {"task": "signals_app.tasks.deliveries_sweep", "schedule": 2.0},
    "signals: delete old deliveries": {
        "task": "signals_app.tasks.deliveries_clean_up",
        "schedule": crontab(hour="3", minute="52"),
    },
    "signals: delete old refusals": {
        "task": "signals_app.tasks.rejections_clean_up",
        "schedule": crontab(hour="3", minute="37"),
    },
}
