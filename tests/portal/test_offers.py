"""A client sees what he may copy, and begins it, or reads why not."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from customers.tenancy import tenant_scope
from strategies.models import Strategy, Subscription
from tests.factories import SourceFactory, StrategyFactory, StrategyInvitationFactory
from tests.portal.conftest import Persona

pytestmark = pytest.mark.django_db


def offer(persona: Persona, name: str, **terms: Any) -> Strategy:
    source = SourceFactory(tenant=persona.tenant)
    return StrategyFactory(source=source, name=name, **{"visibility": "public", **terms})


def words(response: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def start(strategy: Strategy) -> str:
    return f"/strategies/{strategy.pk}/start/"


def copies_of(strategy: Strategy) -> list[Subscription]:
    with tenant_scope(strategy.tenant_id):
        return list(Subscription.objects.filter(strategy=strategy).order_by("pk"))


def test_only_what_is_offered_to_him_is_listed(
    owner: Persona, colleague: Persona, stranger: Persona, browser: Client
) -> None:
    seen = [offer(owner, "For all")]
    invited, not_invited = (offer(owner, n, visibility="invite") for n in ("For him", "For her"))
    StrategyInvitationFactory(strategy=invited, customer=owner.customer)
    StrategyInvitationFactory(strategy=not_invited, customer=colleague.customer)
    hidden = [
        not_invited,
        offer(owner, "Hidden", visibility="private"),
        offer(owner, "Resting", status="paused"),
        offer(stranger, "Elsewhere"),
    ]
    page = words(browser.get("/strategies/"))
    for strategy in [*seen, invited]:
        assert strategy.name in page
        assert browser.get(start(strategy)).status_code == 200
    for strategy in hidden:
        assert strategy.name not in page
        for method in (browser.get, browser.post):
            assert method(start(strategy)).status_code == 404
        assert not copies_of(strategy)


def test_a_copy_begins_with_what_he_chose(owner: Persona, browser: Client) -> None:
    strategy = offer(owner, "Calm")
    assert "From the next signal on" in words(browser.get(start(strategy)))
    chosen = {"account": owner.account.pk, "sizing_mode": "fixed_amount"}
    assert "Needed because of" in words(browser.post(start(strategy), chosen))
    assert "At most 100." in words(browser.post(start(strategy), {**chosen, "ratio": "101"}))
    assert not copies_of(strategy)
    done = browser.post(start(strategy), {**chosen, "fixed_amount": "50"}, follow=True)
    assert "Copying has begun." in words(done)
    (copy,) = copies_of(strategy)
    assert (copy.customer_id, copy.fixed_amount) == (owner.customer.pk, 50)
    again = words(browser.post(start(strategy), {"account": owner.account.pk}))
    assert "This account already follows this strategy." in again
    assert len(copies_of(strategy)) == 1


def test_nobody_begins_on_anothers_account(
    owner: Persona, colleague: Persona, browser: Client
) -> None:
    strategy = offer(owner, "Calm")
    assert browser.post(start(strategy), {"account": colleague.account.pk}).status_code == 200
    assert not copies_of(strategy)


def test_a_full_strategy_and_too_small_an_account_are_said_in_words(
    owner: Persona, colleague: Persona, browser: Client
) -> None:
    strategy = offer(owner, "Small", max_copiers=1)
    assert "Places left 1" in words(browser.get("/strategies/"))
    colleague.browser().post(start(strategy), {"account": colleague.account.pk})
    assert "All places are taken." in words(browser.get("/strategies/"))
    full = words(browser.post(start(strategy), {"account": owner.account.pk}))
    assert "All 1 places of this strategy are taken." in full
    rich = offer(owner, "Rich", min_equity=Decimal(50000))
    refused = words(browser.post(start(rich), {"account": owner.account.pk}))
    assert "has not been read lately" in refused
    with tenant_scope(owner.tenant.pk):
        type(owner.account).objects.filter(pk=owner.account.pk).update(synced_at=timezone.now())
    refused = words(browser.post(start(rich), {"account": owner.account.pk}))
    assert "needs at least $50000 on the account, which has $12345.67" in refused
    assert [len(copies_of(each)) for each in (strategy, rich)] == [1, 0]


def test_copies_go_on_when_the_strategy_is_hidden(owner: Persona, browser: Client) -> None:
    strategy = offer(owner, "Calm")
    browser.post(start(strategy), {"account": owner.account.pk})
    with tenant_scope(owner.tenant.pk):
        Strategy.objects.filter(pk=strategy.pk).update(visibility="private", max_copiers=1)
    assert "Calm" not in words(browser.get("/strategies/"))
    page = words(browser.get("/copies/"))
    assert "Calm" in page
    assert copies_of(strategy)[0].status == "active"
