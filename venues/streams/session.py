"""One subject's private stream: its lines from the first byte until the first of them ends.

A session is used once; whoever wants another one makes another one, so what belongs to a line can
never be mistaken for another's. It has no task and no timer: bytes move it, and `check`, which its
owner calls about every second, sees to the time-outs. Everything happens on one event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from venues.domain.types import Credentials
from venues.streams.dialogue import Dialogue, Heard, Said, UnknownSymbolError
from venues.streams.events import (
    Change,
    Connected,
    Lost,
    Refused,
    Stale,
    StreamEvent,
    Trouble,
)
from venues.streams.line import TOO_MANY_REQUESTS, Line, LineEnd, open_line

logger = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 8.0
LOGIN_SECONDS = 8.0
SUBSCRIBE_SECONDS = 8.0
PING_AFTER_SECONDS = 10.0
SILENT_SECONDS = 16.0
"""Without a byte for so long, an answer to our ping included, a line is dead though it is open."""
MOST_HELD = 1000
"""Messages that wait for the list of markets; more are a gap."""
MOST_UNREADABLE = 20


class _Step(Enum):
    CONNECTING = 0
    OPEN = 1
    LOGGING_IN = 2
    SUBSCRIBING = 3
    LIVE = 4
    ENDED = 5


class SessionOwner(Protocol):
    def symbol_of(self, venue_symbol: str) -> str | None: ...

    def session_told(self, session: StreamSession, events: Sequence[StreamEvent]) -> None:
        """In order. After `Lost` or `Refused` nothing follows."""

    def session_wants_key(self, session: StreamSession) -> None:
        """A line is open: call `login` or `give_up`, each time."""

    def session_ends_soon(self, session: StreamSession) -> None:
        """The venue will close it; there is time to open another one before."""

    def session_wants_markets(self, session: StreamSession) -> None:
        """It heard of a market that is on no list: load it, then call `read_held`."""

    def session_missed(self, session: StreamSession) -> None:
        """What it told could not be read: the account has to be asked."""

    def session_clock_refused(self, session: StreamSession) -> None:
        """The login's time was not the venue's."""


class _Part:
    """One line of the session and how far it got."""

    __slots__ = (
        "deadline",
        "dialogue",
        "heard_at",
        "line",
        "opening",
        "pinged",
        "step",
        "unreadable",
    )

    def __init__(self, dialogue: Dialogue) -> None:
        self.dialogue = dialogue
        self.line: Line | None = None
        self.step = _Step.CONNECTING
        self.deadline = 0.0
        self.heard_at = 0.0
        self.opening: asyncio.Future[LineEnd | None] | None = None
        self.pinged = False
        self.unreadable = 0


class StreamSession:
    __slots__ = (
        "_early",
        "_held",
        "_list_is_new",
        "_owner",
        "_parts",
        "connection_id",
        "ended",
        "live_since",
    )

    def __init__(self, owner: SessionOwner, dialogues: Sequence[Dialogue]) -> None:
        self._owner = owner
        self._parts = [_Part(dialogue) for dialogue in dialogues]
        self._held: list[tuple[Dialogue, bytes, int]] = []
        self._early: list[Change] = []
        self._list_is_new = False
        self.connection_id = ""
        self.live_since: float | None = None
        """By the loop's clock, from `Connected` on."""
        self.ended = False

    @property
    def lines(self) -> int:
        """How many connections it makes."""
        return len(self._parts)

    async def connect(self, number: int) -> LineEnd | None:
        """Open the line of this number; returns when its handshake is over.

        None when it is open, else how it failed; the session has then told it already.
        """
        part = self._parts[number]
        loop = asyncio.get_running_loop()
        part.deadline = loop.time() + HANDSHAKE_SECONDS
        if self.ended:
            return LineEnd("not wanted any more")
        part.opening = loop.create_future()
        try:
            part.line = await open_line(
                part.dialogue.url, _Listener(self, part), headers=part.dialogue.headers
            )
        except OSError as error:  # a time-out is one, too
            end = LineEnd(f"no connection: {type(error).__name__}")
            self._lose(Trouble.UNREACHABLE, end.detail)
            return end
        if self.ended:
            part.line.abort()
        end_or_open = await part.opening
        part.opening = None
        return end_or_open

    # --- what the owner asks for ------------------------------------------------------------

    def login(self, credentials: Credentials, now_ms: int) -> None:
        """Signed here and forgotten; `now_ms` is the venue's clock."""
        for part in self._parts:
            if part.step is _Step.OPEN and part.line is not None:
                part.step = _Step.LOGGING_IN
                part.deadline = _now() + LOGIN_SECONDS
                part.line.send(part.dialogue.login(credentials, now_ms))

    def give_up(self, trouble: Trouble, detail: str = "") -> None:
        """End it from our side; tells `Lost`."""
        self._lose(trouble, detail)

    def close(self) -> None:
        """End it from our side without a word to the owner."""
        if self.ended:
            return
        self._finish()
        for part in self._parts:
            if part.line is not None:
                part.line.close()

    def check(self, now: float, excused_seconds: float = 0.0) -> None:
        """Time-outs. `now` is the loop's clock; `excused_seconds`: our own process stood still for
        so long, so that nothing was read although it may have come."""
        if self.ended:
            return
        for part in self._parts:
            part.heard_at += excused_seconds
            part.deadline += excused_seconds
            if part.step is _Step.LIVE:
                self._check_silence(part, now)
            elif part.deadline and now > part.deadline:
                self._lose(Trouble.UNREACHABLE, f"no answer while {part.step.name.lower()}")
            if self.ended:
                return

    def _check_silence(self, part: _Part, now: float) -> None:
        silent = now - part.heard_at
        if silent > SILENT_SECONDS:
            wall = _wall_ms()
            since = wall - int(silent * 1000)
            self._owner.session_told(self, [Stale(wall, since)])
            self._lose(Trouble.SILENT, f"nothing for {silent:.0f} s")
        elif silent > PING_AFTER_SECONDS and not part.pinged:
            part.pinged = True
            if part.line is not None:
                part.line.send(part.dialogue.ping)

    # --- what lines tell --------------------------------------------------------------------

    def opened(self, part: _Part) -> None:
        if self.ended:
            return
        part.step = _Step.OPEN
        part.deadline = _now() + LOGIN_SECONDS
        if part.opening is not None and not part.opening.done():
            part.opening.set_result(None)
        self._owner.session_wants_key(self)

    def line_lost(self, part: _Part, end: LineEnd) -> None:
        if part.opening is not None and not part.opening.done():
            part.opening.set_result(end)
        trouble = Trouble.CLOSED if part.step is not _Step.CONNECTING else Trouble.UNREACHABLE
        if end.http_status == TOO_MANY_REQUESTS:
            trouble = Trouble.RATE_LIMITED
        self._lose(trouble, end.detail)

    def heard(self, part: _Part, message: bytes) -> None:
        if self.ended:
            return
        part.heard_at = _now()
        part.pinged = False
        received_ms = _wall_ms()
        if self._held:
            self._hold(part.dialogue, message, received_ms)
            return
        try:
            heard = part.dialogue.hear(message, received_ms, self._symbol_of)
        except UnknownSymbolError:
            self._hold(part.dialogue, message, received_ms)
            self._owner.session_wants_markets(self)
            return
        self._take(part, heard)

    def _symbol_of(self, venue_symbol: str) -> str | None:
        found = self._owner.symbol_of(venue_symbol)
        if found is None and self._list_is_new:
            return venue_symbol  # as REST calls what it has never seen listed
        return found

    def _hold(self, dialogue: Dialogue, message: bytes, received_ms: int) -> None:
        self._held.append((dialogue, message, received_ms))
        if len(self._held) > MOST_HELD:
            self._lose(Trouble.PROTOCOL, "the list of markets does not come")

    def read_held(self) -> None:
        """The list of markets is new, or cannot be had: what is on it now, is."""
        held, self._held = self._held, []
        self._list_is_new = True
        try:
            for dialogue, message, received_ms in held:
                part = next(part for part in self._parts if part.dialogue is dialogue)
                if not self.ended:
                    self._take(part, dialogue.hear(message, received_ms, self._symbol_of))
        finally:
            self._list_is_new = False

    def _take(self, part: _Part, heard: Heard) -> None:
        said = heard.said
        if said is Said.CHANGES:
            self._take_changes(heard.changes)
        elif said is Said.LOGGED_IN and part.step is _Step.LOGGING_IN:
            part.step = _Step.SUBSCRIBING
            part.deadline = _now() + SUBSCRIBE_SECONDS
            self.connection_id = heard.connection_id or self.connection_id
            if part.line is not None:
                part.line.send(part.dialogue.subscribe())
        elif said is Said.SUBSCRIBED and part.step is _Step.SUBSCRIBING:
            part.step = _Step.LIVE
            if all(each.step is _Step.LIVE for each in self._parts):
                self._become_live()
        elif said is Said.CLOSING:
            self._owner.session_ends_soon(self)
        elif said is Said.UNREADABLE:
            self._take_changes(heard.changes)
            self._miss(part, heard.message)
        elif said in _FAILURES:
            self._fail(said, heard)

    def _miss(self, part: _Part, field: str) -> None:
        part.unreadable += 1
        logger.warning("a private stream sent something unreadable: %s", field or "no message")
        if part.unreadable > MOST_UNREADABLE:
            self._lose(Trouble.PROTOCOL, "unreadable messages")
        else:
            self._owner.session_missed(self)

    def _take_changes(self, changes: tuple[Change, ...]) -> None:
        if not changes:
            return
        if self.live_since is None:
            # A channel tells its state before the others are confirmed: it comes after Connected.
            self._early.extend(changes)
            return
        self._owner.session_told(self, changes)

    def _become_live(self) -> None:
        self.live_since = _now()
        early, self._early = self._early, []
        self._owner.session_told(self, [Connected(_wall_ms(), self.connection_id), *early])

    def _fail(self, said: Said, heard: Heard) -> None:
        detail = f"{heard.code} {heard.message}".strip()
        if said is Said.LATE_CLOCK:
            self._owner.session_clock_refused(self)
        if said is Said.LOGIN_REFUSED:
            self._end(Refused(_wall_ms(), Trouble.CREDENTIALS, heard.code, heard.message))
        else:
            self._lose(_FAILURES[said], detail)

    # --- the end ----------------------------------------------------------------------------

    def _lose(self, trouble: Trouble, detail: str) -> None:
        self._end(Lost(_wall_ms(), trouble, detail))

    def _end(self, event: Lost | Refused) -> None:
        if self.ended:
            return
        self._finish()
        for part in self._parts:
            if part.line is not None:
                part.line.abort()
        self._owner.session_told(self, [event])

    def _finish(self) -> None:
        self.ended = True
        self._held.clear()
        self._early.clear()
        for part in self._parts:
            part.step = _Step.ENDED
            if part.opening is not None and not part.opening.done():
                part.opening.set_result(LineEnd("given up"))


_FAILURES = {
    Said.LOGIN_REFUSED: Trouble.CREDENTIALS,
    Said.LOGIN_FAILED: Trouble.LOGIN,
    Said.LATE_CLOCK: Trouble.CLOCK,
    Said.RATE_LIMITED: Trouble.RATE_LIMITED,
    Said.SUBSCRIPTION_REFUSED: Trouble.SUBSCRIPTION,
}


class _Listener:
    """A line's owner: says which of the session's lines it is."""

    __slots__ = ("_part", "_session")

    def __init__(self, session: StreamSession, part: _Part) -> None:
        self._session = session
        self._part = part

    def line_opened(self, line: Line) -> None:
        self._part.line = line  # the handshake may be over before `open_line` returns
        self._session.opened(self._part)

    def line_heard(self, line: Line, message: bytes) -> None:
        self._session.heard(self._part, message)

    def line_ended(self, line: Line, end: LineEnd) -> None:
        self._session.line_lost(self._part, end)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
