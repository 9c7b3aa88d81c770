"""Seeding makes the whole cast once."""

import json
from collections import Counter
from urllib.parse import urlsplit

import pytest

from config.demo.cast import (
    FOLLOWERS,
    MAJORS,
    QUIET,
    TOO_LITTLE_BALANCE,
    WRONG_PASSPHRASE,
    followers,
)
from config.demo.seed import SUPERUSER, DemoFiles, read_paper_accounts, seed, write_paper_accounts
from customers.models import (
    ApiKey,
    Credential,
    Customer,
    CustomerUser,
    ExchangeAccount,
    Membership,
    Tenant,
    User,
)
from customers.tenancy import system_scope
from signals_app.models import Leader, LeaderCredential
from strategies.models import Strategy, Subscription

COUNTED = (
    *(ApiKey, Credential, Customer, CustomerUser, ExchangeAccount, Membership),
    *(Tenant, User, Strategy, Subscription),
)


@pytest.fixture
def files(tmp_path) -> DemoFiles:
    files = DemoFiles(tmp_path / "demo")
    write_paper_accounts(files)
    return files


def counts() -> Counter[str]:
    with system_scope("test: count the cast"):
        return Counter({model.__name__: model.objects.count() for model in COUNTED})


@pytest.mark.django_db
def test_the_cast_is_complete_and_made_once(files):
    seed(files)
    first, leader, password = counts(), files.leader.read_text(), files.password
    assert first["Tenant"] == 2
    assert first["Strategy"] == 4
    assert first["ExchangeAccount"] == first["Credential"] == len(followers())
    with system_scope("test"):
        assert Subscription.objects.filter(strategy__name=MAJORS.name).count() == FOLLOWERS
        owners = set(Membership.objects.values_list("user__email", flat=True))
    assert User.objects.get(email=SUPERUSER).check_password(password)
    assert all(User.objects.get(email=email).check_password(password) for email in owners)

    write_paper_accounts(files)
    seed(files)

    assert counts() == first
    assert files.leader.read_text() == leader
    assert files.password == password


@pytest.mark.django_db
def test_stored_keys_are_those_of_the_exchange_but_for_the_one_made_wrong(files):
    seed(files)
    spoiled = []
    with system_scope("test: open the demo's keys"):
        for label, keys in read_paper_accounts(files).items():
            if label == QUIET.account_label:
                continue
            credential = Credential.objects.get(account__label=label)
            assert credential.reveal("api_key") == keys.api_key
            assert credential.reveal("api_secret") == keys.secret_key
            if credential.reveal("passphrase") != keys.passphrase:
                spoiled.append(label)
    assert spoiled == [f"Paper {WRONG_PASSPHRASE:02d}"]


def test_followers_differ_in_every_setting():
    cast = followers()[:FOLLOWERS]
    for setting in ("balance", "sizing_mode", "ratio", "position_mode", "margin_mode"):
        assert len({getattr(follower, setting) for follower in cast}) > 1, setting
    assert cast[TOO_LITTLE_BALANCE].balance < 5
    assert sum(follower.balance < 100 for follower in cast) == 1


@pytest.mark.django_db
def test_secret_files_are_private(files):
    seed(files)
    for path in (files.accounts, files.leader, files.api_token, files.directory / "password"):
        assert path.stat().st_mode & 0o077 == 0, path
    sources = json.loads(files.leader.read_text())
    for source in sources:
        if "keys" not in source:
            assert source["secret"].startswith("whsec_")
            assert not urlsplit(source["source_id"]).scheme
    assert ["keys" in source for source in sources] == [False, False, True]


@pytest.mark.django_db
def test_one_leader_is_an_account_that_is_heard_at_the_exchange(files):
    seed(files)
    with system_scope("test"):
        leader = Leader.objects.select_related("source").get()
        key = LeaderCredential.objects.get(leader=leader)
        assert leader.source.name == QUIET.source
        assert key.reveal("api_key") == read_paper_accounts(files)[QUIET.account_label].api_key


def test_an_accounts_file_of_before_gets_what_is_missing(files):
    rows = json.loads(files.accounts.read_text())
    files.accounts.write_text(json.dumps(rows[:-1]))
    write_paper_accounts(files)
    labels = [row["label"] for row in json.loads(files.accounts.read_text())]
    assert labels == [row["label"] for row in rows]
