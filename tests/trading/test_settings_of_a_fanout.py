"""Which copy settings a fan-out goes by, and what its intents say of them."""

from decimal import Decimal
from typing import Any

import pytest

from customers.tenancy import tenant_scope
from strategies.models import (
    CustomerSettings,
    PlatformSettings,
    Strategy,
    Subscription,
    TenantSettings,
)
from tests.factories import TenantSettingsFactory
from tests.trading.world import World
from trading import tasks


def stated(**values):
    return {"values": values, "symbols": {}}


def set_strategy(world: World, **values) -> None:
    with tenant_scope(world.tenant.pk):
        Strategy.objects.filter(pk=world.strategy.pk).update(settings=stated(**values))


def test_a_change_in_the_middle_of_a_fanout_acts_on_the_next_signal(world: World) -> None:
    world.follower()
    signal = world.entry()
    shards = world.dispatch(signal)
    set_strategy(world, denied_symbols=[signal.symbol])
    for shard_id in shards:
        tasks.shard_run(shard_id=shard_id, tenant_id=world.tenant.pk)
    [planned] = world.intents(signal)
    assert planned.reason_code == ""
    after = world.entry()
    world.fan_out(after)
    [refused] = world.intents(after)
    assert refused.reason_code == "symbol_not_allowed"


def test_an_intent_keeps_every_setting_and_its_origin(world: World) -> None:
    subscription = world.follower(max_leverage=Decimal(3))
    PlatformSettings.objects.create(settings=stated(max_leverage="10", max_open_positions=4))
    with tenant_scope(world.tenant.pk):
        CustomerSettings.objects.create(
            tenant_id=world.tenant.pk,
            customer_id=subscription.customer_id,
            settings=stated(direction="long_only"),
        )
    signal = world.entry()
    world.fan_out(signal)
    [intent] = world.intents(signal)
    with tenant_scope(world.tenant.pk):
        content = intent.settings.content
    assert content["settings"]["max_leverage"] == "3"
    assert content["origins"]["max_leverage"] == [["subscription", ""]]
    assert content["settings"]["direction"] == "long_only"
    assert content["origins"]["direction"] == [["customer", ""]]
    assert content["settings"]["max_open_positions"] == 4
    assert content["origins"]["max_open_positions"] == [["platform", ""]]


def test_an_exception_for_the_symbol_is_in_force(world: World) -> None:
    subscription = world.follower()
    signal = world.entry()
    with tenant_scope(world.tenant.pk):
        exceptions = {signal.symbol: {"leverage_mode": "fixed", "leverage": "2"}}
        Subscription.objects.filter(pk=subscription.pk).update(
            settings={"values": {}, "symbols": exceptions}
        )
    world.fan_out(signal)
    [order] = world.orders(signal_id=signal.pk)
    assert order.leverage == 2


@pytest.mark.parametrize("level", ["platform", "tenant", "strategy", "customer", "copy"])
@pytest.mark.parametrize("stored", ["broken", ["broken"], {"values": "broken"}, {"symbols": ["x"]}])
def test_what_is_no_object_at_all_stops_no_exit(world: World, level: str, stored: Any) -> None:
    copy = world.follower()
    world.run(world.entry())
    PlatformSettings.objects.get_or_create(pk=1)
    TenantSettingsFactory(tenant=world.tenant)
    with tenant_scope(world.tenant.pk):
        CustomerSettings.objects.create(tenant_id=world.tenant.pk, customer_id=copy.customer_id)
        model = {
            "platform": PlatformSettings,
            "tenant": TenantSettings,
            "strategy": Strategy,
            "customer": CustomerSettings,
            "copy": Subscription,
        }[level]
        model.objects.all().update(settings=stored)
    entry, close = world.entry(), world.signal("close")
    world.run(entry)
    assert world.intent(entry, copy).reason_code == "settings_unreadable"
    world.run(close)
    assert world.held(copy).filled == 0


def test_settings_that_cannot_be_read_open_nothing_and_close_all_the_same(world: World) -> None:
    subscription = world.follower()
    world.run(world.entry())
    assert world.held(subscription).filled > 0
    set_strategy(world, direction="sideways")
    refused = world.entry()
    world.fan_out(refused)
    [intent] = world.intents(refused)
    assert (intent.reason_code, intent.reason_params) == (
        "settings_unreadable",
        {"setting": "direction"},
    )
    world.run(world.signal("close", leverage=None))
    assert world.held(subscription).filled == 0
