"""What a request may end with."""

from __future__ import annotations

from dataclasses import dataclass, field


class ConnectError(OSError):
    """No connection was made, so nothing left."""


class WithdrawnError(Exception):
    """Nobody wanted the request any more when there was a connection for it; nothing left."""


class DisconnectedError(OSError):
    """The connection ended before the answer did; the request may have arrived."""


class MalformedAnswerError(ValueError):
    """What came is not one HTTP answer, or larger than any answer may be."""


@dataclass(slots=True)
class HttpAnswer:
    """Status, headers by lower-case name (the last of several), and the whole body."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
