"""What screens show of private streams: how an account is being watched, since when, and why so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.models import Lease, StreamState

State = StreamState.State

_LABELS: dict[str, Promise] = {
    State.LIVE: _("live"),
    State.STALE: _("silent, read from time to time"),
    State.CONNECTING: _("waiting for its stream, read from time to time"),
    State.LOST: _("interrupted, read from time to time"),
    State.REFUSED: _("refused, read from time to time"),
}
_NOBODY = _("no stream, read from time to time")
_TONES: dict[str, str] = {
    State.LIVE: "good",
    State.REFUSED: "danger",
    State.STALE: "warning",
    State.LOST: "warning",
}
_TROUBLES: dict[str, Promise] = {
    "closed": _("The line was cut."),
    "service_upgrade": _("The exchange closed the line for an upgrade."),
    "silent": _("Nothing came any more."),
    "unreachable": _("The exchange could not be reached."),
    "rate_limited": _("The exchange takes no more connections at the moment."),
    "login": _("The exchange did not take the login."),
    "clock": _("The exchange did not take our clock's time."),
    "credentials": _("The exchange refused the API key."),
    "no_key": _("There is no API key that can be used."),
    "subscription": _("The exchange did not confirm a channel."),
    "protocol": _("What the exchange sent could not be understood."),
    "released": _("It is not streamed any more."),
}


@dataclass(frozen=True, slots=True)
class StreamView:
    """`state` is live, stale, connecting, lost, refused, or none: nobody has it."""

    state: str
    since: datetime | None = None
    trouble: str = ""
    detail: str = ""

    @property
    def is_live(self) -> bool:
        return self.state == State.LIVE

    @property
    def label(self) -> str:
        return str(_LABELS.get(self.state, _NOBODY))

    @property
    def tone(self) -> str:
        return _TONES.get(self.state, "info")

    @property
    def text(self) -> str:
        """Why it is not live; empty when there is nothing to say."""
        return str(_TROUBLES.get(self.trouble, "")) if not self.is_live else ""


NO_STREAM = StreamView("none")


def stream_views(tenant_id: str, kind: str, subject_ids: Iterable[str]) -> dict[str, StreamView]:
    """By subject; two queries. What a streamer that died said last is not believed."""
    ids = list(subject_ids)
    rows = list(StreamState.objects.for_tenant(tenant_id).filter(kind=kind, subject_id__in=ids))
    held = held_leases(row.lease for row in rows)
    views = dict.fromkeys(ids, NO_STREAM)
    for row in rows:
        if row.lease in held or row.state == State.REFUSED:
            views[row.subject_id] = StreamView(row.state, row.since, row.trouble, row.detail)
        else:
            views[row.subject_id] = StreamView("none", row.since)
    return views


def held_leases(names: Iterable[str]) -> set[str]:
    """Those of these that a streamer has now."""
    rows = Lease.objects.filter(name__in=set(names), expires_at__gt=timezone.now())
    return set(rows.exclude(holder="").values_list("name", flat=True))


def with_holding(rows: QuerySet[StreamState]) -> QuerySet[StreamState]:
    """Each row says in `is_held` whether a streamer has it now."""
    return rows.annotate(is_held=_is_held())


def live_streams(kind: str) -> QuerySet[StreamState]:
    """Those that are live, and that a streamer has now. In the caller's scope."""
    return StreamState.objects.filter(_is_held(), kind=kind, state=State.LIVE)


def _is_held() -> Exists:
    held = Lease.objects.filter(name=OuterRef("lease"), expires_at__gt=timezone.now())
    return Exists(held.exclude(holder=""))
