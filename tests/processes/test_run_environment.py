"""The fixtures that other tests stand on."""

import os
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from config.celery import app as celery_app
from config.settings.paths import LONGEST_SOCKET_PATH_BYTES, socket_path
from customers.models import Tenant
from tests.processes.live import database_url, wait_for


def test_the_runs_valkey_is_real_and_empty(valkey):
    assert valkey.dbsize() == 0
    assert valkey.set("a", "1", nx=True)
    assert valkey.set("a", "2", nx=True) is None


def test_a_run_keeps_its_state_out_of_the_checkouts_var():
    assert settings.VAR_DIR != settings.BASE_DIR / "var"


@pytest.mark.django_db(transaction=True)
def test_another_process_reads_what_a_transactional_test_wrote(live):
    Tenant.objects.create(name="Seen", slug="seen")
    code = "from customers.models import Tenant as T; print([t.slug for t in T.objects.all()])"
    shell = live.manage("shell", "-c", code)
    assert shell.process.wait(30) == 0, shell.log()
    assert "['seen']" in shell.log()
    assert str(connection.settings_dict["NAME"]) in database_url()


def test_a_deep_state_directory_still_gets_a_short_socket_path(tmp_path: Path):
    assert socket_path(Path("/srv/tandem/var"), "valkey.sock") == Path(
        "/srv/tandem/var/valkey.sock"
    )
    deep = tmp_path / ("d" * 90)
    short = socket_path(deep, "valkey.sock")
    assert len(os.fsencode(short)) <= LONGEST_SOCKET_PATH_BYTES
    assert short == socket_path(deep, "valkey.sock")
    assert short != socket_path(tmp_path / ("e" * 90), "valkey.sock")
    assert short.parent.stat().st_mode & 0o077 == 0
    short.parent.rmdir()


@pytest.mark.django_db(transaction=True)
def test_a_live_worker_answers_on_the_runs_broker_and_drains_on_sigterm(live, valkey):
    worker = live.worker("signals,orders")
    answers: list[dict[str, object]] = []

    def is_answered() -> bool:
        answers.extend(celery_app.control.ping(timeout=2, limit=1))
        return bool(answers)

    wait_for(is_answered, seconds=60, what="it answers")
    assert list(answers[0].values()) == [{"ok": "pong"}]
    assert worker.stop() == 0


def test_the_paper_exchange_trades_with_an_account_made_on_the_spot(paper_exchange):
    account = paper_exchange.account("smoke", usdt="2500")
    assert account.api_key in {
        row["apiKey"] for row in paper_exchange.control.call("GET", "accounts")["accounts"]
    }
    assert paper_exchange.control.ledger(account.api_key)["orders"] == []
