"""Staff set the copy settings of firm, strategy, customer and copy."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from customers.models import ExchangeAccount
from customers.tenancy import tenant_scope
from strategies.models import PlatformSettings, Strategy, Subscription
from tests.factories import AccountFactory, CustomerSettingsFactory, StrategyFactory
from tests.strategies.settings.confirming import store
from trading.models import CopyStart

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
    form = {
        "name": "New", "source": firm.source.pk, "status": "active", "follow_ratio": "1",
        "visibility": "private",
    }  # fmt: skip
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


@pytest.mark.parametrize("level", ["copy", "strategy"])
def test_what_a_start_takes_over_is_chosen_with_the_copy_or_above_it(firm, owner: Client, level):
    of_strategy = {"values": {"existing_positions": "no_worse"}} if level == "strategy" else {}
    strategy = StrategyFactory(source__tenant=firm.tenant, settings=of_strategy)
    add = reverse("admin:strategies_subscription_add")
    form = {"strategy": strategy.pk, "account": firm.account.pk}
    assert "as the levels above set it" in words(owner.get(add))
    if level == "copy":
        form["existing_positions"] = "no_worse"
        refused = owner.post(add, {**form, "existing_positions": "sometimes"})
        assert "Select a valid choice" in words(refused)
    owner.post(add, form)
    with tenant_scope(firm.tenant.pk):
        start = CopyStart.objects.get(subscription__strategy=strategy)
        stated = start.subscription.settings
    assert (start.takes, start.status) == ("no_worse", "due")
    assert bool(stated) == (level == "copy")


def test_a_copy_that_takes_nothing_over_has_no_start(firm, owner: Client):
    strategy = StrategyFactory(source__tenant=firm.tenant)
    add = reverse("admin:strategies_subscription_add")
    owner.post(add, {"strategy": strategy.pk, "account": firm.account.pk})
    with tenant_scope(firm.tenant.pk):
        assert Subscription.objects.filter(strategy=strategy).count() == 1
        assert not CopyStart.objects.filter(subscription__strategy=strategy).exists()


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
        form = {"name": "N", "source": firm.source.pk, "status": "active", "visibility": "private"}
        owner.post(url, {**form, **names})
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


def test_the_page_of_a_copy_says_what_cannot_be_read(firm, owner: Client):
    url = reverse("admin:strategies_subscription_change", args=[firm.subscription.pk])
    assert "Settings that cannot be read –" in words(owner.get(url))
    with tenant_scope(firm.tenant.pk):
        Subscription.objects.update(settings={"values": {"direction": "sideways"}})
    assert "Settings that cannot be read Direction" in words(owner.get(url))


def test_a_strategy_admits_whom_its_terms_admit(firm, other_firm, owner: Client):
    add = reverse("admin:strategies_subscription_add")
    invite = reverse("admin:strategies_strategyinvitation_add")
    strategy = StrategyFactory(source__tenant=firm.tenant, visibility="invite", max_copiers=1)
    form = {"strategy": strategy.pk, "account": firm.account.pk}
    assert "invite the customer first" in words(owner.post(add, form))
    foreign = {"strategy": strategy.pk, "customer": other_firm.customer.pk}
    assert owner.post(invite, foreign).status_code == 200
    assert owner.post(invite, {**foreign, "customer": firm.customer.pk}).status_code == 302
    assert owner.post(add, form).status_code == 302
    second = AccountFactory(customer=firm.customer)
    full = words(owner.post(add, {**form, "account": second.pk}))
    assert "All 1 places of this strategy are taken." in full
    dear = StrategyFactory(source__tenant=firm.tenant, min_equity=10)
    refused = owner.post(add, {**form, "strategy": dear.pk})
    assert "has not been read lately" in words(refused)


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"visibility": "secret"}, "visibility"),
        ({"max_copiers": "0"}, "max_copiers"),
        ({"max_copiers": "-1"}, "max_copiers"),
        ({"min_equity": "0"}, "min_equity"),
        ({"min_equity": "many"}, "min_equity"),
    ],
)
def test_bad_terms_of_admission_are_refused_with_their_field(firm, owner: Client, typed, field):
    form = {
        "name": "New", "source": firm.source.pk, "status": "active", "follow_ratio": "1",
        "visibility": "public",
    }  # fmt: skip
    add = reverse("admin:strategies_strategy_add")
    answer = owner.post(add, {**form, **typed})
    assert list(answer.context["adminform"].form.errors) == [field]
    assert owner.post(add, form).status_code == 302
