"""An API key is recognised whatever becomes of SECRET_KEY."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet

from customers.fields import SecretError
from customers.models import EncryptionCanary
from customers.services.credentials import CredentialRefusedError, credential_store
from customers.services.fingerprints import api_key_fingerprint
from customers.services.keyring import encryption_key_verify
from customers.tenancy import tenant_scope
from tests.customers.test_keyring import keys
from tests.factories import AccountFactory

pytestmark = pytest.mark.django_db


def test_a_key_is_found_again_after_secret_key_was_changed(settings: Any) -> None:
    one, other = AccountFactory(), AccountFactory()
    typed = {"api_key": "k", "api_secret": "s", "passphrase": "p", "actor": None}
    with tenant_scope(one.tenant_id):
        credential_store(account=one, **typed)
    settings.SECRET_KEY = "another-secret-key-" * 4
    with tenant_scope(other.tenant_id), pytest.raises(CredentialRefusedError) as refused:
        credential_store(account=other, **typed)
    assert refused.value.code == "already_used"


def test_the_first_start_after_an_upgrade_keeps_what_was_stored_before(settings: Any) -> None:
    encryption_key_verify()
    settings.SECRET_KEY = "another-secret-key-" * 4
    with_the_key_of_the_start = api_key_fingerprint(venue="okx", api_key="k")
    EncryptionCanary.objects.filter(pk="fingerprint").delete()
    assert api_key_fingerprint(venue="okx", api_key="k") != with_the_key_of_the_start


def test_fingerprints_differ_by_venue_and_installation(settings: Any) -> None:
    here = api_key_fingerprint(venue="okx", api_key="k")
    assert here != api_key_fingerprint(venue="paper", api_key="k")
    EncryptionCanary.objects.all().delete()
    settings.SECRET_KEY = "of-another-installation-" * 3
    assert api_key_fingerprint(venue="okx", api_key="k") != here


def test_the_hashs_key_is_sealed_like_every_secret() -> None:
    fingerprint = api_key_fingerprint(venue="okx", api_key="k")
    with keys(Fernet.generate_key().decode()), pytest.raises(SecretError):
        api_key_fingerprint(venue="okx", api_key="k")
    assert api_key_fingerprint(venue="okx", api_key="k") == fingerprint
