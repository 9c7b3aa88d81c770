"""Which copies open nothing any more because a level says close only or monitor only.

Both are on when any level says so, in general or for the symbol: nothing has to be merged for it,
and what else a level states may be unreadable.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from strategies.models import CustomerSettings, PlatformSettings, Subscription, TenantSettings

FLAGS = ("close_only", "monitor_only")

Pair = tuple[str, str]
"""A subscription and a symbol."""


def entry_flags(pairs: Collection[Pair]) -> dict[Pair, str]:
    """Those of these for which a flag is on, with its name. Five queries, in the caller's scope."""
    columns = ("pk", "tenant_id", "customer_id", "settings", "strategy__settings")
    copies = {
        pk: row
        for pk, *row in Subscription.objects.filter(
            pk__id_in=sorted({pk for pk, _ in pairs})
        ).values_list(*columns)
    }
    if not copies:
        return {}
    platform = PlatformSettings.objects.values_list("settings", flat=True).first() or {}
    firms = dict(
        TenantSettings.objects.filter(tenant_id__in={row[0] for row in copies.values()})
        .values_list("tenant_id", "settings")
    )  # fmt: skip
    customers = dict(
        CustomerSettings.objects.filter(
            customer_id__id_in=sorted({row[1] for row in copies.values()})
        ).values_list("customer_id", "settings")
    )
    found = {}
    for pair in pairs:
        if pair[0] not in copies:
            continue
        tenant_id, customer_id, own, of_strategy = copies[pair[0]]
        levels = (platform, firms.get(tenant_id), of_strategy, customers.get(customer_id), own)
        name = next((name for level in levels if (name := _flag_on(level, pair[1]))), "")
        if name:
            found[pair] = name
    return found


def _flag_on(level: Any, symbol: str) -> str:
    stated = _object(level, "values")
    exceptions = _object(_object(level, "symbols"), symbol)
    for name in FLAGS:
        if stated.get(name) is True or exceptions.get(name) is True:
            return name
    return ""


def _object(stored: Any, name: str) -> Mapping[str, Any]:
    """Empty where what is stored is of another kind: one row must not stop everybody's sweep."""
    found = stored.get(name) if isinstance(stored, Mapping) else None
    return found if isinstance(found, Mapping) else {}
