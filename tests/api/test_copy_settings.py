"""Partners read what is in force and from where, and change what the copy states."""

import pytest

import tests.factories as make
from customers.models import ApiKey
from customers.tenancy import tenant_scope
from tests.api.conftest import Caller

BTC = "BTC/USDT:USDT"
BASE = {"sizing_mode": "equity_proportional", "ratio": "1"}


@pytest.fixture
def writer(scene) -> Caller:
    scopes = [ApiKey.Scope.READ, ApiKey.Scope.COPIES_WRITE]
    make.ApiKeyFactory(
        token="copies-token", tenant=scene.partners.tenant, partner=scene.partners.partner,
        scopes=scopes,
    )  # fmt: skip
    return Caller("copies-token")


def url(world, query: str = "") -> str:
    return f"/api/v1/subscriptions/{world.rows['subscriptions'].pk}/settings/{query}"


def test_what_is_in_force_and_from_where(scene, writer):
    make.TenantSettingsFactory(
        tenant=scene.partners.tenant, settings={"values": {"max_leverage": "4"}, "symbols": {}}
    )
    body = writer.get(url(scene.partners)).json()
    assert body["version"] == 0
    assert body["in_force"]["max_leverage"] == {"value": "4", "origins": ["tenant"]}
    assert body["in_force"]["direction"] == {"value": "as_leader", "origins": ["default"]}


def test_a_change_with_an_exception(scene, writer):
    body = {"version": 0, "values": BASE, "symbols": {BTC: {"ratio": "0.5"}}}
    answer = writer.put(url(scene.partners, f"?symbol={BTC}"), body)
    assert answer.status_code == 200
    assert answer.json()["in_force"]["ratio"] == {"value": "0.5", "origins": ["subscription"]}
    again = writer.put(url(scene.partners), body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "changed_meanwhile")


def test_what_is_wrong_is_named(scene, writer):
    body = {"version": 0, "values": {**BASE, "stop_loss_percent": "100"}}
    answer = writer.put(url(scene.partners), body)
    assert answer.status_code == 400
    assert answer.json()["error"]["fields"] == {"stop_loss_percent": ["At most 75."]}
    subscription = scene.partners.rows["subscriptions"]
    with tenant_scope(subscription.tenant_id):
        subscription.refresh_from_db()
    assert subscription.settings_version == 0


def test_a_key_that_may_not_and_rows_that_are_others(scene, writer):
    body = {"version": 0, "values": BASE}
    assert scene.partner_key.put(url(scene.partners), body).status_code == 403
    for world in (scene.rivals, scene.house, scene.strangers):
        assert writer.put(url(world), body).status_code == 404
        assert writer.get(url(world)).status_code == 404
