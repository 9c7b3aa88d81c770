"""The risk monitor: a round over all accounts every few seconds.

Reads take a fixed number of queries, however many accounts there are. One round runs at a time;
should a second one start all the same, `RiskAction.open_key` lets one of them act.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from customers.bulk_rows import rows_upsert
from customers.fields import rounded
from customers.services.leases import lease_acquire, lease_holder_name, lease_release
from customers.tenancy import system_scope, tenant_scope
from trading.models import AccountRisk
from trading.services.portfolio.acting import risk_actions_do
from trading.services.portfolio.comparing import thresholds_compare
from trading.services.portfolio.levels import levels_compare
from trading.services.portfolio.numbers import nearest_params, plain_text
from trading.services.portfolio.valuing import ValuedAccount, accounts_valued

LEASE_NAME = "risk-monitor"
LEASE_LIFETIME = timedelta(seconds=60)
"""Should a process die in the middle; longer than a round takes while a venue does not answer."""
IDLE_PAUSE = timedelta(minutes=1)
"""Between two writings of the figures of an account that holds nothing."""
HOLDING_PAUSE = timedelta(seconds=15)
"""Of one that holds something, and whose figures hardly move."""
MOVES_BY = Decimal("0.001")
"""What is written at once, as a part of what it was."""
_MOVING = ("equity", "gross", "net", "distance_percent")
_FIGURES = (
    "equity", "gross", "net", "unrealised", "maintenance", "margin_ratio_percent",
    "distance_percent", "daily_pnl", "drawdown_percent", "peak",
)  # fmt: skip


def risk_watch() -> bool:
    """One round; False when another one is at it."""
    holder = lease_holder_name()
    if not lease_acquire(name=LEASE_NAME, holder=holder, lifetime=LEASE_LIFETIME):
        return False
    try:
        valued = accounts_valued()
        figures_store(valued.values())
        thresholds_compare(valued)
        levels_compare(valued.values())
        risk_actions_do()
    finally:
        lease_release(name=LEASE_NAME, holder=holder)
    return True


# --- figures -------------------------------------------------------------------------------------


def figures_store(valued: Iterable[ValuedAccount]) -> None:
    """For screens; actions go by what was just computed. What hardly moves is written seldom."""
    now = timezone.now()
    with system_scope("risk: figures that are stored"):
        rows = AccountRisk.objects.values_list("account_id", "updated_at", *_MOVING)
        stored = {account_id: (updated_at, figures) for account_id, updated_at, *figures in rows}
    of_tenant: dict[str, list[AccountRisk]] = defaultdict(list)
    for each in valued:
        updated_at, before = stored.get(each.id, (None, ()))
        after = [getattr(each.figures, name) for name in _MOVING]
        pause = HOLDING_PAUSE if each.holds else IDLE_PAUSE
        if updated_at is None or now - updated_at >= pause or _have_moved(before, after):
            of_tenant[each.tenant_id].append(_row(each, now))
    columns = [*_FIGURES, "nearest", "strategies", "is_complete", "is_stale", "updated_at"]
    for tenant_id, rows in of_tenant.items():
        with tenant_scope(tenant_id):
            rows_upsert(AccountRisk, rows, ["account"], columns)


def _have_moved(before: Sequence[Decimal | None], after: Sequence[Decimal | None]) -> bool:
    for old, new in zip(before, after, strict=True):
        if old is None or new is None:
            if old is not new:
                return True
        elif abs(new - old) > MOVES_BY * abs(old):
            return True
    return False


def _row(each: ValuedAccount, now: datetime) -> AccountRisk:
    figures, nearest = each.figures, each.figures.nearest
    amounts = {name: getattr(figures, name) for name in _FIGURES}
    return AccountRisk(
        tenant_id=each.tenant_id,
        account_id=each.id,
        **{name: None if value is None else rounded(value) for name, value in amounts.items()},
        nearest=nearest_params(figures) if nearest else {},
        strategies={
            strategy_id: {
                "gross": plain_text(share.gross),
                "net": plain_text(share.net),
                "unrealised": plain_text(share.unrealised),
            }
            for strategy_id, share in each.shares.items()
        },
        is_complete=figures.is_complete,
        is_stale=each.is_stale,
        updated_at=now,
    )
