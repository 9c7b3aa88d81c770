"""The page of a level's copy settings: what it states, what is in force, what a change does."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from customers.admin_base import ConsoleModelAdmin
from customers.admin_pages import access_of, client_address, console_page
from customers.domain.roles import Verb
from strategies.models import StatedSettings
from strategies.settings_changes import SettingsChange, settings_change_of
from strategies.settings_form import SettingsForm


class ConsoleSettingsForm(SettingsForm):
    text_widget = UnfoldAdminTextInputWidget
    lines_widget = UnfoldAdminTextareaWidget
    choice_widget = UnfoldAdminSelectWidget


class SettingsRowAdmin(ConsoleModelAdmin[Any]):
    """A row that states copy settings, which have a page of their own."""

    actions_detail = ["edit_settings"]

    @action(
        description=gettext_lazy("Copy settings"),
        url_path="settings",
        permissions=["change"],
        icon="tune",
    )
    def edit_settings(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return settings_page(self, request, self.object_or_404(request, object_id, Verb.CHANGE))

    def save_model(
        self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool
    ) -> None:
        """Without the settings as they were when the page was loaded: they change elsewhere."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        with self.writing_scope(request, obj):
            obj.save(update_fields=form.changed_data)


def settings_page(
    page: ConsoleModelAdmin[Any], request: HttpRequest, row: StatedSettings
) -> HttpResponse:
    """GET shows, a first POST says what would change, a second one does it."""
    change: SettingsChange = settings_change_of(
        request, row, ConsoleSettingsForm, writing=lambda: page.writing_scope(request, row)
    )
    if change.is_stored(actor=access_of(request).user, ip_address=client_address(request)):
        messages.success(request, _("The copy settings are stored."))
        return HttpResponseRedirect(request.get_full_path())
    return console_page(
        request,
        "admin/console/settings.html",
        title=_("Copy settings of %(owner)s") % {"owner": row},
        change=change,
        back=page.change_url(row),
    )
