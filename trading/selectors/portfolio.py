"""What a client owns and holds, as his pages show it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from customers.models import Customer, ExchangeAccount
from strategies.models import Subscription
from trading.models import Balance, CopiedPosition, Position, Trade
from trading.reason_texts import reason_text
from trading.selectors.account_keys import KeyNote, key_notes, stored_keys
from trading.selectors.stops import stop_lines
from venues.domain.types import InstrumentKind
from venues.markets import known_instrument

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class AccountState:
    """An exchange account with what it owns and how it is."""

    account: ExchangeAccount
    balances: list[Balance]
    key_notes: list[KeyNote]

    @property
    def main_balance(self) -> Balance | None:
        currency = self.account.balance_currency
        return next((row for row in self.balances if row.currency == currency), None)

    @property
    def health_text(self) -> str:
        return reason_text(self.account.health_code, self.account.health_params)

    @property
    def change(self) -> Decimal | None:
        """Equity against the balance that the copy began with."""
        balance, initial = self.main_balance, self.account.initial_balance
        return balance.equity - initial if balance and initial else None


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """A copied position with its present worth; PnL is in the settle currency, before fees.

    PnL is None while the mark price or the instrument is not known.
    """

    copied: CopiedPosition
    mark_price: Decimal | None
    unrealised_pnl: Decimal | None
    margin: Decimal | None
    coins: Decimal | None
    settle: str
    smallest: Decimal
    """What the venue trades at least; a smaller rest of the target waits for the next signal."""
    stops: tuple[str, ...] = ()
    """What guards it, in words."""

    @property
    def base(self) -> str:
        return self.copied.symbol.partition("/")[0]

    @property
    def is_long(self) -> bool:
        return (self.copied.filled or self.copied.target) > 0

    @property
    def is_adjusting(self) -> bool:
        """The account does not hold yet what it should, by more than what cannot be traded."""
        missing = abs(self.copied.target - self.copied.filled)
        return missing != 0 and missing >= self.smallest

    @property
    def pnl_ratio(self) -> Decimal | None:
        """PnL ÷ margin at entry."""
        if self.unrealised_pnl is None or not self.margin:
            return None
        return self.unrealised_pnl / self.margin


@dataclass(frozen=True, slots=True)
class Summary:
    equity: list[tuple[str, Decimal]]
    unrealised_pnl: Decimal | None
    realised_today: Decimal
    accounts: int
    sick_accounts: int
    active_copies: int
    copies: int


def account_states(customer: Customer) -> list[AccountState]:
    """The customer's open accounts, oldest first."""
    accounts = ExchangeAccount.objects.for_customer(customer).exclude(
        status=ExchangeAccount.Status.CLOSED
    )
    balances: dict[str, list[Balance]] = defaultdict(list)
    for balance in Balance.objects.for_customer(customer).order_by("currency"):
        balances[balance.account_id].append(balance)
    listed = list(accounts.order_by("id"))
    keys = stored_keys(tenant_id=customer.tenant_id, account_ids=[account.pk for account in listed])
    return [
        AccountState(account, balances[account.pk], key_notes(keys[account.pk]))
        for account in listed
    ]


def held_positions(
    customer: Customer, *, account: ExchangeAccount | None = None
) -> list[HeldPosition]:
    """Copied positions that hold something, or soon should."""
    copied = (
        CopiedPosition.objects.for_customer(customer)
        .filter(~Q(filled=ZERO) | ~Q(target=ZERO))
        .exclude(filled=ZERO, subscription__status=Subscription.Status.STOPPED)
        .select_related("subscription__strategy", "account")
        .order_by("symbol", "id")
    )
    on_exchange = Position.objects.for_customer(customer)
    if account is not None:
        copied, on_exchange = copied.filter(account=account), on_exchange.filter(account=account)
    # in hedge mode both sides of a symbol have the same mark price
    on_venue = {(row.account_id, row.symbol): row for row in on_exchange}
    held = [_held(row, on_venue.get((row.account_id, row.symbol))) for row in copied]
    held = [row for row in held if row.copied.filled or row.is_adjusting]
    lines = stop_lines(customer.tenant_id, [row.copied for row in held])
    return [replace(row, stops=tuple(lines.get(row.copied.pk, ()))) for row in held]


def _held(copied: CopiedPosition, on_venue: Position | None) -> HeldPosition:
    mark = on_venue.mark_price if on_venue else None
    leverage = copied.leverage or (on_venue.leverage if on_venue else None)
    instrument = known_instrument(copied.account.venue, copied.symbol)
    entry, held = copied.average_entry_price, copied.filled
    smallest = instrument.min_size if instrument else ZERO
    if instrument is None or not entry or not held:
        settle = _settle_currency(copied.symbol)
        return HeldPosition(copied, mark, None, None, None, settle, smallest)
    coins = instrument.coins(abs(held), entry)
    value = coins if instrument.kind is InstrumentKind.INVERSE else coins * entry
    return HeldPosition(
        copied=copied,
        mark_price=mark,
        unrealised_pnl=instrument.pnl(held, entry, mark) if mark else None,
        margin=value / leverage if leverage else None,
        coins=coins,
        settle=instrument.settle or instrument.quote,
        smallest=smallest,
    )


def _settle_currency(symbol: str) -> str:
    """BTC/USDT:USDT → USDT, BTC/USD:BTC → BTC, BTC/USDT → USDT."""
    return symbol.rpartition(":" if ":" in symbol else "/")[2]


def portfolio_summary(
    *,
    customer: Customer,
    accounts: list[AccountState],
    positions: list[HeldPosition],
    copies: list[Subscription],
    today_from: datetime,
) -> Summary:
    """Totals over what the other selectors read. Only PnL in the accounts' currency is summed."""
    equity: dict[str, Decimal] = defaultdict(Decimal)
    for state in accounts:
        if state.main_balance is not None:
            equity[state.account.balance_currency] += state.main_balance.equity
    known = [row.unrealised_pnl for row in positions if row.unrealised_pnl is not None]
    complete = len(known) == sum(1 for row in positions if row.copied.filled)
    trades = Trade.objects.for_customer(customer).filter(closed_at__gte=today_from)
    realised = sum((trade.realised_pnl - trade.fees for trade in trades), ZERO)
    healthy = (ExchangeAccount.Health.HEALTHY, ExchangeAccount.Health.UNKNOWN)
    return Summary(
        equity=sorted(equity.items(), key=lambda item: -item[1]),
        unrealised_pnl=sum(known, ZERO) if complete else None,
        realised_today=realised,
        accounts=len(accounts),
        sick_accounts=sum(1 for state in accounts if state.account.health not in healthy),
        active_copies=sum(1 for copy in copies if copy.status == Subscription.Status.ACTIVE),
        copies=len(copies),
    )


def customer_copies(customer: Customer) -> list[Subscription]:
    """Everything the customer follows or followed, what is live first."""
    rows = (
        Subscription.objects.for_customer(customer)
        .select_related("strategy", "account")
        .order_by("-id")
    )
    status = Subscription.Status
    rank = {status.ACTIVE: 0, status.PAUSED: 1, status.ENDING: 2}
    return sorted(rows, key=lambda row: rank.get(status(row.status), 3))
