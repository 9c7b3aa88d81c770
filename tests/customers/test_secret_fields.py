"""Stored secrets fail closed, do not move, and show themselves nowhere."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from typing import Any

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.contrib.admin.utils import display_for_field
from django.core import serializers
from django.core.exceptions import FieldError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import NotSupportedError, connection, transaction
from django.db.models import F
from django.forms import modelform_factory
from django.forms.models import model_to_dict
from encrypted_model_fields import fields as encrypted

from customers.fields import SealedSecret, SecretError, seal
from customers.models import Credential, EncryptionCanary, Tenant
from customers.tenancy import tenant_scope
from tests.factories import AccountFactory, CredentialFactory, TenantFactory

pytestmark = pytest.mark.django_db
PLAIN = "canary-of-the-secret-4711"


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory()


@pytest.fixture
def stored(tenant: Tenant) -> Any:
    """A credential as it comes from the database, inside its tenant's scope."""
    made = CredentialFactory(tenant=tenant, account__tenant=tenant, api_secret=PLAIN)
    with tenant_scope(tenant.pk):
        yield Credential.objects.get(pk=made.pk)


def column(field: str, pk: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {field} FROM customers_credential WHERE id = %s", [pk])
        return cursor.fetchone()[0]


def write_column(field: str, pk: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE customers_credential SET {field} = %s WHERE id = %s", [value, pk])


def reread(row: Credential) -> Credential:
    return Credential.objects.get(pk=row.pk)


def test_a_secret_is_sealed_in_the_table_and_opens_on_purpose(stored: Credential) -> None:
    assert PLAIN not in column("api_secret", stored.pk)
    assert isinstance(stored.api_secret, SealedSecret)
    assert stored.reveal("api_secret") == PLAIN


@pytest.mark.parametrize("text", ["x", "with\nlines\n", "密钥 ключ", " " * 3, "a" * 4096])
def test_any_text_comes_back(stored: Credential, text: str) -> None:
    stored.api_secret = text
    stored.save()
    assert reread(stored).reveal("api_secret") == text


def test_an_empty_secret_stays_empty(stored: Credential) -> None:
    stored.passphrase = ""
    stored.save()
    assert column("passphrase", stored.pk) == ""
    assert reread(stored).reveal("passphrase") == ""


# --- it fails closed --------------------------------------------------------------------------


def test_a_ciphertext_moved_between_rows_does_not_open(tenant: Tenant, stored: Credential) -> None:
    other = CredentialFactory(tenant=tenant, account=AccountFactory(customer__tenant=tenant))
    write_column("api_secret", other.pk, column("api_secret", stored.pk))
    with pytest.raises(SecretError, match="another row or field"):
        reread(other).reveal("api_secret")


def test_a_ciphertext_moved_to_another_field_does_not_open(stored: Credential) -> None:
    write_column("passphrase", stored.pk, column("api_secret", stored.pk))
    with pytest.raises(SecretError, match="another row or field"):
        reread(stored).reveal("passphrase")


def test_a_row_copied_under_a_new_id_does_not_open(stored: Credential) -> None:
    twin = copy.copy(stored)
    twin.pk = "0" * 26
    with pytest.raises(SecretError, match="another row or field"):
        twin.reveal("api_secret")


def test_a_wrong_key_raises_and_a_later_save_does_no_harm(
    stored: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = column("api_secret", stored.pk)
    with monkeypatch.context() as patched:
        patched.setattr(encrypted, "CRYPTER", MultiFernet([Fernet(Fernet.generate_key())]))
        row = reread(stored)
        with pytest.raises(SecretError, match="FIELD_ENCRYPTION_KEY"):
            row.reveal("api_secret")
        row.ip_restricted = True
        row.save()
    assert column("api_secret", stored.pk) == before
    assert reread(stored).reveal("api_secret") == PLAIN


def test_the_old_key_of_a_rotation_still_opens(
    stored: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = encrypted.CRYPTER, Fernet(Fernet.generate_key())
    monkeypatch.setattr(encrypted, "CRYPTER", MultiFernet([new, *old._fernets]))
    assert reread(stored).reveal("api_secret") == PLAIN


@pytest.mark.parametrize("text", [PLAIN, "gAAAAA", "密", "\n", "0", "customers.credential:x"])
def test_a_row_in_plain_text_does_not_open(stored: Credential, text: str) -> None:
    write_column("api_secret", stored.pk, text)
    with pytest.raises(SecretError):
        reread(stored).reveal("api_secret")


def test_a_ciphertext_that_is_bound_to_nothing_does_not_open(stored: Credential) -> None:
    unbound = encrypted.CRYPTER.encrypt(PLAIN.encode()).decode()
    write_column("api_secret", stored.pk, unbound)
    with pytest.raises(SecretError):
        reread(stored).reveal("api_secret")


def test_a_ciphertext_that_was_changed_does_not_open(stored: Credential) -> None:
    token = column("api_secret", stored.pk)
    for place in (0, len(token) // 2, len(token) - 2):
        other = "A" if token[place] != "A" else "B"
        write_column("api_secret", stored.pk, token[:place] + other + token[place + 1 :])
        with pytest.raises(SecretError):
            reread(stored).reveal("api_secret")


# --- writing ----------------------------------------------------------------------------------


def test_saving_an_unchanged_row_does_not_encrypt_again(stored: Credential) -> None:
    before = column("api_secret", stored.pk)
    stored.ip_restricted = True
    stored.save()
    reread(stored).save()
    assert column("api_secret", stored.pk) == before


def test_the_plain_text_is_gone_from_the_instance_once_saved(stored: Credential) -> None:
    stored.api_secret = "another"
    stored.save()
    assert isinstance(stored.api_secret, SealedSecret)
    assert "another" not in repr(vars(stored))


def test_bulk_create_seals(tenant: Tenant) -> None:
    account = AccountFactory(customer__tenant=tenant)
    row = Credential(
        tenant=tenant, account=account, api_key="k", api_secret=PLAIN, api_key_fingerprint="f"
    )
    with tenant_scope(tenant.pk):
        Credential.objects.bulk_create([row])
        assert PLAIN not in column("api_secret", row.pk)
        assert reread(row).reveal("api_secret") == PLAIN


def test_update_and_bulk_update_are_refused(stored: Credential) -> None:
    before = column("api_secret", stored.pk)
    rows = Credential.objects.filter(pk=stored.pk)
    for value in ("new", seal("new", "nobody"), "", F("passphrase")):
        with pytest.raises(TypeError):
            rows.update(api_secret=value)
    with pytest.raises(NotSupportedError):
        Credential.objects.bulk_update([stored], ["api_secret"])
    assert column("api_secret", stored.pk) == before


def test_models_outside_a_tenant_refuse_them_too() -> None:
    canary = EncryptionCanary.objects.create(value=PLAIN)
    canary.value = "new"
    with pytest.raises(TypeError), transaction.atomic():
        EncryptionCanary.objects.bulk_update([canary], ["value"])
    with pytest.raises(TypeError), transaction.atomic():
        EncryptionCanary.objects.update(value="new")
    assert EncryptionCanary.objects.get().reveal("value") == PLAIN


@pytest.mark.parametrize("value", [1, b"bytes", 1.5, ["list"], object()])
def test_only_text_is_stored(stored: Credential, value: object) -> None:
    stored.api_secret = value
    with pytest.raises(TypeError):
        stored.save()


@pytest.mark.parametrize(
    "condition",
    [
        {"api_secret": PLAIN},
        {"api_secret__in": [PLAIN]},
        {"api_secret__contains": "c"},
        {"api_secret__startswith": "c"},
        {"api_secret__gt": "c"},
        {"api_secret__regex": "c"},
    ],
)
def test_a_filter_by_a_secret_is_refused(stored: Credential, condition: dict[str, Any]) -> None:
    with pytest.raises(FieldError):
        Credential.objects.filter(**condition)
    with pytest.raises(FieldError):
        Credential.objects.exclude(**condition)


def test_whether_there_is_one_may_be_asked(stored: Credential) -> None:
    assert Credential.objects.filter(api_secret__isnull=False).count() == 1


# --- it shows itself nowhere --------------------------------------------------------------------


def shown(row: Credential) -> dict[str, Any]:
    field = Credential._meta.get_field("api_secret")
    form = modelform_factory(Credential, fields=["api_key", "passphrase"])
    secret = row.api_secret
    return {
        "str": str(row),
        "repr": repr(row),
        "secret str": str(secret),
        "secret repr": repr(secret),
        "f-string": f"{secret} {secret!r} {secret!s:>20}",
        "percent": "%s %r" % (secret, secret),  # noqa: UP031
        "instance": repr(vars(row)),
        "model_to_dict": repr(model_to_dict(row)),
        "values": repr(list(Credential.objects.values())),
        "values_list": repr(list(Credential.objects.values_list("api_secret", flat=True))),
        "annotated": repr(list(Credential.objects.annotate(x=F("api_secret")).values("x"))),
        "admin": str(display_for_field(secret, field, "-")),
        "form": str(form(instance=row)),
        "pickle": repr(pickle.dumps(row)),
        "deepcopy": repr(copy.deepcopy(secret)),
        "exception": repr(ValueError("failed for", secret)),
    }


def test_the_value_is_in_no_representation(
    stored: Credential, caplog: pytest.LogCaptureFixture
) -> None:
    token = column("api_secret", stored.pk)
    for name, text in shown(stored).items():
        assert PLAIN not in text, name
        if name not in ("pickle",):
            assert token not in text, name
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("tests").warning("row %s secret %s %r", stored, *[stored.api_secret] * 2)
    assert PLAIN not in caplog.text
    assert token not in caplog.text


@pytest.mark.parametrize("fresh", [True, False])
def test_a_row_with_a_secret_is_not_exported(stored: Credential, fresh: bool) -> None:
    if fresh:
        stored.api_secret = PLAIN  # set, not saved
    for form in ("json", "xml", "python"):
        with pytest.raises(TypeError):
            serializers.serialize(form, [stored])
    with pytest.raises(TypeError):
        json.dumps({"secret": reread(stored).api_secret}, cls=DjangoJSONEncoder)


def test_an_unsaved_row_does_not_print_its_secret() -> None:
    row = Credential(api_key=PLAIN, api_secret=PLAIN, passphrase=PLAIN)
    assert PLAIN not in repr(row) + str(row)


def test_a_failed_opening_does_not_quote_the_secret(stored: Credential) -> None:
    write_column("api_secret", stored.pk, PLAIN)
    with pytest.raises(SecretError) as caught:
        reread(stored).reveal("api_secret")
    error: BaseException | None = caught.value
    while error is not None:
        assert PLAIN not in repr(error)
        error = error.__cause__ or error.__context__
