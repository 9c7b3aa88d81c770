"""A list costs the same with one row as with a dozen, and ledgers are never counted."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.models import Tenant
from customers.tenancy import system_scope
from tests import factories as make
from tests.console.conftest import Enter, Firm
from tests.console.test_pages import PLATFORM_MODELS, list_url, page_url, registered, tenant_rows
from tests.console.test_roles import LEDGERS

MORE = 12


def more_rows(firm: Firm) -> None:
    """A dozen more of everything; each with parents of its own, where a list shows parents."""
    own: dict[str, Any] = {"tenant": firm.tenant}
    for _ in range(MORE):
        customer = make.CustomerFactory(**own, partner=make.PartnerFactory(**own))
        account = make.AccountFactory(customer=customer)
        source = make.SourceFactory(**own)
        strategy = make.StrategyFactory(source=source)
        subscription = make.SubscriptionFactory(
            strategy=strategy, account=account, customer=customer
        )
        signal = make.SignalFactory(source=source)
        intent = make.IntentFactory(subscription=subscription, signal=signal)
        order = make.OrderFactory(intent=intent)
        channel = make.NotificationChannelFactory(**own)
        make.CustomerUserFactory(customer=customer)
        make.MembershipFactory(**own)
        make.ApiKeyFactory(**own, partner=customer.partner)
        make.EventFactory(**own)
        make.WebhookRejectionFactory(tenant=firm.tenant)
        make.SignalShardFactory(signal=signal, strategy=strategy)
        make.EffectiveSettingsFactory(**own)
        make.OrderEventFactory(order=order)
        make.FillFactory(order=order)
        copied = make.CopiedPositionFactory(subscription=subscription)
        make.TradeFactory(copied_position=copied)
        make.PositionFactory(account=account)
        make.StreamStateFactory(**own, subject_id=account.pk)
        make.BalanceFactory(account=account)
        make.InstrumentSettingFactory(account=account)
        make.TradingControlFactory(
            tenant=firm.tenant, level="customer", subject_id=customer.pk, mode="active"
        )
        make.BreakerFactory(
            tenant=firm.tenant, level="strategy", subject_id=strategy.pk, is_open=False
        )
        make.AlertFactory(**own)
        make.DeliveryFactory(channel=channel)
    with system_scope("audit entries"):
        from customers.services.audit import audit_record

        for _ in range(MORE):
            audit_record(action="test.made", actor=None, tenant_id=firm.tenant.pk)


def statements(client: Client, url: str) -> list[str]:
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200, url
    return [query["sql"] for query in captured]


@pytest.fixture
def few(firm: Firm, owner: Client) -> dict[str, int]:
    labels = sorted(set(registered()) - PLATFORM_MODELS)
    return {label: len(statements(owner, list_url(label))) for label in labels}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_lists_and_pages_cost_the_same_with_many_rows(
    firm: Firm, few: dict[str, int], owner: Client
) -> None:
    pages = {page_url(row): len(statements(owner, page_url(row))) for row in tenant_rows(firm)}
    more_rows(firm)
    for label, before in few.items():
        if label == Tenant._meta.label_lower:
            continue
        found = statements(owner, list_url(label))
        # one more may count all rows for the paging of a list that outgrew its first page
        assert len(found) <= before + (0 if label in LEDGERS else 1), (label, found)
        assert len(found) <= 20, label
    for page, before in pages.items():
        assert len(statements(owner, page)) <= before, page


def test_ledgers_are_never_counted(firm: Firm, enter: Enter) -> None:
    root = enter(None)
    for model in admin.site._registry:
        if model._meta.label_lower not in LEDGERS:
            continue
        table = f'FROM "{model._meta.db_table}"'
        counts = [
            sql
            for sql in statements(root, list_url(model._meta.label_lower))
            if "COUNT(" in sql.upper() and table in sql.replace("`", '"') and "GROUP BY" not in sql
        ]
        assert counts == [], model
