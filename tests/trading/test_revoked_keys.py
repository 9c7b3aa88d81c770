"""A key that the venue refuses in the middle: entries say so, exits wait, nothing is made up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.utils import timezone, translation

from config.demo.paper_control import PaperAccount
from customers.models import ExchangeAccount
from customers.tenancy import tenant_scope
from strategies.models import Subscription
from tests.customers.test_keyring import keys as field_keys
from tests.trading.test_account_keys import Requests, change, store
from tests.trading.test_lost_exits import _look, _lose_exit
from tests.trading.test_unclear_outcomes import PLACE, _age
from tests.trading.world import World
from trading import tasks
from trading.models import Order
from trading.reason_texts import reason_text
from trading.services import exit_retry, sweeps
from venues.domain.types import VenueError, VenueErrorKind


def revoke(world: World, follower: Subscription) -> PaperAccount:
    """The stored secret does not fit any more; what does is returned."""
    keys = world.keys[follower.account_id]
    world.keys[follower.account_id] = change(world, keys, secret_key=keys.secret_key[::-1])
    return world.keys[follower.account_id]


def sweep(world: World, rounds: int = 4) -> None:
    """Beat and workers, some seconds each time."""
    for _ in range(rounds):
        with tenant_scope(world.tenant.pk):
            long_ago = timezone.now() - timedelta(seconds=10)
            Order.objects.filter(state="ready").update(created_at=long_ago)
            Order.objects.filter(check_at__isnull=False).update(check_at=long_ago)
        for tenant_id, ids in sweeps.orders_ready().items():
            tasks.orders_submit(order_ids=ids, tenant_id=tenant_id)
        for tenant_id, ids in sweeps.orders_to_check().items():
            tasks.orders_check(order_ids=ids, tenant_id=tenant_id)


def renew(world: World, follower: Subscription, keys: PaperAccount) -> None:
    store(world, follower.account, keys)
    world.refresh(follower.account_id)


def test_a_refused_entry_says_so_and_no_other_account_waits(world: World) -> None:
    sick, well = world.follower(), world.follower()
    world.run(world.entry())
    revoke(world, sick)

    world.run(signal := world.entry())
    assert world.intent(signal, well).status == "filled"
    intent = world.intent(signal, sick)
    assert (intent.status, intent.reason_code) == ("rejected", "credentials_refused")
    assert intent.reason_params["code"] == "50113"
    assert "(50113)" in reason_text(intent.reason_code, intent.reason_params)
    with translation.override("zh-hans"):
        assert "API" in reason_text(intent.reason_code, intent.reason_params)
        assert "refused" not in reason_text(intent.reason_code, intent.reason_params)
    account = world.reload(sick.account)
    assert (account.health, account.health_code) == ("unhealthy", "credentials_refused")
    assert world.reload(well.account).health == "healthy"
    assert world.held(sick).target == 10


@pytest.mark.parametrize("position_mode", ["net", "long_short"])
def test_an_exit_waits_for_a_new_key_and_goes_out_once_it_has_passed(
    world: World, position_mode: str
) -> None:
    sick = world.follower(position_mode=position_mode)
    world.run(world.entry())
    valid = revoke(world, sick)
    world.fan_out(
        half := world.signal("reduce", side="", size="0.5", size_basis="position_fraction")
    )
    sweep(world)
    world.fan_out(rest := world.signal("close", side=""))
    sweep(world)

    for signal in (half, rest):
        intent = world.intent(signal, sick)
        assert (intent.status, intent.reason_code) == ("working", "waiting_for_key")
        assert reason_text(intent.reason_code).startswith("The exit waits for an API key")
    # One try each, then they wait; and the second counted on the first one.
    assert [o.attempt for o in world.orders(state="ready")] == [2, 2]
    assert [o.quantity for o in world.orders(state="ready")] == [5, 5]
    assert world.held(sick).target == 0
    assert sweeps.orders_ready() == {}

    renew(world, sick, valid)
    assert world.reload(sick.account).health == "healthy"
    sweep(world)
    for signal in (half, rest):
        intent = world.intent(signal, sick)
        assert (intent.status, intent.reason_code) == ("filled", "")
    assert world.held(sick).filled == 0
    assert [row["side"] for row in world.ledger_orders(sick)] == ["buy", "sell", "sell"]
    world.run(again := world.entry())
    assert world.intent(again, sick).status == "filled"


def test_waiting_exits_ask_the_venue_for_nothing(world: World) -> None:
    sick = world.follower()
    world.run(world.entry())
    revoke(world, sick)
    world.fan_out(world.signal("close", side=""))
    sweep(world, rounds=2)
    signed = Requests(world, world.keys[sick.account_id])
    world.fan_out(world.signal("close", side=""))
    sweep(world, rounds=6)
    assert signed.count() == 0


def test_an_order_of_unknown_outcome_stays_unknown_until_a_key_can_look(world: World) -> None:
    sick = world.follower()
    world.paper.control.add_fault("drop", booked=True, **PLACE)
    world.fan_out(signal := world.entry())
    world.paper.control.clear_faults()
    valid = revoke(world, sick)
    for _ in range(8):
        _age(world, 60)
        sweep(world, rounds=1)
    (order,) = world.orders()
    assert (order.state, order.misses) == ("unknown", 0)
    assert world.held(sick).target == 10

    renew(world, sick, valid)
    sweep(world)
    assert world.intent(signal, sick).status == "filled"
    assert len(world.ledger_orders(sick)) == 1


def test_a_lost_exit_waits_for_a_key_as_long_as_it_takes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it gets a next attempt is decided by the position, which needs a key to read."""
    follower = world.follower()
    signal = _lose_exit(world)

    def down(*_: Any) -> None:
        raise VenueError(VenueErrorKind.UNAVAILABLE)

    with monkeypatch.context() as failing:
        failing.setattr(exit_retry, "_ask", down)
        _look(world)
    assert world.intent(signal, follower).status == "not_placed"
    valid = revoke(world, follower)
    with tenant_scope(world.tenant.pk):
        Order.objects.filter(state="not_placed").update(
            finished_at=timezone.now() - timedelta(hours=5)
        )
    sweep(world)
    assert world.held(follower).filled == 10

    renew(world, follower, valid)
    sweep(world)
    assert world.intent(signal, follower).status == "filled"
    assert world.held(follower).filled == 0


