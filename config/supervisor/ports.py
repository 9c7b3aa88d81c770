"""Ports on the loopback address."""

import contextlib
import socket
import urllib.error
import urllib.request

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


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
