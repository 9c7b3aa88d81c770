"""Ports on the loopback address."""

import contextlib
import socket
import sys
import urllib.error
import urllib.request

LOOPBACK = "127.0.0.1"

_claims: list[socket.socket] = []


def free_port() -> int:
    """A port that was free a moment ago and that no other process was given by this function."""
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
        if claimed(port):
            return port


def claimed(port: int) -> bool:
    """Keep this port, until the process ends, from all who ask here; False when another has it.

    Seconds pass between choosing a port and listening on it, and several stacks may start at once.
    """
    if sys.platform != "linux":
        return True
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0tandem-port-{port}")  # a name without a file, gone with the process
    except OSError:
        claim.close()
        return False
    claim.set_inheritable(True)  # over the exec of config.demo.environment; to no child process
    _claims.append(claim)
    return True


def is_free(port: int, host: str = LOOPBACK) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def http_answers(url: str) -> bool:
    """Whether any HTTP answer below 500 comes back within a second."""
    with contextlib.suppress(OSError):
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310  (our own URL)
                return bool(answer.status < 500)
        except urllib.error.HTTPError as error:
            return error.code < 500
    return False
