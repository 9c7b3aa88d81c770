"""A leader's keys: taking them in, judging them by what the venue says, opening them to sign.

As with exchange accounts (customers.services.credentials): a new key is stored unchecked beside the
one in use, and takes its place once its check has passed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.fields import SecretError
from customers.models import Credential, ExchangeAccount, User
from customers.services.audit import audit_record
from customers.services.credentials import CredentialRefusedError
from customers.services.events import EventDraft, events_record, staff_audience
from customers.services.fingerprints import api_key_fingerprint
from customers.tenancy import system_scope, tenant_scope
from customers.wakeup import wake_on_commit
from signals_app.domain.leaders.key_rules import (
    LeaderProblem,
    can_move_money,
    key_refusal,
    key_warning,
)
from signals_app.models import Leader, LeaderCredential
from venues.domain.types import AccountConfig, Credentials, VenueError, VenueErrorKind

logger = logging.getLogger(__name__)

Status = LeaderCredential.Status


def leader_key_store(
    *,
    leader: Leader,
    api_key: str,
    api_secret: str,
    passphrase: str,
    actor: User | None,
    ip_address: str | None = None,
) -> LeaderCredential:
    """Seal new keys of a leader, unchecked, and have a worker check them at once.

    Raises CredentialRefusedError for a key of an account that follows: it would follow itself.
    """
    api_key, api_secret, passphrase = api_key.strip(), api_secret.strip(), passphrase.strip()
    if not api_key or not api_secret:
        raise CredentialRefusedError("incomplete", _("The API key and its secret are both needed."))
    fingerprint = api_key_fingerprint(venue=leader.source.venue, api_key=api_key)
    with transaction.atomic():
        with system_scope("is a leader's key the key of an account that follows"):
            follows = Credential.objects.filter(api_key_fingerprint=fingerprint).exists()
        if follows:
            raise CredentialRefusedError(
                "already_used",
                _("This API key belongs to an account that follows signals here."),
            )
        with tenant_scope(leader.tenant_id):
            locked = Leader.objects.select_for_update().get(pk=leader.pk)
            keys = LeaderCredential.objects.for_tenant(leader.tenant_id).filter(leader=locked)
            has_active = keys.filter(status=Status.ACTIVE).exists()
            # A row of its own: a check that is under way speaks of the key before it.
            keys.exclude(status=Status.ACTIVE).delete()
            row = LeaderCredential(
                tenant_id=locked.tenant_id,
                leader=locked,
                api_key=api_key,
                api_secret=api_secret,
                passphrase=passphrase,
                api_key_fingerprint=fingerprint,
            )
            row.save()
            locked.tried_at = None
            if not has_active:
                locked.health, locked.health_code = Leader.Health.UNKNOWN, ""
            locked.save(update_fields=["tried_at", "health", "health_code"])
            audit_record(
                action="leader_key.replaced" if has_active else "leader_key.stored",
                actor=actor,
                tenant_id=locked.tenant_id,
                target=_target(locked.pk),
                details={"fingerprint": fingerprint[:12]},
                ip_address=ip_address,
            )
            wake_on_commit(
                "signals_app.tasks.leader_check",
                leader_id=locked.pk,
                tenant_id=locked.tenant_id,
            )
    return row


@dataclass(frozen=True, slots=True)
class LeaderKey:
    """One stored key. `opened` is None when it does not open with our encryption key."""

    row: LeaderCredential
    opened: Credentials | None


def leader_keys(*, tenant_id: str, leader_id: str) -> dict[str, LeaderKey]:
    """What is stored for a leader, by status; a refused one has no secrets."""
    rows = LeaderCredential.objects.for_tenant(tenant_id).filter(leader_id=leader_id)
    return {row.status: LeaderKey(row, _open(row)) for row in rows}


def _open(row: LeaderCredential) -> Credentials | None:
    if row.status == Status.REFUSED:
        return None
    try:
        return row.opened()
    except SecretError as error:
        logger.error("leader's key %s: %s", row.pk, error)
        return None


def leader_key_judge(
    *, leader: Leader, key: LeaderKey, answer: AccountConfig | VenueError | None
) -> None:
    """What the venue said of a key that is not in use yet: activate it, refuse it for good, or
    leave it unchecked with what is wrong."""
    if key.opened is None:
        _note_problem(key.row, LeaderProblem.KEY_UNREADABLE, {})
    elif isinstance(answer, AccountConfig):
        _judge_config(leader, key.row, answer)
    elif answer is not None and answer.kind is VenueErrorKind.CREDENTIALS:
        params = {"code": answer.code, "message": answer.message}
        _note_problem(key.row, LeaderProblem.CREDENTIALS_REFUSED, params)


def _judge_config(leader: Leader, row: LeaderCredential, config: AccountConfig) -> None:
    followers = ExchangeAccount.objects.for_tenant(leader.tenant_id).filter(
        venue=leader.source.venue, venue_uid=config.uid
    )
    refusal = key_refusal(
        config,
        venue_uid=leader.venue_uid,
        follower_uids=frozenset({config.uid} if config.uid and followers.exists() else ()),
    )
    with transaction.atomic():
        found = _locked_unchecked(row)
        if found is None:
            return
        fingerprint = (found.api_key_fingerprint or "")[:12]
        found.permissions = sorted(config.permissions)
        found.ip_restricted = config.ip_restricted
        found.checked_at = timezone.now()
        if refusal is None:
            mine = LeaderCredential.objects.for_tenant(row.tenant_id).filter(
                leader_id=row.leader_id
            )
            mine.exclude(pk=found.pk).delete()
            found.status = Status.ACTIVE
            found.problem_code, found.problem_params = "", {}
        else:
            found.status = Status.REFUSED
            found.forget_secrets()
            found.problem_code, found.problem_params = refusal
        found.save()
        _tell(found)
        audit_record(
            action="leader_key.activated" if refusal is None else "leader_key.refused",
            actor=None,
            tenant_id=found.tenant_id,
            target=_target(found.leader_id),
            details={"fingerprint": fingerprint, "code": found.problem_code},
        )


def _note_problem(row: LeaderCredential, code: LeaderProblem, params: dict[str, str]) -> None:
    with transaction.atomic():
        found = _locked_unchecked(row)
        if found is None:
            return
        is_news = found.problem_code != code
        found.checked_at = timezone.now()
        found.problem_code, found.problem_params = code, params
        found.save()
        if is_news:
            _tell(found)


def _locked_unchecked(row: LeaderCredential) -> LeaderCredential | None:
    """The row as long as it is the leader's unchecked key; its leader is locked with it."""
    Leader.objects.for_tenant(row.tenant_id).select_for_update().get(pk=row.leader_id)
    rows = LeaderCredential.objects.for_tenant(row.tenant_id).select_for_update()
    return rows.filter(pk=row.pk, status=Status.UNCHECKED).first()


