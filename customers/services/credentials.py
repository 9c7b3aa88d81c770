"""Taking in the keys of an exchange account, and what a worker's check makes of them.

They are never given out again. A new key is stored unchecked, and nothing but its own check is
signed with it; the key that was there before goes on until the new one has passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import Credential, ExchangeAccount, User
from customers.services.audit import audit_record
from customers.services.events import (
    EventDraft,
    customer_audience,
    events_record,
    staff_audience,
)
from customers.services.fingerprints import api_key_fingerprint
from customers.tenancy import system_scope, tenant_scope
from customers.wakeup import wake_on_commit

Status = Credential.Status


class CredentialRefusedError(Exception):
    """The keys were not stored; `message` is for the person who typed them."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class CredentialInUseError(Exception):
    """The checked key is in use on another account since."""


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
    """Seal new keys of an account, unchecked, and have a worker check them at once.

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
            has_active = Credential.objects.filter(account=locked, status=Status.ACTIVE).exists()
            # A row of its own: a check that is under way speaks of the key before it.
            Credential.objects.filter(account=locked).exclude(status=Status.ACTIVE).delete()
            credential = Credential(
                tenant_id=locked.tenant_id,
                account=locked,
                api_key=api_key,
                api_secret=api_secret,
                passphrase=passphrase,
                api_key_fingerprint=fingerprint,
            )
            try:
                with transaction.atomic():
                    credential.save()
            except IntegrityError:  # two accounts were given the same key at the same moment
                raise _already_used() from None
            _expect_check(locked, has_active=has_active)
            audit_record(
                action="credential.replaced" if has_active else "credential.stored",
                actor=actor,
                tenant_id=locked.tenant_id,
                target=_target(locked.pk),
                details={"fingerprint": fingerprint[:12]},
                ip_address=ip_address,
            )
            wake_on_commit(
                "trading.tasks.account_check", account_id=locked.pk, tenant_id=locked.tenant_id
            )
    return credential


def _expect_check(account: ExchangeAccount, *, has_active: bool) -> None:
    """If the wake-up is lost, the sweeper takes this account first."""
    account.tried_at, account.failed_reads = None, 0
    fields = ["tried_at", "failed_reads"]
    if not has_active:
        account.health, account.health_code = ExchangeAccount.Health.UNKNOWN, ""
        account.health_params, account.health_checked_at = {}, None
        fields += ["health", "health_code", "health_params", "health_checked_at"]
    account.save(update_fields=fields)


# --- what the check of a new key showed ---------------------------------------------------------


def credential_activate(
    *, credential: Credential, permissions: Iterable[str], ip_restricted: bool
) -> bool:
    """The new key passed: it takes the place of the one before, which is deleted.

    False when it is not the account's new key any more. Raises CredentialInUseError.
    """
    with transaction.atomic():
        found = _locked_unchecked(credential)
        if found is None:
            return False
        mine = Credential.objects.for_tenant(found.tenant_id).filter(account_id=found.account_id)
        mine.exclude(pk=found.pk).delete()
        found.status = Status.ACTIVE
        found.permissions = sorted(permissions)
        found.ip_restricted = ip_restricted
        found.checked_at = timezone.now()
        found.problem_code, found.problem_params = "", {}
        try:
            with transaction.atomic():
                found.save()
        except IntegrityError:
            raise CredentialInUseError from None
        _tell(found)
        _audit("credential.activated", found, found.api_key_fingerprint)
    return True


def credential_refuse(
    *,
    credential: Credential,
    code: str,
    params: Mapping[str, str],
    permissions: Iterable[str],
    ip_restricted: bool,
) -> bool:
    """The new key must not be used, ever: its secrets are deleted, the reason stays.

    False when it is not the account's new key any more.
    """
    with transaction.atomic():
        found = _locked_unchecked(credential)
        if found is None:
            return False
        fingerprint = found.api_key_fingerprint
        found.status = Status.REFUSED
        found.forget_secrets()
        found.permissions = sorted(permissions)
        found.ip_restricted = ip_restricted
        found.checked_at = timezone.now()
        found.problem_code, found.problem_params = code, dict(params)
        found.save()
        _tell(found)
        _audit("credential.refused", found, fingerprint, code=code)
    return True


def credential_note_problem(
    *, credential: Credential, code: str, params: Mapping[str, str]
) -> bool:
    """The new key did not pass, but may yet: it stays unchecked, with what is wrong."""
    with transaction.atomic():
        found = _locked_unchecked(credential)
        if found is None:
            return False
        is_news = found.problem_code != code
        found.checked_at = timezone.now()
        found.problem_code, found.problem_params = code, dict(params)
        found.save()
        if is_news:
            _tell(found)
    return True


def _locked_unchecked(credential: Credential) -> Credential | None:
    """The row as long as it is the account's unchecked key; its account is locked with it."""
    accounts = ExchangeAccount.objects.for_tenant(credential.tenant_id)
    accounts.select_for_update().get(pk=credential.account_id)
    rows = Credential.objects.for_tenant(credential.tenant_id).select_for_update()
    return rows.filter(pk=credential.pk, status=Status.UNCHECKED).first()


def _tell(credential: Credential) -> None:
    tenant_id = credential.tenant_id
    accounts = ExchangeAccount.objects.for_tenant(tenant_id)
    customer_id = accounts.values_list("customer_id", flat=True).get(pk=credential.account_id)
    payload = {
        "account": credential.account_id,
        "status": credential.status,
        "code": credential.problem_code,
        "params": credential.problem_params,
    }
    events_record(
        EventDraft(tenant_id, audience, "account.key", payload)
        for audience in (staff_audience(tenant_id), customer_audience(customer_id))
    )


def _audit(action: str, credential: Credential, fingerprint: str | None, **details: str) -> None:
    audit_record(
        action=action,
        actor=None,
        tenant_id=credential.tenant_id,
        target=_target(credential.account_id),
        details={"fingerprint": (fingerprint or "")[:12], **details},
    )


def _target(account_id: str) -> str:
    return f"customers.exchangeaccount:{account_id}"
