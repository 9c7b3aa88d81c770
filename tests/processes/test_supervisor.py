"""What the supervisor promises: restarts, an orderly end, no orphans, clear failures."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.supervisor.child import ChildSpec, StartError, restart_delay
from config.supervisor.supervisor import AlreadyRunningError, Supervisor, only_one
from tests.processes.live import wait_for


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie waiting for init does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@dataclass
class MiniStack:
    process: subprocess.Popen[str]
    journal: Path
    state_dir: Path
    output: Path

    def pids(self, name: str, what: str = "started") -> list[int]:
        if not self.journal.exists():
            return []
        lines = [line.split() for line in self.journal.read_text().splitlines()]
        return [int(line[2]) for line in lines if line[:2] == [name, what]]

    def all_pids(self) -> list[int]:
        names = ("state", "work", "state-fork", "work-fork")
        return [pid for name in names for pid in self.pids(name)]


@pytest.fixture
def mini_stack(tmp_path: Path) -> Iterator[MiniStack]:
    journal, output = tmp_path / "journal", tmp_path / "output"
    with output.open("w") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.processes.mini_stack", str(tmp_path), str(journal)],
            stdout=sink,
            stderr=sink,
            text=True,
        )
    stack = MiniStack(process, journal, tmp_path, output)
    try:
        wait_for(lambda: "READY" in output.read_text(), seconds=20, what="the stack is up")
        yield stack
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_last_stage_first_and_exits_zero(mini_stack, number):
    mini_stack.process.send_signal(number)
    assert mini_stack.process.wait(20) == 0
    ends = [
        line.split()[0] for line in mini_stack.journal.read_text().splitlines() if "ended" in line
    ]
    assert ends == ["work", "state"]
    assert not [pid for pid in mini_stack.all_pids() if alive(pid)]


def test_a_killed_child_is_started_again_and_what_it_forked_is_swept(mini_stack):
    (work,), (fork,) = mini_stack.pids("work"), mini_stack.pids("work-fork")
    os.kill(work, signal.SIGKILL)
    wait_for(lambda: len(mini_stack.pids("work")) == 2, seconds=10, what="work runs again")
    assert not alive(fork)
    assert mini_stack.pids("state") == mini_stack.pids("state")[:1], "its neighbour was left alone"
    pid_file = mini_stack.state_dir / "run" / "work.pid"
    assert int(pid_file.read_text()) == mini_stack.pids("work")[-1]
    assert "by SIGKILL" in mini_stack.output.read_text()


def test_a_killed_supervisor_leaves_no_orphan(mini_stack):
    own = [*mini_stack.pids("state"), *mini_stack.pids("work")]
    mini_stack.process.kill()
    mini_stack.process.wait(10)
    wait_for(lambda: not any(alive(pid) for pid in own), seconds=10, what="the children ended")
    for name in ("state-fork", "work-fork"):  # the sleepers do not end their own forks
        os.kill(mini_stack.pids(name)[0], signal.SIGKILL)


def test_a_second_supervisor_on_the_same_state_is_refused(mini_stack):
    owner = str(mini_stack.process.pid)
    with pytest.raises(AlreadyRunningError, match=owner), only_one(mini_stack.state_dir):
        pass


def test_a_child_that_cannot_start_is_named_with_its_last_words(tmp_path):
    started_first = ChildSpec(name="fine", argv=("sleep", "600"), stage=0)
    broken = ChildSpec(
        name="broken",
        argv=(sys.executable, "-c", "raise SystemExit('the port is taken')"),
        stage=1,
        ready=lambda: False,
    )

    async def run() -> int | None:
        supervisor = Supervisor([started_first, broken], state_dir=tmp_path, say=lambda _: None)
        with pytest.raises(StartError, match=r"broken ended with code 1[\s\S]*the port is taken"):
            await supervisor.start()
        return supervisor.child("fine").pid

    pid = asyncio.run(run())
    assert pid is not None
    assert not alive(pid), "what had been started is ended"


def test_restarts_back_off():
    assert [restart_delay(n) for n in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 4.0]
    assert restart_delay(50) == 30.0
