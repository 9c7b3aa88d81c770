"""The sums of a customer, a strategy, a firm and the platform against their thresholds.

As with single accounts: what is to be done is written down once, under a key that lasts until the
figure has recovered, and is done afterwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

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
)
from trading.domain.portfolio.totals import Part, Total, total_of
from trading.models import PlatformAction, PlatformThreshold, RiskAction, RiskThreshold
from trading.services.portfolio.acting import (
    LASTING_COLUMNS,
    lasting_id,
    platform_actions_end,
    risk_actions_end,
)
from trading.services.portfolio.numbers import money_text
from trading.services.portfolio.valuing import Share, ValuedAccount, accounts_ask

Subject = tuple[RiskLevel, str]
"""A level, and the id of the customer, strategy or tenant; empty for the platform."""
PLATFORM: Subject = (RiskLevel.PLATFORM, "")


@dataclass
class LevelSum:
    """Added up when somebody asks: of most nobody does. `earned` has no withdrawals that are not
    counted yet, `kept` no deposits."""

    tenant_id: str
    members: list[tuple[ValuedAccount, Share | None]] = field(default_factory=list)
    """The share is a strategy's of the account."""

    @cached_property
    def kept(self) -> Total:
        return total_of(
            _part(account, account.figures.as_kept(), share) for account, share in self.members
        )

    @cached_property
    def earned(self) -> Total:
        if not self.doubtful:
            return self.kept
        return total_of(
            _part(account, account.figures.as_earned(), share) for account, share in self.members
        )

    @cached_property
    def doubtful(self) -> list[tuple[str, str]]:
        """(tenant, account) of those where the two differ."""
        return [
            (account.tenant_id, account.id)
            for account, _ in self.members
            if account.figures.is_doubtful
        ]


def level_sums(valued: Iterable[ValuedAccount]) -> dict[Subject, LevelSum]:
    sums: dict[Subject, LevelSum] = {PLATFORM: LevelSum("")}
    for account in valued:
        owners: list[tuple[Subject, Share | None]] = [
            ((RiskLevel.CUSTOMER, account.customer_id), None),
            ((RiskLevel.TENANT, account.tenant_id), None),
            *(((RiskLevel.STRATEGY, pk), share) for pk, share in account.shares.items()),
        ]
        sums[PLATFORM].members.append((account, None))
        for subject, share in owners:
            if subject not in sums:
                sums[subject] = LevelSum(account.tenant_id)
            sums[subject].members.append((account, share))
    return sums


def _part(account: ValuedAccount, figures: Figures, share: Share | None) -> Part:
    held = figures if share is None else share
    return Part(
        equity=figures.equity,
        gross=held.gross,
        net=held.net,
        unrealised=held.unrealised,
        margin_used=held.margin_used,
        maintenance=figures.maintenance,
        distance_percent=figures.distance_percent,
        daily_pnl=figures.daily_pnl,
        peak=figures.peak,
        is_complete=figures.is_complete,
        is_stale=account.is_stale,
    )


# --- thresholds ----------------------------------------------------------------------------------


def levels_compare(valued: Iterable[ValuedAccount]) -> None:
    """Write down what is to be done, once, and end what is over. Four queries while nothing is
    reached."""
    sums = level_sums(valued)
    of_tenants, of_platform = _declared(), _declared_for_the_platform()
    lasting = _lasting()
    reached: dict[str, list[RiskAction]] = defaultdict(list)
    over: dict[str, list[str]] = defaultdict(list)
    asked: dict[str, set[str]] = defaultdict(set)
    for subject, thresholds in _concerned(sums, of_tenants, lasting).items():
        level_sum = sums[subject]
        open_ones = lasting[subject].open_ones if subject in lasting else {}
        found, ended = _compared(level_sum, thresholds, open_ones, asked)
        reached[level_sum.tenant_id] += [_action(subject, level_sum, each) for each in found]
        over[level_sum.tenant_id] += [open_ones[id_] for id_ in ended]
    for subject, gone in lasting.items():
        if subject not in sums:  # a strategy of which nothing is held, or no account is left
            over[gone.tenant_id] += gone.open_ones.values()
    for tenant_id, actions in reached.items():
        if actions:
            with tenant_scope(tenant_id):
                RiskAction.objects.bulk_create(actions, ignore_conflicts=True)
    for tenant_id, ids in over.items():
        if ids:
            with tenant_scope(tenant_id):
                risk_actions_end(tenant_id, ids)
    _compare_platform(sums[PLATFORM], of_platform, asked)
    for tenant_id, account_ids in asked.items():
        accounts_ask(tenant_id, account_ids)


def _compared(
    level_sum: LevelSum,
    thresholds: list[Threshold],
    open_ones: Mapping[str, str],
    asked: dict[str, set[str]],
) -> tuple[list[Reached], list[str]]:
    """Where the two would decide differently, the accounts are compared with their bills at
    once."""
    kept, earned = level_sum.kept, level_sum.earned
    if level_sum.doubtful and is_undecided(kept, earned, thresholds, open_ones):
        for tenant_id, account_id in level_sum.doubtful:
            asked[tenant_id].add(account_id)
    return thresholds_compared(kept, earned, thresholds, open_ones)


