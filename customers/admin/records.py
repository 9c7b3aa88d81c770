"""What the platform keeps of itself: events, the audit log, the state of streams."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from customers.admin_base import LedgerAdmin
from customers.admin_json import pretty_json
from customers.models import AuditEntry, Event, StreamState
from customers.selectors.streams import NO_STREAM, StreamView, with_holding
from venues.streams.registry import registered_kinds


@admin.register(Event)
class EventAdmin(LedgerAdmin[Event]):
    list_display = ["created_at", "kind", "audience", "sequence"]
    list_filter = [("created_at", RangeDateTimeFilter)]
    search_fields = ["=id", "kind__startswith", "=audience"]
    fields = ["id", "created_at", "kind", "audience", "sequence", "payload_text"]
    readonly_fields = fields

    @display(description=_("payload"))
    def payload_text(self, event: Event) -> str:
        return pretty_json(event.payload)


@admin.register(AuditEntry)
class AuditEntryAdmin(LedgerAdmin[AuditEntry]):
    list_display = ["created_at", "actor_label", "action", "target", "ip_address"]
    list_filter = [("created_at", RangeDateTimeFilter)]
    search_fields = ["=target", "actor_label__istartswith", "action__startswith"]
    ordering = ["-sequence"]
    fields = [
        "sequence", "created_at", "tenant", "actor", "actor_label", "action", "target",
        "details_text", "ip_address", "previous_hash", "entry_hash",
    ]  # fmt: skip
    readonly_fields = fields

    page_select_related = ["tenant", "actor"]

    @display(description=_("details"))
    def details_text(self, entry: AuditEntry) -> str:
        return pretty_json(entry.details)


@admin.register(StreamState)
class StreamStateAdmin(LedgerAdmin[StreamState]):
    list_display = ["kind", "name", "state_label", "since", "trouble", "detail"]
    list_filter = [("state", ChoicesDropdownFilter), "kind"]
    search_fields = ["=subject_id", "trouble__startswith"]
    ordering = ["-changed_at"]
    fields = [
        "kind", "name", "subject_id", "state_label", "since", "trouble", "detail", "connection_id",
        "lease", "changed_at",
    ]  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[StreamState]:
        return with_holding(super().get_queryset(request))

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        names = _names(rows)
        for row in rows:
            row.called = names.get((row.kind, row.subject_id), "")
        changelist.result_list = rows
        return changelist

    @display(description=_("subject"))
    def name(self, row: StreamState) -> str:
        called = getattr(row, "called", None)
        if called is None:
            called = _names([row]).get((row.kind, row.subject_id))
        return called or row.subject_id

    @display(
        description=_("state"),
        ordering="state",
        label={"live": "success", "stale": "warning", "lost": "warning", "refused": "danger"},
    )
    def state_label(self, row: StreamState) -> tuple[str, str]:
        believed = row.state if getattr(row, "is_held", False) else NO_STREAM.state
        return believed, StreamView(believed).label


def _names(rows: Iterable[StreamState]) -> dict[tuple[str, str], str]:
    """What staff call their subjects. One query for each kind."""
    ids: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        ids[row.kind].append(row.subject_id)
    return {
        (name, subject_id): called
        for name, kind in registered_kinds().items()
        if name in ids
        for subject_id, called in kind.names(ids[name]).items()
    }
