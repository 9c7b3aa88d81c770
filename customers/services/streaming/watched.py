"""One subject as its streamer sees it: its session, what became of it, and when to try again."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING

from customers.models import StreamState
from customers.services.streaming.shards import shard_lease
from customers.services.streaming.states import StateChange
from venues.streams.events import (
    Connected,
    Lifecycle,
    Lost,
    Refused,
    Stale,
    Trouble,
)
from venues.streams.registry import Subject, SubjectKind

if TYPE_CHECKING:
    from venues.streams.session import StreamSession

State = StreamState.State

STEADY_SECONDS = 60.0
"""A stream that lived so long begins its back-off anew."""
FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 60.0
NO_KEY_DELAY_SECONDS = 15.0
POLL_RETRY_SECONDS = 5.0
POLLED_AGAIN_SECONDS = 12.0
"""After a connection: who was woken to read what the gap held may die before."""
LOGINS_UNTIL_REFUSED = 8
"""Failed logins in a row that may be the venue's fault, before they are taken for the key's: a
minute or so of back-off, which a venue's bad moment seldom outlasts."""


class Watched:
    __slots__ = (
        "connecting",
        "connection_id",
        "detail",
        "due_at",
        "failed_logins",
        "failures",
        "is_dirty",
        "kind",
        "next_session",
        "poll_again",
        "poll_at",
        "polling",
        "refused_mark",
        "session",
        "shard",
        "since",
        "state",
        "subject",
        "trouble",
        "wants_next",
    )

    def __init__(self, kind: SubjectKind, subject: Subject, shard: int, *, now: float) -> None:
        """`now` is the loop's clock, as are `due_at` and `poll_at`."""
        self.kind = kind
        self.subject = subject
        self.shard = shard
        self.session: StreamSession | None = None
        self.next_session: StreamSession | None = None
        self.wants_next = False
        """The venue will close the session: another one is to be live before."""
        self.connecting = False
        self.due_at = now
        self.poll_at = now
        self.poll_again = False
        """Once more after this one, although the stream is live."""
        self.polling = False
        self.failures = 0
        self.failed_logins = 0
        self.refused_mark = ""
        self.connection_id = ""
        self.state = State.CONNECTING
        self.since = datetime.now(UTC)
        self.trouble = ""
        self.detail = ""
        self.is_dirty = True

    @property
    def key(self) -> tuple[str, str]:
        return self.kind.name, self.subject.id

    @property
    def is_refused(self) -> bool:
        return bool(self.refused_mark) and self.refused_mark == self.subject.key_mark

    def wants_connection(self, now: float) -> bool:
        if self.connecting or self.is_refused or now < self.due_at:
            return False
        return self.session is None or (self.wants_next and self.next_session is None)

    def take_refusal(self, mark: str) -> None:
        """What was stored: this key was refused before."""
        self.refused_mark = mark
        if self.is_refused:
            self.state = State.REFUSED
            self.is_dirty = False  # its row says since when, and why

    # --- what happened ----------------------------------------------------------------------

    def note(self, event: Lifecycle, now: float, lived_seconds: float) -> Lifecycle:
        """Take it into the state; a login that failed too often becomes a refusal."""
        if isinstance(event, Connected):
            self._become(State.LIVE)
            self.connection_id = event.connection_id
            self.failed_logins = 0
            self.refused_mark = ""
            self.poll_at = now
            self.poll_again = True
            return event
        if isinstance(event, Stale):
            self._become(State.STALE, Trouble.SILENT)
            self.poll_at = min(self.poll_at, now)
            return event
        if isinstance(event, Lost) and event.trouble is Trouble.LOGIN:
            self.failed_logins += 1
            if self.failed_logins >= LOGINS_UNTIL_REFUSED:
                event = Refused(event.received_ms, Trouble.CREDENTIALS, "", event.detail)
        if isinstance(event, Refused):
            self.refuse_key()
            self._become(State.REFUSED, event.trouble, f"{event.code} {event.message}".strip())
        else:
            if lived_seconds > STEADY_SECONDS:
                self.failures = 0
            self.postpone(event.trouble, now)
            state = State.REFUSED if self.is_refused else State.LOST
            self._become(state, event.trouble, event.detail)
        self.poll_at = min(self.poll_at, now)
        return event

    def refuse_key(self) -> None:
        self.refused_mark = self.subject.key_mark
        self.is_dirty = True

    def postpone(self, trouble: Trouble, now: float) -> None:
        """The next attempt, after one more failure."""
        self.failures += 1
        self.due_at = now + retry_delay(self.failures, trouble)

    def _become(self, state: State, trouble: str = "", detail: str = "") -> None:
        if state is not self.state:
            self.since = datetime.now(UTC)
        self.state, self.trouble, self.detail = state, str(trouble), detail
        self.is_dirty = True

    def take_subject(self, subject: Subject, now: float) -> bool:
        """What its kind says of it now; True when its key is another one."""
        another_key = subject.key_mark != self.subject.key_mark
        self.subject = subject
        if another_key:
            self.failures = self.failed_logins = 0
            self.due_at = now
            self.refused_mark = ""
            self.is_dirty = True
        return another_key

    def poll_begins(self) -> None:
        self.polling = True
        self.poll_at = inf

    def poll_ended(self, now: float, *, well: bool) -> None:
        self.polling = False
        if self.poll_at != inf:
            return  # something happened meanwhile that asks for another one
        if not well:
            self.poll_at = now + POLL_RETRY_SECONDS
        elif self.state is not State.LIVE:
            self.poll_at = now + self.kind.poll_seconds
        elif self.poll_again:
            self.poll_again = False
            self.poll_at = now + POLLED_AGAIN_SECONDS

    def state_change(self) -> StateChange:
        return StateChange(
            tenant_id=self.subject.tenant_id,
            kind=self.kind.name,
            subject_id=self.subject.id,
            lease=shard_lease(self.shard),
            state=self.state,
            since=self.since,
            trouble=self.trouble,
            detail=self.detail,
            refused_mark=self.refused_mark[:80],
            connection_id=self.connection_id,
        )

    def farewell(self) -> StateChange:
        """It is not streamed any more, by nobody."""
        self._become(State.LOST, Trouble.RELEASED)
        return self.state_change()


def retry_delay(failures: int, trouble: Trouble) -> float:
    """Seconds until the next attempt: any moment up to a bound that doubles (full jitter)."""
    if trouble is Trouble.NO_KEY:
        return NO_KEY_DELAY_SECONDS
    bound = FIRST_DELAY_SECONDS * 2.0 ** min(failures - 1, 10)
    return random.uniform(0, min(bound, LONGEST_DELAY_SECONDS))  # noqa: S311  (no secret)
