"""A copy begins where its strategy admits it, at the same moment as others."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import close_old_connections, connection
from django.utils import timezone, translation

from customers.models import AuditEntry, Event, ExchangeAccount
from customers.tenancy import tenant_scope
from strategies.models import Strategy, Subscription
from strategies.services.starting import Starter, subscription_draft, subscription_start
from strategies.services.subscriptions import SubscriptionRefusedError, subscription_stop
from tests.factories import AccountFactory, BalanceFactory, StrategyFactory

CLIENT = Starter(None, by_staff=False)


def offered(**terms: Any) -> Strategy:
    return StrategyFactory(visibility="public", **terms)


def account_of(strategy: Strategy, equity: str = "1000") -> ExchangeAccount:
    account = AccountFactory(customer__tenant=strategy.tenant, synced_at=timezone.now())
    BalanceFactory(account=account, currency="USDT", equity=Decimal(equity))
    return account


def begin(strategy: Strategy, account: ExchangeAccount) -> Subscription:
    with tenant_scope(strategy.tenant_id):
        draft = subscription_draft(strategy=strategy, account=account, content={})
        return subscription_start(subscription=draft, starter=CLIENT)


def refusal(strategy: Strategy, account: ExchangeAccount) -> tuple[str, str]:
    with pytest.raises(SubscriptionRefusedError) as refused:
        begin(strategy, account)
    return refused.value.code, refused.value.field


@pytest.mark.django_db
def test_it_is_stored_audited_and_told() -> None:
    strategy = offered()
    copy = begin(strategy, account_of(strategy))
    with tenant_scope(strategy.tenant_id):
        told = Event.objects.filter(kind="subscription.changed")
        assert {event.audience.partition(":")[0] for event in told} == {"tenant", "customer"}
    assert AuditEntry.objects.get(action="subscription.started").target.endswith(copy.pk)


@pytest.mark.django_db
def test_a_place_is_free_again_when_a_copy_is_over() -> None:
    strategy = offered(max_copiers=1)
    copy = begin(strategy, account_of(strategy))
    assert refusal(strategy, account_of(strategy)) == ("strategy_full", "strategy")
    with tenant_scope(strategy.tenant_id):
        subscription_stop(subscription=copy, actor=None)
    begin(strategy, account_of(strategy))


@pytest.mark.django_db
def test_the_least_equity_is_that_of_a_late_reading() -> None:
    strategy = offered(min_equity=Decimal(1000))
    begin(strategy, account_of(strategy, "1000"))
    poor, old = account_of(strategy, "999.99"), account_of(strategy)
    assert refusal(strategy, poor) == ("below_minimum_amount", "account")
    with tenant_scope(strategy.tenant_id):
        long_ago = timezone.now() - timedelta(hours=1)
        ExchangeAccount.objects.filter(pk=old.pk).update(synced_at=long_ago)
        old.refresh_from_db()
    assert refusal(strategy, old) == ("worth_unknown", "account")
    with (
        translation.override("zh-hans"),
        pytest.raises(SubscriptionRefusedError, match=r"1000.*999\.99"),
    ):
        begin(strategy, poor)


@pytest.mark.django_db
def test_one_account_copies_a_strategy_once() -> None:
    strategy = offered()
    account = account_of(strategy)
    begin(strategy, account)
    assert refusal(strategy, account) == ("already_copied", "account")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("same_account", [False, True])
def test_of_many_who_want_the_last_place_one_gets_it(same_account: bool) -> None:
    strategy = offered(max_copiers=None if same_account else 3)
    if not same_account:
        for _ in range(2):
            begin(strategy, account_of(strategy))
    accounts = [account_of(strategy) for _ in range(1 if same_account else 4)] * (
        4 if same_account else 1
    )
    meeting, outcomes = threading.Barrier(4), []

    def race(account: ExchangeAccount) -> None:
        try:
            with tenant_scope(strategy.tenant_id):
                draft = subscription_draft(strategy=strategy, account=account, content={})
                meeting.wait(30)
                subscription_start(subscription=draft, starter=CLIENT)
            outcomes.append("begun")
        except SubscriptionRefusedError as refused:
            outcomes.append(refused.code)
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=partial(race, account)) for account in accounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    loser = "already_copied" if same_account else "strategy_full"
    assert sorted(outcomes) == sorted(["begun", *[loser] * 3])
    with tenant_scope(strategy.tenant_id):
        assert Subscription.objects.count() == (1 if same_account else 3)
