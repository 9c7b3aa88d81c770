"""N followers on the paper exchange, written in bulk, in the state of a stack that has run a while:
keys checked, balances read, leverage confirmed."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from django.utils import timezone

from config.demo.paper_control import PaperAccount, invented_account
from customers.fields import seal, secret_binding
from customers.models import Credential, Customer, ExchangeAccount, Tenant
from customers.tenancy import tenant_scope
from signals_app.models import SignalSource
from strategies.models import Strategy, Subscription
from trading.models import Balance, InstrumentSetting

SYMBOL = "BTC/USDT:USDT"
LEVERAGE = Decimal(5)
BALANCE_USDT = Decimal(100_000)
BATCH = 500


@dataclass(frozen=True, slots=True)
class Population:
    tenant: Tenant
    source: SignalSource
    secret: str
    accounts: list[PaperAccount]


def invent_accounts(count: int) -> list[PaperAccount]:
    return [invented_account(f"bench-{number}", usdt=str(BALANCE_USDT)) for number in range(count)]


def write_accounts_file(accounts: list[PaperAccount], path: Path) -> None:
    path.write_text(json.dumps([account.spec() for account in accounts]), encoding="utf-8")


def populate(accounts: list[PaperAccount], *, venue: str = "paper") -> Population:
    """One tenant whose one strategy all accounts follow with the leader's size."""
    tenant = Tenant.objects.create(name="Bench", slug=f"bench-{secrets.token_hex(4)}")
    secret = "whsec_" + "YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtMTI="
    with tenant_scope(tenant.pk):
        source = SignalSource.objects.create(
            tenant=tenant, name="bench", kind="webhook", venue=venue, secret=secret
        )
        strategy = Strategy.objects.create(tenant=tenant, name="bench", source=source)
        for start in range(0, len(accounts), BATCH):
            _write(tenant, strategy, accounts[start : start + BATCH], venue)
    return Population(tenant, source, secret, accounts)


def _write(tenant: Tenant, strategy: Strategy, keys: list[PaperAccount], venue: str) -> None:
    now = timezone.now()
    customers = [Customer(tenant=tenant, name=key.label) for key in keys]
    Customer.objects.bulk_create(customers)
    accounts = [
        ExchangeAccount(
            tenant=tenant,
            customer=customer,
            venue=venue,
            label=key.label,
            health=ExchangeAccount.Health.HEALTHY,
            synced_at=now,
            reconciled_at=now,
        )
        for customer, key in zip(customers, keys, strict=True)
    ]
    ExchangeAccount.objects.bulk_create(accounts)
    Credential.objects.bulk_create(
        [_credential(account, key) for account, key in zip(accounts, keys, strict=True)]
    )
    Balance.objects.bulk_create(
        [
            Balance(
                tenant=tenant,
                account=account,
                currency="USDT",
                equity=BALANCE_USDT,
                available=BALANCE_USDT,
                updated_at=now,
            )
            for account in accounts
        ]
    )
    InstrumentSetting.objects.bulk_create(
        [
            InstrumentSetting(
                tenant=tenant,
                account=account,
                symbol=SYMBOL,
                margin_mode="cross",
                leverage=LEVERAGE,
                confirmed_at=now,
            )
            for account in accounts
        ]
    )
    Subscription.objects.bulk_create(
        [
            Subscription(
                tenant=tenant,
                strategy=strategy,
                account=account,
                customer_id=account.customer_id,
                sizing_mode="leader_ratio",
                live_key=f"{strategy.pk}:{account.pk}",
            )
            for account in accounts
        ]
    )


def _credential(account: ExchangeAccount, key: PaperAccount) -> Credential:
    row = Credential(
        tenant_id=account.tenant_id,
        account=account,
        status=Credential.Status.ACTIVE,
        api_key_fingerprint=key.api_key,
    )
    for name, value in (
        ("api_key", key.api_key),
        ("api_secret", key.secret_key),
        ("passphrase", key.passphrase),
    ):
        setattr(row, name, seal(value, secret_binding(row._meta.label_lower, row.pk, name)))
    return row