def test_keys_that_cannot_be_opened_make_exits_wait_and_entries_say_so(world: World) -> None:
    follower = world.follower()
    world.run(world.entry())

    with field_keys(Fernet.generate_key().decode()):  # a worker started with a wrong key
        world.fan_out(entry := world.entry())
        assert world.intent(entry, follower).reason_code == "key_unreadable"
        world.fan_out(close := world.signal("close", side=""))
        sweep(world)
        intent = world.intent(close, follower)
        assert (intent.status, intent.reason_code) == ("working", "waiting_for_key")
        assert world.reload(follower.account).health_code == "key_unreadable"

    world.refresh(follower.account_id)
    sweep(world)
    assert world.intent(close, follower).status == "filled"
    assert world.intent(close, follower).reason_code == ""


def test_a_refusal_of_the_key_before_does_not_stay_with_the_new_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to an order may come after its key was replaced: the account is checked again."""
    woken: list[dict[str, Any]] = []
    monkeypatch.setattr("customers.wakeup.wake", lambda name, **names: woken.append({name: names}))
    follower = world.follower()
    world.paper.control.add_fault(
        "error_code", code="50111", status=401, msg="Invalid key", **PLACE
    )
    world.fan_out(world.entry())
    ids = {"account_id": follower.account_id, "tenant_id": world.tenant.pk}
    assert {"trading.tasks.account_check": ids} in woken
    tasks.account_check(**ids)
    with tenant_scope(world.tenant.pk):
        assert ExchangeAccount.objects.get(pk=follower.account_id).health == "healthy"
