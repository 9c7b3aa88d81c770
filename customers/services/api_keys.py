"""Tokens of the partner API: made here, shown once, revoked for good."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from customers.api.authentication import token_hash
from customers.models import ApiKey, Partner, Tenant, User
from customers.services.audit import audit_record
from customers.tenancy import same_tenant

_PREFIX_LENGTH = 12


@dataclass(frozen=True, slots=True)
class CreatedApiKey:
    """`token` exists here only; the row keeps its hash."""

    api_key: ApiKey
    token: str

    def __repr__(self) -> str:
        return f"CreatedApiKey({self.api_key.pk})"


def api_key_create(
    *,
    tenant: Tenant,
    name: str,
    scopes: Sequence[str],
    partner: Partner | None = None,
    expires_at: datetime | None = None,
    actor: User | None,
    ip_address: str | None = None,
) -> CreatedApiKey:
    """A new key. Raises ValueError for an unknown scope, ScopeError for a foreign partner."""
    unknown = set(scopes) - set(ApiKey.Scope.values)
    if unknown or not scopes:
        raise ValueError(f"Unknown or no scopes: {sorted(unknown)}")
    token = f"tandem_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        api_key = ApiKey(
            tenant=tenant,
            partner=partner,
            name=name,
            prefix=token[:_PREFIX_LENGTH],
            token_hash=token_hash(token),
            scopes=sorted(set(scopes)),
            expires_at=expires_at,
            created_by=actor,
        )
        same_tenant(api_key, partner)
        api_key.save()
        audit_record(
            action="api_key.created",
            actor=actor,
            tenant_id=tenant.pk,
            target=f"customers.apikey:{api_key.pk}",
            details={"name": name, "scopes": api_key.scopes, "partner": partner and partner.pk},
            ip_address=ip_address,
        )
    return CreatedApiKey(api_key=api_key, token=token)


def api_key_revoke(
    *, api_key: ApiKey, actor: User | None, reason: str = "", ip_address: str | None = None
) -> bool:
    """Ends a key for good. False when it had been revoked before."""
    with transaction.atomic():
        changed = ApiKey.objects.filter(pk=api_key.pk, revoked_at=None).update(
            revoked_at=timezone.now()
        )
        if not changed:
            return False
        audit_record(
            action="api_key.revoked",
            actor=actor,
            tenant_id=api_key.tenant_id,
            target=f"customers.apikey:{api_key.pk}",
            details={"name": api_key.name, "reason": reason},
            ip_address=ip_address,
        )
    return True
