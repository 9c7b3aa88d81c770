"""What the kill switches stop right now, for a reader."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from customers.models import Customer, Tenant
from strategies.models import Strategy
from trading.models import TradingControl


@dataclass(frozen=True, slots=True)
class Halt:
    """One switch that is not ACTIVE, with the name of what it stops."""

    control: TradingControl
    subject_name: str


def halts_in_force(tenant: Tenant | None) -> list[Halt]:
    """Switches that stop something of this tenant, the platform's first; None: of all tenants.

    Run it in a scope that sees the tenant's strategies and customers.
    """
    controls = TradingControl.objects.exclude(mode=TradingControl.Mode.ACTIVE)
    if tenant is not None:
        controls = controls.filter(Q(tenant=tenant) | Q(tenant=None))
    found = sorted(
        controls.select_related("tenant", "changed_by"),
        key=lambda control: (TradingControl.Level.values.index(control.level), control.pk),
    )
    return with_subjects(found)


def with_subjects(controls: list[TradingControl]) -> list[Halt]:
    """Adds the names of the subjects, in two queries however many there are."""
    names: dict[str, str] = {}
    for level, model in (
        (TradingControl.Level.STRATEGY, Strategy),
        (TradingControl.Level.CUSTOMER, Customer),
    ):
        ids = [control.subject_id for control in controls if control.level == level]
        if ids:
            names.update(model.objects.filter(pk__in=ids).values_list("pk", "name"))
    return [
        Halt(
            control=control,
            subject_name=(
                control.tenant.name
                if control.level == TradingControl.Level.TENANT and control.tenant
                else names.get(control.subject_id, "")
            ),
        )
        for control in controls
    ]


def control_of(level: str, subject_id: str) -> TradingControl | None:
    return TradingControl.objects.filter(level=level, subject_id=subject_id).first()
