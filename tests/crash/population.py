"""Accounts that follow one strategy, each protected by something else."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from config.demo.paper_control import PaperAccount, invented_account
from customers.models import ExchangeAccount, Tenant
from customers.tenancy import tenant_scope
from signals_app.models import SignalSource
from strategies.models import Strategy, Subscription
from tests.chaos.population import account_create
from tests.crash.verdict import Guard, Kind
from trading.models import RiskThreshold

SECRET = "whsec_" + "Y3Jhc2gtY3Jhc2gtY3Jhc2gtY3Jhc2gtY3Jhc2gtMTI="
REDUCE_PERCENT = Decimal(50)
_LIMITS: dict[Kind, tuple[str, ...]] = {
    Kind.LOSS: ("200", "400", "800", "1200", "1600"),
    Kind.FALL: ("3", "5", "10", "15", "20"),
    Kind.STOP: ("2", "5", "10", "20", "30"),
    Kind.NONE: ("0",),
    Kind.MONITOR_CLOSE: ("5", "10", "15", "20"),
    Kind.MONITOR_REDUCE: ("20", "25"),
    Kind.MONITOR_ENTRIES: ("500", "1000"),
}
_TURNS = (
    Kind.LOSS, Kind.FALL, Kind.STOP, Kind.NONE, Kind.MONITOR_CLOSE,
    Kind.LOSS, Kind.FALL, Kind.STOP, Kind.NONE, Kind.MONITOR_REDUCE,
    Kind.LOSS, Kind.FALL, Kind.STOP, Kind.NONE, Kind.MONITOR_CLOSE,
    Kind.LOSS, Kind.FALL, Kind.STOP, Kind.NONE, Kind.MONITOR_ENTRIES,
)  # fmt: skip
"""A fifth each has a loss limit, an equity limit, a stop, nothing, a threshold of the monitor."""
EQUITY = Decimal(8000)
EQUITY_NEAR_LIQUIDATION = Decimal(2500)


@dataclass(frozen=True, slots=True)
class Member:
    guard: Guard
    keys: PaperAccount


@dataclass(frozen=True, slots=True)
class Population:
    tenant_id: str
    source_id: str
    copies: dict[str, Member]
    """By the subscription's id."""


def invent_members(count: int) -> list[Member]:
    seen = dict.fromkeys(Kind, 0)
    members = []
    for number in range(count):
        kind = _TURNS[number % len(_TURNS)]
        limit = Decimal(_LIMITS[kind][seen[kind] % len(_LIMITS[kind])])
        seen[kind] += 1
        near = kind is Kind.MONITOR_REDUCE
        equity = EQUITY_NEAR_LIQUIDATION if near else EQUITY
        keys = invented_account(f"{kind} {limit} {number}", usdt=str(equity))
        members.append(Member(Guard(kind, limit, equity), keys))
    return members


def populate(members: Sequence[Member]) -> Population:
    tenant = Tenant.objects.create(name="Crash", slug=f"crash-{secrets.token_hex(3)}")
    with tenant_scope(tenant.pk):
        source = SignalSource.objects.create(
            tenant=tenant, name="leader", kind="webhook", venue="paper", secret=SECRET
        )
        strategy = Strategy.objects.create(tenant=tenant, name="leader", source=source)
        copies = {}
        for member in members:
            account = account_create(tenant, member.keys, hedged=False)
            copy = Subscription.objects.create(
                tenant=tenant,
                strategy=strategy,
                account=account,
                customer_id=account.customer_id,
                sizing_mode=Subscription.SizingMode.LEADER_RATIO,
                ratio=Decimal(1),
                settings={"values": _settings(member.guard), "symbols": {}},
            )
            copies[copy.pk] = member
            _declare(account, member.guard)
    return Population(tenant.pk, source.pk, copies)


def _settings(guard: Guard) -> dict[str, Any]:
    match guard.kind:
        case Kind.LOSS:
            own = {"copy_loss_limit": str(guard.limit)}
        case Kind.FALL:
            own = {"copy_equity_fall_percent": str(guard.limit)}
        case Kind.STOP:
            return {"stops_mode": "own", "stop_loss_percent": str(guard.limit)}
        case _:
            own = {}
    return {"stops_mode": "none", **own}


def _declare(account: ExchangeAccount, guard: Guard) -> None:
    """What only the monitor watches."""
    declared: dict[Kind, dict[str, Any]] = {
        Kind.MONITOR_CLOSE: {"measure": "drawdown", "action": "close"},
        Kind.MONITOR_REDUCE: {
            "measure": "liquidation_distance",
            "action": "reduce",
            "reduce_percent": REDUCE_PERCENT,
        },
        Kind.MONITOR_ENTRIES: {"measure": "daily_loss", "action": "stop_entries"},
    }
    if guard.kind in declared:
        RiskThreshold.objects.create(
            tenant_id=account.tenant_id,
            account=account,
            limit=guard.limit,
            **declared[guard.kind],
        )
