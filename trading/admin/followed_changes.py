"""What copies did about what their leaders changed without trading."""

from django.contrib import admin
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from customers.admin_base import LedgerAdmin
from signals_app.event_texts import event_text
from trading.models import FollowedChange
from trading.reason_texts import reason_text


@admin.register(FollowedChange)
class FollowedChangeAdmin(LedgerAdmin[FollowedChange]):
    list_display = ["created_at", "subscription", "symbol", "does", "state", "finished_at"]
    list_filter = [("does", ChoicesDropdownFilter), ("state", ChoicesDropdownFilter)]
    list_select_related = ["subscription__strategy", "subscription__account"]
    search_fields = ["=subscription__id", "=signal__id", "symbol__istartswith"]
    fields = [
        "subscription", "change", "does", "state", "reason", "before", "after", "tries",
        "created_at", "sent_at", "finished_at",
    ]  # fmt: skip
    readonly_fields = fields
    page_select_related = ["subscription__strategy", "subscription__account", "signal"]

    @display(description=gettext_lazy("the leader's change"))
    def change(self, followed: FollowedChange) -> str:
        return event_text(followed.signal.skip_params) or "–"

    @display(description=gettext_lazy("reason"))
    def reason(self, followed: FollowedChange) -> str:
        return reason_text(followed.reason_code, followed.reason_params) or "–"
