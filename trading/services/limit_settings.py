"""The loss limits that are in force for copies, also where not all of their settings can be read.

Both limits are caps: the smallest of all levels holds, whatever else a level states. So each is
read by itself. Where what is stored of a limit is no value, the limit of the copy's last readable
snapshot holds besides what other levels say, until somebody corrects it. Staff are told of every
level that cannot be read, once, whether its copies have limits or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Max

from customers.tenancy import system_scope, tenant_scope
from strategies.domain.settings import SPECS, Level, layer_from_json
from strategies.domain.settings.reading import SettingValueError, read_value
from strategies.models import CustomerSettings, Subscription
from strategies.selectors.settings import settings_content, shared_settings
from trading.domain.alerts import AlertCode
from trading.models import Alert, EffectiveSettings, Intent
from trading.services.alerts import alert_raise, alert_resolve

CHUNK = 1000
LIMITS = ("copy_loss_limit", "copy_equity_fall_percent")

Owner = tuple[Level, str]
"""A level, and the id of whose word it is; empty for the platform."""


@dataclass(frozen=True, slots=True)
class LossLimits:
    copy_loss_limit: Decimal | None = None
    copy_equity_fall_percent: Decimal | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in LIMITS)

    def and_(self, other: LossLimits) -> LossLimits:
        """The stricter of each."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in LIMITS)
        return LossLimits(
            *(min((x for x in pair if x is not None), default=None) for pair in pairs)
        )


@dataclass(frozen=True, slots=True)
class _Read:
    """What one level says of the limits. `unreadable`: the first setting that is no value;
    `is_doubtful`: a limit may be what cannot be read."""

    limits: LossLimits
    unreadable: str = ""
    is_doubtful: bool = False


@dataclass(slots=True)
class Trouble:
    """Of a level that cannot be read: its copies, and what became of their limits."""

    setting: str
    name: str
    copies: int = 0
    by_snapshot: int = 0
    without: int = 0

    def add(self, other: Trouble) -> None:
        self.copies += other.copies
        self.by_snapshot += other.by_snapshot
        self.without += other.without


@dataclass(slots=True)
class LimitsFound:
    of_copies: dict[str, LossLimits] = field(default_factory=dict)
    troubles: dict[Owner, Trouble] = field(default_factory=dict)


def loss_limits(tenant_id: str, copies: Sequence[Subscription]) -> LimitsFound:
    """Of those that have any; copies with strategy, account and customer loaded. Runs in the
    tenant's scope."""
    rows = CustomerSettings.objects.for_tenant(tenant_id).filter(
        customer_id__in={copy.customer_id for copy in copies}
    )
    of_customer = dict(rows.values_list("customer_id", "settings"))
    shared: dict[str, Mapping[str, Any]] = {}
    read: dict[Owner, _Read] = {}
    found = LimitsFound()
    doubtful: dict[str, list[Owner]] = {}
    for copy in copies:
        if copy.strategy_id not in shared:
            shared[copy.strategy_id] = shared_settings(copy.strategy)
        limits, concerned = LossLimits(), []
        levels = _levels(copy, shared[copy.strategy_id], of_customer.get(copy.customer_id))
        for owner, (name, content) in levels.items():
            if owner not in read:
                read[owner] = _read(owner[0], content)
            level = read[owner]
            limits = limits.and_(level.limits)
            if level.unreadable:
                trouble = found.troubles.setdefault(owner, Trouble(level.unreadable, name))
                trouble.copies += 1
                if level.is_doubtful:
                    concerned.append(owner)
        found.of_copies[copy.pk] = limits
        if concerned:
            doubtful[copy.pk] = concerned
    snapshots = _last_readable(tenant_id, list(doubtful))
    for pk, owners in doubtful.items():
        known = snapshots.get(pk, LossLimits())
        found.of_copies[pk] = found.of_copies[pk].and_(known)
        for owner in owners:
            found.troubles[owner].by_snapshot += bool(known)
            found.troubles[owner].without += not found.of_copies[pk]
    found.of_copies = {pk: limits for pk, limits in found.of_copies.items() if limits}
    return found


def _levels(
    copy: Subscription, shared: Mapping[str, Any], of_customer: Mapping[str, Any] | None
) -> dict[Owner, tuple[str, Mapping[str, Any]]]:
    """Each level that may state a limit, with the name that staff know it by."""
    strategy, customer = copy.strategy.name, copy.customer.name
    return {
        (Level.PLATFORM, ""): ("", shared["platform"]),
        (Level.TENANT, copy.tenant_id): ("", shared["tenant"]),
        (Level.STRATEGY, copy.strategy_id): (strategy, shared["strategy"]),
        (Level.CUSTOMER, copy.customer_id): (customer, of_customer or {}),
        (Level.SUBSCRIPTION, copy.pk): (f"{customer} · {strategy}", settings_content(copy)),
    }


