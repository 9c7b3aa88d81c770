"""Every route under /api/ × every method × every role × own and foreign ids.

The table below is written by hand; the routes come from the URL configuration. A route that the
table does not know, or one in it that is gone, fails.
"""

import pytest
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from tests.api.conftest import LISTS

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
ROLES = ["nobody", "partner_key", "tenant_key", "read_key", "stranger_key"]
READ = {"GET", "HEAD"}


def singular(route: str) -> str:
    return "strategy" if route == "strategies" else route.rstrip("s")


# route name → methods that exist
LIST_ROUTES = {f"api-{singular(route)}-list": READ for route in LISTS}
LIST_ROUTES["api-signal-list"] = LIST_ROUTES["api-subscription-list"] = READ | {"POST"}
DETAIL_ROUTES = {f"api-{singular(route)}-detail": READ for route in LISTS}
DETAIL_ROUTES["api-signal-orders"] = READ
DETAIL_ROUTES["api-subscription-copy-settings"] = READ | {"PUT"}
DETAIL_ROUTES |= {"api-order-cancel": {"POST"}, "api-order-change": {"POST"}}
PARTS = {
    "api-signal-orders": "orders/",
    "api-subscription-copy-settings": "settings/",
    "api-order-cancel": "cancel/",
    "api-order-change": "change/",
}
PUBLIC_ROUTES = {"api-schema": READ, "api-docs": READ}
CATCH_ALL = "api-not-found"


def api_routes(patterns=None, prefix=""):
    """(name, path template) of every route below /api/."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from api_routes(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern) and path.startswith("api/"):
            yield pattern.name, path


ROUTES = dict(api_routes())


def route_of(name: str) -> str:
    return next(route for route in LISTS if f"api-{singular(route)}-" in f"{name}-")


def test_the_table_knows_every_route_and_no_other():
    known = {*LIST_ROUTES, *DETAIL_ROUTES, *PUBLIC_ROUTES, CATCH_ALL}
    assert set(ROUTES) == known


def expected(exists: bool, role: str, method: str, *, visible: bool, name: str = "") -> set[int]:
    """The statuses that are right; a POST that may come in lacks its Idempotency-Key: 400."""
    if role == "nobody":
        return {401}
    if not exists:
        return {405}
    begins = method == "POST" and name == "api-subscription-list"
    if begins or method == "PUT" or name.startswith("api-order-"):
        return {403}  # none of these keys may change copies or their settings, or orders
    if method == "POST":
        return {403} if role == "read_key" else {400}
    return {200} if visible else {404}


@pytest.mark.parametrize("name", sorted(LIST_ROUTES))
def test_lists(scene, name):
    path = f"/api/v1/{route_of(name)}/"
    for role in ROLES:
        for method in METHODS:
            answer = getattr(scene, role)(method, path)
            begins = name if name == "api-subscription-list" else ""
            right = expected(method in LIST_ROUTES[name], role, method, visible=True, name=begins)
            assert answer.status_code in right, (role, method, answer.content)


@pytest.mark.parametrize("name", sorted(DETAIL_ROUTES))
def test_single_rows(scene, name):
    visible_to = {
        "partner_key": {"partners"},
        "tenant_key": {"partners", "house", "rivals"},
        "read_key": {"partners", "house", "rivals"},
        "stranger_key": {"strangers"},
    }
    route = route_of(name)
    for world in ("partners", "house", "rivals", "strangers", "nowhere"):
        pk = "0" * 26 if world == "nowhere" else getattr(scene, world).rows[route].pk
        path = f"/api/v1/{route}/{pk}/{PARTS.get(name, '')}"
        for role in ROLES:
            for method in METHODS:
                answer = getattr(scene, role)(method, path)
                visible = world in visible_to.get(role, set())
                exists = method in DETAIL_ROUTES[name]
                part = name if name in PARTS else ""
                right = expected(exists, role, method, visible=visible, name=part)
                assert answer.status_code in right, (world, role, method, answer.content)


@pytest.mark.parametrize("name", sorted(PUBLIC_ROUTES))
def test_public_pages(scene, name):
    for role in ROLES:
        for method in METHODS:
            answer = getattr(scene, role)(method, "/" + ROUTES[name])
            right = {200} if method in PUBLIC_ROUTES[name] else {405}
            assert answer.status_code in right, (role, method)


@pytest.mark.parametrize(
    "path", ["/api/", "/api/v1/", "/api/v1/nothing/", "/api/v1/customers", "/api/v2/orders/"]
)
def test_any_other_address_is_nothing_for_everybody(scene, path):
    for role in ROLES:
        for method in METHODS:
            answer = getattr(scene, role)(method, path)
            assert answer.status_code == 404
            if method != "HEAD":
                assert answer.json()["error"]["code"] == "not_found"
