"""Readings of accounts' values, kept by the day of their firm's time zone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial

from django.db import transaction
from django.utils import timezone

from customers.bulk_rows import rows_upsert
from customers.deadlocks import retry_on_deadlock
from customers.fields import rounded
from customers.models import ExchangeAccount, Tenant
from customers.selectors.time_zones import zone_of
from trading.domain.equity import DOLLARS, EquityRecord, after_reading
from trading.models import AccountBill, EquityDay
from trading.services.prices import coin_prices
from trading.services.reconciliation.readings import AccountReading

ONE = Decimal(1)
_COLUMNS = ("start", "last", "peak", "moved")


@dataclass(frozen=True, slots=True)
class StoredEquity:
    """`read_at` is the venue's time, `noted_at` ours; `cash` by currency."""

    record: EquityRecord
    read_at: datetime
    noted_at: datetime
    cash: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Reading:
    equity: Decimal
    read_at: datetime
    prices: Mapping[str, Decimal]
    """In dollars, of each currency that is there, or was at the reading before."""
    cash: Mapping[str, str]


def total_value(balances: Iterable[tuple[Decimal, Decimal | None]]) -> Decimal | None:
    """From (equity, its value in dollars) by currency; None when one of them is not told."""
    total = Decimal(0)
    for equity, value in balances:
        if value is None and equity:
            return None
        total += value or 0
    return total


def equities_note(*, tenant_id: str, readings: Sequence[AccountReading]) -> None:
    """Note what these accounts are worth, after their bills were taken. A fixed number of queries;
    prices are asked for where a coin is all gone.

    A transfer counts with the first reading that is not older than it.
    """
    values = {}
    for reading in readings:
        balances = [(item.equity, item.equity_usd) for item in reading.balances]
        equity = total_value(balances)
        if equity is None or not balances or reading.balances.unreadable:
            continue
        prices = {
            item.currency: item.equity_usd / item.equity
            for item in reading.balances
            if item.equity and item.equity_usd is not None
        }
        cash = _cash(reading)
        values[reading.account.pk] = _Reading(equity, reading.asked_at_venue, prices, cash)
    if values:
        venues = {reading.account.pk: reading.account.venue for reading in readings}
        values = _with_what_is_gone(tenant_id, values, venues)
        retry_on_deadlock(partial(_note, tenant_id, values))


def _with_what_is_gone(
    tenant_id: str, values: Mapping[str, _Reading], venues: Mapping[str, str]
) -> dict[str, _Reading]:
    """No balance tells what a coin is worth of which nothing is left."""
    before = equities_stored(tenant_id, list(values), timezone.now().date())
    gone = {
        account_id: {
            currency
            for currency, amount in stored.cash.items()
            if Decimal(amount)
            and currency not in DOLLARS
            and currency not in values[account_id].prices
        }
        for account_id, stored in before.items()
    }
    wanted = {(venues[account_id], coin) for account_id, coins in gone.items() for coin in coins}
    prices = coin_prices(wanted) if wanted else {}
    found = {}
    for account_id, reading in values.items():
        venue = venues[account_id]
        known = {
            coin: prices[venue, coin]
            for coin in gone.get(account_id, ())
            if (venue, coin) in prices
        }
        found[account_id] = replace(reading, prices={**reading.prices, **known})
    return found


def _cash(reading: AccountReading) -> dict[str, str]:
    """By currency, without what open positions have won; empty when one of these is not told."""
    cash = {item.currency: item.equity for item in reading.balances}
    for position in reading.positions:
        settle = position.symbol.rpartition(":")[2].partition("-")[0]
        if position.unrealised_pnl is None or settle not in cash or reading.positions.unreadable:
            return {}
        cash[settle] -= position.unrealised_pnl
    return {currency: format(amount, "f") for currency, amount in cash.items()}


@transaction.atomic
def _note(tenant_id: str, values: Mapping[str, _Reading]) -> None:
    accounts = ExchangeAccount.objects.for_tenant(tenant_id).filter(pk__in=values)
    list(accounts.order_by("pk").select_for_update().values_list("pk", flat=True))
    now = timezone.now()
    today = now.astimezone(zone_of(Tenant.objects.get(pk=tenant_id))).date()
    before = equities_stored(tenant_id, list(values), today)
    moved = _moved(tenant_id, values, before)
    rows = []
    for account_id, reading in values.items():
        stored = before.get(account_id)
        if stored is not None and stored.read_at > reading.read_at:
            continue
        record = after_reading(
            None if stored is None else stored.record,
            today,
            reading.equity,
            moved.get(account_id, Decimal(0)),
        )
        rows.append(
            EquityDay(
                tenant_id=tenant_id,
                account_id=account_id,
                day=record.day,
                **{name: rounded(getattr(record, name)) for name in _COLUMNS},
                cash=dict(reading.cash),
                read_at=reading.read_at,
                updated_at=now,
            )
        )
    columns = [*_COLUMNS, "cash", "read_at", "updated_at"]
    rows_upsert(EquityDay, rows, ["account", "day"], columns)


def _moved(
    tenant_id: str, values: Mapping[str, _Reading], before: Mapping[str, StoredEquity]
) -> dict[str, Decimal]:
    """Transfers that no earlier reading counted, in dollars by account."""
    if not before:
        return {}
    since = min(stored.read_at for stored in before.values())
    rows = AccountBill.objects.for_tenant(tenant_id).filter(
        account_id__id_in=list(before),
        kind=AccountBill.Kind.TRANSFER,
        occurred_at__gt=since - timedelta(days=1),
    )
    found: dict[str, Decimal] = {}
    for account_id, currency, amount, occurred_at, created_at in rows.values_list(
        "account_id", "currency", "amount", "occurred_at", "created_at"
    ):
        stored, reading = before[account_id], values[account_id]
        counted = occurred_at <= stored.read_at and created_at <= stored.noted_at
        if counted or occurred_at > reading.read_at:
            continue
        # What nobody trades any more has no price; then its leaving looks like a loss.
        price = ONE if currency in DOLLARS else reading.prices.get(currency, Decimal(0))
        found[account_id] = found.get(account_id, Decimal(0)) + amount * price
    return found


def equities_stored(
    tenant_id: str, account_ids: Collection[str], today: date
) -> dict[str, StoredEquity]:
    """The latest of each account: today's or yesterday's, and only of who has neither, whatever
    there is."""
    found = _stored(tenant_id, account_ids, today - timedelta(days=1))
    missing = [account_id for account_id in account_ids if account_id not in found]
    return found | _stored(tenant_id, missing, date.min) if missing else found


def _stored(tenant_id: str, account_ids: Collection[str], since: date) -> dict[str, StoredEquity]:
    rows = (
        EquityDay.objects.for_tenant(tenant_id)
        .filter(account_id__id_in=account_ids, day__gte=since)
        .order_by("day")
        .values_list("account_id", "read_at", "updated_at", "cash", "day", *_COLUMNS)
    )
    return {
        account_id: StoredEquity(EquityRecord(*values), read_at, noted_at, cash)
        for account_id, read_at, noted_at, cash, *values in rows
    }