def _read(level: Level, content: Mapping[str, Any]) -> _Read:
    try:
        values = layer_from_json(level, content).values
    except SettingValueError as error:
        stated = content.get("values") or {} if isinstance(content, Mapping) else None
        if not isinstance(stated, Mapping):
            return _Read(LossLimits(), error.name, is_doubtful=True)
        return _read_singly(stated, error.name)
    return _Read(LossLimits(*(values.get(name) for name in LIMITS)))


def _read_singly(stated: Mapping[str, Any], unreadable: str) -> _Read:
    limits, is_doubtful = [], False
    for name in LIMITS:
        limit = None
        try:
            if stated.get(name) is not None:
                limit = read_value(SPECS[name], stated[name])
        except SettingValueError:
            unreadable, is_doubtful = name, True
        limits.append(limit)
    return _Read(LossLimits(*limits), unreadable, is_doubtful)


def _last_readable(tenant_id: str, copy_ids: Sequence[str]) -> dict[str, LossLimits]:
    """By the snapshot of the last intent that was planned by readable settings. What is planned
    without such (exits go on) has a snapshot of defaults, where nothing comes from any level."""
    if not copy_ids:
        return {}
    intents = Intent.objects.for_tenant(tenant_id).filter(
        subscription_id__id_in=copy_ids, settings__isnull=False
    )
    last = list(
        intents.order_by().values_list("subscription_id", "settings_id").annotate(at=Max("pk"))
    )
    contents = dict(
        EffectiveSettings.objects.for_tenant(tenant_id)
        .filter(pk__id_in=sorted({settings_id for _, settings_id, _ in last}))
        .values_list("pk", "content")
    )
    found: dict[str, LossLimits] = {}
    for copy_id, settings_id, _ in sorted(last, key=lambda row: row[2]):
        content = contents[settings_id]
        if content.get("origins"):
            values = content.get("settings") or {}
            found[copy_id] = LossLimits(
                *(None if (text := values.get(name)) is None else Decimal(text) for name in LIMITS)
            )
    return found


# --- staff are told ------------------------------------------------------------------------------


def unreadable_settings_tell() -> None:
    """Of all copies that are not over: what cannot be read keeps them from entering."""
    with system_scope("settings that cannot be read: all copies"):
        rows = Subscription.objects.exclude(status=Subscription.Status.STOPPED).order_by("pk")
        ids: dict[str, list[str]] = defaultdict(list)
        for tenant_id, pk in rows.values_list("tenant_id", "pk"):
            ids[tenant_id].append(pk)
    found: dict[str, dict[Owner, Trouble]] = defaultdict(dict)
    for tenant_id, copy_ids in ids.items():
        with tenant_scope(tenant_id):
            for start in range(0, len(copy_ids), CHUNK):
                copies = Subscription.objects.for_tenant(tenant_id).filter(
                    pk__in=copy_ids[start : start + CHUNK]
                )
                limits = loss_limits(
                    tenant_id, list(copies.select_related("strategy", "account", "customer"))
                )
                for owner, trouble in limits.troubles.items():
                    if owner in found[tenant_id]:
                        found[tenant_id][owner].add(trouble)
                    else:
                        found[tenant_id][owner] = trouble
    _tell(found)


def _tell(of_tenants: Mapping[str, Mapping[Owner, Trouble]]) -> None:
    """Raise what is found in this round, end what is not found any more."""
    seen: dict[str, set[str]] = defaultdict(set)
    for tenant_id, troubles in of_tenants.items():
        with tenant_scope(tenant_id):
            for (level, owner_id), trouble in troubles.items():
                subject = f"settings:{level.name.lower()}:{owner_id}"
                seen[tenant_id].add(subject)
                alert_raise(
                    tenant_id=tenant_id,
                    code=AlertCode.SETTINGS_UNREADABLE,
                    subject=subject,
                    params={
                        "level": level.name.lower(),
                        "name": trouble.name,
                        "setting": trouble.setting,
                        "copies": str(trouble.copies),
                        "by_snapshot": str(trouble.by_snapshot),
                        "without": str(trouble.without),
                    },
                )
    with system_scope("settings that can be read again"):
        told = Alert.objects.filter(code=AlertCode.SETTINGS_UNREADABLE, open_key__isnull=False)
        rows = list(told.values_list("tenant_id", "subject"))
    over = [row for row in rows if row[1] not in seen[row[0]]]
    for tenant_id, subject in over:
        with tenant_scope(tenant_id):
            alert_resolve(tenant_id=tenant_id, code=AlertCode.SETTINGS_UNREADABLE, subject=subject)
