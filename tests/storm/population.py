"""Three leaders and their followers, written once before the run.

The first leader trades in one-way mode and is followed when its orders are filled; so is the second
one, in hedge mode; the third one's limit orders are followed while they rest. Followers are of both
modes; some follow two leaders, so that two copies share one position.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from config.demo.paper_control import PaperAccount, invented_account
from customers.models import ExchangeAccount, Tenant
from customers.tenancy import tenant_scope
from signals_app.models import Leader, LeaderCredential, SignalSource
from strategies.models import Strategy, Subscription
from tests.chaos.population import account_create

BALANCES = {"USDT": "5000000"}
LIFETIME_SECONDS = 60
HEDGE_MODE = "long_short_mode"
LEADERS = {
    "one-way": ("net_mode", Leader.Follow.FILLED, 9),
    "hedged": (HEDGE_MODE, Leader.Follow.FILLED, 7),
    "working": ("net_mode", Leader.Follow.WORKING, 4),
}
"""By name: its mode, how its orders are followed, and its part of twenty followers."""
SHARED_EVERY = 4
"""Of the first leader's followers so many also follow the second one."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A leader, as the comparison knows it."""

    name: str
    id: str
    source_id: str
    keys: PaperAccount
    follows_working: bool


@dataclass(frozen=True, slots=True)
class Population:
    tenant_id: str
    leaders: tuple[Followed, ...]
    clients: dict[str, PaperAccount]
    """By our account's id."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Keys at the exchange before anything is written here."""

    leaders: dict[str, PaperAccount]
    followers: dict[str, list[PaperAccount]]
    """By their leader's name."""

    @property
    def all(self) -> list[PaperAccount]:
        return [*self.leaders.values(), *(k for keys in self.followers.values() for k in keys)]


def invent_cast(followers: int, chance: Random) -> Cast:
    leaders, clients = {}, {}
    whole = sum(part for _, _, part in LEADERS.values())
    for name, (mode, _, part) in LEADERS.items():
        leaders[name] = invented_account(
            f"leader {name}",
            balances=BALANCES,
            position_mode=mode,
            permissions=("read_only", "trade"),
        )
        clients[name] = [
            invented_account(
                f"{name} {number}",
                balances=BALANCES,
                position_mode=chance.choice(["net_mode", HEDGE_MODE]),
            )
            for number in range(max(1, round(followers * part / whole)))
        ]
    return Cast(leaders, clients)


def populate(cast: Cast, chance: Random) -> Population:
    tenant = Tenant.objects.create(name="Storm", slug=f"storm-{secrets.token_hex(3)}")
    with tenant_scope(tenant.pk):
        leaders, strategies = [], {}
        for name, keys in cast.leaders.items():
            follow = LEADERS[name][1]
            leader = _leader(tenant, name, keys, follow)
            works = follow == Leader.Follow.WORKING
            leaders.append(Followed(name, leader.pk, leader.source_id, keys, works))
            strategies[name] = Strategy.objects.create(
                tenant=tenant, name=name, source=leader.source
            )
        clients = {}
        for name, accounts in cast.followers.items():
            for number, keys in enumerate(accounts):
                account = account_create(tenant, keys, hedged=keys.position_mode == HEDGE_MODE)
                clients[account.pk] = keys
                followed = [strategies[name]]
                if name == "one-way" and number % SHARED_EVERY == 0:
                    followed.append(strategies["hedged"])
                for strategy in followed:
                    _subscribe(account, strategy, chance.choice(["1", "1", "0.5"]))
    return Population(tenant.pk, tuple(leaders), clients)


def _leader(tenant: Tenant, name: str, keys: PaperAccount, follow: str) -> Leader:
    source = SignalSource.objects.create(
        tenant=tenant,
        name=name,
        kind=SignalSource.Kind.LEADER,
        venue="paper",
        signal_lifetime_seconds=LIFETIME_SECONDS,
    )
    leader = Leader.objects.create(tenant=tenant, source=source, follow_orders=follow)
    LeaderCredential.objects.create(
        tenant=tenant,
        leader=leader,
        status=LeaderCredential.Status.ACTIVE,
        api_key=keys.api_key,
        api_secret=keys.secret_key,
        passphrase=keys.passphrase,
        permissions=list(keys.permissions),
    )
    return leader


def _subscribe(account: ExchangeAccount, strategy: Strategy, ratio: str) -> None:
    Subscription.objects.create(
        tenant_id=strategy.tenant_id,
        strategy=strategy,
        account=account,
        customer_id=account.customer_id,
        sizing_mode=Subscription.SizingMode.LEADER_RATIO,
        ratio=Decimal(ratio),
    )
