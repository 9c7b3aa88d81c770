"""The kill switch: setting it, with audit and news. Senders read it on their own (DESIGN §2)."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db import transaction

from customers.models import Customer, Tenant, User
from customers.services.audit import audit_record
from customers.services.events import EventDraft, events_record, staff_audience
from customers.tenancy import ScopeError, required_scope, tenant_scope
from customers.turns import ahead_of_others
from strategies.models import Strategy
from trading.models import TradingControl


class ControlError(Exception):
    """The switch cannot be set like this; the code says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def control_set(
    *,
    level: str,
    subject_id: str = "",
    mode: str,
    reason: str,
    actor: User | None,
    ip_address: str | None = None,
    only_from_active: bool = False,
) -> TradingControl:
    """Set one level to ACTIVE, REDUCING (exits only) or HALTED.

    `actor=None` is the system itself. Only a superuser or the system touches the platform's.
    Anything but ACTIVE needs a reason. `only_from_active`: what somebody has set already stays.
    Raises ControlError, PermissionDenied; a subject that the current scope does not see raises its
    DoesNotExist.
    """
    if mode not in TradingControl.Mode.values:
        raise ControlError("unknown_mode")
    if mode != TradingControl.Mode.ACTIVE and not reason.strip():
        raise ControlError("reason_needed")
    tenant_id = _tenant_of(level, subject_id)
    if required_scope().tenant_id not in (None, tenant_id) and tenant_id is not None:
        raise ScopeError("A kill switch of another tenant.")
    if tenant_id is None and actor is not None and not actor.is_superuser:
        raise PermissionDenied
    with ahead_of_others(), transaction.atomic():
        control = (
            TradingControl.objects.select_for_update()
            .filter(level=level, subject_id=subject_id)
            .first()
        ) or TradingControl(level=level, subject_id=subject_id, tenant_id=tenant_id)
        before = control.mode or TradingControl.Mode.ACTIVE
        if only_from_active and before != TradingControl.Mode.ACTIVE:
            return control
        control.mode = mode
        control.reason = reason.strip()
        control.changed_by = actor
        control.save()
        audit_record(
            action="control.set",
            actor=actor,
            tenant_id=tenant_id,
            target=f"trading.tradingcontrol:{control.pk}",
            details={
                "level": level,
                "subject": subject_id,
                "from": before,
                "to": mode,
                "reason": control.reason,
            },
            ip_address=ip_address,
        )
        _announce(control)
    return control


def _tenant_of(level: str, subject_id: str) -> str | None:
    match level:
        case TradingControl.Level.PLATFORM:
            if subject_id:
                raise ControlError("platform_has_no_subject")
            return None
        case TradingControl.Level.TENANT:
            return Tenant.objects.get(pk=subject_id).pk
        case TradingControl.Level.STRATEGY:
            return Strategy.objects.get(pk=subject_id).tenant_id
        case TradingControl.Level.CUSTOMER:
            return Customer.objects.get(pk=subject_id).tenant_id
    raise ControlError("unknown_level")


def _announce(control: TradingControl) -> None:
    """Every tenant that it stops or lets go hears of it."""
    if control.tenant_id is not None:
        tenant_ids = [control.tenant_id]
    else:
        tenant_ids = list(Tenant.objects.values_list("pk", flat=True))
    payload = {
        "level": control.level,
        "subject": control.subject_id,
        "mode": control.mode,
        "reason": control.reason,
    }
    for tenant_id in tenant_ids:
        with tenant_scope(tenant_id):
            events_record(
                [
                    EventDraft(
                        tenant_id=tenant_id,
                        audience=staff_audience(tenant_id),
                        kind="control.changed",
                        payload=payload,
                    )
                ]
            )
