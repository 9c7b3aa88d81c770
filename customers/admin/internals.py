"""What the platform keeps to run itself: read-only, for superusers who look into a trouble."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from customers.admin_base import ConsoleModelAdmin
from customers.domain.roles import Resource
from customers.models import EncryptionCanary, IdempotencyRecord, Lease, LoginFailure

M = TypeVar("M", bound=models.Model)


class _InternalAdmin(ConsoleModelAdmin[M]):
    resource = Resource.PLATFORM
    tenant_path: ClassVar[str | None] = None
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Lease)
class LeaseAdmin(_InternalAdmin[Lease]):
    list_display = ["name", "holder", "expires_at"]
    fields = ["name", "holder", "expires_at"]
    ordering = ["name"]


@admin.register(LoginFailure)
class LoginFailureAdmin(_InternalAdmin[LoginFailure]):
    list_display = ["__str__", "failures", "window_started_at", "locked_until"]
    fields = ["key", "failures", "window_started_at", "locked_until"]
    ordering = ["-window_started_at"]


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(_InternalAdmin[IdempotencyRecord]):
    tenant_path = "tenant_id"
    list_display = ["created_at", "tenant", "api_key", "response_status"]
    list_select_related = ["tenant", "api_key"]
    fields = ["created_at", "tenant", "api_key", "key_hash", "request_hash", "response_status"]
    readonly_fields = fields
    page_select_related = ["tenant", "api_key"]


@admin.register(EncryptionCanary)
class EncryptionCanaryAdmin(_InternalAdmin[EncryptionCanary]):
    list_display = ["id", "created_at"]
    fields = ["id", "created_at"]
    readonly_fields = fields
    ordering = ["id"]
