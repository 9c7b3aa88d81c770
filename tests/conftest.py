"""What every test may use. Real processes are started by `live` (tests/processes/live.py)."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.core.management.color import no_style
from django.db import connections
from django.test import TransactionTestCase, override_settings

from config.demo.paper_control import PaperAccount, PaperControl, invented_account
from config.supervisor.launch import launched
from config.supervisor.ports import LOOPBACK, free_port, http_answers
from config.supervisor.valkey import answers, socket_of, valkey_argv
from customers import wakeup
from customers.tenancy import tripwire_disabled
from tests.processes.live import LiveProcesses, wait_for

# --- which tests run, and in which order -----------------------------------------------------

SERVER_FIXTURES = frozenset({"db", "transactional_db", "valkey"})


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--servers-only",
        action="store_true",
        help="leave out what uses neither database nor Redis and is the same with all of them",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--servers-only"):
        left_out = [item for item in items if not _uses_servers(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _uses_servers(item)]
    # What waits for minutes goes first, so that the workers of a run do the rest meanwhile.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def _uses_servers(item: pytest.Item) -> bool:
    names = SERVER_FIXTURES.intersection(getattr(item, "fixturenames", ()))
    return bool(names) or item.get_closest_marker("django_db") is not None


# --- what every test would pay for -----------------------------------------------------------

# Made by migrations, the same before and after each test.
KEPT_TABLES = frozenset({"django_content_type", "auth_permission"})


@pytest.fixture(scope="session", autouse=True)
def _quick_flush() -> Iterator[None]:
    """Empties the tables between transactional tests, which is no access by the application.

    Django's own way makes all content types and permissions again each time.
    """
    original = TransactionTestCase._fixture_teardown

    @cache
    def statements(alias: str) -> list[str]:
        tables = connections[alias].introspection.django_table_names(only_existing=True)
        return connections[alias].ops.sql_flush(no_style(), sorted({*tables} - KEPT_TABLES))

    def teardown(self: TransactionTestCase) -> None:
        with tripwire_disabled():
            for alias in self._databases_names(include_mirrors=False):
                connections[alias].ops.execute_sql_flush(statements(alias))

    TransactionTestCase._fixture_teardown = teardown  # type: ignore[method-assign]
    yield
    TransactionTestCase._fixture_teardown = original  # type: ignore[method-assign]


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_found_when_asked_for() -> Iterator[None]:
    """Each new test client loads the middleware, and that would list all files each time."""
    with override_settings(WHITENOISE_AUTOREFRESH=True):
        yield


# --- Valkey or Redis ------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def _broker() -> Iterator[None]:
    """The wheel's Valkey for this run, unless REDIS_URL names a server that is there."""
    socket = socket_of(django_settings.REDIS_URL)
    if socket is None or os.environ.get("REDIS_URL"):
        yield
        return
    argv = valkey_argv(
        socket_path=socket, directory=django_settings.VAR_DIR / "valkey", durable=False
    )
    process = subprocess.Popen(launched(argv), stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(socket), seconds=10, what="the test run's Valkey answers")
        os.environ["REDIS_URL"] = django_settings.REDIS_URL  # for the processes tests start
        yield
    finally:
        os.environ.pop("REDIS_URL", None)
        process.terminate()
        process.wait(10)
        socket.unlink(missing_ok=True)


@pytest.fixture
def valkey() -> Iterator["redis.Redis[bytes]"]:
    """A client of the run's Valkey or Redis, empty at the start of the test."""
    assert wakeup.flush(30), "messages of the test before did not get out"
    client = redis.Redis.from_url(django_settings.REDIS_URL)
    client.flushdb()
    yield client
    client.close()


# --- processes ------------------------------------------------------------------------------


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveProcesses]:
    """Starts real processes on this test's database: `live.worker()`, `live.manage("relay")`.

    The test needs `transactional_db`, or the processes do not see what it wrote.
    """
    processes = LiveProcesses(tmp_path)
    yield processes
    processes.stop_all()


# --- the paper exchange ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PaperServer:
    """A paper exchange in a process of its own."""

    url: str
    port: int
    pid: int
    control: PaperControl

    def account(self, label: str = "", *, usdt: str = "100000", **changes: Any) -> PaperAccount:
        """Add a fresh account with random keys."""
        account = invented_account(label, usdt=usdt, **changes)
        self.control.add_accounts(account)
        return account


PaperStarter = Callable[..., PaperServer]


@pytest.fixture(scope="session")
def start_paper_exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperStarter]:
    """Start one more paper exchange: `start("--matching", "ack", feed="walk")`."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, feed: str = "static", port: int | None = None) -> PaperServer:
        port = port or free_port()
        token = secrets.token_hex(16)
        log_path = tmp_path_factory.mktemp("paper") / "log"
        argv = [
            *(sys.executable, "-m", "venues.paper"),
            *("--host", LOOPBACK, "--port", str(port), "--feed", feed),
            *("--control-token", token, *arguments),
        ]
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                launched(argv), stdout=log, stderr=log, cwd=django_settings.BASE_DIR
            )
        processes.append(process)
        url = f"http://{LOOPBACK}:{port}"

        def ready() -> bool:
            assert process.poll() is None, f"the paper exchange ended:\n{log_path.read_text()}"
            return http_answers(f"{url}/api/v5/public/time")

        wait_for(ready, seconds=20, what="the paper exchange answers")
        return PaperServer(url, port, process.pid, PaperControl(url, token))

    yield start
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(10)


@pytest.fixture(scope="session")
def _shared_paper_exchange(start_paper_exchange: PaperStarter) -> PaperServer:
    return start_paper_exchange()


@pytest.fixture
def paper_exchange(
    _shared_paper_exchange: PaperServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PaperServer]:
    """The run's paper exchange with standing prices, known to the application as venue `paper`.

    One process serves all tests: make accounts of your own with `.account()`. Rate limits count
    from the start of a test; faults are removed and the clock is put right after it; prices that
    a test sets stay.
    """
    server = _shared_paper_exchange
    settings.VENUES = {
        **settings.VENUES,
        "paper": {**settings.VENUES["paper"], "rest_url": server.url},
    }
    monkeypatch.setenv("PAPER_EXCHANGE_URL", server.url)
    # Tests follow each other faster than one process would ask for the time or the instruments.
    server.control.call("POST", "limits", {"enabled": True})
    yield server
    server.control.clear_faults()
    server.control.call("POST", "clock", {"offsetMs": 0})
