"""`make demo`: comes up, trades, keeps its state, ends with exit code 0, refuses clearly."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings

from config.supervisor.launch import launched
from config.supervisor.ports import LOOPBACK, free_port, http_answers
from tests.processes.live import wait_for


@dataclass
class Demo:
    process: subprocess.Popen[bytes]
    state: Path
    port: int
    output: Path

    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def pid(self, name: str) -> int:
        return int((self.state / "run" / f"{name}.pid").read_text())

    def count(self, query: str) -> int:
        with sqlite3.connect(f"file:{self.state / 'tandem.sqlite3'}?mode=ro", uri=True) as database:
            return int(database.execute(query).fetchone()[0])


def environment(state: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
    return {**kept, "VAR_DIR": str(state), "DJANGO_SETTINGS_MODULE": "config.settings.local"}


def start(state: Path) -> Demo:
    port = free_port()
    output = state.with_name(f"{state.name}-{port}.log")
    with output.open("wb") as sink:
        process = subprocess.Popen(
            launched([sys.executable, "manage.py", "demo", "--port", str(port)]),
            cwd=settings.BASE_DIR,
            env=environment(state),
            stdout=sink,
            stderr=sink,
        )
    demo = Demo(process, state, port, output)

    def up() -> bool:
        assert process.poll() is None, demo.text()
        return "Ctrl-C ends everything" in demo.text()

    try:
        wait_for(up, seconds=240, what="the demo is up")
    except BaseException:
        process.terminate()
        process.wait(60)
        raise
    return demo


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "state"
    yield directory
    for pid_file in directory.glob("run/*.pid"):  # only what a failed test left behind
        try:
            os.kill(int(pid_file.read_text()), signal.SIGTERM)
        except ProcessLookupError:
            continue


FILLED = "select count(*) from trading_order where state = 'filled'"


@pytest.mark.slow
@pytest.mark.timeout(700)
def test_the_demo_trades_ends_with_zero_and_goes_on_where_it_stopped(state):
    demo = start(state)
    try:
        assert http_answers(f"http://{LOOPBACK}:{demo.port}/login/")
        wait_for(lambda: demo.count(FILLED) > 0, seconds=120, what="a first order is filled")
        for line in ("operator@aurora.example", "client@aurora.example", "password of all"):
            assert line in demo.text()
    finally:
        demo.process.send_signal(signal.SIGINT)
        code = demo.process.wait(60)
    assert code == 0, demo.text()
    assert not list((state / "run").glob("*.pid"))
    with socket.socket() as probe:
        assert probe.connect_ex((LOOPBACK, demo.port)) != 0

    filled, users = demo.count(FILLED), "select count(*) from customers_user"
    people = demo.count(users)
    again = start(state)
    try:
        assert again.count(users) == people
        wait_for(lambda: again.count(FILLED) > filled, seconds=120, what="it trades on")
    finally:
        again.process.send_signal(signal.SIGTERM)
        assert again.process.wait(60) == 0


def manage(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env=environment(state),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_a_taken_port_is_refused_with_the_way_out(state):
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = manage(state, "demo", "--port", str(port))
    assert refused.returncode == 1
    assert re.search(rf"Port {port} is taken.*PORT=", refused.stderr)


def test_a_nonsense_port_is_refused():
    assert manage(Path("/nonexistent"), "demo", "--port", "99999").returncode != 0


def test_reset_forgets_the_demo_and_keeps_the_keys(state):
    state.mkdir()
    (state / "demo").mkdir()
    (state / "demo" / "leader.json").write_text(json.dumps([]))
    (state / "tandem.sqlite3").touch()
    (state / "field_encryption_key").write_text("5Jp0V9q1w1eX0S3t0b2M8m8JxJYk3b9m9qQ0a7c8d9E=")
    assert manage(state, "demo", "--reset").returncode == 0
    left = {path.name for path in state.iterdir()}
    assert left.isdisjoint({"demo", "tandem.sqlite3", "valkey", "log", "run"})
    assert "field_encryption_key" in left
