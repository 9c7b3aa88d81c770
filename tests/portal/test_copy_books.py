"""What differs at the exchange is said on the page of copies, to its owner and in his language."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from tests.factories import (
    AccountBooksFactory,
    FindingFactory,
    SourceFactory,
    StrategyFactory,
    SubscriptionFactory,
    UnattributedPositionFactory,
)
from tests.portal.conftest import Persona
from trading.models import Finding

pytestmark = pytest.mark.django_db


def words(browser: Client) -> str:
    page = browser.get("/copies/").content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def loss(owner: Persona, **fields: object) -> Finding:
    params = {"quantity": "3", "left": "7", "price": "50000"}
    values = {"kind": "manual_reduction", "params": params, "state": "open", **fields}
    return FindingFactory(account=owner.account, symbol="BTC/USDT:USDT", **values)


def test_open_findings_and_what_belongs_to_no_copy_are_said(
    owner: Persona, browser: Client
) -> None:
    assert "belong to no copy" not in words(browser)
    loss(owner, subscription=owner.copy)
    UnattributedPositionFactory(account=owner.account, quantity=Decimal("-4.5"))
    AccountBooksFactory(account=owner.account, differs_since=timezone.now())
    page = words(browser)
    assert "was reduced by hand at the exchange: 3 at 50000, 7 are left." in page
    assert "4.5 contracts short in BTC/USDT belong to no copy." in page
    assert "What the exchange shows is being compared with this copy." in page


def test_what_is_settled_or_held_no_more_is_not_said(owner: Persona, browser: Client) -> None:
    loss(owner, subscription=owner.copy, state="resolved", outcome="adopted")
    UnattributedPositionFactory(account=owner.account, quantity=Decimal(0))
    AccountBooksFactory(account=owner.account)
    page = words(browser)
    assert "by hand" not in page and "belong to no copy" not in page
    assert "is being compared" not in page


def test_a_finding_of_another_copy_is_said_there_only(owner: Persona, browser: Client) -> None:
    strategy = StrategyFactory(source=SourceFactory(tenant=owner.tenant), name="Another one")
    other = SubscriptionFactory(strategy=strategy, account=owner.account)
    loss(owner, subscription=other)
    page = words(browser)
    assert page.count("was reduced by hand") == 1
    # The newest copy is shown first.
    assert page.index("Another one") < page.index("was reduced by hand") < page.index("owner strat")


def test_a_strangers_findings_are_his(owner: Persona, colleague: Persona, browser: Client) -> None:
    loss(colleague, subscription=colleague.copy)
    UnattributedPositionFactory(account=colleague.account, quantity=Decimal(9))
    page = words(browser)
    assert "by hand" not in page and "belong to no copy" not in page


def test_it_is_said_in_chinese(owner: Persona, browser: Client) -> None:
    UnattributedPositionFactory(account=owner.account, quantity=Decimal(4))
    browser.cookies["django_language"] = "zh-hans"
    assert "BTC/USDT 有 4 张多头合约不属于任何跟单。" in words(browser)
