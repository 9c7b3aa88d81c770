"""The pages of an account and of a subscription say what differs and what belongs to no copy."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests import factories as make
from tests.console.conftest import Enter, Firm
from trading.models import AccountBooks, UnattributedPosition

pytestmark = pytest.mark.django_db


def words(enter: Enter, page: str, row: object) -> str:
    answer = enter("auditor").get(reverse(page, args=[row.pk]))  # type: ignore[attr-defined]
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


ACCOUNT = "admin:customers_exchangeaccount_change"
SUBSCRIPTION = "admin:strategies_subscription_change"


def test_both_pages_say_what_waits_and_what_is_of_no_copy(firm: Firm, enter: Enter) -> None:
    with tenant_scope(firm.tenant.pk):
        UnattributedPosition.objects.update(quantity=Decimal(6))
        AccountBooks.objects.update(differs_since=timezone.now())
    other = make.SubscriptionFactory(
        strategy=make.StrategyFactory(source=firm.source),
        account=firm.account,
        customer=firm.customer,
    )
    make.FindingFactory(
        account=firm.account,
        subscription=other,
        kind="stop_missing",
        symbol="ETH/USDT:USDT",
        params={"stop_loss": "2900", "take_profit": "3300", "quantity": "4"},
    )
    make.FindingFactory(
        account=firm.account,
        kind="transfer_out",
        params={"quantity": "250", "currency": "USDT"},
        policy="alert",
    )
    account, subscription = (
        words(enter, ACCOUNT, firm.account),
        words(enter, SUBSCRIPTION, firm.subscription),
    )
    for page in (account, subscription):
        assert "250 USDT were transferred out of the account." in page
        assert "6 contracts long in BTC/USDT belong to no copy." in page
        assert "entries go by the last time they agreed" in page
    missing = "A stop order of the copy in ETH/USDT:USDT was cancelled at the exchange, not by us"
    assert missing in account and missing not in subscription


def test_the_subscription_shows_its_funding_fees_and_the_account_all_bills(
    firm: Firm, enter: Enter
) -> None:
    bill = make.AccountBillFactory(account=firm.account, amount=Decimal("-3.25"))
    make.FundingShareFactory(bill=bill, subscription=firm.subscription, amount=Decimal("-2.5"))
    make.FundingShareFactory(bill=bill, amount=Decimal("-0.75"))
    assert "-3.25 USDT" in words(enter, ACCOUNT, firm.account)
    page = words(enter, SUBSCRIPTION, firm.subscription)
    assert "-2.5 USDT" in page and "-0.75" not in page
