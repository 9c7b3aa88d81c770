"""Who goes next where only one can write at a time: SQLite, whatever the tests run on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from django.db.utils import OperationalError

from config.settings.base import database_from
from customers.sqlite3.base import DatabaseWrapper
from customers.turns import ahead_of_others

pytestmark = pytest.mark.django_db  # only then may anything connect to a database

Connect = Callable[[], DatabaseWrapper]


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """Opens one more connection to the same database file."""
    defaults: dict[str, Any] = {
        "ATOMIC_REQUESTS": False,
        "AUTOCOMMIT": True,
        "TIME_ZONE": None,
        "TEST": {},
    }
    opened: list[DatabaseWrapper] = []

    def one_more() -> DatabaseWrapper:
        entry = database_from(f"sqlite:///{tmp_path / 'turns.sqlite3'}")
        assert entry["ENGINE"] == "customers.sqlite3"
        connection = DatabaseWrapper({**defaults, **entry}, "turns")
        connection.inc_thread_sharing()
        connection.connect()
        opened.append(connection)
        return connection

    yield one_more
    for connection in opened:
        connection.close()


@contextmanager
def transaction_of(connection: DatabaseWrapper) -> Iterator[None]:
    connection.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    try:
        yield
    finally:
        connection.commit()
        connection.set_autocommit(True)


@contextmanager
def held(connect: Connect) -> Iterator[None]:
    """Another one is writing, and goes on until the block ends."""
    with transaction_of(connect()):
        yield


def test_who_is_ahead_writes_before_those_who_waited_longer(connect: Connect) -> None:
    order: list[str] = []

    def write(name: str, turn: AbstractContextManager[None], connection: DatabaseWrapper) -> None:
        with turn, transaction_of(connection):
            order.append(name)
            time.sleep(0.1)

    def start(name: str, turn: AbstractContextManager[None]) -> threading.Thread:
        thread = threading.Thread(target=write, args=(name, turn, connect()))
        thread.start()
        return thread

    with held(connect):
        threads = [start(f"worker-{number}", nullcontext()) for number in range(3)]
        time.sleep(0.5)  # their pauses have grown to 100 ms
        threads.append(start("ahead", ahead_of_others()))
        time.sleep(0.1)
    for thread in threads:
        thread.join(30)
    assert order[0] == "ahead"
    assert len(order) == 4


def test_who_is_ahead_gives_up_like_everybody(connect: Connect) -> None:
    waiting = connect()
    waiting.connection.execute("PRAGMA busy_timeout = 200")
    with (
        held(connect),
        pytest.raises(OperationalError, match="locked"),
        ahead_of_others(),
        transaction_of(waiting),
    ):
        raise AssertionError("nobody may write here")
    assert waiting.connection.execute("PRAGMA busy_timeout").fetchone()[0] == 200


@pytest.mark.parametrize("way", ["transaction", "statement"])
def test_who_is_not_ahead_has_a_turn_while_others_always_are(connect: Connect, way: str) -> None:
    ended = threading.Event()

    def always_ahead(connection: DatabaseWrapper) -> None:
        with ahead_of_others():
            while not ended.is_set():
                with transaction_of(connection):
                    time.sleep(0.02)

    patient = connect()
    with patient.cursor() as cursor:
        cursor.execute("CREATE TABLE waiting (turns integer)")
        cursor.execute("INSERT INTO waiting VALUES (0)")
    patient.connection.execute("PRAGMA busy_timeout = 5000")
    threads = [threading.Thread(target=always_ahead, args=(connect(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.2)
        for _ in range(3):  # or it raises when its patience is over
            turn = transaction_of(patient) if way == "transaction" else nullcontext()
            with turn, patient.cursor() as cursor:
                cursor.execute("UPDATE waiting SET turns = turns + 1")
    finally:
        ended.set()
        for thread in threads:
            thread.join(30)
    with patient.cursor() as cursor:
        assert cursor.execute("SELECT turns FROM waiting").fetchone() == (3,)
