"""An account's money against its bills: what was moved by others than trades is stored once, and
what no bill tells of is found."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.models import ExchangeAccount
from trading.domain.cash import CashChange, CashState, after_bills, unexplained
from trading.domain.reconciliation import FindingKind, Suspicion, Verdict, judge_difference
from trading.models import AccountBill, AccountBooks, CashBook
from trading.services.reconciliation.findings import Found, findings_note
from trading.services.reconciliation.funding import funding_share_out
from trading.services.reconciliation.ledger import Key
from trading.services.reconciliation.readings import AccountReading
from venues.domain.types import BillKind, BillSnapshot

logger = logging.getLogger(__name__)

ZERO = Decimal(0)
_WHOLE_ACCOUNT: Key = ("", "net")
_Books = dict[str, CashBook]
"""By currency."""


def cash_compare(*, tenant_id: str, readings: Sequence[AccountReading]) -> None:
    """One that fails holds up no other; a fixed number of statements for those without news. In
    the tenant's scope."""
    usable = [
        reading
        for reading in readings
        if reading.bills is not None
        and not reading.bills.unreadable
        and not reading.balances.unreadable
    ]
    if not usable:
        return
    ids = [reading.account.pk for reading in usable]
    begun = set(
        AccountBooks.objects.for_tenant(tenant_id)
        .filter(account_id__in=ids, bills_read_until__isnull=False)
        .values_list("account_id", flat=True)
    )
    known: dict[str, _Books] = defaultdict(dict)
    for row in CashBook.objects.for_tenant(tenant_id).filter(account_id__in=ids):
        known[row.account_id][row.currency] = row
    plain = [
        reading
        for reading in usable
        if reading.account.pk in begun and _is_plain(reading, known[reading.account.pk])
    ]
    if plain:
        until = min(reading.asked_at_venue for reading in plain)
        AccountBooks.objects.for_tenant(tenant_id).filter(
            account_id__in=[reading.account.pk for reading in plain]
        ).update(bills_read_until=until)
    agreeing = {reading.account.pk for reading in plain}
    for reading in usable:
        if reading.account.pk not in agreeing:
            _compare(reading)


def _is_plain(reading: AccountReading, books: _Books) -> bool:
    news, cash = _news(reading, books), reading.cash()
    return (
        not news
        and reading.bills is not None
        and reading.bills.until_ms is None
        and cash.keys() <= books.keys()
        and all(
            row.suspected is None and cash.get(currency, ZERO) == row.balance
            for currency, row in books.items()
        )
    )


def _news(reading: AccountReading, books: Mapping[str, CashBook]) -> dict[str, list[BillSnapshot]]:
    """Bills that were not taken yet, oldest first, by currency."""
    found: dict[str, list[BillSnapshot]] = defaultdict(list)
    for bill in sorted(reading.bills or (), key=lambda bill: int(bill.bill_id)):
        row = books.get(bill.currency)
        if row is None or int(bill.bill_id) > int(row.last_bill_id):
            found[bill.currency].append(bill)
    return found


def _compare(reading: AccountReading) -> None:
    try:
        retry_on_deadlock(lambda: _take(reading))
    except (OperationalError, InterfaceError):
        raise  # the database, not an account
    except Exception:
        logger.exception("the bills of account %s could not be taken", reading.account.pk)


@transaction.atomic
def _take(reading: AccountReading) -> None:
    account, now = reading.account, timezone.now()
    mine = AccountBooks.objects.for_tenant(account.tenant_id).select_for_update()
    books = mine.filter(account_id=account.pk).first()
    if books is None:
        return  # its first reading was not complete
    cash = reading.cash()
    rows = {
        row.currency: row
        for row in CashBook.objects.for_tenant(account.tenant_id).filter(account_id=account.pk)
    }
    news = _news(reading, rows)
    settled = True
    assert reading.bills is not None
    is_all = reading.bills.until_ms is None
    if books.bills_read_until is None:
        if not is_all:
            return
        _begin(account, news, cash, now)
    else:
        taken = _bills_store(account, [bill for bills in news.values() for bill in bills], now)
        found = [_transfer(bill) for bill in taken if bill.kind == BillKind.TRANSFER]
        for currency in sorted({*rows, *news, *cash}):
            row = rows.get(currency) or _book(account, currency, ZERO, "0", now)
            # The balance knows of bills that the next reading takes.
            shown = cash.get(currency, ZERO) if is_all else None
            difference = _follow(row, news.get(currency, []), shown, now)
            settled = settled and row.suspected is None
            if difference:
                found.append(_unexplained(currency, difference))
        findings_note(account, found, now)
    if settled:
        read_until = reading.read_until(reading.bills)
        books.bills_read_until = max(books.bills_read_until or books.since, read_until)
        books.save(update_fields=["bills_read_until"])


