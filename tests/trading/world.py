"""A small trading world for tests: a tenant, a source, a strategy and followers on the paper
exchange, and the steps of the flow run by hand instead of by workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from config.demo.paper_control import PaperAccount
from customers.models import ExchangeAccount, Tenant
from customers.tenancy import system_scope, tenant_scope
from signals_app.models import Signal, SignalSource
from strategies.models import Strategy, Subscription
from tests.factories import (
    AccountFactory,
    CredentialFactory,
    CustomerFactory,
    SignalFactory,
    SourceFactory,
    StrategyFactory,
    SubscriptionFactory,
    TenantFactory,
)
from trading import tasks
from trading.models import CopiedPosition, Intent, Order
from trading.services.control_state import forget_controls
from trading.services.fanout.signals import signal_dispatch
from trading.services.instruments import forget_noted
from trading.services.submission.stragglers import stragglers
from venues import markets

SYMBOL = "BTC/USDT:USDT"


def wait_for_stragglers() -> None:
    assert stragglers.wait(30), "answers are outstanding for half a minute"


@dataclass
class World:
    """`paper` is the fixture's PaperServer."""

    paper: Any
    tenant: Tenant
    source: SignalSource
    strategy: Strategy
    keys: dict[str, PaperAccount] = field(default_factory=dict)

    def follower(
        self, *, usdt: str = "100000", keys: PaperAccount | None = None, **terms: Any
    ) -> Subscription:
        """A customer with an account on the paper exchange that follows the strategy."""
        position_mode = terms.pop("position_mode", "net")
        if keys is None:
            venue_mode = "long_short_mode" if position_mode == "long_short" else "net_mode"
            keys = self.paper.account(usdt=usdt, position_mode=venue_mode)
        account = AccountFactory(
            tenant=self.tenant,
            customer=CustomerFactory(tenant=self.tenant),
            venue="paper",
            position_mode=position_mode,
            health=ExchangeAccount.Health.HEALTHY,
        )
        CredentialFactory(
            tenant=self.tenant,
            account=account,
            api_key=keys.api_key,
            api_secret=keys.secret_key,
            passphrase=keys.passphrase,
        )
        self.keys[account.pk] = keys
        subscription = SubscriptionFactory(
            tenant=self.tenant,
            strategy=self.strategy,
            account=account,
            customer=account.customer,
            **{"sizing_mode": "leader_ratio", "ratio": Decimal(1), **terms},
        )
        self.refresh(account.pk)
        return subscription

    def refresh(self, account_id: str) -> None:
        tasks.account_check(account_id=account_id, tenant_id=self.tenant.pk)

    def signal(self, action: str, **fields: Any) -> Signal:
        """Store a signal as intake would; nothing is planned yet."""
        now = timezone.now()
        values = {
            "side": "long",
            "symbol": SYMBOL,
            "size": None,
            "size_basis": "",
            "price": None,
            "leverage": Decimal(5),
            "emitted_at": now,
            "received_at": now,
            "expires_at": now + timedelta(seconds=60),
            "status": Signal.Status.RECEIVED,
            **fields,
        }
        return SignalFactory(tenant=self.tenant, source=self.source, action=action, **values)

    def entry(self, action: str = "open", size: str = "0.1", **fields: Any) -> Signal:
        return self.signal(action, size=Decimal(size), size_basis="base", **fields)

    def dispatch(self, signal: Signal) -> list[str]:
        """Cut the signal into shards; their ids."""
        with tenant_scope(self.tenant.pk):
            signal_dispatch(signal_id=signal.pk, tenant_id=self.tenant.pk)
            return list(signal.shards.values_list("pk", flat=True))

    def fan_out(self, signal: Signal, *, wait: bool = True) -> None:
        """Plan and send; orders may still be unfilled afterwards.

        `wait` for late answers, too, which a worker leaves to its stragglers' thread.
        """
        forget_controls()
        for shard_id in self.dispatch(signal):
            tasks.shard_run(shard_id=shard_id, tenant_id=self.tenant.pk)
        if wait:
            wait_for_stragglers()

    def run(self, signal: Signal, *, rounds: int = 6) -> None:
        """The whole flow until every order has ended, as workers would drive it."""
        self.fan_out(signal)
        for _ in range(rounds):
            if not self.check():
                break

    def check(self) -> int:
        """One round of sending what waits and looking up what is live; how many are left."""
        with tenant_scope(self.tenant.pk):
            waiting = list(Order.objects.filter(state="ready").values_list("pk", flat=True))
            if waiting:
                tasks.orders_submit(order_ids=waiting, tenant_id=self.tenant.pk)
                wait_for_stragglers()
            live = Order.objects.exclude(
                state__in=["filled", "cancelled", "rejected", "not_placed", "expired"]
            )
            live.filter(check_at__isnull=False).update(check_at=timezone.now())
            ids = list(live.values_list("pk", flat=True))
            if ids:
                tasks.orders_check(order_ids=ids, tenant_id=self.tenant.pk)
            return live.count()

    def check_until(self, condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
        """Rounds of `check` until it holds, however slow the machine is."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
            self.check()
            time.sleep(0.05)

    def orders(self, **filters: Any) -> list[Order]:
        with tenant_scope(self.tenant.pk):
            return list(Order.objects.filter(**filters).order_by("pk"))

    def intents(self, signal: Signal, **filters: Any) -> list[Intent]:
        with tenant_scope(self.tenant.pk):
            return list(Intent.objects.filter(signal=signal, **filters).order_by("pk"))

    def intent(self, signal: Signal, subscription: Subscription, leg: int = 0) -> Intent:
        with tenant_scope(self.tenant.pk):
            return Intent.objects.get(signal=signal, subscription=subscription, leg=leg)

    def held(self, subscription: Subscription, symbol: str = SYMBOL) -> CopiedPosition:
        with tenant_scope(self.tenant.pk):
            return CopiedPosition.objects.get(subscription=subscription, symbol=symbol)

    def ledger_orders(self, subscription: Subscription) -> list[dict[str, Any]]:
        """The exchange's own record of the follower's orders."""
        api_key = self.keys[subscription.account_id].api_key
        return [row for row in self.paper.control.ledger()["orders"] if row["apiKey"] == api_key]

    def reload(self, row: Any) -> Any:
        with system_scope("test"):
            return type(row).objects.get(pk=row.pk)


def make_world(paper: Any, **strategy: Any) -> World:
    markets.forget_markets()
    forget_noted()  # the rows of it are gone with the last test's
    tenant = TenantFactory()
    source = SourceFactory(tenant=tenant, venue="paper")
    return World(paper, tenant, source, StrategyFactory(tenant=tenant, source=source, **strategy))


def other_copy(world: World, follower: Subscription) -> tuple[World, Subscription]:
    """Another strategy with a source of its own, followed by the same account."""
    source = SourceFactory(tenant=world.tenant, venue="paper")
    strategy = StrategyFactory(tenant=world.tenant, source=source)
    other = World(world.paper, world.tenant, source, strategy, world.keys)
    copy = SubscriptionFactory(
        tenant=world.tenant,
        strategy=strategy,
        account=follower.account,
        customer=follower.customer,
        sizing_mode="leader_ratio",
        ratio=Decimal(1),
    )
    return other, copy
