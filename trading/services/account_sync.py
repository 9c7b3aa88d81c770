"""An account's balances, positions and health, as the venue reports them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from customers.bulk_rows import rows_upsert
from customers.deadlocks import retry_on_deadlock
from customers.failpoints import failpoint
from customers.models import ExchangeAccount
from customers.services.events import EventDraft, customer_audience, events_record
from trading.domain.reasons import Reason
from trading.models import Balance, Position
from trading.services.credentials import AccountKeys, Key, keys_of_accounts
from trading.services.key_checks import (
    account_without_key,
    is_in_use,
    key_in_use_judge,
    key_in_use_refused,
    new_key_passes,
    new_key_take,
    refused_by_venue,
    usable,
)
from venues.domain.types import (
    AccountConfig,
    BalanceSnapshot,
    Credentials,
    PositionSnapshot,
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
    balances: Sequence[BalanceSnapshot] = ()
    positions: Sequence[PositionSnapshot] = ()
    config: AccountConfig | None = None
    error: VenueError | None = None


def accounts_refresh(*, tenant_id: str, account_ids: Sequence[str], check: bool = False) -> int:
    """Read balances and positions of these accounts; with `check`, keys and modes, too.

    A new key is used only once its check has passed. A failing account is reported on its own row
    and never holds up the others. Returns how many could be read.
    """
    accounts = list(
        ExchangeAccount.objects.for_tenant(tenant_id)
        .filter(pk__in=account_ids)
        .exclude(status=ExchangeAccount.Status.CLOSED)
    )
    keys = keys_of_accounts(tenant_id=tenant_id, account_ids=[account.pk for account in accounts])
    asking = [_ask(account, keys[account.pk], check) for account in accounts]
    read: set[str] = set()
    if asking:
        for reports in run_batches(asking, timeout_seconds=TIMEOUT_SECONDS):
            failpoint("accounts.answered")
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
        if report.key is not None and report.config is not None:
            key_in_use_judge(report.account, report.key, report.config)
    return {report.account.pk for report in read}


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


async def _ask(account: ExchangeAccount, keys: AccountKeys, check: bool) -> _Report:
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
            report = replace(report, config=await gateway.account_config(credentials))
        balances = await gateway.balances(credentials)
        positions = await gateway.positions(credentials)
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
    """Write what these accounts hold now, in a fixed number of statements."""
    now = timezone.now()
    ids = [report.account.pk for report in reports]
    with transaction.atomic():
        _store_balances(tenant_id, reports, now)
        _store_positions(tenant_id, reports, now)
        ExchangeAccount.objects.for_tenant(tenant_id).filter(pk__in=ids).update(
            synced_at=now, failed_reads=0
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


def _store_balances(tenant_id: str, reports: Sequence[_Report], now: datetime) -> None:
    mine = Balance.objects.for_tenant(tenant_id).filter(
        account_id__in=[report.account.pk for report in reports]
    )
    reported = {(r.account.pk, item.currency) for r in reports for item in r.balances}
    _delete_gone(mine, mine.values_list("pk", "account_id", "currency"), reported)
    rows = [
        Balance(
            tenant_id=tenant_id,
            account_id=report.account.pk,
            currency=item.currency,
            equity=item.equity,
            available=item.available,
            updated_at=now,
        )
        for report in reports
        for item in report.balances
    ]
    rows_upsert(Balance, rows, ["account", "currency"], ["equity", "available", "updated_at"])
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
    keys = mine.values_list("pk", "account_id", "symbol", "position_side")
    _delete_gone(mine, keys, reported)
    rows = [
        Position(
            tenant_id=tenant_id,
            account_id=report.account.pk,
            symbol=item.symbol,
            position_side=item.position_side,
            quantity=item.quantity,
            average_price=item.average_price,
            mark_price=item.mark_price,
            unrealised_pnl=item.unrealised_pnl,
            leverage=item.leverage,
            margin_mode=item.margin_mode,
            liquidation_price=item.liquidation_price,
            updated_at=now,
        )
        for report in reports
        for item in report.positions
    ]
    rows_upsert(
        Position,
        rows,
        ["account", "symbol", "position_side"],
        [
            "quantity",
            "average_price",
            "mark_price",
            "unrealised_pnl",
            "leverage",
            "margin_mode",
            "liquidation_price",
            "updated_at",
        ],
    )


def _delete_gone(
    rows: QuerySet[Any], keys: Iterable[tuple[Any, ...]], reported: Collection[tuple[Any, ...]]
) -> None:
    """Delete what the venue does not report any more; `keys` are (pk, *unique key)."""
    gone = [pk for pk, *key in keys if tuple(key) not in reported]
    if gone:
        rows.filter(pk__in=gone).delete()