@dataclass(slots=True)
class _Lasting:
    tenant_id: str
    open_ones: dict[str, str] = field(default_factory=dict)
    """Threshold → action."""


@dataclass(frozen=True, slots=True)
class _Declared:
    level: RiskLevel
    subject_id: str | None
    threshold: Threshold


def _declared() -> dict[str, list[_Declared]]:
    found: dict[str, list[_Declared]] = defaultdict(list)
    with system_scope("risk: thresholds on sums"):
        rows = RiskThreshold.objects.filter(is_active=True).exclude(level=RiskLevel.ACCOUNT)
        for row in rows.order_by("pk"):
            subject_id = row.customer_id or row.strategy_id
            found[row.tenant_id].append(_Declared(row.risk_level, subject_id, row.declared()))
    return found


def _declared_for_the_platform() -> list[Threshold]:
    rows = PlatformThreshold.objects.filter(is_active=True).order_by("pk")
    return [row.declared() for row in rows]


def _lasting() -> dict[Subject, _Lasting]:
    found: dict[Subject, _Lasting] = {}
    with system_scope("risk: what lasts of sums"):
        rows = RiskAction.objects.filter(open_key__isnull=False).exclude(level=RiskLevel.ACCOUNT)
        columns = ("tenant_id", "pk", "level", *LASTING_COLUMNS)
        for tenant_id, pk, level, open_key, *terms in rows.values_list(*columns):
            subject_id, _, threshold_id = open_key.partition(":")
            lasting = found.setdefault((RiskLevel(level), subject_id), _Lasting(tenant_id))
            lasting.open_ones[lasting_id(threshold_id, *terms)] = pk
    return found


def _concerned(
    sums: Mapping[Subject, LevelSum],
    declared: Mapping[str, list[_Declared]],
    lasting: Mapping[Subject, _Lasting],
) -> dict[Subject, list[Threshold]]:
    """Who has a threshold, or something that lasts."""
    found: dict[Subject, list[Threshold]] = {each: [] for each in lasting if each in sums}
    subjects: dict[tuple[str, RiskLevel], list[str]] = defaultdict(list)
    for (level, subject_id), each in sums.items():
        subjects[each.tenant_id, level].append(subject_id)
    for tenant_id, rows in declared.items():
        for row in rows:
            for subject_id in subjects[tenant_id, row.level]:
                if row.subject_id in (None, subject_id):
                    found.setdefault((row.level, subject_id), []).append(row.threshold)
    return found


def _action(subject: Subject, level_sum: LevelSum, reached: Reached) -> RiskAction:
    level, subject_id = subject
    return RiskAction(
        tenant_id=level_sum.tenant_id,
        level=level,
        customer_id=subject_id if level is RiskLevel.CUSTOMER else None,
        strategy_id=subject_id if level is RiskLevel.STRATEGY else None,
        threshold_id=reached.threshold.id,
        open_key=f"{subject_id}:{reached.threshold.id}",
        **_recorded(level_sum, reached),
    )


def _recorded(level_sum: LevelSum, reached: Reached) -> dict[str, Any]:
    threshold = reached.threshold
    return {
        "measure": threshold.measure,
        "action": threshold.act,
        "reduce_percent": threshold.reduce_percent,
        "value": rounded(reached.value),
        "limit": threshold.limit,
        "params": sum_numbers(level_sum.earned),
        "reached_at": timezone.now(),
    }


def sum_numbers(total: Total) -> dict[str, str]:
    """What a sum is made of, and how much of it is old or not known."""
    amounts = {
        "equity": total.equity,
        "gross": total.gross,
        "net": total.net,
        "unrealised": total.unrealised,
        "margin_used": total.margin_used_percent,
        "margin_ratio": total.margin_ratio_percent,
        "daily_pnl": total.daily_pnl,
        "drawdown": total.drawdown_percent,
    }
    told = {name: money_text(value) for name, value in amounts.items() if value is not None}
    counts = {"accounts": total.accounts, "incomplete": total.incomplete, "stale": total.stale}
    return told | {name: str(count) for name, count in counts.items()}


# --- the platform --------------------------------------------------------------------------------


def _compare_platform(
    level_sum: LevelSum, thresholds: list[Threshold], asked: dict[str, set[str]]
) -> None:
    rows = PlatformAction.objects.filter(open_key__isnull=False)
    open_ones = {
        lasting_id(open_key, *terms): pk
        for pk, open_key, *terms in rows.values_list("pk", *LASTING_COLUMNS)
    }
    if not thresholds and not open_ones:
        return
    found, ended = _compared(level_sum, thresholds, open_ones, asked)
    PlatformAction.objects.bulk_create(
        [
            PlatformAction(
                threshold_id=each.threshold.id,
                open_key=each.threshold.id,
                **_recorded(level_sum, each),
            )
            for each in found
        ],
        ignore_conflicts=True,
    )
    platform_actions_end([open_ones[id_] for id_ in ended])
