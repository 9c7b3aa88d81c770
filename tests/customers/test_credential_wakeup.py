"""New keys are checked at once: the wake-up's arguments are those of the task."""

import inspect

import pytest

from customers.services import credentials
from customers.services.credentials import credential_store
from customers.tenancy import tenant_scope
from tests.factories import AccountFactory
from trading import tasks


@pytest.mark.django_db
def test_storing_keys_wakes_the_check_with_what_it_needs(
    monkeypatch, django_capture_on_commit_callbacks
):
    account = AccountFactory()
    woken = []
    monkeypatch.setattr(
        credentials, "wake_on_commit", lambda name, **kwargs: woken.append((name, kwargs))
    )
    with tenant_scope(account.tenant_id), django_capture_on_commit_callbacks():
        credential_store(account=account, api_key="k", api_secret="s", passphrase="p", actor=None)
    ((name, kwargs),) = woken
    assert name == tasks.account_check.name
    inspect.signature(tasks.account_check.run).bind(**kwargs)
    assert kwargs["tenant_id"] == account.tenant_id
