"""What a private stream tells: the account's own changes, and what became of the stream.

`received_ms` is our clock when the frame came in, in milliseconds since the epoch. The times inside
snapshots are the venue's.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from venues.domain.types import (
    BalanceSnapshot,
    FillSnapshot,
    OrderSnapshot,
    PositionSnapshot,
    StopSnapshot,
)


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order as it is now, and the execution that this tells of, if it is one.

    The venue may repeat itself: deduplicate fills by (symbol, trade id), the first terminal state
    wins. Orders that were working before the stream began are not told: ask for them.
    """

    received_ms: int
    order: OrderSnapshot
    fill: FillSnapshot | None = None


@dataclass(frozen=True, slots=True)
class PositionsChanged:
    """Positions as they are now, one row a symbol and side; quantity 0: closed.

    `is_complete`: what is not among them is not open. Otherwise the others are as they were.
    Repeated every few seconds though nothing changed.
    """

    received_ms: int
    positions: tuple[PositionSnapshot, ...]
    is_complete: bool = False


@dataclass(frozen=True, slots=True)
class BalancesChanged:
    """Balances of the currencies that changed; `total_equity_usd` of the whole account."""

    received_ms: int
    balances: tuple[BalanceSnapshot, ...]
    total_equity_usd: Decimal | None = None
    is_complete: bool = False


@dataclass(frozen=True, slots=True)
class StopChanged:
    """Only for subjects that want stops (`Subject.wants_stops`)."""

    received_ms: int
    stop: StopSnapshot


# --- what became of the stream ------------------------------------------------------------------


class Trouble(StrEnum):
    """Why there is no stream."""

    CLOSED = "closed"
    """The line was cut, or the venue closed it."""
    SERVICE_UPGRADE = "service_upgrade"
    """The venue said that it would close it (64008)."""
    SILENT = "silent"
    """Nothing came, not even an answer to a ping."""
    UNREACHABLE = "unreachable"
    """No connection, or no proper answer to it."""
    RATE_LIMITED = "rate_limited"
    LOGIN = "login"
    """The venue did not take the login, but may another time."""
    CLOCK = "clock"
    """The login's time was not the venue's."""
    CREDENTIALS = "credentials"
    """The venue refused the key. Not tried again until the key changes."""
    NO_KEY = "no_key"
    """There is no key that can be used."""
    SUBSCRIPTION = "subscription"
    """The venue refused a channel, or did not confirm it in time."""
    PROTOCOL = "protocol"
    """What came could not be understood, or was more than is taken."""
    RELEASED = "released"
    """This process gave the account up: another one has it, or it is not wanted any more."""


@dataclass(frozen=True, slots=True)
class Connected:
    """Logged in and subscribed. Something may have happened before: reconcile now.

    `connection_id` is a new one each time, the venue's own when it gives one.
    """

    received_ms: int
    connection_id: str


@dataclass(frozen=True, slots=True)
class Stale:
    """Silent for too long, though not known to be cut. `Lost` follows."""

    received_ms: int
    silent_since_ms: int


@dataclass(frozen=True, slots=True)
class Lost:
    """No stream from now on, until the next `Connected`. Polling covers the account."""

    received_ms: int
    trouble: Trouble
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """No stream until the key changes. `code` and `message` are the venue's."""

    received_ms: int
    trouble: Trouble
    code: str = ""
    message: str = ""


Change = OrderChanged | PositionsChanged | BalancesChanged | StopChanged
Lifecycle = Connected | Stale | Lost | Refused
StreamEvent = Change | Lifecycle
