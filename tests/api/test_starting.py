"""POST /api/v1/subscriptions/: a copy begins by API, as a client begins it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from customers.models import ApiKey
from customers.tenancy import tenant_scope
from strategies.models import Strategy, Subscription
from tests import factories as make
from tests.api.conftest import Caller, Scene

BOTH = [ApiKey.Scope.READ, ApiKey.Scope.COPIES_WRITE]


@pytest.fixture
def partner(scene: Scene) -> Caller:
    world = scene.partners
    make.ApiKeyFactory(token="starts", tenant=world.tenant, partner=world.partner, scopes=BOTH)
    return Caller("starts")


def offered(scene: Scene, **terms: Any) -> Strategy:
    source = make.SourceFactory(tenant=scene.partners.tenant)
    return make.StrategyFactory(source=source, **{"visibility": "public", **terms})


def begin(caller: Caller, strategy: Strategy, account: Any, key: str = "k-1", **more: Any) -> Any:
    body = {"strategy": strategy.pk, "account": account.pk, **more}
    return caller("POST", "/api/v1/subscriptions/", json.dumps(body).encode(), Idempotency_Key=key)


def test_it_begins_once_for_a_key(scene: Scene, partner: Caller) -> None:
    strategy, account = offered(scene), scene.partners.rows["accounts"]
    assert strategy.pk in partner.ids("/api/v1/strategies/")
    stated = {"sizing_mode": "fixed_amount", "fixed_amount": "50"}
    answers = [begin(partner, strategy, account, values=stated) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    assert answers[0].json()["fixed_amount"] == "50"
    second = begin(partner, strategy, account, key="k-2")
    assert (second.status_code, second.json()["error"]["code"]) == (422, "already_copied")
    with tenant_scope(strategy.tenant_id):
        assert Subscription.objects.filter(strategy=strategy).count() == 1


def test_what_is_not_offered_is_not_there(scene: Scene, partner: Caller) -> None:
    account = scene.partners.rows["accounts"]
    elsewhere = scene.strangers.rows["strategies"]
    for strategy in (
        offered(scene, visibility="private"), offered(scene, visibility="invite"), elsewhere,
    ):  # fmt: skip
        answer = begin(partner, strategy, account)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (422, "not_offered")
        assert error["field"] == "strategy"
        assert strategy.pk not in partner.ids("/api/v1/strategies/")
    invited = offered(scene, visibility="invite")
    make.StrategyInvitationFactory(strategy=invited, customer=account.customer)
    assert begin(partner, invited, account).status_code == 201


def test_nothing_is_told_of_the_settings_of_what_is_not_offered(
    scene: Scene, partner: Caller
) -> None:
    hidden = offered(scene, visibility="private", max_leverage=Decimal(3))
    account = scene.partners.rows["accounts"]
    answer = begin(partner, hidden, account, values={"leverage_mode": "fixed", "leverage": "9"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "not_offered")


def test_what_was_begun_is_answered_again_whatever_came_after(
    scene: Scene, partner: Caller
) -> None:
    strategy, account = offered(scene), scene.partners.rows["accounts"]
    first = begin(partner, strategy, account, values={"ratio": "2"})
    with tenant_scope(strategy.tenant_id):
        Strategy.objects.filter(pk=strategy.pk).update(
            visibility="private", binding_settings=["ratio"]
        )
    again = begin(partner, strategy, account, values={"ratio": "2"})
    assert (again.status_code, again.content) == (201, first.content)


def test_on_no_others_account(scene: Scene, partner: Caller) -> None:
    strategy = offered(scene)
    for world in (scene.house, scene.rivals, scene.strangers):
        answer = begin(partner, strategy, world.rows["accounts"])
        assert (answer.status_code, answer.json()["error"]["field"]) == (422, "account")


def test_places_least_equity_and_settings_are_checked(scene: Scene, partner: Caller) -> None:
    account = scene.partners.rows["accounts"]
    full, rich = offered(scene, max_copiers=1), offered(scene, min_equity=Decimal(10))
    make.SubscriptionFactory(strategy=full)
    shown = partner.get(f"/api/v1/strategies/{full.pk}/").json()
    assert (shown["max_copiers"], shown["places_left"]) == (1, 0)
    for strategy, code in ((full, "strategy_full"), (rich, "worth_unknown")):
        answer = begin(partner, strategy, account)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
    wrong = begin(partner, offered(scene), account, values={"ratio": "101"})
    assert wrong.status_code == 400
    assert b"ratio" in wrong.content
