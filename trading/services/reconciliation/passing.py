"""A pass over many accounts: those of which nothing is to be said in few statements, the others
one by one."""

from __future__ import annotations

import logging
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from django.db import InterfaceError, OperationalError
from django.db.models import F
from django.utils import timezone

from customers.models import ExchangeAccount
from customers.wakeup import wake_on_commit
from trading.domain.reconciliation import SideBook, Unattributed, copies_of_side, net_out, opposed
from trading.models import (
    AccountBooks,
    CopiedPosition,
    Fill,
    InstrumentSetting,
    Order,
    UnattributedPosition,
)
from trading.services.giving_way import Courtesy
from trading.services.instruments import instrument_of_order
from trading.services.reconciliation.books import books_compare
from trading.services.reconciliation.cash import cash_compare
from trading.services.reconciliation.changed_terms import terms_compare
from trading.services.reconciliation.deciding import findings_repair_by_policy
from trading.services.reconciliation.extra_stops import stops_compare
from trading.services.reconciliation.foreign_fills import fills_unbooked
from trading.services.reconciliation.missing_stops import stops_missing_note
from trading.services.reconciliation.open_orders import open_orders_compare
from trading.services.reconciliation.readings import DERIVATIVE, AccountReading
from trading.services.reconciliation.refused_leverages import refused_leverages_compare
from trading.services.reconciliation.spot import coins_compare
from trading.services.reconciliation.wallet import wallet_moves_take
from trading.services.stops.strangers import strangers_explained
from venues.domain.types import (
    Credentials,
    FillSnapshot,
    Instrument,
    LeverageSnapshot,
    PositionSide,
    PositionSnapshot,
    Readings,
    VenueError,
)
from venues.gateway import LEVERAGES_AT_ONCE, Gateway

T = TypeVar("T")

logger = logging.getLogger(__name__)

ZERO = Decimal(0)
OVERLAP = timedelta(seconds=45)
"""Lists are read again from so long before the last reading: they may lag."""
LONG_OVERLAP = timedelta(minutes=5)
"""Once in LONG_PERIOD: an account that trades much has many fills and bills, and each page of them
takes a turn that its other readings wait for. What is listed within the difference is found."""
LONG_PERIOD = timedelta(seconds=100)
CLOCKS_APART = timedelta(seconds=2)
"""The venue's clock and ours, at most."""
SOONER = timedelta(seconds=45)
"""What differs is read again so much sooner: by the next sweep but one."""
SECOND_LOOKS_FOR = timedelta(minutes=3)
"""What differs longer than this is not settled by looking more often."""
WALLET_PAUSE = timedelta(minutes=10)
WALLET_OVERLAP = timedelta(days=1)
"""A deposit is dated when it was made, and done when it was confirmed."""
SMALLEST_LOT = Decimal("1e-18")