def _begin(
    account: ExchangeAccount,
    bills: Mapping[str, Sequence[BillSnapshot]],
    cash: Mapping[str, Decimal],
    now: datetime,
) -> None:
    """What was moved before the books were begun is in what there is."""
    for currency in sorted({*bills, *cash}):
        last = bills[currency][-1] if bills.get(currency) else None
        if last is None:
            _book(account, currency, cash[currency], "0", now).save(force_insert=True)
        else:
            _book(account, currency, last.balance, last.bill_id, now).save(force_insert=True)


def _book(
    account: ExchangeAccount, currency: str, balance: Decimal, last_bill_id: str, now: datetime
) -> CashBook:
    return CashBook(
        tenant_id=account.tenant_id,
        account_id=account.pk,
        currency=currency,
        balance=balance,
        last_bill_id=last_bill_id,
        changed_at=now,
    )


def _follow(
    row: CashBook, bills: Sequence[BillSnapshot], shown: Decimal | None, now: datetime
) -> Decimal:
    """Take these bills; what is unexplained, when it was seen twice, else 0. A difference that is
    seen for the first time leaves the book as it is."""
    changes = [CashChange(int(bill.bill_id), bill.change, bill.balance) for bill in bills]
    before = CashState(row.balance, int(row.last_bill_id))
    difference = unexplained(before, changes, shown)
    seen = None
    if row.suspected is not None and row.suspected_at is not None:
        seen = Suspicion(row.suspected, row.suspected_at)
    verdict = judge_difference(difference, seen, is_in_flight=False, now=now)
    if verdict is Verdict.WAIT:
        if row.suspected != difference:
            row.suspected, row.suspected_at = difference, now
            row.save()
        return ZERO
    after = after_bills(before, changes, unexplained_part=difference)
    if after != before or row.suspected is not None or row._state.adding:
        row.balance, row.last_bill_id = after.balance, str(after.last_bill_id)
        row.suspected = row.suspected_at = None
        row.changed_at = now
        row.save()
    return difference


def _bills_store(
    account: ExchangeAccount, bills: Sequence[BillSnapshot], now: datetime
) -> list[BillSnapshot]:
    """Those that are no trades, each once, funding fees with their shares; the new ones."""
    others = [bill for bill in bills if bill.kind != BillKind.TRADE]
    if not others:
        return []
    known = set(
        AccountBill.objects.for_tenant(account.tenant_id)
        .filter(account_id=account.pk, bill_id__in=[bill.bill_id for bill in others])
        .values_list("bill_id", flat=True)
    )
    new = [bill for bill in others if bill.bill_id not in known]
    for bill in new:
        row = AccountBill.objects.create(
            tenant_id=account.tenant_id,
            account_id=account.pk,
            bill_id=bill.bill_id,
            kind=str(bill.kind),
            venue_kind=bill.venue_kind,
            currency=bill.currency,
            amount=bill.amount,
            symbol=bill.symbol,
            occurred_at=datetime.fromtimestamp(bill.occurred_at_ms / 1000, tz=UTC),
            created_at=now,
        )
        if bill.kind == BillKind.FUNDING:
            funding_share_out(account, row, bill.size)
    return new


def _transfer(bill: BillSnapshot) -> Found:
    kind = FindingKind.TRANSFER_IN if bill.amount > 0 else FindingKind.TRANSFER_OUT
    params = {"quantity": _text(abs(bill.amount)), "currency": bill.currency, "bill": bill.bill_id}
    return Found(kind, _WHOLE_ACCOUNT, params)


def _unexplained(currency: str, difference: Decimal) -> Found:
    params = {"quantity": _text(difference), "currency": currency}
    return Found(FindingKind.BALANCE_UNEXPLAINED, _WHOLE_ACCOUNT, params)


def _text(amount: Decimal) -> str:
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
