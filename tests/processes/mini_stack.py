"""A small supervised stack for test_supervisor.py: two sleepers that note when they end."""

import asyncio
import sys
from pathlib import Path

from config.supervisor.child import ChildSpec
from config.supervisor.supervisor import Supervisor, only_one, supervise

SLEEPER = """
import os, signal, subprocess, sys, time
name, journal = sys.argv[1:3]
def note(what):
    with open(journal, "a") as file:
        file.write(f"{name} {what} {os.getpid()}\\n")
def end(*_):
    note("ended")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
forked = subprocess.Popen(["sleep", "600"])
with open(journal, "a") as file:
    file.write(f"{name}-fork started {forked.pid}\\n")
note("started")
while True:
    time.sleep(1)
"""


async def announce(supervisor: Supervisor) -> None:
    print("READY", flush=True)


def main(state_dir: Path, journal: Path) -> None:
    specs = [
        ChildSpec(
            name=name,
            argv=(sys.executable, "-c", SLEEPER, name, str(journal)),
            stage=stage,
            ready=lambda name=name: journal.exists() and f"{name} started" in journal.read_text(),
        )
        for stage, name in ((0, "state"), (1, "work"))
    ]
    with only_one(state_dir):
        asyncio.run(supervise(specs, state_dir=state_dir, after_start=announce))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
