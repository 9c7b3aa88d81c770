"""Taking in the keys of an exchange account. They are never given out again."""

from __future__ import annotations

import hashlib
import hmac

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from customers.models import Credential, ExchangeAccount, User
from customers.services.audit import audit_record
from customers.tenancy import same_tenant, system_scope, tenant_scope
from customers.wakeup import wake_on_commit

_FINGERPRINT_PURPOSE = b"tandem.credential.fingerprint"


class CredentialRefusedError(Exception):
    """The keys were not stored; `message` is for the person who typed them."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def api_key_fingerprint(*, venue: str, api_key: str) -> str:
    """Recognises a key without keeping it readable: HMAC under a key made from SECRET_KEY."""
    key = hmac.new(settings.SECRET_KEY.encode(), _FINGERPRINT_PURPOSE, hashlib.sha256).digest()
    return hmac.new(key, f"{venue}\n{api_key}".encode(), hashlib.sha256).hexdigest()


def _already_used() -> CredentialRefusedError:
    return CredentialRefusedError(
        "already_used",
        _("This API key already belongs to another account. Use a key of its own."),
    )


def credential_store(
    *,
    account: ExchangeAccount,
    api_key: str,
    api_secret: str,
    passphrase: str,
    actor: User | None,
    ip_address: str | None = None,
) -> Credential:
    """Seal the keys of an account, replacing older ones, and have them checked by a worker.

    One key on two accounts would copy every signal twice into the same money, so it is refused,
    whichever tenant the other account belongs to.
    """
    api_key, api_secret, passphrase = api_key.strip(), api_secret.strip(), passphrase.strip()
    if not api_key or not api_secret:
        raise CredentialRefusedError("incomplete", _("The API key and its secret are both needed."))
    fingerprint = api_key_fingerprint(venue=account.venue, api_key=api_key)
    with transaction.atomic():
        with system_scope("is an API key already used by another account"):
            used_elsewhere = (
                Credential.objects.filter(api_key_fingerprint=fingerprint)
                .exclude(account_id=account.pk)
                .exists()
            )
        if used_elsewhere:
            raise _already_used()
        with tenant_scope(account.tenant_id):
            locked = ExchangeAccount.objects.select_for_update().get(pk=account.pk)
            credential = Credential.objects.filter(account=locked).first()
            replaced = credential is not None
            if credential is None:
                credential = Credential(tenant_id=locked.tenant_id, account=locked)
            same_tenant(locked, credential)
            credential.api_key = api_key
            credential.api_secret = api_secret
            credential.passphrase = passphrase
            credential.api_key_fingerprint = fingerprint
            credential.permissions = []
            credential.ip_restricted = None
            credential.checked_at = None
            try:
                with transaction.atomic():
                    credential.save()
            except IntegrityError:  # two accounts were given the same key at the same moment
                raise _already_used() from None
            # What was known of the account came from the old keys.
            locked.health = ExchangeAccount.Health.UNKNOWN
            locked.health_code = ""
            locked.health_params = {}
            locked.health_checked_at = None
            locked.save(
                update_fields=["health", "health_code", "health_params", "health_checked_at"]
            )
            audit_record(
                action="credential.replaced" if replaced else "credential.stored",
                actor=actor,
                tenant_id=locked.tenant_id,
                target=f"customers.exchangeaccount:{locked.pk}",
                details={"fingerprint": fingerprint[:12]},
                ip_address=ip_address,
            )
            wake_on_commit(
                "trading.tasks.account_check", account_id=locked.pk, tenant_id=locked.tenant_id
            )
    return credential
