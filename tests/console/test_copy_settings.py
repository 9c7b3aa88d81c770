"""Staff set the copy settings of firm, strategy, customer and copy."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from customers.models import ExchangeAccount
from customers.tenancy import tenant_scope
from strategies.models import PlatformSettings, Strategy, Subscription
from tests.factories import CustomerSettingsFactory, StrategyFactory
from tests.strategies.settings.confirming import store

pytestmark = pytest.mark.django_db


def words(response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def page(row) -> str:
    name = f"admin:strategies_{row._meta.model_name}_edit_settings"
    return reverse(name, args=[row.pk])


def test_a_strategys_terms(firm, owner: Client):
    strategy = StrategyFactory(source__tenant=firm.tenant)
    filled = {"version": "0", "follow_ratio": "0.5", "direction": "long_only"}
    asked = owner.post(page(strategy), filled)
    assert "Direction as the leader → long only" in words(asked)
    store(owner, page(strategy), filled)
    with tenant_scope(firm.tenant.pk):
        stored = Strategy.objects.get(pk=strategy.pk)
    assert stored.follow_ratio * 2 == 1
    assert stored.settings["values"] == {"direction": "long_only"}


def test_the_firms_and_a_customers(firm, owner: Client):
    for row in (firm.firm_settings, firm.customer_settings):
        answer = store(owner, page(row), {"version": "0", "max_open_positions": "5"})
        assert "The copy settings are stored." in words(answer)
        with tenant_scope(firm.tenant.pk):
            row.refresh_from_db()
        assert row.settings["values"] == {"max_open_positions": 5}


def test_another_firms_are_not_there(other_firm, owner: Client):
    row = CustomerSettingsFactory(customer__tenant=other_firm.tenant)
    assert owner.get(page(row)).status_code == 404


def test_the_platforms_are_a_superusers(superuser, owner: Client):
    row = PlatformSettings.objects.create()
    assert owner.get(page(row)).status_code in (403, 404)
    browser = Client()
    browser.force_login(superuser)
    store(browser, page(row), {"version": "0", "max_leverage": "20"})
    row.refresh_from_db()
    assert row.settings["values"] == {"max_leverage": "20"}


def test_a_strategy_fixes_terms_for_its_followers(firm, owner: Client):
    strategy = StrategyFactory(source__tenant=firm.tenant)
    filled = {"version": "0", "follow_ratio": "1", "binding": ["direction", "on_stop"]}
    asked = words(owner.post(page(strategy), filled))
    assert "Fixed for all followers – → Direction, Positions when the copy is stopped" in asked
    store(owner, page(strategy), filled)
    with tenant_scope(firm.tenant.pk):
        stored = Strategy.objects.get(pk=strategy.pk)
    assert (stored.binding_settings, stored.settings_version) == (["direction", "on_stop"], 1)


def test_a_strategys_page_counts_the_firms_limits(firm, owner: Client):
    firm.firm_settings.settings = {"values": {"max_leverage": "10"}, "symbols": {}}
    with tenant_scope(firm.tenant.pk):
        firm.firm_settings.save()
    assert "In force: 10 (firm)" in words(owner.get(page(firm.strategy)))
    fixed = {"version": "0", "leverage_mode": "fixed", "leverage": "20"}
    refused = words(owner.post(page(firm.strategy), fixed))
    assert "Must not be above the setting “Max leverage”, which is 10 here." in refused


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"follow_ratio": "1000"}, "At most 100."),
        ({"max_leverage": "0.5"}, "At least 1."),
        ({"symbols": "BTC/"}, "BTC/ is not a symbol like BTC/USDT:USDT."),
    ],
)
def test_a_new_strategys_terms_are_checked_like_any(firm, owner: Client, typed, sentence):
    form = {"name": "New", "source": firm.source.pk, "status": "active", "follow_ratio": "1"}
    answer = owner.post(reverse("admin:strategies_strategy_add"), {**form, **typed})
    assert sentence in words(answer)


def test_a_new_copys_terms_are_checked_like_any(firm, owner: Client):
    strategy = StrategyFactory(source__tenant=firm.tenant)
    form = {"strategy": strategy.pk, "account": firm.account.pk}
    add = reverse("admin:strategies_subscription_add")
    assert "At most 100." in words(owner.post(add, {**form, "ratio": "101"}))
    assert "Needed because of" in words(owner.post(add, {**form, "sizing_mode": "fixed_amount"}))
    owner.post(add, form)
    with tenant_scope(firm.tenant.pk):
        made = Subscription.objects.get(strategy=strategy)
    assert (made.sizing_mode, made.ratio) == ("", None)


def test_terms_are_changed_where_every_version_is_kept(firm, owner: Client):
    for row, names in (
        (firm.strategy, {"follow_ratio": "9", "max_leverage": "9"}),
        (firm.subscription, {"ratio": "9", "sizing_mode": "leader_ratio"}),
    ):
        url = reverse(f"admin:strategies_{row._meta.model_name}_change", args=[row.pk])
        page_of_it = owner.get(url).content.decode()
        assert not [name for name in names if f'name="{name}"' in page_of_it]
        with tenant_scope(firm.tenant.pk):
            before = type(row).objects.values().get(pk=row.pk)
        owner.post(url, {"name": "N", "source": firm.source.pk, "status": "active", **names})
        with tenant_scope(firm.tenant.pk):
            after = type(row).objects.values().get(pk=row.pk)
        assert {name: after[name] for name in names} == {name: before[name] for name in names}


def test_an_accounts_max_leverage_is_one_that_copies_can_have(firm, owner: Client):
    url = reverse("admin:customers_exchangeaccount_change", args=[firm.account.pk])
    account = firm.account
    form = {
        "label": account.label, "position_mode": account.position_mode,
        "margin_mode": account.margin_mode, "balance_currency": "USDT", "initial_balance": "",
    }  # fmt: skip
    assert "At least 1." in words(owner.post(url, {**form, "max_leverage": "0.5"}))
    assert "At most 125." in words(owner.post(url, {**form, "max_leverage": "126"}))
    owner.post(url, {**form, "max_leverage": "125"})
    with tenant_scope(firm.tenant.pk):
        assert ExchangeAccount.objects.get(pk=account.pk).max_leverage == 125
