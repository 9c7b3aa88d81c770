"""Two firms with sources, strategies and accounts of every kind, written once before the run."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from django.utils import timezone

from config.demo.paper_control import PaperAccount, invented_account
from customers.fields import seal, secret_binding
from customers.models import Credential, Customer, ExchangeAccount, Tenant
from customers.tenancy import tenant_scope
from signals_app.models import SignalSource
from strategies.models import Strategy, Subscription
from trading.services.account_sync import accounts_refresh

BALANCES = {"USDT": "5000000", "BTC": "20"}
MOST_ACCOUNTS = {"north": 60, "south": 20}
LARGEST_RUN = 10_000
LIFETIMES = (60, 20)
"""Seconds in which a source's entries may be sent; the short one lets some of them expire."""


STOPS: tuple[dict[str, Any], ...] = (
    {},  # as the leader
    {"stops_mode": "none"},
    {"stops_mode": "own", "stop_loss_percent": "0.03", "take_profit_percent": "0.04"},
    {"stops_mode": "own", "stop_loss_percent": "5", "break_even_after_target": True,
     "take_profit_targets": [["0.02", "0.5"], ["1", "0.25"]]},
    {"stops_mode": "own", "trailing_percent": "0.1"},
)  # fmt: skip
"""Some near enough to go off within the run."""

STYLES: tuple[dict[str, Any], ...] = (
    {},  # at market
    {},
    {"execution": "ioc_limit"},
    {"execution": "limit_follow", "limit_follow_percent": "0.02", "limit_timeout_seconds": 20},
    {"execution": "limit_then_market", "limit_timeout_seconds": 3},
)
"""How entries go out; some wait, and go on in another order."""


@dataclass(frozen=True, slots=True)
class Leader:
    """A source that posts signed signals."""

    tenant_id: str
    source_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class Population:
    leaders: tuple[Leader, ...]
    keys: dict[str, PaperAccount]
    """By our account's id."""


@dataclass(frozen=True, slots=True)
class _Member:
    firm: str
    keys: PaperAccount
    hedged: bool
    isolated: bool


def invent_members(intents: int, chance: Random) -> list[_Member]:
    share = min(1.0, max(0.15, intents / LARGEST_RUN))
    members = []
    for firm, most in MOST_ACCOUNTS.items():
        for number in range(max(5, round(most * share))):
            hedged = chance.random() < 0.4
            keys = invented_account(
                f"{firm}-{number}",
                position_mode="long_short_mode" if hedged else "net_mode",
                balances=BALANCES,
            )
            members.append(_Member(firm, keys, hedged, chance.random() < 0.3))
    return members


def populate(members: Sequence[_Member], chance: Random) -> Population:
    """Each firm: two sources, of which the first has two strategies; accounts follow 1 to 3."""
    leaders: list[Leader] = []
    keys: dict[str, PaperAccount] = {}
    for firm in MOST_ACCOUNTS:
        tenant = Tenant.objects.create(name=firm, slug=f"chaos-{firm}-{secrets.token_hex(3)}")
        with tenant_scope(tenant.pk):
            strategies: list[Strategy] = []
            for number, lifetime in enumerate(LIFETIMES):
                secret = "whsec_" + "Y2hhb3MtY2hhb3MtY2hhb3MtY2hhb3MtY2hhb3MtMTI="
                source = SignalSource.objects.create(
                    tenant=tenant,
                    name=f"leader {number}",
                    kind="webhook",
                    venue="paper",
                    secret=secret,
                    signal_lifetime_seconds=lifetime,
                )
                leaders.append(Leader(tenant.pk, source.pk, secret))
                for name in ("first", "second")[: 2 - number]:
                    strategies.append(
                        Strategy.objects.create(
                            tenant=tenant,
                            name=f"{name} of leader {number}",
                            source=source,
                            follow_ratio=chance.choice([Decimal(1), Decimal("0.5")]),
                            max_leverage=chance.choice([None, Decimal(10)]),
                        )
                    )
            for member in members:
                if member.firm == firm:
                    account = account_create(
                        tenant, member.keys, hedged=member.hedged, isolated=member.isolated
                    )
                    keys[account.pk] = member.keys
                    _subscribe(account, strategies, chance)
    return Population(tuple(leaders), keys)


def account_create(
    tenant: Tenant, keys: PaperAccount, *, hedged: bool, isolated: bool = False
) -> ExchangeAccount:
    """A customer of the tenant's with an account and its key, neither of them checked yet."""
    customer = Customer.objects.create(tenant=tenant, name=keys.label)
    modes, margins = ExchangeAccount.PositionMode, ExchangeAccount.MarginMode
    account = ExchangeAccount.objects.create(
        tenant=tenant,
        customer=customer,
        venue="paper",
        label=keys.label,
        position_mode=modes.LONG_SHORT if hedged else modes.NET,
        margin_mode=margins.ISOLATED if isolated else margins.CROSS,
        health=ExchangeAccount.Health.UNKNOWN,
        health_checked_at=timezone.now(),
    )
    row = Credential(tenant=tenant, account=account, api_key_fingerprint=keys.api_key)
    for name, value in (
        ("api_key", keys.api_key),
        ("api_secret", keys.secret_key),
        ("passphrase", keys.passphrase),
    ):
        setattr(row, name, seal(value, secret_binding(row._meta.label_lower, row.pk, name)))
    row.save(force_insert=True)
    return account


def accounts_check(tenant_ids: Iterable[str]) -> None:
    """Keys, modes and balances, which the sweeper would read within half a minute."""
    for tenant_id in tenant_ids:
        with tenant_scope(tenant_id):
            ids = list(ExchangeAccount.objects.values_list("pk", flat=True))
            accounts_refresh(tenant_id=tenant_id, account_ids=ids, check=True)


def _subscribe(account: ExchangeAccount, strategies: Sequence[Strategy], chance: Random) -> None:
    # The first strategy has everybody, so that a signal of its source has more than one chunk.
    others = chance.sample(list(strategies[1:]), chance.randrange(len(strategies)))
    for strategy in (strategies[0], *others):
        mode = chance.choice(list(Subscription.SizingMode))
        fixed = mode == Subscription.SizingMode.FIXED_AMOUNT
        Subscription.objects.create(
            tenant_id=account.tenant_id,
            strategy=strategy,
            account=account,
            customer_id=account.customer_id,
            sizing_mode=mode,
            fixed_amount=Decimal(chance.randrange(50, 800)) if fixed else None,
            ratio=chance.choice([Decimal("0.3"), Decimal(1), Decimal("1.7")]),
            max_leverage=chance.choice([None, Decimal(3), Decimal(20)]),
            settings={"values": chance.choice(STOPS) | chance.choice(STYLES), "symbols": {}},
        )
