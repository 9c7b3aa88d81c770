"""What is said on a venue's private line, and what the answers mean. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from venues.domain.types import Credentials
from venues.streams.events import Change

SymbolOf = Callable[[str], str | None]
"""The unified symbol of a venue's; None when it is on no list yet."""


class Said(StrEnum):
    CHANGES = "changes"
    LOGGED_IN = "logged_in"
    SUBSCRIBED = "subscribed"
    """All channels are confirmed."""
    LOGIN_REFUSED = "login_refused"
    """For good: the key is wrong."""
    LOGIN_FAILED = "login_failed"
    """This time; it may work another time."""
    LATE_CLOCK = "late_clock"
    RATE_LIMITED = "rate_limited"
    SUBSCRIPTION_REFUSED = "subscription_refused"
    CLOSING = "closing"
    """The venue will close the line soon."""
    NOTHING = "nothing"
    UNREADABLE = "unreadable"
    """All of it, or the rows that are not among `changes`: something was missed."""


@dataclass(frozen=True, slots=True)
class Heard:
    said: Said
    changes: tuple[Change, ...] = ()
    connection_id: str = ""
    code: str = ""
    message: str = ""


class UnknownSymbolError(LookupError):
    """The message names a market that is on no list yet: ask for the list, then read it again."""


class Dialogue(Protocol):
    """Of one line; made anew for each."""

    url: str
    headers: dict[str, str]
    ping: bytes

    def login(self, credentials: Credentials, now_ms: int) -> bytes: ...

    def subscribe(self) -> bytes: ...

    def hear(self, message: bytes, received_ms: int, symbol_of: SymbolOf) -> Heard:
        """Raises UnknownSymbolError, and nothing else for whatever the venue says."""
