"""An account's balances, positions and health, as the venue reports them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from customers.bulk_rows import rows_update
from customers.deadlocks import retry_on_deadlock
from customers.failpoints import failpoint
from customers.models import ExchangeAccount
from customers.services.events import EventDraft, customer_audience, events_record
from trading.domain.reasons import Reason, ReasonCode
from trading.models import Balance, Position
from trading.services.account_rows import balance_rows_store, position_rows_store
from trading.services.credentials import AccountKeys, Key, keys_of_accounts
from trading.services.equity import equities_note
from trading.services.giving_way import Courtesy
from trading.services.key_checks import (
    account_without_key,
    is_in_use,
    key_in_use_judge,
    key_in_use_refused,
    new_key_passes,
    new_key_take,
    readings_judge,
    refused_by_venue,
    usable,
)
from trading.services.reconciliation.passing import (
    Since,
    reading_ask,
    readings_take,
    unread_since,
    wanted_since,
)
from trading.services.reconciliation.readings import AccountReading
from trading.services.unreadable import unreadable_note
from venues.domain.types import (
    AccountConfig,
    BalanceSnapshot,
    Credentials,
    PositionSnapshot,
    Readings,
    UnreadableError,
    VenueError,
    VenueErrorKind,
)
from venues.gateway import Gateway
from venues.runtime import gateway_for, run_batches

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60.0
ACCOUNTS_PER_TRANSACTION = 100
MOST_FAILURES = 1000
"""Counted no further."""


@dataclass(frozen=True, slots=True)
class _Report:
    """What the venue said of an account. `key` is what its readings were signed with, if any."""

    account: ExchangeAccount
    keys: AccountKeys
    key: Key | None = None
    new_key_answer: AccountConfig | VenueError | None = None
    balances: Readings[BalanceSnapshot] = field(default_factory=Readings)
    positions: Readings[PositionSnapshot] = field(default_factory=Readings)
    config: AccountConfig | None = None
    config_doubt: str = ""
    """The field of it that could not be read."""
    books: AccountReading | None = None
    """What its books are compared with."""
    error: VenueError | None = None
    asked_at: datetime | None = None
    """When its balances and positions were asked for: they are not older than this."""

    @property
    def doubt(self) -> Reason | None:
        """The first thing said of the account that could not be read."""
        spoiled = {
            "configuration": (self.config_doubt,),
            "balances": self.balances.unreadable,
            "positions": self.positions.unreadable,
        }
        for what, fields in spoiled.items():
            if any(fields):
                return Reason(ReasonCode.ACCOUNT_UNREADABLE, {"what": what, "field": fields[0]})
        return None


def accounts_refresh(
    *,
    tenant_id: str,
    account_ids: Sequence[str],
    check: bool = False,
    compare: bool = False,
    unless_since: datetime | None = None,
) -> int:
    """Read balances and positions of these accounts; with `compare`, orders and fills, and compare
    their books; with `check`, all that, keys and modes.

    Those of which something newer than `unless_since` is known, with `compare` those that were
    compared later, are left out: when the fills of many signals ask for one account, its rate limit
    would have the last ones wait for minutes.
    A new key is used only once its check has passed. A failing account is reported on its own row
    and never holds up the others. Returns how many could be read.
    """
    rows = (
        ExchangeAccount.objects.for_tenant(tenant_id)
        .filter(pk__in=account_ids)
        .exclude(status=ExchangeAccount.Status.CLOSED)
    )
    if unless_since is not None:
        if compare:
            rows = rows.filter(pk__in=unread_since(tenant_id, account_ids, unless_since))
        else:
            rows = rows.exclude(synced_at__gte=unless_since)
    accounts = list(rows)
    if not accounts:
        return 0
    ids = [account.pk for account in accounts]
    keys = keys_of_accounts(tenant_id=tenant_id, account_ids=ids)
    compare = compare or check
    since = wanted_since(tenant_id, ids) if compare else {}
    asking = [
        _ask(account, keys[account.pk], check, compare, since.get(account.pk))
        for account in accounts
    ]
    read: set[str] = set()
    if asking:
        courtesy = Courtesy()
        courtesy.give_way()
        for reports in run_batches(asking, timeout_seconds=TIMEOUT_SECONDS):
            failpoint("accounts.answered")
            courtesy.give_way()
            read |= _take(tenant_id, reports)
    _count_failures(tenant_id, {account.pk for account in accounts} - read)
    return len(read)


def _count_failures(tenant_id: str, account_ids: Collection[str]) -> None:
    """Including those that did not answer in time: they are read less often from now on."""
    if account_ids:
        ExchangeAccount.objects.for_tenant(tenant_id).filter(
            pk__in=account_ids, failed_reads__lt=MOST_FAILURES
        ).update(failed_reads=F("failed_reads") + 1)


def _take(tenant_id: str, reports: Sequence[_Report]) -> set[str]:
    """Write what was reported; returns the accounts that could be read."""
    # In one order: two readers of the same accounts would deadlock.
    usable_reports = [report for report in sorted(reports, key=_by_account) if _take_keys(report)]
    read = [report for report in usable_reports if report.error is None]
    for start in range(0, len(read), ACCOUNTS_PER_TRANSACTION):
        _store_readable(tenant_id, read[start : start + ACCOUNTS_PER_TRANSACTION])
    for report in read:
        if report.key is not None:
            _judge(report, report.key)
    books = [report.books for report in read if report.books is not None]
    readings_take(tenant_id=tenant_id, readings=books)
    equities_note(tenant_id=tenant_id, readings=books)
    return {report.account.pk for report in read}


def _judge(report: _Report, key: Key) -> None:
    account, doubt = report.account, report.doubt
    if doubt is not None:
        unreadable_note(account.tenant_id, account.venue, **doubt.params)
    if report.config is not None:
        key_in_use_judge(account, key, report.config, doubt)
    else:
        readings_judge(account, key, doubt)


def _by_account(report: _Report) -> str:
    return report.account.pk


def _take_keys(report: _Report) -> bool:
    """Write what was learnt of the keys; False when there is nothing else that could be used."""
    account, keys = report.account, report.keys
    problem = None
    if keys.new is not None and (report.new_key_answer is not None or usable(keys.new) is None):
        problem = _take_new_key(report, keys.new)
    if report.key is None or (report.key is keys.new and not is_in_use(report.key)):
        # Not in use after all, a new key may have read another account.
        account_without_key(account, keys, problem)
        return False
    if report.error is not None:
        refused = refused_by_venue(report.error)
        if refused is not None:
            key_in_use_refused(account, report.key, refused)
        else:
            logger.warning("account %s could not be read: %s", account.pk, report.error)
    return True


def _take_new_key(report: _Report, key: Key) -> Reason | None:
    return retry_on_deadlock(lambda: new_key_take(report.account, key, report.new_key_answer))


async def _ask(
    account: ExchangeAccount,
    keys: AccountKeys,
    check: bool,
    compare: bool,
    since: Since | None,
) -> _Report:
    report = _Report(account, keys)
    try:
        gateway = gateway_for(account.venue)
        if check and (new := usable(keys.new)) is not None:
            answer = await _ask_about_key(gateway, new)
            report = replace(report, new_key_answer=answer)
            if isinstance(answer, AccountConfig) and new_key_passes(account, answer):
                report = replace(report, key=keys.new, config=answer)
        if report.key is None and usable(keys.active) is not None:
            report = replace(report, key=keys.active)
        credentials = usable(report.key)
        if credentials is None:
            return report
        if check and report.config is None:
            report = await _with_config(report, gateway, credentials)
        report = replace(report, asked_at=timezone.now())
        balances = await gateway.balances(credentials)
        if compare:
            report = await _with_books(report, gateway, credentials, since)
            if report.books is not None:
                told = replace(report.books, balances=balances, balances_asked_at=report.asked_at)
                report = replace(report, books=told)
        if report.books is None:
            positions = await gateway.positions(credentials)
        else:
            positions = report.books.positions
    except VenueError as error:
        return replace(report, error=error)
    except LookupError as error:
        return replace(report, error=VenueError(VenueErrorKind.REFUSED, "", str(error)))
    except Exception as error:
        # An answer of nonsense is its own account's trouble.
        logger.exception("reading account %s failed", account.pk)
        words = f"unreadable answer: {type(error).__name__}"
        return replace(report, error=VenueError(VenueErrorKind.UNAVAILABLE, "", words))
    return replace(report, balances=balances, positions=positions)


async def _with_config(report: _Report, gateway: Gateway, credentials: Credentials) -> _Report:
    try:
        return replace(report, config=await gateway.account_config(credentials))
    except UnreadableError as error:
        return replace(report, config_doubt=error.field)


async def _with_books(
    report: _Report, gateway: Gateway, credentials: Credentials, since: Since | None
) -> _Report:
    """Without its orders and fills an account is read all the same, and not compared."""
    account = copy(report.account)
    if report.config is not None:
        account.position_mode = report.config.position_mode  # as it is now
    try:
        books = await reading_ask(gateway, credentials, account, since)
    except VenueError as error:
        logger.warning("account %s cannot be compared now: %s", account.pk, error)
        return report
    return replace(report, books=books)


async def _ask_about_key(gateway: Gateway, key: Credentials) -> AccountConfig | VenueError:
    """Whatever comes of a new key, the account is read with the one in use."""
    try:
        return await gateway.account_config(key)
    except VenueError as error:
        return error
    except Exception as error:
        logger.exception("checking a new key failed")
        return VenueError(VenueErrorKind.UNAVAILABLE, "", type(error).__name__)


def _store_readable(tenant_id: str, reports: Sequence[_Report]) -> None:
    """All at once; each by itself when one of them cannot be stored."""
    try:
        retry_on_deadlock(lambda: _store(tenant_id, reports))
    except (OperationalError, InterfaceError):
        raise  # the database, not a report
    except Exception:
        if connection.in_atomic_block:
            raise
        logger.exception("not stored: accounts %s", [r.account.pk for r in reports])
        for report in reports if len(reports) > 1 else ():
            _store_readable(tenant_id, [report])


def _store(tenant_id: str, reports: Sequence[_Report]) -> None:
    """Write what these accounts hold now, in a fixed number of statements.

    What a stream, or a later question, has told meanwhile is newer and stays.
    """
    now = timezone.now()
    ids = [report.account.pk for report in reports]
    with transaction.atomic():
        accounts = ExchangeAccount.objects.for_tenant(tenant_id).filter(pk__in=ids)
        known = dict(accounts.order_by("pk").select_for_update().values_list("pk", "synced_at"))
        reports = [report for report in reports if _is_newer(report, known)]
        _store_balances(tenant_id, reports, now)
        _store_positions(tenant_id, reports, now)
        accounts.update(failed_reads=0)
        rows_update(
            ExchangeAccount,
            {report.account.pk: {"synced_at": report.asked_at} for report in reports},
            ("synced_at",),
        )
        events_record(
            EventDraft(
                tenant_id,
                customer_audience(report.account.customer_id),
                "position.changed",
                {"account": report.account.pk, "symbol": ""},
            )
            for report in reports
        )


def _is_newer(report: _Report, known: Mapping[str, datetime | None]) -> bool:
    known_at = known.get(report.account.pk)
    return known_at is None or report.asked_at is None or report.asked_at >= known_at


def _store_balances(tenant_id: str, reports: Sequence[_Report], now: datetime) -> None:
    mine = Balance.objects.for_tenant(tenant_id).filter(
        account_id__in=[report.account.pk for report in reports]
    )
    reported = {(r.account.pk, item.currency) for r in reports for item in r.balances}
    mine = mine.exclude(account_id__in=[r.account.pk for r in reports if r.balances.unreadable])
    _delete_gone(mine, mine.values_list("pk", "account_id", "currency"), reported)
    balance_rows_store(tenant_id, {r.account.pk: r.balances for r in reports}, now)
    for report in reports:
        _note_initial_balance(report)


def _note_initial_balance(report: _Report) -> None:
    account = report.account
    if account.initial_balance is not None:
        return
    currency = account.balance_currency
    equity = next((item.equity for item in report.balances if item.currency == currency), None)
    if equity is not None:
        ExchangeAccount.objects.for_tenant(account.tenant_id).filter(
            pk=account.pk, initial_balance__isnull=True
        ).update(initial_balance=equity)


def _store_positions(tenant_id: str, reports: Sequence[_Report], now: datetime) -> None:
    mine = Position.objects.for_tenant(tenant_id).filter(
        account_id__in=[report.account.pk for report in reports]
    )
    reported = {
        (r.account.pk, item.symbol, item.position_side) for r in reports for item in r.positions
    }
    mine = mine.exclude(account_id__in=[r.account.pk for r in reports if r.positions.unreadable])
    keys = mine.values_list("pk", "account_id", "symbol", "position_side")
    _delete_gone(mine, keys, reported)
    position_rows_store(tenant_id, {r.account.pk: r.positions for r in reports}, now)


def _delete_gone(
    rows: QuerySet[Any], keys: Iterable[tuple[Any, ...]], reported: Collection[tuple[Any, ...]]
) -> None:
    """Delete what the venue does not report any more; `keys` are (pk, *unique key)."""
    gone = [pk for pk, *key in keys if tuple(key) not in reported]
    if gone:
        rows.filter(pk__in=gone).delete()