@dataclass(frozen=True, slots=True)
class Since:
    """From when on the fills and the bills of an account are to be listed; deposits and
    withdrawals when it is time for them."""

    fills: datetime
    bills: datetime
    wallet: datetime | None = None
    set_in: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The symbols whose leverage we set, by margin mode: those of late, LEVERAGES_AT_ONCE."""


def unread_since(tenant_id: str, account_ids: Sequence[str], since: datetime) -> list[str]:
    """Those whose fills were not listed after `since`, which is of our clock, for sure."""
    rows = AccountBooks.objects.for_tenant(tenant_id).filter(
        account_id__in=account_ids, fills_read_until__gte=since + CLOCKS_APART
    )
    read = set(rows.values_list("account_id", flat=True))
    return [pk for pk in account_ids if pk not in read]


def wanted_since(tenant_id: str, account_ids: Sequence[str]) -> dict[str, Since]:
    """By account; none for those without books."""
    rows = AccountBooks.objects.for_tenant(tenant_id).filter(account_id__in=account_ids)
    columns = ("account_id", "since", "fills_read_until", "bills_read_until", "wallet_read_until")
    now = timezone.now()
    due = now - WALLET_PAUSE
    set_in = _set_in(tenant_id, account_ids)
    found = {}
    for pk, since, fills, bills, wallet in rows.values_list(*columns):
        wallet_since = max(since, (wallet or since) - WALLET_OVERLAP)
        found[pk] = Since(
            max(since, fills - overlap(pk, fills, now)),
            now - LONG_OVERLAP if bills is None else bills - overlap(pk, bills, now),
            wallet_since if wallet is None or wallet < due else None,
            set_in.get(pk, {}),
        )
    return found


def overlap(account_id: str, read_until: datetime, now: datetime) -> timedelta:
    """The long one when a new period has begun since the last reading: each account has its own."""
    length = LONG_PERIOD.total_seconds()
    offset = zlib.crc32(account_id.encode()) % 1000 / 1000 * length
    begun = [int((at.timestamp() + offset) // length) for at in (read_until, now)]
    return OVERLAP if begun[0] == begun[1] else LONG_OVERLAP


def _set_in(tenant_id: str, account_ids: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    rows = InstrumentSetting.objects.for_tenant(tenant_id).filter(account_id__in=account_ids)
    for account_id, margin_mode, symbol in rows.order_by("-confirmed_at").values_list(
        "account_id", "margin_mode", "symbol"
    ):
        symbols = found.setdefault(account_id, {}).setdefault(margin_mode, [])
        if len(symbols) < LEVERAGES_AT_ONCE:
            symbols.append(symbol)
    return found


async def reading_ask(
    gateway: Gateway,
    credentials: Credentials,
    account: ExchangeAccount,
    since: Since | None,
) -> AccountReading:
    """Raises VenueError. `since`: None the first time, for the last minutes. Whoever asked for
    balances before adds them."""
    asked_at = timezone.now()
    now_ms = gateway.clock.now_ms()
    asked_at_venue = datetime.fromtimestamp(now_ms / 1000, tz=asked_at.tzinfo)
    if since is None:
        since = Since(asked_at_venue - LONG_OVERLAP, asked_at_venue - LONG_OVERLAP)
    open_orders = await gateway.open_orders(credentials)
    fills = await gateway.fills_since(credentials, since_ms=_ms(since.fills))
    # Last: what was filled before has been listed, as far as lists keep up.
    positions = await gateway.positions(credentials)
    bills = await _unless_refused(
        account, gateway.bills_since(credentials, since_ms=_ms(since.bills))
    )
    stops = await _unless_refused(account, gateway.open_stops(credentials))
    leverages = await _unless_refused(account, _leverages(gateway, credentials, since))
    moves = None
    if since.wallet is not None:
        moves = await _unless_refused(
            account, gateway.wallet_moves_since(credentials, since_ms=_ms(since.wallet))
        )
    return AccountReading(
        account,
        asked_at,
        asked_at_venue,
        positions,
        open_orders,
        fills,
        bills=bills,
        stops=stops,
        wallet_moves=moves,
        leverages=leverages,
    )


async def _leverages(
    gateway: Gateway, credentials: Credentials, since: Since
) -> Readings[LeverageSnapshot]:
    """Of what is not held, too, which nothing else tells."""
    found: list[LeverageSnapshot] = []
    for margin_mode, symbols in since.set_in.items():
        found += await gateway.leverages(credentials, symbols=symbols, margin_mode=margin_mode)
    return Readings(found)


async def _unless_refused(
    account: ExchangeAccount, asking: Awaitable[Readings[T]]
) -> Readings[T] | None:
    """What holds up nothing else when it cannot be had."""
    try:
        return await asking
    except VenueError as error:
        logger.warning("a part of the reading of account %s: %s", account.pk, error)
        return None


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def readings_take(*, tenant_id: str, readings: Sequence[AccountReading]) -> set[str]:
    """Compare these accounts' books; those that agree. One that fails holds up no other."""
    if not readings:
        return set()
    known = _Known.load(tenant_id, readings)
    plain = [reading for reading in readings if known.is_plain(reading)]
    _note_plain(tenant_id, plain)
    agreeing = {reading.account.pk for reading in plain}
    courtesy = Courtesy()
    for reading in readings:
        if reading.account.pk not in agreeing:
            courtesy.give_way()
            if _compare(tenant_id, reading, known):
                agreeing.add(reading.account.pk)
    open_orders_compare(tenant_id=tenant_id, readings=readings)
    terms_compare(tenant_id=tenant_id, readings=readings)
    refused_leverages_compare(tenant_id=tenant_id, readings=readings)
    cash_compare(tenant_id=tenant_id, readings=readings)
    wallet_moves_take(tenant_id=tenant_id, readings=readings)
    coins_compare(tenant_id=tenant_id, readings=readings)
    stops_compare(tenant_id=tenant_id, readings=readings)
    stops_missing_note(tenant_id=tenant_id, readings=readings)
    return agreeing


