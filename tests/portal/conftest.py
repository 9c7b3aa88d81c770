"""Three people: the owner of the data, a colleague at the same firm, a stranger at another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from customers.models import Customer, ExchangeAccount, Tenant, User
from strategies.models import Subscription
from tests.factories import (
    PASSWORD,
    AccountFactory,
    AudienceCounterFactory,
    BalanceFactory,
    CopiedPositionFactory,
    CustomerFactory,
    CustomerUserFactory,
    EventFactory,
    FillFactory,
    IntentFactory,
    OrderEventFactory,
    OrderFactory,
    PositionFactory,
    SourceFactory,
    StrategyFactory,
    SubscriptionFactory,
    TenantFactory,
)
from trading.models import Intent, Order
from venues import markets
from venues.domain.types import Instrument, InstrumentKind

MAIN = Decimal("12345.67")


@dataclass
class Persona:
    user: User
    customer: Customer
    account: ExchangeAccount
    copy: Subscription
    filled: Intent
    skipped: Intent

    @property
    def tenant(self) -> Tenant:
        return self.customer.tenant

    def browser(self) -> Client:
        client = Client()
        assert client.login(username=self.user.email, password=PASSWORD)
        return client


def make_persona(name: str, tenant: Tenant) -> Persona:
    now = timezone.now()
    customer = CustomerFactory(tenant=tenant, name=f"{name} Ltd")
    user = CustomerUserFactory(customer=customer, user__email=f"{name}@example.com").user
    account = AccountFactory(customer=customer, label=f"{name} account")
    BalanceFactory(account=account, equity=MAIN, available=Decimal(9000), updated_at=now)
    strategy = StrategyFactory(source=SourceFactory(tenant=tenant), name=f"{name} strategy")
    copy = SubscriptionFactory(strategy=strategy, account=account)
    CopiedPositionFactory(
        subscription=copy,
        filled=Decimal(2),
        target=Decimal(3),
        average_entry_price=Decimal(50_000),
        leverage=Decimal(5),
    )
    PositionFactory(
        account=account,
        symbol="BTC/USDT:USDT",
        quantity=Decimal(2),
        mark_price=Decimal(51_000),
        updated_at=now,
    )
    filled = IntentFactory(
        subscription=copy,
        status=Intent.Status.FILLED,
        quantity=Decimal(2),
        created_at=now - timedelta(minutes=1),
    )
    order = OrderFactory(
        intent=filled,
        state=Order.State.FILLED,
        quantity=Decimal(2),
        filled_quantity=Decimal(2),
        average_price=Decimal("50000.5"),
        venue_order_id=f"venue-{name}",
    )
    OrderEventFactory(order=order, kind="send", from_state="claimed", to_state="sending")
    OrderEventFactory(order=order, kind="fill", from_state="sending", to_state="filled")
    FillFactory(order=order, quantity=Decimal(2), price=Decimal("50000.5"), trade_id=f"t-{name}")
    skipped = IntentFactory(
        subscription=copy,
        symbol="ETH/USDT:USDT",
        status=Intent.Status.SKIPPED,
        quantity=None,
        side="",
        reason_code="below_minimum_size",
        reason_params={"size": "0.004", "minimum": "0.01"},
        created_at=now,
    )
    AudienceCounterFactory(audience=f"customer:{customer.pk}", last_sequence=1)
    EventFactory(
        tenant=tenant,
        audience=f"customer:{customer.pk}",
        kind="order.changed",
        sequence=1,
        payload={
            "order": order.pk,
            "intent": filled.pk,
            "account": account.pk,
            "symbol": filled.symbol,
            "side": "buy",
            "status": "filled",
            "quantity": "2",
            "filled": "2",
            "average_price": "50000.5",
            "reason_code": "",
            "reason_params": {},
        },
    )
    return Persona(user, customer, account, copy, filled, skipped)


@pytest.fixture
def owner(db: None) -> Persona:
    return make_persona("owner", TenantFactory(name="Aurora"))


@pytest.fixture
def colleague(owner: Persona) -> Persona:
    return make_persona("colleague", owner.tenant)


@pytest.fixture
def stranger(db: None) -> Persona:
    return make_persona("stranger", TenantFactory(name="Boreal"))


@pytest.fixture
def browser(owner: Persona) -> Client:
    return owner.browser()


def _swap(symbol: str, contract_size: str) -> Instrument:
    base = symbol.partition("/")[0]
    return Instrument(
        symbol=symbol,
        venue_symbol=f"{base}-USDT-SWAP",
        kind=InstrumentKind.LINEAR,
        base=base,
        quote="USDT",
        settle="USDT",
        contract_size=Decimal(contract_size),
        lot=Decimal("0.01"),
        tick=Decimal("0.1"),
        min_size=Decimal("0.01"),
        max_market_size=None,
        max_limit_size=None,
        max_leverage=Decimal(100),
        is_live=True,
    )


@pytest.fixture(autouse=True)
def known_markets(monkeypatch: pytest.MonkeyPatch) -> dict[str, Instrument]:
    """The venue's instruments are in memory, as after the first load; no page loads any."""
    import time

    swaps = [_swap("BTC/USDT:USDT", "0.01"), _swap("ETH/USDT:USDT", "0.1")]
    by_symbol = {swap.symbol: swap for swap in swaps}
    market: Any = markets._Market(instruments=by_symbol, loaded_at=time.monotonic())
    monkeypatch.setattr(markets, "_markets", {"paper": market})
    return by_symbol
