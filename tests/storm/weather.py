"""What happens to private streams: their sockets at the venue, and the processes that hold them."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Sequence
from random import Random

from config.demo.paper_control import PaperControl
from config.supervisor.supervisor import Supervisor

TROUBLES = ("cut", "closed", "frozen", "refused", "announced")
REFUSALS = ("60009", "60011")
NOTICE_MS = 3000


def strike(control: PaperControl, kind: str, key: str, chance: Random) -> None:
    """One trouble for the private sockets of one API key."""
    if kind == "cut":
        control.add_fault("close_sockets", account=key)
    elif kind == "closed":
        control.add_fault("close_sockets", account=key, closeCode=4004, msg="no data")
    elif kind == "frozen":
        control.add_fault("freeze_sockets", account=key)
    elif kind == "announced":
        control.add_fault("notice", account=key, ms=NOTICE_MS)
    elif kind == "refused":
        # By the next to log in, whoever that is: a refusal comes before the venue knows who.
        times = chance.randint(1, 2)
        control.add_fault(
            "error_code", endpoint="ws/login", code=chance.choice(REFUSALS), count=times
        )
        control.add_fault("close_sockets", account=key)
    else:
        raise ValueError(kind)


class Weather:
    """Strikes at random, and counts."""

    def __init__(self, control: PaperControl, keys: Sequence[str], seed: str) -> None:
        self._control = control
        self._keys = list(keys)
        self._chance = Random(seed)
        self.faults: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()

    def strike(self) -> None:
        kind = self._chance.choice(TROUBLES)
        strike(self._control, kind, self._chance.choice(self._keys), self._chance)
        self.faults[kind] += 1

    def kill(self, supervisor: Supervisor, names: Sequence[str]) -> None:
        """SIGKILL to one of these processes; the supervisor starts it again."""
        process = supervisor.child(self._chance.choice(names)).process
        if process is not None and process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
            self.kills["streamer"] += 1
