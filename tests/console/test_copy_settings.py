"""Staff set the copy settings of firm, strategy, customer and copy."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from customers.tenancy import tenant_scope
from strategies.models import PlatformSettings, Strategy
from tests.factories import CustomerSettingsFactory, StrategyFactory

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
    owner.post(page(strategy), {**filled, "confirmed": "1"})
    with tenant_scope(firm.tenant.pk):
        stored = Strategy.objects.get(pk=strategy.pk)
    assert stored.follow_ratio * 2 == 1
    assert stored.settings["values"] == {"direction": "long_only"}


def test_the_firms_and_a_customers(firm, owner: Client):
    for row in (firm.firm_settings, firm.customer_settings):
        answer = owner.post(
            page(row), {"version": "0", "max_open_positions": "5", "confirmed": "1"}, follow=True
        )
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
    browser.post(page(row), {"version": "0", "max_leverage": "20", "confirmed": "1"})
    row.refresh_from_db()
    assert row.settings["values"] == {"max_leverage": "20"}
