"""Ending copies that lost as much as their settings allow: looked at every few seconds."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from django.db.models import Q
from django.utils import timezone

from customers.tenancy import system_scope, tenant_scope
from strategies.models import CustomerSettings, PlatformSettings, Subscription, TenantSettings
from strategies.services.subscriptions import subscription_end
from trading.domain.alerts import AlertCode
from trading.domain.copy_limits import CopyResult, EquitySince, Limit, Reached, limit_reached
from trading.models import CopiedPosition, EquityDay, FundingShare, Position
from trading.services.alerts import alert_note
from trading.services.instruments import instrument_of_order
from trading.services.limit_settings import LIMITS, LossLimits, loss_limits
from trading.services.portfolio.valuing import accounts_ask, accounts_valued
from trading.services.prices import current_prices
from venues.domain.types import Instrument, InstrumentKind

logger = logging.getLogger(__name__)

ZERO = Decimal(0)
MARK_LIFETIME = timedelta(seconds=2)
"""An older mark price gives way to the last price: within ten seconds a crash goes far."""
_END_CODES = {
    Limit.LOSS: Subscription.EndCode.LOSS_LIMIT,
    Limit.EQUITY_FALL: Subscription.EndCode.EQUITY_FALL,
}


def limited_copies() -> dict[str, list[str]]:
    """Copies that are not over and may have a limit by any of their levels, by tenant."""
    with system_scope("limits of copies"):
        rows = Subscription.objects.exclude(status=Subscription.Status.STOPPED)
        # What closes its positions is ending by them already.
        rows = rows.exclude(status=Subscription.Status.ENDING, closes_positions=True)
        if not PlatformSettings.objects.filter(_states("settings")).exists():
            firms = TenantSettings.objects.filter(_states("settings")).values("tenant_id")
            customers = CustomerSettings.objects.filter(_states("settings")).values("customer_id")
            rows = rows.filter(
                _states("settings")
                | _states("strategy__settings")
                | Q(tenant_id__in=firms)
                | Q(customer_id__in=customers)
            )
        found: dict[str, list[str]] = defaultdict(list)
        for tenant_id, pk in rows.order_by("pk").values_list("tenant_id", "pk"):
            found[tenant_id].append(pk)
    return found


def _states(column: str) -> Q:
    return Q(**{f"{column}__values__has_any_keys": list(LIMITS)})


def bases_note() -> None:
    """What the accounts of new copies are worth now: their equity is compared with that."""
    with system_scope("limits of copies: where they begin"):
        rows = Subscription.objects.filter(equity_base=None).exclude(
            status=Subscription.Status.STOPPED
        )
        new = list(rows.order_by("pk").values_list("tenant_id", "pk", "account_id")[:500])
    by_tenant: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for tenant_id, pk, account_id in new:
        by_tenant[tenant_id].append((pk, account_id))
    for tenant_id, copies in by_tenant.items():
        with tenant_scope(tenant_id):
            latest = _latest_days(tenant_id, {account_id for _, account_id in copies})
            for pk, account_id in copies:
                day = latest.get(account_id)
                if day is not None:
                    Subscription.objects.for_tenant(tenant_id).filter(
                        pk=pk, equity_base=None
                    ).update(equity_base=day.last - day.moved, equity_base_day=day.day)


def copies_watch() -> int:
    """End the copies whose limit is reached; returns how many. Prices may be asked for."""
    bases_note()
    return sum(_watch_tenant(tenant_id, ids) for tenant_id, ids in limited_copies().items())


def _watch_tenant(tenant_id: str, ids: Sequence[str]) -> int:
    ended = 0
    with tenant_scope(tenant_id):
        copies = list(
            Subscription.objects.for_tenant(tenant_id)
            .filter(pk__in=ids)
            .select_related("strategy__source", "account", "customer")
        )
        limits = loss_limits(tenant_id, copies).of_copies
        copies = [copy for copy in copies if copy.pk in limits]
        results = _results(tenant_id, copies)
        equities = _equities(tenant_id, copies, limits)
        for copy in copies:
            result, currency = results[copy.pk]
            reached = limit_reached(
                loss_limit=limits[copy.pk].copy_loss_limit,
                fall_percent_limit=limits[copy.pk].copy_equity_fall_percent,
                result=result,
                equity=equities.get(copy.pk),
                currency=currency,
            )
            if reached is not None:
                _end(copy, reached)
                ended += 1
    return ended


def _results(tenant_id: str, copies: Sequence[Subscription]) -> dict[str, tuple[CopyResult, str]]:
    """Each copy's net result and its currency, by all it ever held; coins by today's price."""
    accounts = {copy.account_id: copy.account for copy in copies}
    marks = _fresh_marks(tenant_id, accounts)
    funding = _funding(tenant_id, copies)
    positions: dict[str, list[CopiedPosition]] = defaultdict(list)
    for row in CopiedPosition.objects.for_tenant(tenant_id).filter(
        subscription_id__id_in=[copy.pk for copy in copies]
    ):
        positions[row.subscription_id].append(row)
    venues = {copy.pk: copy.account.venue for copy in copies}
    prices = current_prices(
        (venues[pk], row.symbol)
        for pk, rows in positions.items()
        for row in rows
        if (row.account_id, row.symbol) not in marks
    )
    found = {}
    for copy in copies:
        total, currency = CopyResult(), ""
        for row in positions[copy.pk]:
            instrument = instrument_of_order(copy.account.venue, row.symbol)
            mark = marks.get((row.account_id, row.symbol))
            price = mark or prices.get((copy.account.venue, row.symbol))
            paid = funding.get((copy.pk, row.symbol), ZERO)
            total = _plus(total, row, instrument, price, paid)
            currency = currency or (instrument.quote if instrument else "")
        found[copy.pk] = (total, currency)
    return found


def _plus(
    total: CopyResult,
    row: CopiedPosition,
    instrument: Instrument | None,
    price: Decimal | None,
    funding: Decimal,
) -> CopyResult:
    """What was won and paid in a quote currency needs no price: a market that is gone, and in
    which nothing is held, leaves the limits of what is held elsewhere in force."""
    in_coins = instrument is not None and instrument.kind is InstrumentKind.INVERSE
    if instrument is None or (price is None and (row.filled or in_coins)):
        return CopyResult(total.realised, None, total.fees, total.funding)
    rate = price if in_coins and price is not None else Decimal(1)
    unrealised = total.unrealised
    if row.filled and price is not None and unrealised is not None:
        entry = row.average_entry_price
        gain = None if entry is None else instrument.pnl(row.filled, entry, price)
        unrealised = None if gain is None else unrealised + gain * rate
    return CopyResult(
        total.realised + row.realised_pnl * rate,
        unrealised,
        total.fees + row.fees * rate,
        total.funding + funding * rate,
    )


def _fresh_marks(
    tenant_id: str, account_ids: Iterable[str]
) -> dict[tuple[str, str], Decimal | None]:
    rows = Position.objects.for_tenant(tenant_id).filter(
        account_id__id_in=list(account_ids),
        updated_at__gt=timezone.now() - MARK_LIFETIME,
        mark_price__isnull=False,
    )
    columns = ("account_id", "symbol", "mark_price")
    return {(account, symbol): mark for account, symbol, mark in rows.values_list(*columns)}


def _funding(tenant_id: str, copies: Sequence[Subscription]) -> Mapping[tuple[str, str], Decimal]:
    rows = FundingShare.objects.for_tenant(tenant_id).filter(
        subscription_id__id_in=[copy.pk for copy in copies]
    )
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for pk, symbol, amount in rows.values_list("subscription_id", "bill__symbol", "amount"):
        sums[pk, symbol] += amount
    return sums


def _equities(
    tenant_id: str, copies: Sequence[Subscription], limits: Mapping[str, LossLimits]
) -> dict[str, EquitySince]:
    """Of those that have this limit; at the prices of now, not at those of the last reading."""
    asked = [
        copy
        for copy in copies
        if limits[copy.pk].copy_equity_fall_percent is not None
        and copy.equity_base is not None
        and copy.equity_base_day is not None
    ]
    if not asked:
        return {}
    valued = accounts_valued({copy.account_id for copy in asked})
    days: dict[str, list[EquityDay]] = defaultdict(list)
    for row in EquityDay.objects.for_tenant(tenant_id).filter(account_id__id_in=list(valued)):
        days[row.account_id].append(row)
    found, doubtful = {}, set()
    for copy in asked:
        figures = valued[copy.account_id].figures if copy.account_id in valued else None
        if figures is None or figures.equity is None or figures.earned_equity is None:
            continue
        assert copy.equity_base is not None
        assert copy.equity_base_day is not None
        since = copy.equity_base_day
        moved = sum((row.moved for row in days[copy.account_id] if row.day >= since), ZERO)
        found[copy.pk] = EquitySince(copy.equity_base, moved, figures.earned_equity)
        limit = limits[copy.pk].copy_equity_fall_percent
        lowest = replace(found[copy.pk], now=figures.equity)
        if _falls_to(lowest, limit) and not _falls_to(found[copy.pk], limit):
            doubtful.add(copy.account_id)
    accounts_ask(tenant_id, doubtful)
    return found


def _falls_to(equity: EquitySince, limit: Decimal | None) -> bool:
    fall = equity.fall_percent
    return limit is not None and fall is not None and fall >= limit


def _latest_days(tenant_id: str, account_ids: Iterable[str]) -> dict[str, EquityDay]:
    rows = EquityDay.objects.for_tenant(tenant_id).filter(account_id__in=list(account_ids))
    return {row.account_id: row for row in rows.order_by("day")}


def _end(copy: Subscription, reached: Reached) -> None:
    subscription_end(subscription=copy, code=_END_CODES[reached.limit], params=reached.params)
    alert_note(
        tenant_id=copy.tenant_id,
        code=AlertCode.COPY_LIMIT_REACHED,
        subject=f"copy:{copy.pk}",
        params={
            "customer": copy.customer.name,
            "strategy": copy.strategy.name,
            "end_code": str(_END_CODES[reached.limit]),
            **reached.params,
        },
    )
    logger.warning("copy %s ends: %s %s", copy.pk, reached.limit, reached.params)
