"""Coins of spot copies: together they hold at most what the account has of a coin.

What is missing was sold or moved by somebody else's hand, and is shared out like any reduction.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.services.events import EventDraft, customer_audience, events_record
from trading.domain.reconciliation import (
    FindingKind,
    Suspicion,
    Verdict,
    judge_difference,
    share_out,
)
from trading.models import CashBook, CopiedPosition, Fill
from trading.services.instruments import instrument_of_order
from trading.services.reconciliation.findings import Found, findings_note
from trading.services.reconciliation.ledger import AccountLedger
from trading.services.reconciliation.readings import DERIVATIVE, AccountReading
from venues.domain.types import Instrument

logger = logging.getLogger(__name__)

ZERO = Decimal(0)
SOLD_WITHIN = timedelta(minutes=10)
"""A sale by hand that is older says nothing of what is missing now."""
_Coins = dict[str, dict[str, Decimal]]
"""What copies hold, by symbol, by coin."""


def coins_compare(*, tenant_id: str, readings: Sequence[AccountReading]) -> None:
    """One that fails holds up no other; two queries while nothing is missing. In the tenant's
    scope."""
    usable = {
        reading.account.pk: reading
        for reading in readings
        if reading.balances_asked_at is not None and not reading.balances.unreadable
    }
    if not usable:
        return
    held: dict[str, _Coins] = defaultdict(lambda: defaultdict(lambda: defaultdict(Decimal)))
    copies = CopiedPosition.objects.for_tenant(tenant_id).filter(account_id__in=list(usable))
    columns = ("account_id", "symbol", "filled")
    for account_id, symbol, filled in copies.exclude(symbol__contains=DERIVATIVE).values_list(
        *columns
    ):
        if filled > 0:
            held[account_id][_coin(symbol)][symbol] += filled
    if not held:
        return
    books = CashBook.objects.for_tenant(tenant_id).filter(account_id__in=list(held))
    suspected = {
        (account_id, currency)
        for account_id, currency, missing in books.values_list("account_id", "currency", "missing")
        if missing is not None
    }
    for account_id, coins in held.items():
        reading = usable[account_id]
        for coin, by_symbol in coins.items():
            missing = sum(by_symbol.values()) - _shown(reading, coin)
            if missing > 0 or (account_id, coin) in suspected:
                _compare(reading, coin)


def _coin(symbol: str) -> str:
    return symbol.split("/")[0]


def _shown(reading: AccountReading, coin: str) -> Decimal:
    """All of it, what orders have frozen included; what is not listed is not there."""
    for row in reading.balances:
        if row.currency == coin:
            return row.equity if row.cash is None else row.cash
    return ZERO


def _compare(reading: AccountReading, coin: str) -> None:
    try:
        retry_on_deadlock(lambda: _follow(reading, coin))
    except (OperationalError, InterfaceError):
        raise  # the database, not an account
    except Exception:
        logger.exception("coins of account %s could not be compared", reading.account.pk)


@transaction.atomic
def _follow(reading: AccountReading, coin: str) -> None:
    account, now = reading.account, timezone.now()
    mine = CopiedPosition.objects.for_tenant(account.tenant_id).filter(account_id=account.pk)
    rows = mine.filter(symbol__startswith=f"{coin}/").exclude(symbol__contains=DERIVATIVE)
    symbols = set(rows.values_list("symbol", flat=True))
    ledger = AccountLedger.locked(account, now, symbols=symbols)
    book = CashBook.objects.for_tenant(account.tenant_id).select_for_update()
    row = book.filter(account_id=account.pk, currency=coin).first()
    instruments = {symbol: instrument_of_order(account.venue, symbol) for symbol in symbols}
    known = {symbol: found for symbol, found in instruments.items() if found is not None}
    if row is None or len(known) < len(symbols):
        return  # not begun, or nobody knows a lot of it
    claims = {copy.pk: copy.filled for copy in ledger.copies if copy.filled > 0}
    missing = max(sum(claims.values(), ZERO) - _shown(reading, coin), ZERO)
    in_flight = any(
        ledger.is_in_flight(symbol, reading, asked_at=reading.balances_asked_at)
        for symbol in symbols
    )
    seen = None
    if row.missing is not None and row.missing_at is not None:
        seen = Suspicion(row.missing, row.missing_at)
    verdict = judge_difference(missing, seen, is_in_flight=in_flight, now=now)
    if verdict is Verdict.ACT:
        _share_out(ledger, claims, missing, known, coin)
    suspicion = missing if verdict is Verdict.WAIT else None
    if suspicion != row.missing:
        row.missing, row.missing_at = suspicion, None if suspicion is None else now
        row.save(update_fields=["missing", "missing_at"])


def _share_out(
    ledger: AccountLedger,
    claims: Mapping[str, Decimal],
    missing: Decimal,
    instruments: Mapping[str, Instrument],
    coin: str,
) -> None:
    account = ledger.account
    lot = max(instrument.lot for instrument in instruments.values())
    found = []
    for pk, share in sorted(share_out(missing, claims, lot).items()):
        symbol = ledger.copy(pk).symbol
        price = _price(ledger, pk)
        copy = ledger.move_copy(pk, -share, price, ZERO, instruments[symbol])
        params = {"quantity": _text(share), "currency": coin, "left": _text(copy.filled)}
        found.append(
            Found(FindingKind.COINS_MISSING, (symbol, "net"), params, copy.subscription_id)
        )
    ledger.store()
    findings_note(account, found, ledger.now)
    payload = {"account": account.pk, "symbol": ""}
    audience = customer_audience(account.customer_id)
    events_record([EventDraft(account.tenant_id, audience, "position.changed", payload)])


def _price(ledger: AccountLedger, copy_id: str) -> Decimal:
    """At which the client sold just now; what was moved away brings neither profit nor loss."""
    copy = ledger.copy(copy_id)
    sold = (
        Fill.objects.for_tenant(ledger.account.tenant_id)
        .filter(
            account_id=ledger.account.pk,
            symbol=copy.symbol,
            order=None,
            side="sell",
            filled_at__gt=ledger.now - SOLD_WITHIN,
        )
        .order_by("-filled_at")
        .first()
    )
    if sold is not None:
        return sold.price
    return copy.average_entry_price or Decimal(1)


def _text(amount: Decimal) -> str:
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