def _note_plain(tenant_id: str, readings: Sequence[AccountReading]) -> None:
    if not readings:
        return
    now = timezone.now()
    ids = [reading.account.pk for reading in readings]
    until = min(reading.asked_at_venue for reading in readings)
    AccountBooks.objects.for_tenant(tenant_id).filter(account_id__in=ids).update(
        passed_at=now, differs_since=None, fills_read_until=until
    )
    ExchangeAccount.objects.for_tenant(tenant_id).filter(pk__in=ids).update(reconciled_at=now)


def _compare(tenant_id: str, reading: AccountReading, known: _Known) -> bool:
    account = reading.account
    new = known.new_fills(reading)
    if not strangers_explained(tenant_id=tenant_id, account_id=account.pk, fills=new):
        # One of them may be of a stop of ours that went off.
        ExchangeAccount.objects.for_tenant(tenant_id).filter(pk=account.pk).update(tried_at=None)
        return False
    try:
        outcome = books_compare(
            tenant_id=tenant_id, reading=reading, instruments=_instruments(tenant_id, reading)
        )
    except (OperationalError, InterfaceError):
        raise  # the database, not an account
    except Exception:
        logger.exception("the books of account %s could not be compared", account.pk)
        return False
    findings_repair_by_policy(account=account)
    if outcome.missing:
        rows = Order.objects.for_tenant(tenant_id).filter(pk__id_in=outcome.missing)
        rows.update(check_at=timezone.now())
        ids = list(outcome.missing)
        wake_on_commit("trading.tasks.orders_check", order_ids=ids, tenant_id=tenant_id)
    since = outcome.differs_since
    if since is not None and timezone.now() - since < SECOND_LOOKS_FOR:
        # In its turn all the same: accounts that differ must not be all that is ever read.
        ExchangeAccount.objects.for_tenant(tenant_id).filter(pk=account.pk).update(
            tried_at=F("tried_at") - SOONER
        )
    return outcome.agrees


def _instruments(tenant_id: str, reading: AccountReading) -> dict[str, Instrument]:
    """Of all that is held, booked or traded; over the network at most for what nobody traded."""
    mine = {"account_id": reading.account.pk}
    symbols = {row.symbol for row in reading.positions} | {row.symbol for row in reading.fills}
    copies = CopiedPosition.objects.for_tenant(tenant_id).filter(**mine)
    symbols.update(copies.exclude(filled=ZERO).values_list("symbol", flat=True))
    rests = UnattributedPosition.objects.for_tenant(tenant_id).filter(**mine)
    symbols.update(rests.values_list("symbol", flat=True))
    unbooked = fills_unbooked(tenant_id, [reading.account.pk])
    symbols.update(unbooked.values_list("symbol", flat=True))
    found = {
        symbol: instrument_of_order(reading.account.venue, symbol)
        for symbol in symbols
        if DERIVATIVE in symbol
    }
    return {symbol: instrument for symbol, instrument in found.items() if instrument is not None}


