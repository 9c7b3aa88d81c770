"""The risk monitor: a round over all accounts every few seconds.

Reads take a fixed number of queries, however many accounts there are. One round runs at a time;
should a second one start all the same, `RiskAction.open_key` lets one of them act.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from customers.bulk_rows import rows_upsert
from customers.fields import rounded
from customers.services.leases import lease_acquire, lease_holder_name, lease_release
from customers.tenancy import system_scope, tenant_scope
from trading.domain.alerts import AlertCode
from trading.domain.portfolio.figures import Figures
from trading.domain.portfolio.thresholds import (
    Reached,
    Threshold,
    thresholds_compared,
    thresholds_in_force,
)
from trading.models import AccountRisk, RiskAction, RiskThreshold
from trading.services.alerts import alert_resolve
from trading.services.portfolio.acting import alert_subject, risk_actions_do
from trading.services.portfolio.valuing import ValuedAccount, accounts_ask, accounts_valued

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
    columns = [*_FIGURES, "nearest", "strategies", "is_complete", "updated_at"]
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
                "gross": _plain(share.gross),
                "net": _plain(share.net),
                "unrealised": _plain(share.unrealised),
            }
            for strategy_id, share in each.shares.items()
        },
        is_complete=figures.is_complete,
        updated_at=now,
    )


def nearest_params(figures: Figures) -> dict[str, str]:
    nearest = figures.nearest
    if nearest is None:
        return {}
    return {
        "symbol": nearest.symbol,
        "direction": "long" if nearest.direction > 0 else "short",
        "price": _significant(nearest.price),
        "distance": _money(nearest.distance_percent),
    }


# --- thresholds ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Declared:
    customer_id: str | None
    account_id: str | None
    threshold: Threshold

    def concerns(self, account: ValuedAccount) -> bool:
        return (self.customer_id in (None, account.customer_id)) and (
            self.account_id in (None, account.id)
        )


def thresholds_compare(valued: Mapping[str, ValuedAccount]) -> None:
    """Write down what is to be done, once, and end what is over."""
    declared = _declared()
    lasting, gone = _lasting(valued)
    reached: dict[str, list[RiskAction]] = defaultdict(list)
    over: dict[str, list[str]] = defaultdict(list, gone)
    asked: dict[str, list[str]] = defaultdict(list)
    for account in valued.values():
        own = [each.threshold for each in declared[account.tenant_id] if each.concerns(account)]
        in_force = thresholds_in_force(own)
        open_ones = lasting.get(account.id, {})
        found, ended = thresholds_compared(account.figures, in_force, open_ones)
        reached[account.tenant_id] += [_action(account, each) for each in found]
        over[account.tenant_id] += [open_ones[id_] for id_ in ended]
        if _is_doubtful(account.figures, in_force, [*open_ones, *(e.threshold.id for e in found)]):
            asked[account.tenant_id].append(account.id)
    for tenant_id, actions in reached.items():
        if actions:
            with tenant_scope(tenant_id):
                RiskAction.objects.bulk_create(actions, ignore_conflicts=True)
    for tenant_id, ids in over.items():
        with tenant_scope(tenant_id):
            _end(tenant_id, ids)
    for tenant_id, account_ids in asked.items():
        accounts_ask(tenant_id, account_ids)


def _is_doubtful(figures: Figures, in_force: Sequence[Threshold], known: Sequence[str]) -> bool:
    """By the balances alone something more is reached: a withdrawal, or a loss for good."""
    if figures.equity == figures.earned_equity:
        return False
    by_balances = replace(figures, earned_equity=figures.equity)
    found, _ = thresholds_compared(by_balances, in_force, known)
    return bool(found)


def _declared() -> dict[str, list[_Declared]]:
    found: dict[str, list[_Declared]] = defaultdict(list)
    with system_scope("risk: thresholds"):
        for row in RiskThreshold.objects.filter(is_active=True).order_by("pk"):
            found[row.tenant_id].append(_Declared(row.customer_id, row.account_id, row.declared()))
    return found


def _lasting(
    valued: Mapping[str, ValuedAccount],
) -> tuple[dict[str, dict[str, str]], dict[str, list[str]]]:
    """By account: threshold → action; and by tenant the actions of accounts that were closed."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    gone: dict[str, list[str]] = defaultdict(list)
    with system_scope("risk: what lasts"):
        rows = RiskAction.objects.filter(open_key__isnull=False)
        columns = ("tenant_id", "pk", "account_id", "open_key")
        for tenant_id, pk, account_id, open_key in rows.values_list(*columns):
            if account_id in valued:
                found[account_id][open_key.partition(":")[2]] = pk
            else:
                gone[tenant_id].append(pk)
    return found, gone


def _action(account: ValuedAccount, reached: Reached) -> RiskAction:
    threshold = reached.threshold
    return RiskAction(
        tenant_id=account.tenant_id,
        account_id=account.id,
        threshold_id=threshold.id or None,
        measure=threshold.measure,
        action=threshold.act,
        reduce_percent=threshold.reduce_percent,
        value=rounded(reached.value),
        limit=threshold.limit,
        params=_numbers(account.figures),
        # Of a deleted threshold nothing is left but this.
        open_key=f"{account.id}:{threshold.id}",
        reached_at=timezone.now(),
    )


def _numbers(figures: Figures) -> dict[str, str]:
    amounts = {
        "equity": figures.equity,
        "gross": figures.gross,
        "net": figures.net,
        "unrealised": figures.unrealised,
        "margin_ratio": figures.margin_ratio_percent,
        "daily_pnl": figures.daily_pnl,
        "drawdown": figures.drawdown_percent,
    }
    told = {name: _money(value) for name, value in amounts.items() if value is not None}
    return told | nearest_params(figures)


def _end(tenant_id: str, ids: Sequence[str]) -> None:
    for pk in ids:
        ended = (
            RiskAction.objects.for_tenant(tenant_id)
            .filter(pk=pk, open_key__isnull=False, done_at__isnull=False)
            .update(open_key=None, over_at=timezone.now())
        )
        if ended:
            alert_resolve(
                tenant_id=tenant_id, code=AlertCode.RISK_THRESHOLD, subject=alert_subject(pk)
            )


_CENT = Decimal("0.01")


def _money(value: Decimal) -> str:
    return format(value.quantize(_CENT), "f")


def _plain(value: Decimal) -> str:
    return format(rounded(value).normalize(), "f")


def _significant(price: Decimal) -> str:
    """Six digits are enough to say where."""
    return format(Decimal(f"{price:.6g}").normalize(), "f")
