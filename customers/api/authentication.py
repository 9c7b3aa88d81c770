"""`Authorization: Bearer <token>`; the token's tenant becomes the request's scope."""

import hashlib
from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from customers.models import ApiKey
from customers.tenancy import system_scope, tenant_scope

_USE_NOTED_EVERY = timedelta(minutes=1)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class ApiKeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, ApiKey] | None:
        scheme, _, token = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        with system_scope("find the API key of a request"):
            api_key = (
                ApiKey.objects.select_related("tenant", "partner")
                .filter(token_hash=token_hash(token.strip()))
                .first()
            )
        now = timezone.now()
        if (
            api_key is None
            or api_key.revoked_at is not None
            or (api_key.expires_at is not None and api_key.expires_at <= now)
            or api_key.tenant.status != "active"
            or (api_key.partner is not None and not api_key.partner.is_active)
        ):
            raise AuthenticationFailed("The API key is unknown, expired or revoked.")
        if api_key.last_used_at is None or now - api_key.last_used_at > _USE_NOTED_EVERY:
            with tenant_scope(api_key.tenant_id):
                ApiKey.objects.filter(pk=api_key.pk).update(last_used_at=now)
        return None, api_key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