_Held = dict[str, dict[str, list[tuple[str, Decimal]]]]
"""(copy, quantity) by symbol, by account."""


@dataclass
class _Known:
    """What the database says of these accounts, in a fixed number of queries and without locks."""

    with_books: set[str]
    unbooked: set[str]
    copies: _Held = field(default_factory=dict)
    rests: dict[str, dict[tuple[str, str], Decimal]] = field(default_factory=dict)
    suspected: set[str] = field(default_factory=set)
    trades: set[tuple[str, str, str]] = field(default_factory=set)

    @classmethod
    def load(cls, tenant_id: str, readings: Sequence[AccountReading]) -> _Known:
        ids = [reading.account.pk for reading in readings]
        mine = {"account_id__in": ids}
        books = AccountBooks.objects.for_tenant(tenant_id).filter(**mine)
        known = cls(
            with_books=set(books.values_list("account_id", flat=True)),
            unbooked=set(fills_unbooked(tenant_id, ids).values_list("account_id", flat=True)),
        )
        copies = CopiedPosition.objects.for_tenant(tenant_id).filter(
            symbol__contains=DERIVATIVE, **mine
        )
        known.copies = defaultdict(lambda: defaultdict(list))
        for account_id, symbol, pk, filled in copies.values_list(
            "account_id", "symbol", "pk", "filled"
        ):
            if filled:
                known.copies[account_id][symbol].append((pk, filled))
        known.rests = defaultdict(dict)
        rests = UnattributedPosition.objects.for_tenant(tenant_id).filter(**mine)
        for account_id, symbol, side, quantity, suspected in rests.values_list(
            "account_id", "symbol", "position_side", "quantity", "suspected"
        ):
            known.rests[account_id][symbol, side] = quantity
            if suspected is not None:
                known.suspected.add(account_id)
        trade_ids = {fill.trade_id for reading in readings for fill in reading.fills}
        if trade_ids:
            known.trades = set(
                Fill.objects.for_tenant(tenant_id)
                .filter(trade_id__in=trade_ids, **mine)
                .values_list("account_id", "symbol", "trade_id")
            )
        return known

    def is_plain(self, reading: AccountReading) -> bool:
        """Read in full, nothing new, and all as the books say."""
        account = reading.account
        if account.pk not in self.with_books or account.pk in self.unbooked | self.suspected:
            return False
        if not reading.is_complete or self.new_fills(reading):
            return False
        held = reading.held()
        rests = self.rests.get(account.pk, {})
        copies = self.copies.get(account.pk, {})
        symbols = {*copies, *(symbol for symbol, _ in rests), *(symbol for symbol, _ in held)}
        return all(
            _agrees(_book(copies.get(symbol, ()), rests, symbol, side), held.get((symbol, side)))
            for symbol in symbols
            for side in _sides(account)
        )

    def new_fills(self, reading: AccountReading) -> list[FillSnapshot]:
        account_id = reading.account.pk
        return [
            fill
            for fill in reading.fills
            if (account_id, fill.symbol, fill.trade_id) not in self.trades
        ]


def _sides(account: ExchangeAccount) -> tuple[PositionSide, ...]:
    if account.position_mode == ExchangeAccount.PositionMode.NET:
        return ("net",)
    return ("long", "short")


def _book(
    copies: Iterable[tuple[str, Decimal]],
    rests: Mapping[tuple[str, str], Decimal],
    symbol: str,
    side: PositionSide,
) -> SideBook:
    quantity = rests.get((symbol, side), ZERO)
    return SideBook(copies_of_side(copies, side), Unattributed(quantity))


def _agrees(book: SideBook, shown: PositionSnapshot | None) -> bool:
    quantity = ZERO if shown is None else shown.quantity
    if opposed(book.copies, SMALLEST_LOT):
        return False
    return quantity == book.total and not net_out(book, SMALLEST_LOT)
