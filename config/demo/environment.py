"""Starting a command again with the environment that its settings have to see.

Settings are read once, at the start; the paper exchange's address and the state directory are
known only to the command. So it chooses them and becomes itself once more.
"""

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from config.supervisor.ports import LOOPBACK, claimed, free_port, is_free

PAPER_PORT = 9100
_MARK = "TANDEM_COMMAND_ENVIRONMENT"


@dataclass(frozen=True, slots=True)
class PaperAddress:
    port: int

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"


def choose_paper_address() -> PaperAddress:
    """The well-known port, or a free one when something else has it."""
    ours = is_free(PAPER_PORT) and claimed(PAPER_PORT)
    return PaperAddress(PAPER_PORT if ours else free_port())


def restart_with(changes: Mapping[str, str | None]) -> None:
    """The first time, become this command again with `changes` (None removes); then go on."""
    if os.environ.pop(_MARK, ""):
        return
    environment = {**os.environ, _MARK: "yes"}
    for name, value in changes.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)  # noqa: S606


def control_token() -> str:
    """A fresh token for the paper exchange's control API; lives as long as the exchange."""
    return secrets.token_urlsafe(24)
