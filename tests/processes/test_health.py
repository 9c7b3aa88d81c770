"""Alive is one thing, working another. With real processes: test_outages.py."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone

from config import health
from config.celery import app
from config.health import HealthChecks
from config.supervisor.ports import free_port
from config.supervisor.stack import ALL_QUEUES
from config.tasks import canary
from customers.models import Lease


def see_all() -> None:
    for queue in settings.QUEUES:
        canary(queue=queue)


@pytest.mark.django_db
def test_a_queue_whose_canary_is_overdue_does_not_work(valkey: Any) -> None:
    assert health.problems() == [f"queue:{queue}" for queue in settings.QUEUES]
    see_all()
    assert health.problems() == []
    Lease.objects.filter(name="queue:sync").update(expires_at=timezone.now())
    assert health.problems() == ["queue:sync"]
    see_all()
    assert health.problems() == []


def test_a_stuck_queue_is_seen_within_thirty_seconds() -> None:
    assert timedelta(seconds=2 * settings.CANARY_SECONDS) < health.CANARY_LIFETIME
    assert timedelta(seconds=30) > health.CANARY_LIFETIME


def test_each_queue_that_a_worker_takes_from_has_a_canary() -> None:
    entries = [row for row in app.conf.beat_schedule.values() if row["task"] == canary.name]
    assert {row["options"]["queue"] for row in entries} == set(ALL_QUEUES.split(","))
    assert all(row["kwargs"] == {"queue": row["options"]["queue"]} for row in entries)
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    assert routed | {settings.CELERY_TASK_DEFAULT_QUEUE} == set(settings.QUEUES)


@pytest.mark.django_db
def test_a_server_that_is_away_is_named(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    see_all()
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    assert health.problems() == ["redis"]

    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError(2003, "no server")

    monkeypatch.setattr(health.Lease.objects, "filter", away)
    assert health.problems() == ["database", "redis"]


async def ask(application: Any, path: str) -> tuple[int, Any]:
    asking = ApplicationCommunicator(application, {"type": "http", "path": path, "method": "GET"})
    await asking.send_input({"type": "http.request"})
    start = await asking.receive_output(20)
    body = await asking.receive_output(20)
    return start["status"], json.loads(body["body"])


async def test_a_process_lives_while_nothing_behind_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hanging = threading.Event()
    monkeypatch.setattr(health, "_look", hanging.wait)
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.05)
    checks = HealthChecks(None)
    try:
        assert await ask(checks, "/health/live") == (200, {"status": "live"})
        status, body = await ask(checks, "/health/ready/")
        assert (status, body["problems"]) == (503, ["no answer in time"])
        assert (await ask(checks, "/health/live/"))[0] == 200
    finally:
        hanging.set()


async def test_readiness_is_asked_for_once_a_second_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def count() -> list[str]:
        asked.append(1)
        return []

    monkeypatch.setattr(health, "_look", count)
    monkeypatch.setattr(health, "KEPT_SECONDS", 60.0)
    checks = HealthChecks(None)
    for _ in range(5):
        assert await ask(checks, "/health/ready") == (200, {"status": "ready", "problems": []})
    assert asked == [1]


async def test_all_other_paths_go_on() -> None:
    passed: list[str] = []

    async def site(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope["path"])
        await health._answer(send, 200, {})

    await ask(HealthChecks(site), "/health/other")
    assert passed == ["/health/other"]
