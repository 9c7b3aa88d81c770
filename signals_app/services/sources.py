"""Signal sources: secrets that the system makes, and the pause."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from customers.models import User
from customers.services.audit import audit_record
from customers.services.events import EventDraft, events_record, staff_audience
from customers.tenancy import system_scope
from signals_app.domain.intake_tokens import token_hash, token_new
from signals_app.models import SignalSource
from signals_app.services.leaders.resuming import pause_make_good
from signals_app.signals import source_status_changed
from venues.markets import known_symbols

_SECRET_BYTES = 32  # Standard Webhooks asks for 24 to 64


TOKEN_FIELDS = ["token_hash", "previous_token_hash"]


class SourceError(Exception):
    """The source cannot do this; the code says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def source_rotate_secret(
    *, source: SignalSource, actor: User | None, ip_address: str | None = None
) -> str:
    """A new signing secret, `whsec_<base64>`; the only time that it can be read.

    The one before stays valid as `previous_secret` until `source_drop_previous_secret` or the
    next rotation, so that a sender can change over without a gap.
    """
    if source.kind != SignalSource.Kind.WEBHOOK:
        raise SourceError("not_a_webhook")
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    with transaction.atomic():
        locked = SignalSource.objects.select_for_update().get(pk=source.pk)
        # Opened and assigned as text: a sealed value is bound to its field.
        locked.previous_secret = locked.reveal("secret")
        locked.secret = secret
        locked.save(update_fields=["secret", "previous_secret"])
        audit_record(
            action="source.secret_rotated",
            actor=actor,
            tenant_id=locked.tenant_id,
            target=f"signals_app.signalsource:{locked.pk}",
            details={"previous_kept": bool(locked.previous_secret)},
            ip_address=ip_address,
        )
    return secret


def source_rotate_token(
    *, source: SignalSource, actor: User | None, ip_address: str | None = None
) -> str:
    """A new token for a sender that cannot sign; the only time that it can be read.

    The one before stays valid until `source_drop_previous_secret` or the next rotation.
    """
    if source.kind != SignalSource.Kind.WEBHOOK:
        raise SourceError("not_a_webhook")
    token = token_new()
    with transaction.atomic():
        locked = SignalSource.objects.select_for_update().get(pk=source.pk)
        locked.previous_token_hash = locked.token_hash
        locked.token_hash = token_hash(token)
        locked.save(update_fields=TOKEN_FIELDS)
        audit_record(
            action="source.token_rotated",
            actor=actor,
            tenant_id=locked.tenant_id,
            target=f"signals_app.signalsource:{locked.pk}",
            details={"previous_kept": bool(locked.previous_token_hash)},
            ip_address=ip_address,
        )
    return token


def source_drop_previous_secret(
    *, source: SignalSource, actor: User | None, ip_address: str | None = None
) -> bool:
    """End the overlap of a rotation. False when there was no previous secret or token."""
    with transaction.atomic():
        locked = SignalSource.objects.select_for_update().get(pk=source.pk)
        if not (locked.previous_secret or locked.previous_token_hash):
            return False
        locked.previous_secret = locked.previous_token_hash = ""
        locked.save(update_fields=["previous_secret", "previous_token_hash"])
        audit_record(
            action="source.previous_secret_dropped",
            actor=actor,
            tenant_id=locked.tenant_id,
            target=f"signals_app.signalsource:{locked.pk}",
            ip_address=ip_address,
        )
    return True


def source_pause(
    *,
    source: SignalSource,
    reason: str,
    actor: User | None,
    ip_address: str | None = None,
    code: str = "",
    params: Mapping[str, str] | None = None,
) -> bool:
    """Take no more signals from it. False when it was paused before.

    `reason` is an operator's; the system gives a `code` and its `params` instead.
    """
    return _set_status(
        source, SignalSource.Status.PAUSED, reason, actor, ip_address, code, params or {}
    )


def source_resume(
    *, source: SignalSource, reason: str = "", actor: User | None, ip_address: str | None = None
) -> bool:
    """Take its signals again. What a leader's account gave up while staff had paused it is given up
    by its copies now. False when it was not paused."""
    with transaction.atomic():
        rows = SignalSource.objects.select_for_update().filter(pk=source.pk)
        paused_at = rows.filter(paused_code="").values_list("paused_at", flat=True).first()
        if not _set_status(source, SignalSource.Status.ACTIVE, reason, actor, ip_address):
            return False
        if paused_at is not None:  # exits go on while the system has paused it
            pause_make_good(source, since=paused_at)
    return True


def _set_status(
    source: SignalSource,
    status: str,
    reason: str,
    actor: User | None,
    ip_address: str | None,
    code: str = "",
    params: Mapping[str, str] | None = None,
) -> bool:
    paused = status == SignalSource.Status.PAUSED
    with transaction.atomic():
        changed = (
            SignalSource.objects.filter(pk=source.pk)
            .exclude(status=status)
            .update(
                status=status,
                paused_reason=reason if paused else "",
                paused_code=code,
                paused_params=dict(params or {}),
                **{"paused_at" if paused else "resumed_at": timezone.now()},
            )
        )
        if not changed:
            return False
        kind = "source.paused" if paused else "source.resumed"
        payload = {"source": source.pk, "code": code, "params": dict(params or {})}
        audience = staff_audience(source.tenant_id)
        events_record([EventDraft(source.tenant_id, audience, kind, payload)])
        source_status_changed.send(
            sender=SignalSource, source=source, is_paused=paused, code=code, params=params or {}
        )
        audit_record(
            action="source.paused" if paused else "source.resumed",
            actor=actor,
            tenant_id=source.tenant_id,
            target=f"signals_app.signalsource:{source.pk}",
            details={"reason": reason, **({"code": code, **(params or {})} if code else {})},
            ip_address=ip_address,
        )
    return True


def sources_warm_up() -> None:
    """Start loading the markets of all venues that sources speak of, in the background.

    A web process calls it once at its start, so that an unknown symbol is refused from the first
    delivery on and not only from the second.
    """
    with system_scope("which venues' symbols do sources use"):
        venues = list(SignalSource.objects.values_list("venue", flat=True).distinct())
    for venue in venues:
        known_symbols(venue)