def leader_key_in_use_judge(*, leader: Leader, key: LeaderKey, config: AccountConfig) -> None:
    """What the venue says of the key in use, kept on its row and as the leader's health."""
    now = timezone.now()
    rows = LeaderCredential.objects.for_tenant(leader.tenant_id)
    in_use = rows.filter(pk=key.row.pk, status=Status.ACTIVE).update(
        permissions=sorted(config.permissions), ip_restricted=config.ip_restricted, checked_at=now
    )
    if not in_use:
        return
    Leader.objects.for_tenant(leader.tenant_id).filter(pk=leader.pk).update(
        venue_uid=config.uid, position_mode=config.position_mode, checked_at=now
    )
    if can_move_money(config.permissions):
        leader_health_set(leader=leader, code=LeaderProblem.KEY_GAINED_WITHDRAWAL)
    elif leader.health_code == LeaderProblem.KEY_GAINED_WITHDRAWAL:
        leader_health_set(leader=leader)  # put right; nothing else clears it


def key_warning_of(row: LeaderCredential) -> LeaderProblem | None:
    return key_warning(frozenset(row.permissions)) if row.status == Status.ACTIVE else None


def leader_health_set(
    *, leader: Leader, code: str = "", params: dict[str, str] | None = None
) -> None:
    """Healthy without a code. Staff are told when it changes."""
    health = Leader.Health.UNHEALTHY if code else Leader.Health.HEALTHY
    with transaction.atomic():
        rows = Leader.objects.for_tenant(leader.tenant_id).filter(pk=leader.pk)
        was = rows.select_for_update().values_list("health", "health_code").get()
        rows.update(health=health, health_code=code, health_params=params or {})
        if was != (health, code):
            events_record(
                [
                    EventDraft(
                        leader.tenant_id,
                        staff_audience(leader.tenant_id),
                        "leader.health",
                        {"leader": leader.pk, "health": health, "code": code},
                    )
                ]
            )


def _tell(row: LeaderCredential) -> None:
    events_record(
        [
            EventDraft(
                row.tenant_id,
                staff_audience(row.tenant_id),
                "leader.key",
                {
                    "leader": row.leader_id,
                    "status": row.status,
                    "code": row.problem_code,
                    "params": row.problem_params,
                },
            )
        ]
    )


def _target(leader_id: str) -> str:
    return f"signals_app.leader:{leader_id}"
