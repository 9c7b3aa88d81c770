"""Changing what a level states of the copy settings; every version is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from customers.models import User
from customers.services.audit import audit_record
from customers.services.events import (
    EventDraft,
    customer_audience,
    events_record,
    staff_audience,
)
from customers.tenancy import tenant_scope
from strategies.domain.settings import (
    SPECS,
    Effective,
    Level,
    Merge,
    SettingProblem,
    SettingProblemCode,
    contradictions,
    layer_from_json,
    layer_problems,
)
from strategies.models import (
    CustomerSettings,
    PlatformSettings,
    SettingsVersion,
    StatedSettings,
    Strategy,
    Subscription,
    TenantSettings,
)
from strategies.selectors.settings import (
    in_force,
    level_of,
    settings_content,
    shared_merged,
    shared_settings,
)
from venues import markets
from venues.domain.types import VenueError
from venues.gateway import UnknownVenueError

ONLY_STRATEGY = frozenset({"follow_ratio"})
_NEEDED_IN_SUBSCRIPTION = {"sizing_mode": "equity_proportional", "ratio": "1"}


class SettingsRefusedError(Exception):
    """What was to be stored contradicts itself or is no value; nothing was changed."""

    def __init__(self, problems: Sequence[SettingProblem]) -> None:
        super().__init__(", ".join(f"{problem.name}: {problem.code}" for problem in problems))
        self.problems = tuple(problems)


class SettingsChangedMeanwhileError(Exception):
    """Somebody else changed them since they were shown; nothing was changed."""


def settings_change(
    *,
    row: StatedSettings,
    content: Mapping[str, Any],
    actor: User | None,
    version: int | None = None,
    ip_address: str | None = None,
) -> StatedSettings:
    """Replace all that the row's level states, symbols' exceptions included.

    `content` as strategies.domain.settings reads it; `version` is the one that was shown.
    Open positions are not touched: what changes acts on new entries. Raises SettingsRefusedError
    and SettingsChangedMeanwhileError.
    """
    problems = settings_problems(row, content)
    if problems:
        raise SettingsRefusedError(problems)
    return _store(row, content, actor, version, ip_address)


def settings_problems(row: StatedSettings, content: Mapping[str, Any]) -> list[SettingProblem]:
    """All that is wrong with `content` for this level. Network: a venue's markets, if not known."""
    level = level_of(row)
    problems = layer_problems(content)
    problems += [
        SettingProblem(name, SettingProblemCode.UNKNOWN, symbol=symbol)
        for symbol, stated in _parts(content)
        for name in stated
        if name in ONLY_STRATEGY and level is not Level.STRATEGY
    ]
    if problems:
        return problems
    for symbol, stated in _parts(content):
        problems += _bound(row, stated, symbol)
        found = in_force(row, symbol, instead=content)
        problems += [
            SettingProblem(problem.name, problem.code, problem.params, symbol)
            for problem in contradictions(found.settings)
            # What another level states wrongly is not for this one to mend.
            if problem.name in stated or set(problem.params.values()) & set(stated)
        ]
        if isinstance(row, Subscription) and symbol:
            problems += _above_venue(row, found, stated, symbol)
    return problems


