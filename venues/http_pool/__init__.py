"""HTTP/1.1 to one origin over kept connections, for requests that are cheap and many.

A general client spends most of a small request on generality: several times what signing and
sending cost (docs/adr/0008). This one knows one origin, buffers whole bodies, follows no redirect,
keeps no cookie, asks for no compression and repeats nothing. The parser is httptools; TLS, and the
check of the server's name, is Python's own.

Runs on one event loop. A request that raises ConnectError or WithdrawnError never left; after any
other error it may have arrived.
"""

from venues.http_pool.answers import (
    ConnectError,
    DisconnectedError,
    HttpAnswer,
    MalformedAnswerError,
    WithdrawnError,
)
from venues.http_pool.pool import HttpPool

__all__ = [
    "ConnectError",
    "DisconnectedError",
    "HttpAnswer",
    "HttpPool",
    "MalformedAnswerError",
    "WithdrawnError",
]
