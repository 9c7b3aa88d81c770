"""What the risk monitor found out last, for a reader."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from customers.models import Customer, ExchangeAccount, Tenant
from strategies.models import Strategy
from trading.domain.portfolio.totals import Part, Total, total_of
from trading.models import AccountRisk, PlatformAction, RiskAction

SHOWN_ACTIONS = 20
FAR = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class NamedTotal:
    name: str
    total: Total


@dataclass(frozen=True, slots=True)
class RiskPicture:
    """`rows`: of open accounts, the nearest to its liquidation first."""

    rows: list[AccountRisk]
    whole: Total
    tenants: list[NamedTotal]
    strategies: list[NamedTotal]
    customers: list[NamedTotal]
    actions: list[RiskAction]


def platform_actions() -> list[PlatformAction]:
    """For superusers alone; the newest first."""
    return list(PlatformAction.objects.order_by("-reached_at", "-pk")[:SHOWN_ACTIONS])


def risk_picture(tenant: Tenant | None) -> RiskPicture:
    """Of one firm; None: of all firms, for whoever may see them all.

    A fixed number of queries; run it in a scope that sees the rows.
    """
    risks = AccountRisk.objects.select_related("account__customer", "tenant")
    actions = RiskAction.objects.select_related(
        "account__customer", "customer", "strategy", "tenant"
    )
    strategies = Strategy.objects.all()
    if tenant is not None:
        risks, actions, strategies = (
            risks.for_tenant(tenant), actions.for_tenant(tenant), strategies.for_tenant(tenant)
        )  # fmt: skip
    rows = nearest_first(risks.exclude(account__status=ExchangeAccount.Status.CLOSED))
    names = dict(strategies.values_list("pk", "name"))
    return RiskPicture(
        rows=rows,
        whole=total_of(part_of(row) for row in rows),
        tenants=_totals((row.tenant_id, row.tenant.name, part_of(row)) for row in rows)
        if not tenant
        else [],
        strategies=_totals(
            (strategy_id, names[strategy_id], share)
            for row in rows
            for strategy_id, share in shares_of(row)
            if strategy_id in names
        ),
        customers=_totals(
            (row.account.customer_id, row.account.customer.name, part_of(row)) for row in rows
        ),
        actions=list(actions.order_by("-reached_at", "-pk")[:SHOWN_ACTIONS]),
    )


def customer_risk(customer: Customer, account: ExchangeAccount) -> AccountRisk | None:
    """Of one of his own accounts; None before the first round."""
    return AccountRisk.objects.for_customer(customer).filter(account=account).first()


def customer_risk_actions(customer: Customer, account: ExchangeAccount) -> Sequence[RiskAction]:
    """Done to one of his own accounts, the newest first."""
    rows = RiskAction.objects.for_customer(customer).filter(account=account)
    return list(rows.order_by("-reached_at", "-pk")[:SHOWN_ACTIONS])


def nearest_first(rows: Iterable[AccountRisk]) -> list[AccountRisk]:
    """What holds nothing comes last."""
    return sorted(
        rows,
        key=lambda row: (FAR if row.distance_percent is None else row.distance_percent, -row.gross),
    )


def part_of(row: AccountRisk) -> Part:
    return Part(
        equity=row.equity,
        gross=row.gross,
        net=row.net,
        unrealised=row.unrealised,
        maintenance=row.maintenance,
        distance_percent=row.distance_percent,
        daily_pnl=row.daily_pnl,
        peak=row.peak,
        is_complete=row.is_complete,
        is_stale=row.is_stale,
    )


def shares_of(row: AccountRisk) -> list[tuple[str, Part]]:
    """By strategy: the account's own figures, but of positions only what its copies hold."""
    return [
        (
            strategy_id,
            replace(
                part_of(row),
                gross=Decimal(share["gross"]),
                net=Decimal(share["net"]),
                unrealised=Decimal(share["unrealised"]),
            ),
        )
        for strategy_id, share in row.strategies.items()
    ]


def _totals(parts: Iterable[tuple[str, str, Part]]) -> list[NamedTotal]:
    """From (id, name, part); the nearest to a liquidation first."""
    found: dict[str, NamedTotal] = {}
    for key, name, part in parts:
        found.setdefault(key, NamedTotal(name, Total())).total.add(part)
    return sorted(
        found.values(),
        key=lambda each: (
            FAR if each.total.nearest_percent is None else each.total.nearest_percent,
            -each.total.gross,
        ),
    )
