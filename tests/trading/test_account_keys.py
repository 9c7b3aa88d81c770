"""A key is used only once its check has passed, and one that can withdraw never is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from config.demo.paper_control import PaperAccount, invented_account
from customers.models import AuditEntry, Credential, Event, ExchangeAccount
from customers.services.credentials import CredentialRefusedError, credential_store
from customers.tenancy import system_scope, tenant_scope
from strategies.models import Subscription
from tests.factories import AccountFactory, SubscriptionFactory
from tests.trading.world import World
from trading import tasks
from trading.alert_texts import alert_text
from trading.models import Alert, Order
from trading.reason_texts import reason_text
from trading.services import sweeps
from trading.services.credentials import keys_of_accounts
from trading.services.fanout.context import shard_context
from trading.services.fanout.shards import shard_claim, shard_plan
from trading.services.key_checks import new_key_take
from venues.domain.types import AccountConfig

WITHDRAW = ("read_only", "trade", "withdraw")


def store(world: World, account: ExchangeAccount, keys: PaperAccount) -> Credential:
    with tenant_scope(world.tenant.pk):
        return credential_store(
            account=account,
            api_key=keys.api_key,
            api_secret=keys.secret_key,
            passphrase=keys.passphrase,
            actor=None,
        )


def newcomer(world: World, keys: PaperAccount) -> Subscription:
    """A follower whose keys were just typed in."""
    account = AccountFactory(tenant=world.tenant, venue="paper")
    store(world, account, keys)
    world.keys[account.pk] = keys
    return SubscriptionFactory(
        tenant=world.tenant,
        strategy=world.strategy,
        account=account,
        customer=account.customer,
        sizing_mode="leader_ratio",
        ratio=1,
    )


def rows(world: World, account: ExchangeAccount) -> dict[str, Credential]:
    with tenant_scope(world.tenant.pk):
        return {row.status: row for row in Credential.objects.filter(account=account)}


def change(world: World, keys: PaperAccount, **changes: Any) -> PaperAccount:
    """The client changes the key at the exchange; its money and orders stay."""
    changed = replace(keys, **changes)
    world.paper.control.add_accounts(changed)
    return changed


def another_key(world: World, keys: PaperAccount, **changes: Any) -> PaperAccount:
    """One more key of the same exchange user; the last one made, if there was one, is deleted."""
    made = invented_account(**changes)
    world.paper.control.call("POST", "accounts", {**keys.spec(), "keys": [made.spec()]})
    return made


def uid_of(world: World, keys: PaperAccount) -> str:
    known = world.paper.control.call("GET", "accounts")["accounts"]
    return next(row["uid"] for row in known if row["apiKey"] == keys.api_key)


class Requests:
    """Counts what is signed with a key, by a fault that does nothing."""

    def __init__(self, world: World, keys: PaperAccount) -> None:
        self.control = world.paper.control
        self.rule = self.control.add_fault("delay", ms=0, account=keys.api_key)

    def count(self) -> int:
        rules = self.control.call("GET", "faults")["faults"]
        return int(next(rule["hits"] for rule in rules if rule["id"] == self.rule))


# --- a new key ----------------------------------------------------------------------------------


def test_until_the_check_has_passed_nothing_is_opened_and_nothing_is_signed(world: World) -> None:
    keys = world.paper.account()
    follower = newcomer(world, keys)
    signed = Requests(world, keys)

    world.run(early := world.entry())
    tasks.accounts_refresh(account_ids=[follower.account_id], tenant_id=world.tenant.pk)
    intent = world.intent(early, follower)
    assert (intent.status, intent.reason_code) == ("skipped", "account_unchecked")
    assert "not been checked yet" in reason_text(intent.reason_code)
    assert signed.count() == 0

    world.refresh(follower.account_id)
    assert signed.count() == 7  # what it may, balances, open orders, fills, positions, bills, stops
    assert world.reload(follower.account).health == "healthy"
    world.run(late := world.entry())
    assert world.intent(late, follower).status == "filled"


def test_a_key_that_can_withdraw_is_refused_for_good_and_its_secret_is_gone(world: World) -> None:
    keys = world.paper.account(permissions=WITHDRAW)
    follower = newcomer(world, keys)
    signed = Requests(world, keys)

    world.refresh(follower.account_id)
    assert signed.count() == 1
    account = world.reload(follower.account)
    assert (account.health, account.health_code) == ("unhealthy", "key_can_withdraw")
    assert "may withdraw" in reason_text(account.health_code)
    (refused,) = rows(world, account).values()
    assert refused.status == "refused"
    assert [refused.reveal(name) for name in ("api_key", "api_secret", "passphrase")] == [""] * 3
    with system_scope("the row as it is stored"), connection.cursor() as cursor:
        cursor.execute("SELECT api_key, api_secret, passphrase FROM customers_credential")
        assert [tuple(row) for row in cursor.fetchall()] == [("", "", "")]
    entry = AuditEntry.objects.get(action="credential.refused")
    assert entry.target.endswith(account.pk)
    assert entry.details["code"] == "key_can_withdraw"

    world.run(signal := world.entry())
    for _ in range(2):
        world.refresh(account.pk)
    assert world.intent(signal, follower).reason_code == "account_unhealthy"
    assert world.reload(account).health_code == "key_can_withdraw"
    assert signed.count() == 1

    change(world, keys, permissions=("read_only", "trade"))  # put right, and typed again
    store(world, account, keys)
    world.refresh(account.pk)
    assert world.reload(account).health == "healthy"
    assert list(rows(world, account)) == ["active"]


def test_a_key_that_may_not_trade_yet_is_used_once_it_may(world: World) -> None:
    keys = world.paper.account(permissions=("read_only",))
    follower = newcomer(world, keys)
    world.refresh(follower.account_id)
    assert world.reload(follower.account).health_code == "key_cannot_trade"
    assert rows(world, follower.account)["unchecked"].problem_code == "key_cannot_trade"

    change(world, keys, permissions=("read_only", "trade"))
    world.refresh(follower.account_id)
    assert world.reload(follower.account).health == "healthy"
    assert rows(world, follower.account)["active"].problem_code == ""


def test_a_venue_that_does_not_answer_decides_nothing_about_a_new_key(world: World) -> None:
    keys = world.paper.account(permissions=WITHDRAW)
    follower = newcomer(world, keys)
    world.paper.control.add_fault("http_status", status=503, account=keys.api_key)
    world.refresh(follower.account_id)
    assert world.reload(follower.account).health == "unknown"
    assert list(rows(world, follower.account)) == ["unchecked"]


def test_a_missing_restriction_to_addresses_is_kept_for_the_pages(world: World) -> None:
    for ips, restricted in (((), False), (("127.0.0.1",), True)):
        follower = newcomer(world, world.paper.account(ips=ips))
        world.refresh(follower.account_id)
        assert rows(world, follower.account)["active"].ip_restricted is restricted


# --- in the place of another one ----------------------------------------------------------------


def test_the_old_key_goes_on_until_the_new_one_has_passed(world: World) -> None:
    follower = world.follower()
    world.run(world.entry())
    new = another_key(world, world.keys[follower.account_id])
    store(world, follower.account, new)
    assert world.reload(follower.account).health == "healthy"
    signed = Requests(world, new)

    world.run(close := world.signal("close", side=""))
    assert world.intent(close, follower).status == "filled"
    assert signed.count() == 0

    world.refresh(follower.account_id)
    (active,) = rows(world, follower.account).values()
    assert (active.status, active.reveal("api_key")) == ("active", new.api_key)
    before = signed.count()
    world.fan_out(world.entry())
    assert signed.count() > before


def test_a_new_key_that_can_withdraw_leaves_the_old_one_in_use(world: World) -> None:
    follower = world.follower()
    world.run(world.entry())
    old = world.keys[follower.account_id]
    store(world, follower.account, another_key(world, old, permissions=WITHDRAW))
    world.refresh(follower.account_id)

    assert world.reload(follower.account).health == "healthy"
    stored = rows(world, follower.account)
    assert sorted(stored) == ["active", "refused"]
    assert stored["active"].reveal("api_key") == old.api_key
    assert stored["refused"].problem_code == "key_can_withdraw"
    world.run(close := world.signal("close", side=""))
    assert world.intent(close, follower).status == "filled"


def test_a_key_of_another_exchange_user_is_refused(world: World) -> None:
    """It would find no order of this account, and so prove absent what is there."""
    follower = world.follower()
    expected = uid_of(world, world.keys[follower.account_id])
    stranger = world.paper.account()
    store(world, follower.account, stranger)
    world.refresh(follower.account_id)

    refused = rows(world, follower.account)["refused"]
    assert refused.problem_code == "key_of_other_user"
    assert refused.problem_params == {"uid": uid_of(world, stranger), "expected": expected}
    assert expected in reason_text(refused.problem_code, refused.problem_params)
    assert world.reload(follower.account).health == "healthy"


def test_a_wrong_new_key_says_so_and_the_old_one_goes_on(world: World) -> None:
    follower = world.follower()
    new = another_key(world, world.keys[follower.account_id])
    store(world, follower.account, replace(new, passphrase="mistyped"))
    world.refresh(follower.account_id)
    stored = rows(world, follower.account)
    assert stored["unchecked"].problem_code == "credentials_refused"
    assert stored["unchecked"].problem_params["code"] == "50105"
    assert world.reload(follower.account).health == "healthy"
    world.run(signal := world.entry())
    assert world.intent(signal, follower).status == "filled"


def test_a_check_that_speaks_of_the_key_before_changes_nothing(world: World) -> None:
    follower = world.follower()
    account, old = follower.account, world.keys[follower.account_id]
    first = store(world, account, another_key(world, old))
    with tenant_scope(world.tenant.pk):
        under_way = keys_of_accounts(tenant_id=world.tenant.pk, account_ids=[account.pk])[
            account.pk
        ].new
        assert under_way is not None
        second = store(world, account, another_key(world, old, permissions=WITHDRAW))
        config = AccountConfig(
            uid=uid_of(world, old),
            position_mode="net",
            takes_contracts=True,
            permissions=frozenset({"read_only", "trade"}),
            ip_restricted=False,
        )
        assert first.pk != second.pk
        new_key_take(world.reload(account), under_way, config)
    stored = rows(world, account)
    assert stored["unchecked"].pk == second.pk
    assert stored["active"].reveal("api_key") == old.api_key


def test_one_key_typed_for_two_accounts_at_once_ends_on_one_of_them(world: World) -> None:
    keys = world.paper.account()
    one, other = newcomer(world, keys), AccountFactory(tenant=world.tenant, venue="paper")
    with pytest.raises(CredentialRefusedError):
        store(world, other, keys)
    world.refresh(one.account_id)
    with pytest.raises(CredentialRefusedError):
        store(world, other, keys)
    # Typed while the first one's check was under way, it was not there to be seen.
    with tenant_scope(world.tenant.pk):
        fingerprint = rows(world, one.account)["active"].api_key_fingerprint
        Credential(
            tenant=world.tenant,
            account=other,
            api_key=keys.api_key,
            api_secret=keys.secret_key,
            passphrase=keys.passphrase,
            api_key_fingerprint=fingerprint,
        ).save()
    world.refresh(other.pk)
    assert world.reload(other).health_code == "key_already_used"
    assert world.reload(one.account).health == "healthy"


# --- a key that gains what it must not have -----------------------------------------------------


def _sweep_accounts(world: World) -> None:
    """As beat and a worker do it, a minute later."""
    with tenant_scope(world.tenant.pk):
        ExchangeAccount.objects.update(tried_at=timezone.now() - sweeps.READ_PAUSES[-1] * 2)
    for tenant_id, ids in sweeps.accounts_stale().items():
        tasks.accounts_reread(account_ids=ids, tenant_id=tenant_id)


def test_a_key_that_gains_withdrawal_opens_nothing_more_and_closes_what_is_open(
    world: World,
) -> None:
    follower = world.follower()
    keys = world.keys[follower.account_id]
    world.run(world.entry())
    change(world, keys, permissions=WITHDRAW)
    _sweep_accounts(world)

    account = world.reload(follower.account)
    assert (account.health, account.health_code) == ("unhealthy", "key_gained_withdrawal")
    with tenant_scope(world.tenant.pk):
        told = Event.objects.filter(kind="account.health", payload__code="key_gained_withdrawal")
        assert {event.audience.partition(":")[0] for event in told} == {"tenant", "customer"}
        alert = Alert.objects.get(code="key_gained_withdrawal", subject=account.pk)
    assert alert.open_key
    assert account.label in alert_text(alert.code, alert.params)
    world.run(entry := world.entry())
    assert world.intent(entry, follower).reason_code == "account_unhealthy"
    world.run(close := world.signal("close", side=""))
    assert world.intent(close, follower).status == "filled"
    assert world.held(follower).filled == 0

    change(world, keys, permissions=("read_only", "trade"))
    _sweep_accounts(world)
    assert world.reload(account).health == "healthy"
    assert world.reload(alert).open_key is None


def test_an_entry_that_was_planned_before_does_not_leave_either(world: World) -> None:
    follower = world.follower()
    signal = world.entry()
    for shard_id in world.dispatch(signal):
        with tenant_scope(world.tenant.pk):
            shard = shard_claim(shard_id=shard_id, tenant_id=world.tenant.pk, claimed_by="dead")
            assert shard is not None
            list(shard_plan(shard_context(shard, "dead")))
            Order.objects.update(state="ready")
    change(world, world.keys[follower.account_id], permissions=WITHDRAW)
    _sweep_accounts(world)
    world.check()
    intent = world.intent(signal, follower)
    assert (intent.status, intent.reason_code) == ("rejected", "key_gained_withdrawal")
    assert world.ledger_orders(follower) == []
