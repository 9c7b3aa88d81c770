"""Each request runs in the scope of the tenant that the login may act in."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from customers.middleware import TenantMiddleware
from customers.models import Membership, User
from customers.tenancy import current_scope, tenant_scope
from tests.factories import (
    CustomerFactory,
    CustomerUserFactory,
    MembershipFactory,
    TenantFactory,
    UserFactory,
)
from tests.portal.conftest import Persona

pytestmark = pytest.mark.django_db


def _seen(path: str, user, **session):
    """The request and the scope that a view at this address would see."""
    seen = {}

    def view(request):
        seen["scope"] = current_scope()
        return HttpResponse()

    request = RequestFactory().get(path)
    request.user, request.session = user, session
    TenantMiddleware(view)(request)
    assert current_scope() is None
    return request, seen["scope"]


def test_a_client_sees_his_customer_and_its_tenant(owner: Persona):
    request, scope = _seen("/", owner.user)
    assert request.customer == owner.customer
    assert request.tenant == owner.tenant
    assert scope.tenant_id == owner.tenant.pk


def test_staff_see_their_only_tenant_without_choosing(db):
    membership = MembershipFactory()
    request, scope = _seen(reverse("admin:index"), membership.user)
    assert request.tenant == membership.tenant
    assert request.membership == membership
    assert request.customer is None
    assert scope.tenant_id == membership.tenant_id


def test_staff_of_several_tenants_see_the_chosen_one_only_while_they_are_members(db):
    user = UserFactory(is_staff=True)
    first = MembershipFactory(user=user, tenant=TenantFactory(name="A"))
    second = MembershipFactory(user=user, tenant=TenantFactory(name="B"))
    foreign = TenantFactory(name="C")
    console = reverse("admin:index")
    assert _seen(console, user, tenant_id=second.tenant_id)[0].tenant == second.tenant
    assert _seen(console, user, tenant_id=foreign.pk)[0].tenant == first.tenant
    with tenant_scope(second.tenant_id):
        Membership.objects.filter(pk=second.pk).delete()
    assert _seen(console, user, tenant_id=second.tenant_id)[0].tenant == first.tenant


def test_a_superuser_works_on_the_whole_platform_or_in_a_chosen_tenant(db):
    root = User.objects.create_superuser("root@example.com", "x")
    tenant = TenantFactory()
    request, scope = _seen(reverse("admin:index"), root)
    assert request.tenant is None
    assert scope.tenant_id is None
    request, scope = _seen(reverse("admin:index"), root, tenant_id=tenant.pk)
    assert request.tenant == tenant
    assert scope.tenant_id == tenant.pk


@pytest.mark.parametrize(
    "path", ["/hooks/x/", "/api/v1/orders/", "/static/x.css", "/i18n/setlang/"]
)
def test_doors_that_find_their_own_tenant_run_without_scope(owner: Persona, path: str):
    request, scope = _seen(path, owner.user)
    assert scope is None
    assert request.tenant is None


def test_anonymous_pages_and_logins_without_anything_run_without_scope(db):
    assert _seen("/login/", AnonymousUser())[1] is None
    assert _seen("/", UserFactory())[1] is None
    assert _seen(reverse("admin:index"), UserFactory(is_staff=True))[1] is None


def test_the_scope_ends_when_the_page_fails(owner: Persona):
    def broken(request):
        raise ZeroDivisionError

    request = RequestFactory().get("/")
    request.user, request.session = owner.user, {}
    with pytest.raises(ZeroDivisionError):
        TenantMiddleware(broken)(request)
    assert current_scope() is None


def test_times_are_shown_in_the_firms_time_zone(db):
    from django.utils import timezone

    customer = CustomerFactory(tenant__time_zone="Asia/Shanghai")
    user = CustomerUserFactory(customer=customer).user
    zones = []

    def view(request):
        zones.append(str(timezone.get_current_timezone()))
        return HttpResponse()

    request = RequestFactory().get("/")
    request.user, request.session = user, {}
    TenantMiddleware(view)(request)
    assert zones == ["Asia/Shanghai"]
    assert str(timezone.get_current_timezone()) == "UTC"


def test_a_login_of_two_customers_switches_between_them_and_to_no_other(
    owner: Persona, colleague: Persona, stranger: Persona
):
    CustomerUserFactory(customer=stranger.customer, user=owner.user)
    browser = owner.browser()
    assert owner.customer.name in browser.get("/").content.decode()
    chosen = browser.post("/choose/customer/", {"customer": stranger.customer.pk})
    assert chosen["Location"] == "/"
    page = browser.get("/").content.decode()
    assert stranger.account.label in page
    assert owner.account.label not in page
    refused = browser.post("/choose/customer/", {"customer": colleague.customer.pk})
    assert refused.status_code == 404


def test_staff_choose_among_their_tenants_only(db):
    user = UserFactory(is_staff=True)
    first = MembershipFactory(user=user, tenant=TenantFactory(name="Alpha firm"))
    second = MembershipFactory(user=user, tenant=TenantFactory(name="Beta firm"))
    foreign = TenantFactory(name="Gamma firm")
    client = Client()
    client.force_login(user)
    page = client.get("/choose/tenant/").content.decode()
    assert first.tenant.name in page
    assert second.tenant.name in page
    assert foreign.name not in page
    response = client.post("/choose/tenant/", {"tenant": second.tenant_id})
    assert response["Location"] == reverse("admin:index")
    assert client.session["tenant_id"] == second.tenant_id
    for wrong in (foreign.pk, ""):
        assert client.post("/choose/tenant/", {"tenant": wrong}).status_code == 404
    assert client.session["tenant_id"] == second.tenant_id


def test_a_superuser_goes_back_to_the_whole_platform(db):
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "x"))
    tenant = TenantFactory()
    client.post("/choose/tenant/", {"tenant": tenant.pk})
    assert client.session["tenant_id"] == tenant.pk
    client.post("/choose/tenant/", {"tenant": ""})
    assert "tenant_id" not in client.session


def test_a_client_has_no_tenant_to_choose(browser: Client):
    assert browser.get("/choose/tenant/").status_code == 403
