"""Owner, colleague, stranger: a partner's key, its tenant's key, another tenant's key."""

import json

import pytest

from config.api_urls import router
from tests import factories as make
from tests.api.conftest import LISTS

PARTNER_VISIBLE = {"partners"}
TENANT_VISIBLE = {"partners", "house", "rivals"}
STRANGER_VISIBLE = {"strangers"}
WORLDS = ["partners", "house", "rivals", "strangers"]
KEYS = [
    ("partner_key", PARTNER_VISIBLE),
    ("tenant_key", TENANT_VISIBLE),
    ("read_key", TENANT_VISIBLE),
    ("stranger_key", STRANGER_VISIBLE),
]


@pytest.mark.parametrize("route", LISTS)
@pytest.mark.parametrize(("key", "visible"), KEYS, ids=[key for key, _ in KEYS])
def test_a_key_lists_and_reads_its_rows_and_no_others(scene, route, key, visible):
    caller = getattr(scene, key)
    rows = {world: getattr(scene, world).rows[route].pk for world in WORLDS}
    assert caller.ids(f"/api/v1/{route}/") == {rows[world] for world in visible}
    for world, pk in rows.items():
        answer = caller.get(f"/api/v1/{route}/{pk}/")
        assert answer.status_code == (200 if world in visible else 404)
        if world not in visible:
            assert answer.json()["error"]["code"] == "not_found"
            assert pk not in answer.content.decode()


@pytest.mark.parametrize(("key", "visible"), KEYS, ids=[key for key, _ in KEYS])
def test_the_followers_of_a_signal_are_the_keys_own(scene, key, visible):
    """One signal that customers of two partners and of nobody follow."""
    signal = scene.partners.rows["signals"]
    strategy = scene.partners.rows["subscriptions"].strategy
    intents = {"partners": scene.partners.rows["intents"].pk}
    for world in ("house", "rivals"):
        subscription = make.SubscriptionFactory(
            strategy=strategy, account=getattr(scene, world).rows["accounts"]
        )
        intent = make.IntentFactory(subscription=subscription, signal=signal, status="skipped")
        make.OrderFactory(intent=intent)
        intents[world] = intent.pk
    caller = getattr(scene, key)
    path = f"/api/v1/signals/{signal.pk}/"
    if "partners" not in visible:
        assert caller.get(path).status_code == 404
        assert caller.get(path + "orders/").status_code == 404
        return
    assert caller.ids(path + "orders/") == {intents[world] for world in visible}
    coverage = caller.get(path).json()["coverage"]
    assert coverage["planned"] == len(visible)
    assert coverage["filled"] == 1
    assert coverage["skipped"] == len(visible) - 1


def test_a_partner_sees_a_signal_that_it_sent_before_anybody_follows(scene):
    signal = make.SignalFactory(source=scene.partner_source)
    assert scene.partner_key.get(f"/api/v1/signals/{signal.pk}/").status_code == 200


@pytest.mark.parametrize("route", LISTS)
def test_no_key_no_answer(scene, route):
    answer = scene.nobody.get(f"/api/v1/{route}/")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["error"]["code"] == "not_authenticated"


@pytest.mark.parametrize(
    ("route", "name"),
    [
        ("accounts", "customer"),
        ("subscriptions", "account"),
        ("orders", "customer"),
        ("fills", "account"),
        ("positions", "customer"),
        ("copied-positions", "customer"),
        ("trades", "account"),
    ],
)
def test_filtering_by_a_foreign_id_finds_nothing_and_by_an_own_one_its_rows(scene, route, name):
    related = {"customer": "customers", "account": "accounts"}[name]
    own = scene.house.rows
    found = scene.tenant_key.ids(f"/api/v1/{route}/?{name}={own[related].pk}")
    assert found == {own[route].pk}
    foreign = scene.strangers.rows[related].pk
    assert scene.tenant_key.ids(f"/api/v1/{route}/?{name}={foreign}") == set()


def test_no_answer_contains_a_secret(scene):
    for route in LISTS:
        text = scene.tenant_key.get(f"/api/v1/{route}/").content.decode()
        for secret in ("test-api-key", "test-api-secret", "test-passphrase", "whsec_", "sealed"):
            assert secret not in text
        assert "raw_payload" not in text


def test_amounts_are_exact_text(scene):
    order = make.OrderFactory(
        intent=scene.house.rows["intents"], quantity="12345678901234567890.123456789012345678"
    )
    row = scene.tenant_key.get(f"/api/v1/orders/{order.pk}/").json()
    assert row["quantity"] == "12345678901234567890.123456789012345678"
    assert row["filled_quantity"] == "0"


def test_a_reason_has_code_numbers_and_a_sentence_in_the_readers_language(scene):
    intent = make.IntentFactory(
        subscription=scene.house.rows["subscriptions"],
        signal=scene.house.rows["signals"],
        status="skipped",
        leg=1,
        reason_code="symbol_not_allowed",
        reason_params={"symbol": "BTC/USDT:USDT"},
    )
    rows = scene.tenant_key.get(f"/api/v1/signals/{intent.signal_id}/orders/").json()["results"]
    reason = next(row["reason"] for row in rows if row["id"] == intent.pk)
    assert reason["code"] == "symbol_not_allowed"
    assert reason["params"] == {"symbol": "BTC/USDT:USDT"}
    assert "BTC/USDT:USDT" in reason["text"]
    assert [row["reason"] for row in rows if row["id"] != intent.pk] == [None]


def test_pages_follow_each_other_without_gaps(scene):
    source = scene.house.rows["signals"].source
    made = {make.SignalFactory(source=source).pk for _ in range(7)}
    path, seen = f"/api/v1/signals/?source={source.pk}&limit=3", []
    while path:
        page = scene.tenant_key.get(path).json()
        assert len(page["results"]) <= 3
        seen += [row["id"] for row in page["results"]]
        path = page["next"]
    assert seen == sorted(made | {scene.house.rows["signals"].pk}, reverse=True)


def test_every_filter_works(scene):
    """A filter that names a field which is not there would be a server error."""
    for prefix, viewset, _ in router.registry:
        for name, declared in viewset.filterset_class.base_filters.items():
            value = "2030-01-01T00:00:00Z" if "Iso" in type(declared).__name__ else "nothing"
            answer = scene.tenant_key.get(f"/api/v1/{prefix}/?{name}={value}")
            assert answer.status_code == 200, (prefix, name)
            since = name.endswith("_before")
            assert bool(answer.json()["results"]) == since, (prefix, name)


def test_a_filter_with_nonsense_is_a_clear_400(scene):
    answer = scene.tenant_key.get("/api/v1/orders/?created_since=yesterday")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "invalid"
    assert "created_since" in json.dumps(error["fields"])
