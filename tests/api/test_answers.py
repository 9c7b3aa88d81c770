"""What all answers share: one error shape, the tenant's scope to the end, bounded queries."""

import json

import pytest

from customers.api.customers import CustomerViewSet
from customers.models import Customer
from customers.tenancy import current_scope
from tests import factories as make
from tests.api.conftest import LISTS
from tests.api.test_send_signal import PATH, body_for


def test_a_fault_of_ours_is_a_500_in_the_same_shape_and_is_reported(scene, monkeypatch):
    def broken(self):
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(CustomerViewSet, "get_queryset", broken)
    scene.tenant_key._client.raise_request_exception = False
    answer = scene.tenant_key.get("/api/v1/customers/")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "server_error"
    assert "secret detail" not in answer.content.decode()
    scene.tenant_key._client.raise_request_exception = True
    with pytest.raises(ZeroDivisionError):  # the signal that monitoring listens to was sent
        scene.tenant_key.get("/api/v1/customers/")


def test_an_answer_that_reads_while_it_is_rendered_is_still_in_its_tenant(scene, monkeypatch):
    seen = []

    class Renderer(CustomerViewSet.renderer_classes[0]):
        def render(self, data, *args, **kwargs):
            seen.append(Customer.objects.count())
            return super().render(data, *args, **kwargs)

    monkeypatch.setattr(CustomerViewSet, "renderer_classes", [Renderer])
    assert scene.tenant_key.get("/api/v1/customers/").status_code == 200
    assert seen == [3]
    assert current_scope() is None


def test_the_scope_ends_with_the_request_also_after_an_error(scene):
    scene.tenant_key.get("/api/v1/customers/" + "0" * 26 + "/")
    assert current_scope() is None


@pytest.mark.parametrize("route", LISTS)
def test_a_list_costs_a_fixed_number_of_queries(scene, route, django_assert_num_queries):
    """The key (with its tenant and partner), the page; signals also their coverage."""
    scene.tenant_key.get("/api/v1/customers/")  # notes the use of the key
    expected = 3 if route == "signals" else 2
    with django_assert_num_queries(expected):
        assert len(scene.tenant_key.ids(f"/api/v1/{route}/")) == 3


def test_the_followers_of_a_signal_cost_a_fixed_number_of_queries(scene, django_assert_num_queries):
    signal = scene.house.rows["signals"]
    strategy = scene.house.rows["subscriptions"].strategy
    for _ in range(5):
        subscription = make.SubscriptionFactory(strategy=strategy)
        make.OrderFactory(intent=make.IntentFactory(subscription=subscription, signal=signal))
    scene.tenant_key.get("/api/v1/customers/")
    with django_assert_num_queries(4):  # the key, the signal, its intents, their orders
        assert len(scene.tenant_key.ids(f"/api/v1/signals/{signal.pk}/orders/")) == 6


def test_sending_a_signal_costs_a_fixed_number_of_queries(scene, django_assert_num_queries):
    scene.tenant_key.get("/api/v1/customers/")
    # The key; the claim in its savepoint (3); the source; in one transaction (2), and the
    # signal's own savepoint (2), the signal, its event and the stored answer (3).
    with django_assert_num_queries(12):
        scene.tenant_key("POST", PATH, body_for(scene.manual_source), Idempotency_Key="k")


def test_the_openapi_document_describes_every_route_and_the_signal(scene):
    answer = scene.nobody("GET", "/api/schema/?format=json")
    document = json.loads(answer.content)
    assert document["openapi"].startswith("3.1")
    for route in LISTS:
        assert f"/api/v1/{route}/" in document["paths"]
    send = document["paths"]["/api/v1/signals/"]["post"]
    assert {"name": "Idempotency-Key", "in": "header"}.items() <= next(
        parameter.items() for parameter in send["parameters"] if parameter["in"] == "header"
    )
    signal = send["requestBody"]["content"]["application/json"]["schema"]["properties"]["signal"]
    assert "$ref" not in json.dumps(signal)
    assert set(signal["required"]) == {"action", "symbol", "emitted_at"}
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