def _parts(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "", content.get("values") or {}
    yield from (content.get("symbols") or {}).items()


def _bound(row: StatedSettings, stated: Mapping[str, Any], symbol: str) -> list[SettingProblem]:
    if not isinstance(row, Subscription):
        return []
    above = shared_merged(shared_settings(row.strategy), symbol)
    return [
        SettingProblem(name, SettingProblemCode.BINDING, symbol=symbol)
        for name, raw in stated.items()
        if name in above.binding
        and SPECS[name].merge is Merge.NEAREST
        and name in above.values
        and layer_from_json(Level.SUBSCRIPTION, {"values": {name: raw}}).values[name]
        != above.values[name]
    ]


def _above_venue(
    row: Subscription, found: Effective, stated: Mapping[str, Any], symbol: str
) -> list[SettingProblem]:
    """Leverage that the venue does not have for the symbol; unknown while it is not reachable,
    and then planning keeps below it."""
    if "leverage" not in stated or found.settings.leverage is None:
        return []
    venue = row.account.venue
    try:
        instrument = markets.instrument(venue, symbol)
    except (VenueError, TimeoutError, UnknownVenueError):
        return []
    if instrument is None or found.settings.leverage <= instrument.max_leverage:
        return []
    limit = f"{instrument.max_leverage.normalize():f}"
    params = {"venue": venue, "limit": limit}
    return [SettingProblem("leverage", SettingProblemCode.ABOVE_VENUE, params, symbol)]


@transaction.atomic
def _store(
    row: StatedSettings,
    content: Mapping[str, Any],
    actor: User | None,
    version: int | None,
    ip_address: str | None,
) -> StatedSettings:
    locked = _locked(row)
    if version is not None and version != locked.settings_version:
        raise SettingsChangedMeanwhileError
    before = settings_content(locked)
    _take(locked, content)
    locked.settings_version += 1
    locked.save()
    after = settings_content(locked)
    tenant_id = getattr(locked, "tenant_id", None)
    level = level_of(locked)
    if tenant_id is not None:
        owner = _owner_id(locked)
        SettingsVersion.objects.create(
            tenant_id=tenant_id,
            level=level.name.lower(),
            owner_id=owner,
            version=locked.settings_version,
            settings=after,
            changed_by=actor.email if actor else "",
            changed_at=timezone.now(),
        )
        _tell(locked, tenant_id, level, owner)
    audit_record(
        action="settings.changed",
        actor=actor,
        tenant_id=tenant_id,
        target=f"{locked._meta.label_lower}:{locked.pk}",
        details={"from": before, "to": after},
        ip_address=ip_address,
    )
    return locked


def _locked(row: StatedSettings) -> Any:
    """The row as it is now; one that nobody stated anything in is made."""
    if isinstance(row, PlatformSettings):
        PlatformSettings.objects.get_or_create(pk=1)
        return PlatformSettings.objects.select_for_update().get(pk=1)
    model: Any = type(row)
    rows = model.objects.for_tenant(row.tenant_id)  # type: ignore[attr-defined]
    if row._state.adding:
        row.save()
    return rows.select_for_update().get(pk=row.pk)


def _take(row: Any, content: Mapping[str, Any]) -> None:
    """Into the columns what is a column, the rest into the JSON."""
    values = dict(content.get("values") or {})
    if isinstance(row, Subscription):
        for name, unset in _NEEDED_IN_SUBSCRIPTION.items():
            values.setdefault(name, unset)
        row.sizing_mode = values.pop("sizing_mode")
        row.ratio = Decimal(values.pop("ratio"))
        row.fixed_amount = _amount(values.pop("fixed_amount", None))
        row.max_leverage = _amount(values.pop("max_leverage", None))
    elif isinstance(row, Strategy):
        row.follow_ratio = Decimal(values.pop("follow_ratio", "1"))
        row.max_leverage = _amount(values.pop("max_leverage", None))
        row.symbols = list(values.pop("allowed_symbols", []))
    symbols = {symbol: dict(own) for symbol, own in (content.get("symbols") or {}).items() if own}
    row.settings = {"values": values, "symbols": symbols} if values or symbols else {}


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _owner_id(row: Any) -> str:
    if isinstance(row, CustomerSettings):
        return row.customer_id
    if isinstance(row, TenantSettings):
        return row.tenant_id
    return str(row.pk)


def _tell(row: Any, tenant_id: str, level: Level, owner: str) -> None:
    audiences = [staff_audience(tenant_id)]
    customer_id = getattr(row, "customer_id", None)
    if customer_id is not None:
        audiences.append(customer_audience(customer_id))
    payload = {"level": level.name.lower(), "owner": owner, "version": row.settings_version}
    with tenant_scope(tenant_id):
        events_record(
            EventDraft(tenant_id, audience, "settings.changed", payload) for audience in audiences
        )
