"""Start a command that ends when the process that started it dies, however that dies.

Run as a script by `launched`: it asks the kernel for SIGTERM at the parent's death and then
becomes the command. Doing it here, after the fork and in a fresh interpreter, keeps ctypes out
of the forked copy of a process with threads. Linux only; elsewhere the command just starts.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def launched(argv: Sequence[str]) -> list[str]:
    """The argv that runs `argv` bound to the life of the calling process's current thread."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *argv]


def main(argv: Sequence[str]) -> None:
    parent, command = int(argv[0]), list(argv[1:])
    if sys.platform == "linux":
        # SIGTERM, not SIGKILL: a Celery worker takes its pool along, Valkey saves.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the parent died before the start")
    os.execvp(command[0], command)  # noqa: S606  (the supervisor's own command lines)


if __name__ == "__main__":
    main(sys.argv[1:])
