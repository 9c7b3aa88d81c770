"""What the venue says of an account's keys, and what becomes of them and of the account.

Asking is done by account_sync, with the account's other readings; here it is judged and written.
"""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils import timezone

from customers.models import Credential, ExchangeAccount
from customers.services.credentials import (
    CredentialInUseError,
    credential_activate,
    credential_note_problem,
    credential_refuse,
)
from trading.domain.key_rules import active_key_trouble, key_shortcoming, new_key_refusal
from trading.domain.reasons import Reason, ReasonCode
from trading.services.account_health import account_mark_healthy, account_mark_unhealthy
from trading.services.credentials import AccountKeys, Key
from trading.services.reconciliation.changed_terms import position_mode_note
from venues.domain.types import AccountConfig, Credentials, VenueError, VenueErrorKind


def refused_by_venue(error: VenueError) -> Reason | None:
    """A refused key is the account's problem; a venue that is down is nobody's fault."""
    if error.kind is not VenueErrorKind.CREDENTIALS:
        return None
    params = {"code": error.code, "message": error.message}
    return Reason(ReasonCode.CREDENTIALS_REFUSED, params)


def new_key_passes(account: ExchangeAccount, config: AccountConfig) -> bool:
    refused = new_key_refusal(config, venue_uid=account.venue_uid)
    return refused is None and key_shortcoming(config) is None


def new_key_take(
    account: ExchangeAccount, key: Key, answer: AccountConfig | VenueError | None
) -> Reason | None:
    """Activate the new key, refuse it for good, or leave it unchecked with what is wrong.

    Returns what is wrong with it; None also when nothing was learnt.
    """
    if isinstance(answer, AccountConfig):
        return _new_key_judge(account, key.row, answer)
    problem = None
    if isinstance(key.opened, Reason):
        problem = key.opened
    elif answer is not None:
        problem = refused_by_venue(answer)
    if problem is not None:
        credential_note_problem(credential=key.row, code=problem.code, params=problem.params)
    return problem


def _new_key_judge(
    account: ExchangeAccount, row: Credential, config: AccountConfig
) -> Reason | None:
    refusal = new_key_refusal(config, venue_uid=account.venue_uid)
    if refusal is None:
        problem = key_shortcoming(config)
        if problem is not None:
            credential_note_problem(credential=row, code=problem.code, params=problem.params)
            return problem
        try:
            credential_activate(
                credential=row,
                permissions=config.permissions,
                ip_restricted=config.ip_restricted,
            )
        except CredentialInUseError:
            refusal = Reason(ReasonCode.KEY_ALREADY_USED)
    if refusal is not None:
        credential_refuse(
            credential=row,
            code=refusal.code,
            params=refusal.params,
            permissions=config.permissions,
            ip_restricted=config.ip_restricted,
        )
    return refusal


def key_in_use_judge(
    account: ExchangeAccount, key: Key, config: AccountConfig, doubt: Reason | None = None
) -> None:
    """Health from what the venue says of the key in use; the account's modes follow the venue.

    `doubt`: what it said of the account besides could not all be read.
    """
    in_use = _in_use(key).update(
        permissions=sorted(config.permissions),
        ip_restricted=config.ip_restricted,
        checked_at=timezone.now(),
    )
    if not in_use:
        return  # replaced since: what it may says nothing of the one after it
    known = (account.venue_uid, account.position_mode, account.takes_contracts)
    if known != (config.uid, config.position_mode, config.takes_contracts):
        if account.reconciled_at is not None and account.position_mode != config.position_mode:
            position_mode_note(account, config.position_mode)
        ExchangeAccount.objects.for_tenant(account.tenant_id).filter(pk=account.pk).update(
            venue_uid=config.uid,
            position_mode=config.position_mode,
            takes_contracts=config.takes_contracts,
        )
    trouble = active_key_trouble(config) or doubt
    if trouble is not None:
        account_mark_unhealthy(account=account, code=trouble.code, params=trouble.params)
    else:
        account_mark_healthy(account=account)


def readings_judge(account: ExchangeAccount, key: Key, doubt: Reason | None) -> None:
    """Health from readings without the key's own: only what cannot be read, and that it can be.

    A doubt of the configuration, which was not read, stays.
    """
    if not is_in_use(key):
        return
    if doubt is not None and account.health != ExchangeAccount.Health.UNKNOWN:
        known = account.health_code in ("", ReasonCode.ACCOUNT_UNREADABLE)
        if known:
            account_mark_unhealthy(account=account, code=doubt.code, params=doubt.params)
        return
    was_doubtful = account.health_code == ReasonCode.ACCOUNT_UNREADABLE
    if doubt is None and was_doubtful and account.health_params.get("what") != "configuration":
        account_mark_healthy(account=account)


def key_in_use_refused(account: ExchangeAccount, key: Key, reason: Reason) -> None:
    if is_in_use(key):
        account_mark_unhealthy(account=account, code=reason.code, params=reason.params)


def is_in_use(key: Key) -> bool:
    """Not replaced, refused or deleted since it was loaded."""
    return _in_use(key).exists()


def _in_use(key: Key) -> QuerySet[Credential]:
    rows = Credential.objects.for_tenant(key.row.tenant_id)
    return rows.filter(pk=key.row.pk, status=Credential.Status.ACTIVE)


def account_without_key(
    account: ExchangeAccount, keys: AccountKeys, problem: Reason | None
) -> None:
    """No key can be used: the account's health is why. Unknown until a new one is checked.

    `problem` is that of the new key.
    """
    reason: Reason | Credentials | None = problem
    if keys.active is not None:
        reason = keys.active.opened
    elif keys.new is None:
        reason = Reason(ReasonCode.KEY_MISSING) if keys.refused is None else keys.refused.opened
    if isinstance(reason, Reason):
        account_mark_unhealthy(account=account, code=reason.code, params=reason.params)


def usable(key: Key | None) -> Credentials | None:
    return key.opened if key is not None and isinstance(key.opened, Credentials) else None
