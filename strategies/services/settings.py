"""Changing what a level states of the copy settings; every version is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from customers.models import ExchangeAccount, User
from customers.services.audit import audit_record
from customers.services.events import (
    EventDraft,
    customer_audience,
    events_record,
    staff_audience,
)
from customers.tenancy import system_scope, tenant_scope
from strategies.domain.settings import (
    SPECS,
    Effective,
    Layer,
    Level,
    Merge,
    SettingProblem,
    SettingProblemCode,
    contradictions,
    effective_settings,
    layer_problems,
    merged,
)
from strategies.domain.settings.reading import SettingValueError
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
    layers_in_force,
    level_of,
    own_layer,
    settings_content,
)
from venues import markets
from venues.domain.types import InstrumentKind, VenueError
from venues.gateway import UnknownVenueError

ONLY_STRATEGY = frozenset({"follow_ratio"})
ONLY_AT_THE_START = frozenset({"existing_positions"})
BINDABLE = frozenset(
    name
    for name, spec in SPECS.items()
    if spec.merge is Merge.NEAREST and name not in ONLY_STRATEGY
)
"""What a strategy may fix for its followers; caps and lists hold for them without that."""


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
    problems += [
        SettingProblem(name, SettingProblemCode.UNKNOWN)
        for name in content.get("binding", ())
        if name not in BINDABLE or level is not Level.STRATEGY
    ]
    if problems:
        return problems
    try:
        layers = layers_in_force(row, instead=content)
    except SettingValueError:
        # What another level states wrongly is not for this one to mend.
        layers = [own_layer(row, content)]
    asks_venue = any("leverage" in stated for _symbol, stated in _parts(content))
    limits = _venue_limits(row) if asks_venue else _VenueLimits((), {})
    for symbol, stated in _parts(content):
        problems += _bound(layers, symbol)
        found = effective_settings(merged(layers, symbol))
        problems += [
            SettingProblem(problem.name, problem.code, problem.params, symbol)
            for problem in contradictions(found.settings)
            if problem.name in stated or set(problem.params.values()) & set(stated)
        ]
        if "leverage" in stated:
            problems += _above_venue(found, symbol, limits)
    return [*problems, *_too_late(row, content), *_not_listed(row, content)]


def _parts(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "", content.get("values") or {}
    yield from (content.get("symbols") or {}).items()


def _bound(layers: Sequence[Layer], symbol: str) -> list[SettingProblem]:
    """What the last level states otherwise than those above it allow."""
    *above, own = layers
    found = effective_settings(merged(above, symbol))
    stated = own.symbols.get(symbol, {}) if symbol else own.values
    return [
        SettingProblem(name, SettingProblemCode.BINDING, symbol=symbol)
        for name, value in stated.items()
        if name in found.binding & BINDABLE and value != getattr(found.settings, name)
    ]


@dataclass(frozen=True, slots=True)
class _VenueLimits:
    """The highest leverage of each symbol at any of the venues that a level's copies may trade on;
    none while one of these cannot be asked, and then planning keeps below it."""

    venues: Sequence[str]
    of_symbols: Mapping[str, Decimal]


def _venue_limits(row: StatedSettings) -> _VenueLimits:
    venues = _venues(row)
    found: dict[str, Decimal] = {}
    for venue in venues:
        try:
            listed = markets.instruments(venue)
        except (VenueError, TimeoutError, UnknownVenueError):
            return _VenueLimits(venues, {})
        for symbol, instrument in listed.items():
            if instrument.kind is not InstrumentKind.SPOT:
                found[symbol] = max(instrument.max_leverage, found.get(symbol, Decimal(0)))
    return _VenueLimits(venues, found)


def _venues(row: StatedSettings) -> list[str]:
    """Of a copy its account's; above it, those of all accounts that it may come to concern."""
    if isinstance(row, Subscription):
        return [row.account.venue]
    if isinstance(row, PlatformSettings):
        with system_scope("settings: where accounts are"):
            return _venues_of(ExchangeAccount.objects.all())
    accounts = ExchangeAccount.objects.for_tenant(row.tenant_id)  # type: ignore[attr-defined]
    if isinstance(row, CustomerSettings):
        accounts = accounts.filter(customer_id=row.customer_id)
    return _venues_of(accounts)


def _venues_of(accounts: QuerySet[ExchangeAccount]) -> list[str]:
    open_ones = accounts.exclude(status=ExchangeAccount.Status.CLOSED)
    return sorted(set(open_ones.order_by().values_list("venue", flat=True)))


def _too_late(row: StatedSettings, content: Mapping[str, Any]) -> list[SettingProblem]:
    """What a copy that has begun would state otherwise, though it counted when it began."""
    if not isinstance(row, Subscription) or row._state.adding:
        return []
    before, stated = ((each.get("values") or {}) for each in (row.settings or {}, content))
    return [
        SettingProblem(name, SettingProblemCode.TOO_LATE)
        for name in sorted(ONLY_AT_THE_START & stated.keys())
        if stated[name] != before.get(name)
    ]


def _not_listed(row: StatedSettings, content: Mapping[str, Any]) -> list[SettingProblem]:
    """What a copy would trade instead and its venue does not list, or none of the venues that a
    level's copies may trade on; nothing while one of them cannot be asked, and then entries are
    skipped for it."""
    stated = (content.get("values") or {}).get("symbol_map") or {}
    venues = _venues(row) if stated else []
    if not venues:
        return []
    listed: set[str] = set()
    try:
        for venue in venues:
            listed |= markets.instruments(venue).keys()
    except (VenueError, TimeoutError, UnknownVenueError):
        return []
    return [
        SettingProblem(
            "symbol_map",
            SettingProblemCode.NOT_LISTED,
            {"venue": ", ".join(venues), "symbol": symbol},
        )
        for symbol in [there for there in stated.values() if there not in listed][:1]
    ]


def _above_venue(found: Effective, symbol: str, limits: _VenueLimits) -> list[SettingProblem]:
    """In general, what is above the limit of every symbol that is copied is refused."""
    allowed = found.settings.allowed_symbols
    highest = limits.of_symbols
    asked = [symbol] if symbol else highest if allowed is None else allowed
    known = [highest[each] for each in asked if each in highest]
    leverage = found.settings.leverage
    if not known or leverage is None or leverage <= max(known):
        return []
    params = {"venue": ", ".join(limits.venues), "limit": f"{max(known).normalize():f}"}
    code = SettingProblemCode.ABOVE_VENUE if symbol else SettingProblemCode.ABOVE_VENUES_ALL
    return [SettingProblem("leverage", code, params, symbol)]


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
    content_take(locked, content)
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


def content_take(row: Any, content: Mapping[str, Any]) -> None:
    """Into the columns what is a column, the rest into the JSON."""
    values = dict(content.get("values") or {})
    if isinstance(row, Subscription):
        row.sizing_mode = values.pop("sizing_mode", "")
        row.ratio = _amount(values.pop("ratio", None))
        row.fixed_amount = _amount(values.pop("fixed_amount", None))
        row.max_leverage = _amount(values.pop("max_leverage", None))
    elif isinstance(row, Strategy):
        row.follow_ratio = Decimal(values.pop("follow_ratio", "1"))
        row.max_leverage = _amount(values.pop("max_leverage", None))
        row.symbols = list(values.pop("allowed_symbols", []))
        row.binding_settings = sorted(content.get("binding", row.binding_settings))
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
