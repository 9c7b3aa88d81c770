"""The Celery application. Queues and schedules are in settings; tasks live in each app's tasks.py."""

from celery import Celery

app = Celery("tandem")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
