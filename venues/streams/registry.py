"""Who wants private streams: the one place where apps tell the streamer, which knows none of them.

An app registers a `SubjectKind` in its `AppConfig.ready()`:

    register_kind(LeaderAccounts())

and the streamer (`manage.py streamer`, as many processes as wanted) asks it what to stream, logs
in, and delivers. Of all its processes one at a time has a subject, by a lease on the subject's
shard; while a lease changes hands two may have it for some seconds. So what is delivered may be
delivered twice, by two processes, or, after a crash, not at all: `deliver` deduplicates by what the
venue gave (trade ids, order ids and states), and `reconcile` finds what was missed.

The methods are called from threads with a database connection, in no tenant's scope unless it says
so; none is called on an event loop. What they raise is logged, and tried again: a database that is
away loses nothing that was received.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from venues.domain.types import Credentials
from venues.streams.events import StreamEvent


@dataclass(frozen=True, slots=True)
class Subject:
    """One account to stream. `id` is the kind's own, at most 26 characters, a ULID usually.

    `priority`: lower ones log in, and are polled, first; 0 leaders, 1 accounts that hold
    something, 2 the rest. `key_mark` changes when the credential does: a key that the venue
    refused is tried again when it is another one. Put no secret into it.
    """

    id: str
    tenant_id: str
    venue: str
    priority: int
    key_mark: str
    wants_stops: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came for one subject, in the order in which it came."""

    subject: Subject
    events: tuple[StreamEvent, ...]


class SubjectsUnreadError(Exception):
    """`reconcile` could not read these of its subjects, by id; the others it could."""

    def __init__(self, subject_ids: Collection[str]) -> None:
        super().__init__(", ".join(subject_ids))
        self.subject_ids = frozenset(subject_ids)


class SubjectKind(Protocol):
    name: str
    """Short and for good: it is stored. E.g. `account`, `leader`."""
    poll_seconds: float
    """How often a subject without a live stream is reconciled."""
    gather_seconds: float
    """How long what came may wait for more, so that it is written together: some milliseconds."""

    def subjects(self) -> Sequence[Subject]:
        """All that should be streamed now, of all tenants. In a system scope, every few seconds:
        a fixed number of queries."""

    def names(self, subject_ids: Collection[str]) -> Mapping[str, str]:
        """What staff call them, by id. In the caller's scope; one query."""

    def credentials(self, subject: Subject) -> Credentials | None:
        """Its key, opened to sign one login and dropped after it; None when there is none that
        can be used. In the subject's tenant's scope."""

    def deliver(self, tenant_id: str, deliveries: Sequence[Delivery]) -> None:
        """Take what came, at most one Delivery a subject. In the tenant's scope.

        Of one kind one call at a time, in the order in which things came; what comes meanwhile
        is the next call's. So it is quick, asks nobody over the network, and uses a number of
        queries that does not depend on the number of deliveries. When it raises, the same and what
        came since is delivered again after a moment; after repeated failures subject by subject,
        and then that subject's is given up and its `reconcile` follows.
        """

    def reconcile(self, tenant_id: str, subjects: Sequence[Subject]) -> None:
        """Compare with the venue by REST: events may have been missed. In the tenant's scope.

        After each `Connected`, after a take-over, and every `poll_seconds` while the stream is not
        live; at the streamer's pace, never twice at once for a subject, but possibly beside
        `deliver`. May take its time, or wake a task that does it. Those that it could not read
        (SubjectsUnreadError), or all when it raises anything else, are tried again soon.
        """


_kinds: dict[str, SubjectKind] = {}


def register_kind(kind: SubjectKind) -> None:
    """Once per kind and process; the last one counts."""
    _kinds[kind.name] = kind


def registered_kinds() -> Mapping[str, SubjectKind]:
    return dict(_kinds)
