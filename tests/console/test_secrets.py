"""Secrets go in, or are shown once; no page ever gives one back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from customers import wakeup
from customers.api.authentication import token_hash
from customers.models import ApiKey, AuditEntry, Credential, ExchangeAccount, User
from customers.services.credentials import CredentialRefusedError, credential_store
from customers.tenancy import system_scope, tenant_scope
from signals_app.models import SignalSource
from signals_app.services.sources import source_drop_previous_secret, source_rotate_secret
from tests import factories as make
from tests.console.conftest import CANARY, Enter, Firm
from tests.console.test_pages import list_url, page_url, registered, tenant_rows

KEYS = {"api_key": "key-from-the-form", "api_secret": CANARY + "-typed", "passphrase": "phrase-x"}


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    calls: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(wakeup, "wake", lambda name, **kwargs: calls.append((name, kwargs)))
    return calls


def keys_url(account: ExchangeAccount) -> str:
    return reverse("admin:customers_exchangeaccount_set_keys", args=[account.pk])


def test_no_page_shows_a_stored_secret(firm: Firm, enter: Enter) -> None:
    root = enter(None)
    pages = [list_url(label) for label in registered()]
    pages += [page_url(row) for row in tenant_rows(firm)]
    pages += [keys_url(firm.account), reverse("admin:index")]
    for page in pages:
        text = root.get(page).content.decode()
        assert CANARY not in text, page
        assert token_hash(CANARY + firm.tenant.pk) not in text, page


def test_credentials_have_no_page_at_all() -> None:
    assert Credential not in admin.site._registry


def test_keys_are_sealed_fingerprinted_audited_and_checked(
    firm: Firm, owner: Client, woken: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        response = owner.post(keys_url(firm.account), KEYS)
    assert response.status_code == 302
    with tenant_scope(firm.tenant.pk):
        credential = Credential.objects.get(account=firm.account, status="unchecked")
        in_use = Credential.objects.get(account=firm.account, status="active")
        account = ExchangeAccount.objects.get(pk=firm.account.pk)
    assert credential.reveal("api_key") == KEYS["api_key"]
    assert credential.reveal("api_secret") == KEYS["api_secret"]
    assert credential.reveal("passphrase") == KEYS["passphrase"]
    assert KEYS["api_key"] not in credential.api_key_fingerprint
    assert len(credential.api_key_fingerprint) == 64
    assert in_use.reveal("api_secret") == CANARY + "-secret"  # until the new one has passed
    assert account.health == ExchangeAccount.Health.HEALTHY
    assert (
        "trading.tasks.account_check",
        {"account_id": account.pk, "tenant_id": account.tenant_id},
    ) in woken
    entry = AuditEntry.objects.get(action="credential.replaced")
    assert entry.actor == owner.user  # type: ignore[attr-defined]
    assert CANARY not in str(entry.details)


def test_a_form_that_is_sent_back_is_empty(firm: Firm, owner: Client) -> None:
    response = owner.post(keys_url(firm.account), {**KEYS, "api_key": ""})
    assert response.status_code == 200
    assert CANARY not in response.content.decode()


def test_one_key_belongs_to_one_account_in_any_tenant(
    firm: Firm, other_firm: Firm, owner: Client
) -> None:
    with tenant_scope(other_firm.tenant.pk):
        credential_store(account=other_firm.account, **KEYS, actor=None)
    response = owner.post(keys_url(firm.account), KEYS)
    assert response.status_code == 200
    assert "already belongs to another account" in response.content.decode()
    with tenant_scope(firm.tenant.pk):
        kept = Credential.objects.get(account=firm.account)
        with pytest.raises(CredentialRefusedError):
            credential_store(account=firm.account, **KEYS, actor=None)
    assert kept.reveal("api_key") == CANARY + "-key" + firm.tenant.pk


def test_the_same_key_again_on_the_same_account_is_fine(firm: Firm) -> None:
    with tenant_scope(firm.tenant.pk):
        for secret in ("one", "two"):
            credential_store(account=firm.account, **{**KEYS, "api_secret": secret}, actor=None)
        credential = Credential.objects.get(account=firm.account, status="unchecked")
    assert credential.reveal("api_secret") == "two"


def test_an_accounts_page_tells_what_is_wrong_with_its_keys(firm: Firm, owner: Client) -> None:
    with tenant_scope(firm.tenant.pk):
        Credential.objects.filter(account=firm.account).update(ip_restricted=False)
        make.CredentialFactory(
            account=firm.account,
            status="refused",
            api_key="",
            api_secret="",
            passphrase="",
            api_key_fingerprint=None,
            problem_code="key_can_withdraw",
        )
    text = owner.get(page_url(firm.account)).content.decode()
    assert "works from any address" in text
    assert "may withdraw or transfer money, so it was refused and deleted here" in text
    assert "refused and deleted" in text


# --- webhook secrets ------------------------------------------------------------------------------


def rotate_url(source: SignalSource) -> str:
    return reverse("admin:signals_app_signalsource_rotate_secret", args=[source.pk])


def test_a_new_webhook_secret_is_shown_exactly_once(firm: Firm, owner: Client) -> None:
    asked = owner.get(rotate_url(firm.source)).content.decode()
    assert "whsec_" not in asked
    response = owner.post(rotate_url(firm.source))
    (secret,) = re.findall(r"whsec_[A-Za-z0-9+/=]{40,}", response.content.decode())
    assert "no-store" in response["Cache-Control"]
    with tenant_scope(firm.tenant.pk):
        source = SignalSource.objects.get(pk=firm.source.pk)
    assert source.reveal("secret") == secret
    assert source.reveal("previous_secret") == "whsec_" + CANARY
    for page in (page_url(source), rotate_url(source), list_url("signals_app.signalsource")):
        assert secret not in owner.get(page).content.decode()
    assert secret not in str(list(AuditEntry.objects.values_list("details", flat=True)))


def test_the_previous_secret_stays_until_it_is_dropped(firm: Firm) -> None:
    with tenant_scope(firm.tenant.pk):
        first = source_rotate_secret(source=firm.source, actor=None)
        second = source_rotate_secret(source=firm.source, actor=None)
        source = SignalSource.objects.get(pk=firm.source.pk)
        assert (source.reveal("secret"), source.reveal("previous_secret")) == (second, first)
        assert source_drop_previous_secret(source=source, actor=None)
        source = SignalSource.objects.get(pk=firm.source.pk)
        assert (source.reveal("secret"), source.reveal("previous_secret")) == (second, "")
        assert not source_drop_previous_secret(source=source, actor=None)


def test_a_new_webhook_source_leads_to_its_secret(firm: Firm, owner: Client) -> None:
    response = owner.post(
        reverse("admin:signals_app_signalsource_add"),
        {
            "name": "Fresh", "kind": "webhook", "partner": "", "venue": "paper",
            "signal_lifetime_seconds": "60",
        },
    )  # fmt: skip
    with tenant_scope(firm.tenant.pk):
        source = SignalSource.objects.get(name="Fresh")
    assert response.status_code == 302
    assert response["Location"] == rotate_url(source)


def test_a_manual_source_has_no_secret(firm: Firm, owner: Client) -> None:
    assert owner.post(rotate_url(firm.manual_source)).status_code == 409


# --- API keys -------------------------------------------------------------------------------------


def test_an_api_token_is_shown_exactly_once(firm: Firm, owner: Client) -> None:
    response = owner.post(
        reverse("admin:customers_apikey_add"),
        {"name": "Reports", "scopes": ["read"], "partner": firm.partner.pk},
    )
    assert "no-store" in response["Cache-Control"]
    (token,) = re.findall(r"tandem_[A-Za-z0-9_-]{40,}", response.content.decode())
    with tenant_scope(firm.tenant.pk):
        key = ApiKey.objects.get(name="Reports")
    assert key.token_hash == token_hash(token)
    assert (key.scopes, key.partner_id) == (["read"], firm.partner.pk)
    assert key.created_by == owner.user  # type: ignore[attr-defined]
    for page in (page_url(key), list_url("customers.apikey"), list_url("customers.auditentry")):
        assert token not in owner.get(page).content.decode()


def test_a_key_cannot_be_made_for_a_foreign_partner(
    firm: Firm, other_firm: Firm, owner: Client
) -> None:
    response = owner.post(
        reverse("admin:customers_apikey_add"),
        {"name": "Spy", "scopes": ["read"], "partner": other_firm.partner.pk},
    )
    assert response.status_code == 200
    with tenant_scope(firm.tenant.pk):
        assert not ApiKey.objects.filter(name="Spy").exists()


def test_revoking_ends_a_key_once(firm: Firm, owner: Client) -> None:
    url = reverse("admin:customers_apikey_revoke", args=[firm.api_key.pk])
    for _ in range(2):
        assert owner.post(url, {"reason": "leaked"}).status_code == 302
    with tenant_scope(firm.tenant.pk):
        assert ApiKey.objects.get(pk=firm.api_key.pk).revoked_at is not None
    assert AuditEntry.objects.filter(action="api_key.revoked").count() == 1


# --- passwords ------------------------------------------------------------------------------------


def test_a_new_member_gets_a_password_that_is_shown_once(firm: Firm, owner: Client) -> None:
    url = reverse("admin:customers_membership_add")
    form = {"email": "New.Trader@example.com", "name": "New", "role": "trader"}
    shown = owner.post(url, form).content.decode()
    (password,) = re.findall(r'id="secret"[^>]*value="([^"]+)"', shown)
    user = User.objects.get(email="new.trader@example.com")
    assert user.check_password(password)
    assert user.is_staff
    assert "already has a role" in owner.post(url, form).content.decode()


def test_an_existing_login_keeps_its_password(firm: Firm, owner: Client) -> None:
    known = make.UserFactory(email="known@example.com")
    url = reverse("admin:customers_customer_add_login", args=[firm.customer.pk])
    assert owner.post(url, {"email": "known@example.com", "name": ""}).status_code == 302
    known.refresh_from_db()
    assert known.check_password(make.PASSWORD)
    with system_scope("look at the new login"):
        assert known.customer_logins.get().customer_id == firm.customer.pk


def test_robot_secrets_are_kept_when_the_form_leaves_them_empty(firm: Firm, owner: Client) -> None:
    form = {"name": "Robot", "kind": "dingtalk", "language": "en", "is_active": "on"}
    assert owner.post(page_url(firm.channel), form).status_code == 302
    with tenant_scope(firm.tenant.pk):
        channel = type(firm.channel).objects.get(pk=firm.channel.pk)
        assert channel.name == "Robot"
        assert channel.reveal("signing_secret") == CANARY + "-sign"
    changed = {**form, "new_signing_secret": "fresh-one"}
    assert owner.post(page_url(firm.channel), changed).status_code == 302
    with tenant_scope(firm.tenant.pk):
        channel = type(firm.channel).objects.get(pk=firm.channel.pk)
        assert channel.reveal("signing_secret") == "fresh-one"
        assert channel.reveal("webhook_url").endswith(CANARY)
