"""Logging in, being locked out, going where one belongs."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from customers.models import AuditEntry, LoginFailure, User
from customers.services import login_guard
from tests.factories import PASSWORD, MembershipFactory, UserFactory
from tests.portal.conftest import Persona

pytestmark = pytest.mark.django_db
LOGIN = "/login/"


def _try(client: Client, email: str, password: str = PASSWORD, **extra: str):
    return client.post(LOGIN, {"email": email, "password": password, **extra})


def test_a_client_logs_in_by_email_whatever_its_case_and_lands_on_the_overview(owner: Persona):
    client = Client()
    response = _try(client, owner.user.email.upper())
    assert response.status_code == 302
    assert response["Location"] == "/"
    assert client.get("/").status_code == 200
    assert AuditEntry.objects.get(action="login.succeeded").actor_id == owner.user.pk


def test_staff_are_sent_to_the_console(db):
    staff = MembershipFactory().user
    assert _try(Client(), staff.email)["Location"] == reverse("admin:index")


def test_a_superuser_is_sent_to_the_console(db):
    root = User.objects.create_superuser("root@example.com", PASSWORD)
    assert _try(Client(), root.email)["Location"] == reverse("admin:index")


def test_staff_who_open_the_portal_are_sent_to_the_console(db):
    client = Client()
    client.force_login(MembershipFactory().user)
    assert client.get("/")["Location"] == reverse("admin:index")


def test_the_asked_page_is_opened_after_the_login(owner: Persona):
    assert Client().get("/orders/")["Location"] == f"{LOGIN}?next=/orders/"
    response = _try(Client(), owner.user.email, next="/orders/")
    assert response["Location"] == "/orders/"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/admin/"])
def test_nobody_is_sent_elsewhere_or_where_he_may_not_go(owner: Persona, target: str):
    assert _try(Client(), owner.user.email, next=target)["Location"] == "/"


def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(owner: Persona):
    wrong = _try(Client(), owner.user.email, "not the password")
    unknown = _try(Client(), "nobody@example.com")
    assert wrong.status_code == unknown.status_code == 403
    text = "do not fit together"
    assert text in wrong.content.decode()
    assert text in unknown.content.decode()


def test_a_disabled_login_does_not_get_in(owner: Persona):
    User.objects.filter(pk=owner.user.pk).update(is_active=False)
    assert _try(Client(), owner.user.email).status_code == 403


def test_after_five_failures_even_the_right_password_waits(owner: Persona):
    client = Client()
    for _ in range(login_guard.FAILURES_PER_LOGIN):
        assert _try(client, owner.user.email, "guess").status_code == 403
    locked = _try(client, owner.user.email)
    assert locked.status_code == 429
    assert "15 minutes" in locked.content.decode()
    assert "_auth_user_id" not in client.session
    assert AuditEntry.objects.filter(action="login.locked").count() == 1
    LoginFailure.objects.update(locked_until=None, failures=0)
    assert _try(client, owner.user.email).status_code == 302


def test_a_lock_is_for_one_address_so_nobody_locks_out_a_stranger(owner: Persona):
    for _ in range(login_guard.FAILURES_PER_LOGIN):
        Client(REMOTE_ADDR="10.9.9.9").post(LOGIN, {"email": owner.user.email, "password": "guess"})
    assert _try(Client(REMOTE_ADDR="10.0.0.7"), owner.user.email).status_code == 302


def test_one_address_cannot_try_many_logins(db, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(login_guard, "FAILURES_PER_ADDRESS", 3)
    client = Client()
    for n in range(3):
        _try(client, f"victim{n}@example.com", "Password1")
    assert _try(client, "victim9@example.com", "Password1").status_code == 429


def test_a_success_forgets_the_failures_and_old_ones_do_not_count(owner: Persona):
    client = Client()
    for _ in range(4):
        _try(client, owner.user.email, "guess")
    assert _try(client, owner.user.email).status_code == 302
    other = Client()
    for _ in range(4):
        assert _try(other, owner.user.email, "guess").status_code == 403
    for row in LoginFailure.objects.all():
        row.window_started_at -= login_guard.WINDOW + timedelta(seconds=1)
        row.save()
    assert _try(other, owner.user.email, "guess").status_code == 403
    assert _try(other, owner.user.email).status_code == 302


def test_logging_out_needs_a_post_and_ends_the_session(browser: Client):
    assert browser.get("/logout/").status_code == 405
    assert browser.post("/logout/")["Location"] == LOGIN
    assert browser.get("/")["Location"].startswith(LOGIN)


def test_a_login_without_firm_and_customer_is_told_so(db):
    client = Client()
    user = UserFactory()
    client.force_login(user)
    response = client.get("/")
    assert response.status_code == 403
    text = response.content.decode()
    assert user.email in text
    assert "Please ask your provider" in text
    assert "/logout/" in text


def test_a_staff_login_whose_last_membership_ended_is_told_so(db):
    client = Client()
    client.force_login(UserFactory(is_staff=True))
    for page in ("/", reverse("admin:index")):
        response = client.get(page)
        assert response.status_code == 403
        assert "Please ask your provider" in response.content.decode()


def test_clients_of_a_suspended_firm_have_no_portal(owner: Persona):
    browser = owner.browser()
    type(owner.tenant).objects.filter(pk=owner.tenant.pk).update(status="suspended")
    assert browser.get("/").status_code == 403


def test_a_form_without_its_token_is_refused_with_a_clear_page(owner: Persona):
    response = Client(enforce_csrf_checks=True).post(LOGIN, {"email": "a", "password": "b"})
    assert response.status_code == 403
    assert "Nothing was changed" in response.content.decode()


def test_a_refresh_after_the_session_ended_moves_the_whole_page(db):
    response = Client().get(
        "/parts/numbers/",
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/orders/"},
    )
    assert response["HX-Redirect"] == f"{LOGIN}?next=/orders/"
