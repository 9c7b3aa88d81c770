"""Partners read what is in force and from where, and change what the copy states."""

import pytest

import tests.factories as make
from customers.models import ApiKey
from customers.tenancy import tenant_scope
from strategies.models import Strategy
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
    assert body["in_force"]["max_leverage"] == {
        "value": "4", "origins": ["tenant"], "exceptions": [], "fixed": False, "idle_by": "",
    }  # fmt: skip
    assert body["in_force"]["direction"]["origins"] == ["default"]


def test_a_change_with_an_exception(scene, writer):
    body = {"version": 0, "values": BASE, "symbols": {BTC: {"ratio": "0.5"}}}
    answer = writer.put(url(scene.partners, f"?symbol={BTC}"), body)
    assert answer.status_code == 200
    ratio = answer.json()["in_force"]["ratio"]
    assert (ratio["value"], ratio["origins"]) == ("0.5", ["subscription"])
    assert ratio["exceptions"] == ["subscription"]
    assert answer.json()["in_force"]["sizing_mode"]["exceptions"] == []
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


@pytest.mark.parametrize(
    "values",
    [
        r'{"allowed_symbols": ["\ud800"]}',
        r'{"\udfff": "1"}',
        '{"ratio": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
)
def test_what_is_no_text_is_refused(scene, writer, values):
    body = f'{{"version": 0, "values": {values}}}'.encode()
    assert writer("PUT", url(scene.partners), body).status_code == 400


def test_many_exceptions_ask_the_database_no_more(scene, writer, django_assert_max_num_queries):
    symbols = {f"A{number}/USDT:USDT": {"ratio": "0.5"} for number in range(100)}
    with django_assert_max_num_queries(40):
        answer = writer.put(url(scene.partners), {"version": 0, "values": {}, "symbols": symbols})
    assert answer.status_code == 200
    symbols["B/USDT:USDT"] = {"ratio": "0.5"}
    answer = writer.put(url(scene.partners), {"version": 1, "values": {}, "symbols": symbols})
    message = "At most 100 symbols can have exceptions."
    assert answer.json()["error"]["fields"] == {"symbols": [message]}


def test_what_a_level_stored_wrongly_is_named(scene, writer):
    subscription = scene.partners.rows["subscriptions"]
    with tenant_scope(subscription.tenant_id):
        Strategy.objects.filter(pk=subscription.strategy_id).update(max_leverage="200")
    for answer in (
        writer.get(url(scene.partners)),
        writer.put(url(scene.partners), {"version": 0, "values": {"direction": "long_only"}}),
    ):
        body = answer.json()
        assert (answer.status_code, body["unreadable"], body["in_force"]) == (
            200,
            "max_leverage",
            {},
        )


def test_what_is_fixed_and_what_has_no_effect(scene, writer):
    subscription = scene.partners.rows["subscriptions"]
    with tenant_scope(subscription.tenant_id):
        Strategy.objects.filter(pk=subscription.strategy_id).update(
            binding_settings=["direction", "max_leverage"]
        )
    values = {"stop_loss_percent": "5", "max_leverage": "3"}
    answer = writer.put(url(scene.partners), {"version": 0, "values": values}).json()["in_force"]
    assert [name for name, row in answer.items() if row["fixed"]] == ["direction"]
    assert answer["stop_loss_percent"]["idle_by"] == "stops_mode"
    refused = writer.put(
        url(scene.partners), {"version": 1, "values": {"direction": "reversed"}}
    ).json()["error"]["fields"]
    assert refused == {"direction": ["The strategy fixes this setting."]}


def test_what_counts_at_the_start_is_said_to_come_too_late(scene, writer):
    """Not taken and then without effect; `POST /api/v1/subscriptions/` takes it."""
    stated = {**BASE, "existing_positions": "all"}
    answer = writer.put(url(scene.partners), {"version": 0, "values": stated})
    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == ["existing_positions"]
    assert "begun" in answer.json()["error"]["fields"]["existing_positions"][0]


def test_a_map_of_symbols(scene, writer):
    """The copy's venue is not asked: it does not answer here."""
    twice = {"BTC/USDT:USDT": "ETH/USDT:USDT", "SOL/USDT:USDT": "ETH/USDT:USDT"}
    answer = writer.put(
        url(scene.partners), {"version": 0, "values": {**BASE, "symbol_map": twice}}
    )
    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == ["symbol_map"]
    once = {"BTC/USDT:USDT": "ETH/USDT:USDT"}
    answer = writer.put(url(scene.partners), {"version": 0, "values": {**BASE, "symbol_map": once}})
    assert answer.json()["in_force"]["symbol_map"]["value"] == once
