"""Each account against the thresholds that concern it: what is to be done is written down, once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils import timezone

from customers.fields import rounded
from customers.tenancy import system_scope, tenant_scope
from trading.domain.portfolio.figures import Figures
from trading.domain.portfolio.thresholds import (
    Reached,
    RiskLevel,
    Threshold,
    is_undecided,
    thresholds_compared,
    thresholds_in_force,
)
from trading.models import RiskAction, RiskThreshold
from trading.services.portfolio.acting import LASTING_COLUMNS, lasting_id, risk_actions_end
from trading.services.portfolio.numbers import money_text, nearest_params
from trading.services.portfolio.valuing import ValuedAccount, accounts_ask


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
        kept, earned = account.figures.as_kept(), account.figures.as_earned()
        found, ended = thresholds_compared(kept, earned, in_force, open_ones)
        reached[account.tenant_id] += [_action(account, each) for each in found]
        over[account.tenant_id] += [open_ones[id_] for id_ in ended]
        if account.figures.is_doubtful and is_undecided(kept, earned, in_force, open_ones):
            asked[account.tenant_id].append(account.id)
    for tenant_id, actions in reached.items():
        if actions:
            with tenant_scope(tenant_id):
                RiskAction.objects.bulk_create(actions, ignore_conflicts=True)
    for tenant_id, ids in over.items():
        with tenant_scope(tenant_id):
            risk_actions_end(tenant_id, ids)
    for tenant_id, account_ids in asked.items():
        accounts_ask(tenant_id, account_ids)


def _declared() -> dict[str, list[_Declared]]:
    found: dict[str, list[_Declared]] = defaultdict(list)
    with system_scope("risk: thresholds"):
        for row in RiskThreshold.objects.filter(is_active=True, level=RiskLevel.ACCOUNT).order_by(
            "pk"
        ):
            found[row.tenant_id].append(_Declared(row.customer_id, row.account_id, row.declared()))
    return found


def _lasting(
    valued: Mapping[str, ValuedAccount],
) -> tuple[dict[str, dict[str, str]], dict[str, list[str]]]:
    """By account: threshold → action; and by tenant the actions of accounts that were closed."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    gone: dict[str, list[str]] = defaultdict(list)
    with system_scope("risk: what lasts"):
        rows = RiskAction.objects.filter(open_key__isnull=False, level=RiskLevel.ACCOUNT)
        columns = ("tenant_id", "pk", "account_id", *LASTING_COLUMNS)
        for tenant_id, pk, account_id, open_key, *terms in rows.values_list(*columns):
            if account_id in valued:
                found[account_id][lasting_id(open_key.partition(":")[2], *terms)] = pk
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
    told = {name: money_text(value) for name, value in amounts.items() if value is not None}
    return told | nearest_params(figures)
