"""A leader's key: checked before it is used, refused when it can move money, warned of when it can
trade."""

from __future__ import annotations

from dataclasses import replace

import pytest

from customers.models import AuditEntry
from customers.services.credentials import CredentialRefusedError
from customers.tenancy import tenant_scope
from signals_app.models import Leader, LeaderCredential
from signals_app.services.leaders.keys import key_warning_of, leader_key_store, leader_keys
from tests import factories as make
from tests.signals_app.leaders.conftest import LeaderWorld, MakeLeader

Status = LeaderCredential.Status


def store(world: LeaderWorld, **changes: str) -> None:
    keys = {
        "api_key": world.keys.api_key,
        "api_secret": world.keys.secret_key,
        "passphrase": world.keys.passphrase,
        **changes,
    }
    leader_key_store(leader=world.leader, actor=None, **keys)


def test_a_key_that_only_reads_is_used_after_its_check(make_leader: MakeLeader, wakes) -> None:
    world = make_leader(started=False, credential=False, permissions=("read_only",))
    store(world)
    names = [name for name, _ in wakes]
    assert "signals_app.tasks.leader_check" in names
    assert world.keys_by_status().keys() == {Status.UNCHECKED}
    world.reconcile()
    row = world.keys_by_status()[Status.ACTIVE]
    assert row.permissions == ["read_only"]
    assert key_warning_of(row) is None
    assert world.reload().health == Leader.Health.HEALTHY
    assert world.leader.started_at is not None


def test_a_key_that_can_trade_is_taken_with_a_warning(make_leader: MakeLeader) -> None:
    world = make_leader(started=False, credential=False)
    store(world)
    world.reconcile()
    row = world.keys_by_status()[Status.ACTIVE]
    assert key_warning_of(row) == "key_can_trade"
    assert world.reload().health == Leader.Health.HEALTHY


def test_a_key_that_can_withdraw_is_refused_and_wiped(make_leader: MakeLeader) -> None:
    world = make_leader(
        started=False, credential=False, permissions=("read_only", "trade", "withdraw")
    )
    store(world)
    world.reconcile()
    assert world.keys_by_status().keys() == {Status.REFUSED}
    row = world.keys_by_status()[Status.REFUSED]
    assert (row.api_key, row.api_secret, row.passphrase) == ("", "", "")
    assert row.api_key_fingerprint is None
    assert row.problem_code == "key_can_withdraw"
    leader = world.reload()
    assert (leader.health, leader.health_code) == ("unhealthy", "key_can_withdraw")
    assert leader.started_at is None
    with tenant_scope(leader.tenant_id):
        actions = list(AuditEntry.objects.values_list("action", flat=True))
        assert (
            leader_keys(tenant_id=leader.tenant_id, leader_id=leader.pk)["refused"].opened is None
        )
    assert "leader_key.refused" in actions


def test_the_key_in_use_stays_until_the_new_one_passed(make_leader: MakeLeader) -> None:
    world = make_leader()
    store(world, passphrase="mistyped")
    world.order("buy", "3")
    world.reconcile()
    assert world.told() == [("open", "0 → 3", "")]
    rows = world.keys_by_status()
    assert rows.keys() == {Status.ACTIVE, Status.UNCHECKED}
    assert rows[Status.UNCHECKED].problem_code == "credentials_refused"
    store(world)
    world.reconcile()
    assert world.keys_by_status().keys() == {Status.ACTIVE}


def test_another_users_key_needs_a_source_of_its_own(make_leader: MakeLeader) -> None:
    world = make_leader()
    other = world.paper.account()
    store(world, api_key=other.api_key, api_secret=other.secret_key, passphrase=other.passphrase)
    world.reconcile()
    assert world.keys_by_status()[Status.REFUSED].problem_code == "key_of_other_user"
    assert Status.ACTIVE in world.keys_by_status()


def test_a_follower_cannot_lead(make_leader: MakeLeader) -> None:
    """By its key at once; by another key of the same account when the venue names its user."""
    world = make_leader(started=False, credential=False)
    account = make.AccountFactory(tenant=world.leader.tenant, venue="paper")
    from customers.services.credentials import credential_store

    with tenant_scope(world.leader.tenant_id):
        credential_store(
            account=account,
            api_key=world.keys.api_key,
            api_secret=world.keys.secret_key,
            passphrase=world.keys.passphrase,
            actor=None,
        )
    with pytest.raises(CredentialRefusedError, match="follows signals here"):
        store(world)

    uid_world = make_leader(started=False, credential=False)
    store(uid_world)
    from venues.runtime import gateway_for, run

    with tenant_scope(uid_world.leader.tenant_id):
        key = leader_keys(tenant_id=uid_world.leader.tenant_id, leader_id=uid_world.leader.pk)[
            "unchecked"
        ]
    assert key.opened is not None
    uid = run(gateway_for("paper").account_config(key.opened)).uid
    make.AccountFactory(tenant=uid_world.leader.tenant, venue="paper", venue_uid=uid)
    uid_world.reconcile()
    assert uid_world.keys_by_status()[Status.REFUSED].problem_code == "key_of_follower"


def test_without_a_key_the_leader_says_so(make_leader: MakeLeader) -> None:
    world = make_leader(started=False, credential=False)
    world.reconcile()
    assert world.reload().health_code == "key_missing"


def test_an_incomplete_key_is_not_stored(make_leader: MakeLeader) -> None:
    world = make_leader(started=False, credential=False)
    with pytest.raises(CredentialRefusedError):
        store(world, api_secret="  ")
    assert world.keys_by_status() == {}


def test_a_key_that_gains_withdrawal_is_told_of_and_read_with_until_it_is_put_right(
    make_leader: MakeLeader,
) -> None:
    """Not to hear of the leader's exits would cost followers more."""
    world = make_leader()

    def health_with(*permissions: str) -> tuple[str, str]:
        spec = replace(world.keys, permissions=permissions)
        world.paper.control.add_accounts(spec)
        world.change(checked_at=None)
        world.reconcile()
        leader = world.reload()
        return leader.health, leader.health_code

    assert health_with("read_only", "trade", "withdraw") == ("unhealthy", "key_gained_withdrawal")
    world.order("buy", "5")
    world.reconcile()
    assert world.told() == [("open", "0 → 5", "")]
    assert world.reload().health_code == "key_gained_withdrawal"
    assert health_with("read_only", "trade") == ("healthy", "")
