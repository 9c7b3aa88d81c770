"""Accounts at the prices of now, from what venues reported of them last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.utils import timezone

from customers.models import ExchangeAccount, Tenant
from customers.selectors.time_zones import zone_of
from customers.tenancy import system_scope
from customers.wakeup import wake_swept
from trading.domain.equity import DOLLARS, EquityRecord, on_day
from trading.domain.portfolio.figures import Coins, Figures, Holding, account_figures
from trading.models import Balance, CopiedPosition, EquityDay, Position
from trading.services.instruments import instrument_of_order
from trading.services.prices import Prices, coin_prices, current_prices
from venues.domain.types import Instrument, InstrumentKind

ZERO = Decimal(0)
ASKED_SECONDS = 5.0
ASKED_TOGETHER = 50
READ_WITHIN = timedelta(minutes=6)
"""Longer than between two readings of an account that is watched by a stream, or that fails: what
was read longer ago is old, and said to be."""


@dataclass(slots=True)
class Share:
    """What the copies of one strategy hold on an account, in dollars."""

    gross: Decimal = ZERO
    net: Decimal = ZERO
    unrealised: Decimal = ZERO
    margin_used: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class ValuedAccount:
    id: str
    tenant_id: str
    customer_id: str
    figures: Figures
    shares: Mapping[str, Share]
    """By strategy."""
    holds: bool
    is_stale: bool
    """Not read for a while, or with a price of its last reading instead of the present one."""


@dataclass(slots=True)
class _Told:
    """What is stored of one account. `copied`: (strategy, symbol, quantity, entry price)."""

    tenant_id: str
    customer_id: str
    venue: str
    synced_at: datetime | None
    coins: list[Coins] = field(default_factory=list)
    positions: list[tuple[Any, ...]] = field(default_factory=list)
    copied: list[tuple[str, str, Decimal, Decimal | None]] = field(default_factory=list)
    record: EquityRecord | None = None
    cash: Mapping[str, str] = field(default_factory=dict)

    def symbols(self) -> set[str]:
        return {row[0] for row in self.positions} | {row[1] for row in self.copied}

    def gone(self) -> set[str]:
        """Coins that were there at the last comparison and are in no balance any more, which would
        tell their value."""
        known = {each.currency for each in self.coins if each.equity and each.value is not None}
        there = {coin for coin, amount in self.cash.items() if Decimal(amount)}
        return there - DOLLARS - known


_POSITION_COLUMNS = (
    "symbol", "quantity", "average_price", "mark_price", "unrealised_pnl", "margin_mode",
    "leverage", "liquidation_price", "maintenance_margin",
)  # fmt: skip


def accounts_valued(account_ids: Collection[str] | None = None) -> dict[str, ValuedAccount]:
    """All accounts that are not closed, or these of them, of whatever tenants.

    A fixed number of queries; prices are asked for, each symbol's once.
    """
    with system_scope("risk: what accounts hold"):
        told = _told(account_ids)
        zones = {tenant.pk: zone_of(tenant) for tenant in Tenant.objects.all()}
    now = timezone.now()
    today = {tenant_id: now.astimezone(zone).date() for tenant_id, zone in zones.items()}
    _take_records(told, today)
    keys = {(each.venue, symbol) for each in told.values() for symbol in each.symbols()}
    prices = current_prices(keys)
    gone = {(each.venue, coin) for each in told.values() for coin in each.gone()}
    coins = coin_prices(gone) if gone else {}
    instruments = {key: instrument_of_order(*key) for key in sorted(keys)}
    return {
        account_id: _valued(account_id, each, today[each.tenant_id], prices, coins, instruments)
        for account_id, each in told.items()
    }


def _told(account_ids: Collection[str] | None) -> dict[str, _Told]:
    accounts = ExchangeAccount.objects.exclude(status=ExchangeAccount.Status.CLOSED)
    balances, positions = Balance.objects.all(), Position.objects.filter(~Q(quantity=ZERO))
    copied = CopiedPosition.objects.filter(~Q(filled=ZERO))
    if account_ids is not None:
        ids = list(account_ids)
        accounts = accounts.filter(pk__id_in=ids)
        balances, positions, copied = (
            rows.filter(account_id__id_in=ids) for rows in (balances, positions, copied)
        )
    found = {
        pk: _Told(*row)
        for pk, *row in accounts.values_list("pk", "tenant_id", "customer_id", "venue", "synced_at")
    }
    for account_id, *row in balances.values_list("account_id", "currency", "equity", "equity_usd"):
        if account_id in found:
            found[account_id].coins.append(Coins(*row))
    for account_id, *row in positions.values_list("account_id", *_POSITION_COLUMNS):
        if account_id in found:
            found[account_id].positions.append(tuple(row))
    columns = ("subscription__strategy_id", "symbol", "filled", "average_entry_price")
    for account_id, strategy_id, symbol, filled, entry in copied.values_list(
        "account_id", *columns
    ):
        if account_id in found:
            found[account_id].copied.append((strategy_id, symbol, filled, entry))
    return found


def _take_records(told: Mapping[str, _Told], today: Mapping[str, date]) -> None:
    """The latest of each: mostly of today or yesterday; only of the others, whatever there is."""
    if not told:
        return
    recent = min(today.values()) - timedelta(days=1)
    _take(told, today, EquityDay.objects, Q(day__gte=recent))
    missing = [account_id for account_id, each in told.items() if each.record is None]
    if missing:
        _take(told, today, EquityDay.objects, Q(account_id__id_in=missing))


def _take(told: Mapping[str, _Told], today: Mapping[str, date], rows: Any, which: Q) -> None:
    with system_scope("risk: what accounts were worth"):
        found = list(
            rows.filter(which)
            .order_by("day")
            .values_list("account_id", "day", "start", "last", "peak", "moved", "cash")
        )
    for account_id, *values, cash in found:
        each = told.get(account_id)
        if each is not None:
            each.record = on_day(EquityRecord(*values), today[each.tenant_id])
            each.cash = cash


def _valued(
    account_id: str,
    told: _Told,
    today: date,
    prices: Prices,
    coins: Prices,
    instruments: Mapping[tuple[str, str], Instrument | None],
) -> ValuedAccount:
    holdings, shares, complete = [], defaultdict[str, Share](Share), True
    of_coins = {coin: price for (venue, coin), price in coins.items() if venue == told.venue}
    for symbol in told.symbols():
        instrument, price = instruments[told.venue, symbol], prices.get((told.venue, symbol))
        if instrument is not None and price is not None:
            of_coins[instrument.base] = price
    marks: dict[str, Decimal | None] = {}
    leverages: dict[tuple[str, bool], Decimal | None] = {}
    for symbol, quantity, average, mark, pnl, mode, leverage, liquidation, need in told.positions:
        instrument = instruments[told.venue, symbol]
        if instrument is None:
            complete = False
            continue
        marks[symbol], leverages[symbol, quantity > 0] = mark, leverage
        holdings.append(
            Holding(
                instrument,
                quantity,
                average,
                prices.get((told.venue, symbol), mark),
                reported_price=mark,
                reported_pnl=pnl,
                margin_mode=mode,
                leverage=leverage,
                liquidation_price=liquidation,
                maintenance=need,
            )
        )
    for strategy_id, symbol, filled, entry in told.copied:
        share, instrument = shares[strategy_id], instruments[told.venue, symbol]
        if instrument is None:
            complete = False  # of the strategy's sum as well
            continue
        price = prices.get((told.venue, symbol), marks.get(symbol))
        held = Holding(
            instrument, filled, entry, price, leverage=leverages.get((symbol, filled > 0))
        )
        if instrument.kind is InstrumentKind.SPOT:
            holdings.append(held)
        _add_share(share, held)
    figures = account_figures(
        coins=told.coins,
        holdings=holdings,
        record=told.record,
        prices=of_coins,
        compared=_compared(told),
    )
    return ValuedAccount(
        account_id,
        told.tenant_id,
        told.customer_id,
        figures if complete else replace(figures, is_complete=False),
        shares,
        holds=bool(told.positions or told.copied),
        is_stale=_is_stale(told, prices),
    )


def _is_stale(told: _Told, prices: Prices) -> bool:
    """What was never read at all is of unknown value instead."""
    if any((told.venue, symbol) not in prices for symbol in told.symbols()):
        return True
    return told.synced_at is not None and timezone.now() - told.synced_at > READ_WITHIN


def _compared(told: _Told) -> list[Coins]:
    """Valued as the balances that are there now."""
    known = {each.currency: each for each in told.coins}
    found = []
    for currency, text in told.cash.items():
        amount, balance = Decimal(text), known.get(currency)
        value = None
        if balance is not None and balance.value is not None and balance.equity:
            value = amount * balance.value / balance.equity
        found.append(Coins(currency, amount, value))
    return found


def _add_share(share: Share, held: Holding) -> None:
    if held.price is None:
        return
    notional, gain = held.notional(held.price), held.pnl(held.price)
    share.gross += notional
    share.net += notional * held.direction
    share.unrealised += (gain or ZERO) * held.rate(held.price)
    share.margin_used += held.margin_used(held.price)


def accounts_ask(tenant_id: str, account_ids: Collection[str]) -> None:
    """Have these compared now: their balances are lower than their last comparison explains, so
    something was withdrawn, or lost for good, and only bills tell which."""
    ids = sorted(account_ids)
    for start in range(0, len(ids), ASKED_TOGETHER):
        wake_swept(
            "trading.tasks.accounts_compare",
            lifetime_seconds=ASKED_SECONDS,
            account_ids=ids[start : start + ASKED_TOGETHER],
            tenant_id=tenant_id,
        )
