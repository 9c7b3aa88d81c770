"""A process does not start with a key that does not open the database's secrets."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.core.exceptions import ImproperlyConfigured
from encrypted_model_fields import fields as encrypted

from config.supervisor.ports import free_port
from config.supervisor.stack import worker_argv
from customers.models import Credential, EncryptionCanary
from customers.services.keyring import WRONG_KEY, encryption_key_verify
from customers.tenancy import system_scope
from tests.factories import CredentialFactory
from tests.processes.live import LiveProcesses, database_url, wait_for

OTHER_KEY = "YW5vdGhlci1rZXktYW5vdGhlci1rZXktYW5vdGhlci0="


@contextmanager
def keys(*values: str) -> Iterator[None]:
    """As a process that was started with these keys."""
    configured = encrypted.CRYPTER
    encrypted.CRYPTER = MultiFernet([Fernet(value) for value in values])
    try:
        yield
    finally:
        encrypted.CRYPTER = configured


@pytest.mark.django_db
def test_the_first_start_makes_the_canary_and_the_next_ones_open_it() -> None:
    encryption_key_verify()
    first = EncryptionCanary.objects.get(pk="canary")
    encryption_key_verify()
    assert EncryptionCanary.objects.get(pk="canary").created_at == first.created_at


@pytest.mark.django_db
def test_another_key_is_refused_with_a_sentence_that_says_what_to_do(settings: Any) -> None:
    encryption_key_verify()
    with keys(OTHER_KEY), pytest.raises(ImproperlyConfigured, match="FIELD_ENCRYPTION_KEY"):
        encryption_key_verify()
    with keys(OTHER_KEY, *settings.FIELD_ENCRYPTION_KEY):
        encryption_key_verify()  # being rotated: the old one still opens


@pytest.mark.django_db
def test_a_canary_that_was_lost_does_not_let_a_wrong_key_in() -> None:
    CredentialFactory()
    with keys(OTHER_KEY):
        with pytest.raises(ImproperlyConfigured) as caught:
            encryption_key_verify()
        assert str(caught.value) == WRONG_KEY
    assert not EncryptionCanary.objects.exists()
    encryption_key_verify()
    assert EncryptionCanary.objects.exists()


@pytest.mark.django_db
def test_single_rows_that_do_not_open_are_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    encryption_key_verify()
    CredentialFactory()
    with keys(OTHER_KEY):
        CredentialFactory()
    caplog.set_level(logging.WARNING)
    encryption_key_verify()
    assert caplog.records == []
    encryption_key_verify(try_rows=True)
    assert "customers.Credential: 1 of the 2 newest rows" in caplog.text
    assert "test-api" not in caplog.text


@pytest.mark.django_db
def test_a_secret_that_was_moved_to_another_row_counts_as_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, other = CredentialFactory(), CredentialFactory()
    with system_scope("test"):
        one = Credential.objects.get(pk=one.pk)
        Credential._base_manager.filter(pk=other.pk).update(api_key=one.api_key)
    encryption_key_verify(try_rows=True)
    assert "customers.Credential: 1 of the 2" in caplog.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("process", ["web", "worker", "relay"])
def test_no_process_starts_with_another_key(live: LiveProcesses, process: str) -> None:
    with keys(OTHER_KEY):
        encryption_key_verify()
    argv = {
        "web": ["-m", "uvicorn", "config.asgi:application", "--port", str(free_port())],
        "worker": list(worker_argv("w", "notify", 1))[1:],
        "relay": ["manage.py", "relay"],
    }[process]
    started = live.start(process, [sys.executable, *argv], env={"DATABASE_URL": database_url()})
    wait_for(lambda: started.process.poll() is not None, seconds=60, what="it ends")
    assert started.process.returncode != 0
    assert WRONG_KEY in started.log()
