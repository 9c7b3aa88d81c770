"""Where staff get told, and what was sent."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
)

from customers.admin_base import ConsoleForm, ConsoleModelAdmin, LedgerAdmin
from customers.admin_fields import LinesField
from notifications.models import Delivery, NotificationChannel

_SECRETS = ("webhook_url", "signing_secret")


class AddressesField(LinesField):
    def check_line(self, line: str) -> None:
        validate_email(line)


class ChannelForm(ConsoleForm):
    """The robot's URL holds its token, so both secrets are write-only; empty keeps the old."""

    addresses = AddressesField(
        label=gettext_lazy("Email addresses"),
        help_text=gettext_lazy("One per line; for an email channel."),
    )
    new_webhook_url = forms.CharField(
        label=gettext_lazy("Robot URL"),
        required=False,
        max_length=500,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
    )
    new_signing_secret = forms.CharField(
        label=gettext_lazy("Robot signing secret"),
        required=False,
        max_length=200,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("language"),
        choices=settings.LANGUAGES,
        widget=UnfoldAdminSelectWidget,
    )

    class Meta:
        model = NotificationChannel
        exclude = _SECRETS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in _SECRETS:
            field = self.fields.get(f"new_{name}")
            if field is not None:
                stored = bool(getattr(self.instance, name))
                field.help_text = (
                    _("One is stored. Leave it empty to keep it; it cannot be shown.")
                    if stored
                    else _("For a DingTalk robot. It is encrypted and cannot be shown again.")
                )

    def clean_new_webhook_url(self) -> str:
        url: str = self.cleaned_data["new_webhook_url"]
        if url and not url.startswith(("https://", "http://")):
            raise ValidationError(_("Enter the whole URL of the robot."))
        return url

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        kind = cleaned.get("kind")
        if kind == NotificationChannel.Kind.EMAIL and not cleaned.get("addresses"):
            self.add_error("addresses", _("An email channel needs an address."))
        has_url = cleaned.get("new_webhook_url") or self.instance.webhook_url
        if kind == NotificationChannel.Kind.DINGTALK and not has_url:
            self.add_error("new_webhook_url", _("A DingTalk channel needs the robot's URL."))
        return cleaned

    def save(self, commit: bool = True) -> NotificationChannel:
        for name in _SECRETS:
            entered = self.cleaned_data.get(f"new_{name}")
            if entered:
                setattr(self.instance, name, entered)
        return super().save(commit)


@admin.register(NotificationChannel)
class NotificationChannelAdmin(ConsoleModelAdmin[NotificationChannel]):
    form = ChannelForm
    list_display = ["name", "kind", "language", "is_active", "created_at"]
    list_filter = [("kind", ChoicesDropdownFilter), "is_active"]
    search_fields = ["name"]
    readonly_fields = ["created_at"]
    fieldsets = [
        (None, {"fields": ["name", "kind", "language", "is_active"]}),
        (gettext_lazy("Email"), {"fields": ["addresses"]}),
        (gettext_lazy("DingTalk"), {"fields": ["new_webhook_url", "new_signing_secret"]}),
    ]

    def get_fieldsets(self, request: Any, obj: Any = None) -> Any:
        if self.has_change_permission(request, obj):
            return self.fieldsets
        # a reader has no form, so no fields that exist in the form only
        return [(None, {"fields": ["name", "kind", "language", "is_active", "addresses"]})]


@admin.register(Delivery)
class DeliveryAdmin(LedgerAdmin[Delivery]):
    list_display = ["created_at", "channel", "subject", "status_label", "attempts", "sent_at"]
    list_filter = [("status", ChoicesDropdownFilter), ("created_at", RangeDateTimeFilter)]
    list_select_related = ["channel"]
    search_fields = ["=id", "subject__istartswith"]
    fields = [
        "channel", "subject", "body", "status", "attempts", "error", "due_at", "sent_at",
        "created_at",
    ]  # fmt: skip
    readonly_fields = fields

    @display(
        description=gettext_lazy("status"),
        ordering="status",
        label={"sent": "success", "failed": "danger", "pending": "info"},
    )
    def status_label(self, delivery: Delivery) -> tuple[str, str]:
        return delivery.status, delivery.get_status_display()
