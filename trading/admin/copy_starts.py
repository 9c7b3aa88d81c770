"""What became of what leaders held when copies of them began."""

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from customers.admin_base import LedgerAdmin
from trading.models import CopyStart
from trading.selectors.copy_starts import start_lines


@admin.register(CopyStart)
class CopyStartAdmin(LedgerAdmin[CopyStart]):
    list_display = ["created_at", "subscription", "takes", "status", "done_at"]
    list_filter = [("status", ChoicesDropdownFilter), ("takes", ChoicesDropdownFilter)]
    list_select_related = ["subscription__strategy", "subscription__account"]
    search_fields = ["=subscription__id", "subscription__strategy__name__istartswith"]
    fields = ["subscription", "takes", "status", "outcome", "created_at", "done_at"]
    readonly_fields = fields
    page_select_related = ["subscription__strategy", "subscription__account"]

    @display(description=gettext_lazy("what became of it"))
    def outcome(self, start: CopyStart) -> str:
        mine = CopyStart.objects.for_tenant(start.tenant_id).filter(pk=start.pk)
        lines = start_lines(mine).get(start.subscription_id, [])
        return format_html_join("", "<div>{}</div>", ((line,) for line in lines)) or "–"
