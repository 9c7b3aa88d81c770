"""An account's balances, positions and health, as the venue reports them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from customers.bulk_rows import rows_upsert
from customers.deadlocks import retry_on_deadlock
from customers.failpoints import failpoint
from customers.models import Credential, ExchangeAccount
from customers.services.events import EventDraft, customer_audience, events_record
from trading.domain.reasons import Reason, ReasonCode
from trading.models import Balance, Position
from trading.services.account_health import account_mark_healthy, account_mark_unhealthy
from trading.services.credentials import credentials_of_accounts
from venues.domain.types import (
    AccountConfig,
    BalanceSnapshot,
    Credentials,
    PositionSnapshot,
    VenueError,
    VenueErrorKind,
)
from venues.runtime import gateway_for, run_batches

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60.0
ACCOUNTS_PER_TRANSACTION = 100


@dataclass(frozen=True, slots=True)
class _Report:
    account: ExchangeAccount
    balances: Sequence[BalanceSnapshot] = ()
    positions: Sequence[PositionSnapshot] = ()
    config: AccountConfig | None = None
    error: VenueError | None = None


def accounts_refresh(*, tenant_id: str, account_ids: Sequence[str], check: bool = False) -> int:
    """Read balances and positions of these accounts; with `check`, key and modes, too.

    A failing account is reported on its own row and never holds up the others.
    """
    accounts = list(
        ExchangeAccount.objects.for_tenant(tenant_id)
        .filter(pk__in=account_ids)
        .exclude(status=ExchangeAccount.Status.CLOSED)
    )
    keys = credentials_of_accounts(
        tenant_id=tenant_id, account_ids=[account.pk for account in accounts]
    )
    askable = []
    for account in accounts:
        opened = keys.get(account.pk)
        if isinstance(opened, Credentials):
            askable.append(account)
        else:
            reason = opened or Reason(
                ReasonCode.CREDENTIALS_REFUSED, {"code": "-", "message": "no keys are stored"}
            )
            account_mark_unhealthy(account=account, code=reason.code, params=reason.params)
    if not askable:
        return 0
    opened_keys = {pk: key for pk, key in keys.items() if isinstance(key, Credentials)}
    asking = [_ask(account, opened_keys[account.pk], check) for account in askable]
    asked = 0
    for reports in run_batches(asking, timeout_seconds=TIMEOUT_SECONDS):
        failpoint("accounts.answered")
        _take(tenant_id, reports)
        asked += len(reports)
    return asked


def _take(tenant_id: str, reports: Sequence[_Report]) -> None:
    for report in reports:
        if report.error is not None:
            _note_error(report.account, report.error)
    # In one order: two readers of the same accounts would deadlock.
    read = sorted(
        (report for report in reports if report.error is None), key=lambda r: r.account.pk
    )
    for start in range(0, len(read), ACCOUNTS_PER_TRANSACTION):
        _store_readable(tenant_id, read[start : start + ACCOUNTS_PER_TRANSACTION])
    for report in read:
        if report.config is not None:
            _judge(report.account, report.config)


async def _ask(account: ExchangeAccount, credentials: Credentials, check: bool) -> _Report:
    try:
        gateway = gateway_for(account.venue)
        config = await gateway.account_config(credentials) if check else None
        balances = await gateway.balances(credentials)
        positions = await gateway.positions(credentials)
    except VenueError as error:
        return _Report(account, error=error)
    except LookupError as error:
        return _Report(account, error=VenueError(VenueErrorKind.REFUSED, "", str(error)))
    except Exception as error:
        # An answer of nonsense is its own account's trouble.
        logger.exception("reading account %s failed", account.pk)
        words = f"unreadable answer: {type(error).__name__}"
        return _Report(account, error=VenueError(VenueErrorKind.UNAVAILABLE, "", words))
    return _Report(account, balances, positions, config)


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
        ExchangeAccount.objects.for_tenant(tenant_id).filter(pk__in=ids).update(synced_at=now)
        events_record(
            EventDraft(
                tenant_id,
                customer_audience(report.account.customer_id),
                "position.changed",
                {"account": report.account.pk, "symbol": ""},
            )
            for report in reports
        )


def _note_error(account: ExchangeAccount, error: VenueError) -> None:
    """A refused key is the account's problem; a venue that is down is nobody's fault."""
    if error.kind is VenueErrorKind.CREDENTIALS:
        account_mark_unhealthy(
            account=account,
            code=ReasonCode.CREDENTIALS_REFUSED,
            params={"code": error.code, "message": error.message},
        )
        return
    logger.warning("account %s could not be read: %s", account.pk, error)


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


def _judge(account: ExchangeAccount, config: AccountConfig) -> None:
    """Health from what the venue says of key and modes; the account's modes follow the venue."""
    if (account.venue_uid, account.position_mode) != (config.uid, config.position_mode):
        ExchangeAccount.objects.for_tenant(account.tenant_id).filter(pk=account.pk).update(
            venue_uid=config.uid, position_mode=config.position_mode
        )
    Credential.objects.for_tenant(account.tenant_id).filter(account_id=account.pk).update(
        permissions=sorted(config.permissions),
        ip_restricted=config.ip_restricted,
        checked_at=timezone.now(),
    )
    if "withdraw" in config.permissions:
        account_mark_unhealthy(account=account, code=ReasonCode.KEY_CAN_WITHDRAW, params={})
    elif "trade" not in config.permissions:
        account_mark_unhealthy(account=account, code=ReasonCode.KEY_CANNOT_TRADE, params={})
    else:
        account_mark_healthy(account=account)
