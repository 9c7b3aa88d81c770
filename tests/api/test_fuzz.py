"""Whatever is sent, the hook and the API answer below 500."""

import json
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.api_urls import router
from customers.api.throttling import ApiKeyThrottle
from signals_app.domain.canonical import FIELD_NAMES
from tests.factories import SourceFactory
from tests.signals_app.conftest import signal_json, signed

pytestmark = pytest.mark.django_db

FUZZ = settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["1e400", "-0", "\ud800", "\x00", "9" * 400, "١", "0x1", "NaN"])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
field_names = st.sampled_from([*sorted(FIELD_NAMES), "note"])
near_signals = st.dictionaries(field_names, anything | st.sampled_from(["open", "close"])).map(
    lambda changes: {**signal_json(), **changes}
)
header_values = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40
)
bodies = st.one_of(
    st.binary(max_size=200),
    near_signals.map(lambda document: json.dumps(document).encode()),
    anything.map(lambda document: json.dumps(document).encode()),
)


def assert_refused_clearly_or_taken(answer):
    assert answer.status_code < 500
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert error["code"] == str(error["code"])
        assert error["message"]


@FUZZ
@given(body=bodies)
def test_signed_bodies(scene, body):
    source = SourceFactory()
    text_body = body if body.isascii() else json.dumps(body.decode("latin-1")).encode()
    answer = scene.nobody(
        "POST",
        f"/hooks/{source.pk}/",
        text_body,
        **{name.replace("-", "_"): value for name, value in signed(text_body).items()},
    )
    assert_refused_clearly_or_taken(answer)


@FUZZ
@given(
    source_id=st.text(min_size=1, max_size=70),
    delivery_id=header_values,
    timestamp=header_values | st.just(str(int(datetime.now(UTC).timestamp()))),
    signature=header_values,
    body=st.binary(max_size=50),
)
def test_headers_and_addresses(scene, source_id, delivery_id, timestamp, signature, body):
    source = scene.house.rows["signals"].source
    for target in (source.pk, quote(source_id, safe="")):
        answer = scene.nobody(
            "POST",
            f"/hooks/{target}/",
            body,
            webhook_id=delivery_id,
            webhook_timestamp=timestamp,
            webhook_signature=signature,
        )
        assert 400 <= answer.status_code < 500


@FUZZ
@given(document=anything | near_signals, external_id=anything, key=header_values)
def test_signals_by_the_api(scene, document, external_id, key):
    ApiKeyThrottle.reset()
    body = json.dumps(
        {"source": scene.manual_source.pk, "signal": document, "external_id": external_id}
    ).encode()
    assert_refused_clearly_or_taken(
        scene.tenant_key("POST", "/api/v1/signals/", body, Idempotency_Key=key)
    )


@FUZZ
@given(
    route=st.sampled_from([prefix for prefix, _, _ in router.registry]),
    pk=st.text(max_size=30),
    data=st.data(),
)
def test_addresses_and_filters_of_the_api(scene, route, pk, data):
    ApiKeyThrottle.reset()
    viewset = next(view for prefix, view, _ in router.registry if prefix == route)
    names = [*viewset.filterset_class.base_filters, "cursor", "limit", "format"]
    query = data.draw(st.dictionaries(st.sampled_from(names), st.text(max_size=40), max_size=3))
    address = f"/api/v1/{route}/?" + urlencode(query, errors="replace")
    assert_refused_clearly_or_taken(scene.tenant_key.get(address))
    single = f"/api/v1/{route}/{quote(pk, safe='', errors='replace')}/"
    assert_refused_clearly_or_taken(scene.tenant_key.get(single))
