"""Copies with a loss limit whose stored settings are no values: the limit acts, and staff know."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.utils import translation

from customers.tenancy import tenant_scope
from strategies.models import Subscription, TenantSettings
from tests.factories import TenantSettingsFactory
from tests.trading.test_copy_limits import INST, follower, price_is, watch
from tests.trading.world import World
from trading import tasks
from trading.alert_texts import alert_text
from trading.models import Alert


@pytest.fixture(autouse=True)
def the_price_comes_back(world: World) -> Iterator[None]:
    yield
    world.paper.control.set_price(INST, "60000")


def spoil(world: World, copy: Subscription, **values: Any) -> None:
    """As an older version, or somebody with a database console, may have left it."""
    with tenant_scope(world.tenant.pk):
        before = Subscription.objects.get(pk=copy.pk).settings.get("values", {})
        stored = {**before, **values}
        Subscription.objects.filter(pk=copy.pk).update(settings={"values": stored})


def told(world: World) -> list[Alert]:
    tasks.settings_check()
    with tenant_scope(world.tenant.pk):
        return list(Alert.objects.filter(code="settings_unreadable").order_by("pk"))


def test_the_limit_acts_beside_another_setting_that_cannot_be_read(world: World) -> None:
    copy = follower(world, copy_loss_limit="500")
    world.run(world.entry())
    spoil(world, copy, direction="sideways")
    price_is(world, "57000", copy)  # about −300
    assert watch(world, copy) == ["active"]
    price_is(world, "54000", copy)  # about −600
    assert watch(world, copy) == ["ending"]
    (alert,) = told(world)
    assert "All their loss limits can be read" in alert_text(alert.code, alert.params)


def test_the_last_readable_limit_acts_where_it_is_no_value_itself(world: World) -> None:
    copy = follower(world, copy_loss_limit="500")
    world.run(world.entry())
    spoil(world, copy, copy_loss_limit="5oo")
    # Exits go on, by a snapshot of defaults: no limit is read from that.
    world.run(world.signal("reduce", size=Decimal("0.1"), size_basis="position_fraction"))
    price_is(world, "57000", copy)
    assert watch(world, copy) == ["active"]
    price_is(world, "53000", copy)
    assert watch(world, copy) == ["ending"]
    assert world.reload(copy).end_params["limit"] == "500"
    (alert,) = told(world)
    assert "of 1 of them act as they were" in alert_text(alert.code, alert.params)


def test_other_levels_limits_hold_as_well(world: World) -> None:
    TenantSettingsFactory(tenant=world.tenant, settings={"values": {"copy_loss_limit": "200"}})
    copy = follower(world, copy_loss_limit="900")
    world.run(world.entry())
    spoil(world, copy, copy_loss_limit=900)
    price_is(world, "57000", copy)  # about −300
    assert watch(world, copy) == ["ending"]
    assert world.reload(copy).end_params["limit"] == "200"


def test_staff_are_told_of_copies_that_have_no_limit_as_well(world: World) -> None:
    copies = world.follower(), world.follower()
    assert told(world) == []
    TenantSettingsFactory(tenant=world.tenant, settings={"values": {"direction": "sideways"}})
    (alert,) = told(world)
    assert (alert.params["level"], alert.params["copies"]) == ("tenant", "2")
    text = alert_text(alert.code, alert.params)
    assert "2 copies enter nothing until" in text
    assert "All their loss limits can be read" in text
    spoil(world, copies[0], direction="much")
    assert [alert.params["level"] for alert in told(world)] == ["tenant", "subscription"]
    with tenant_scope(world.tenant.pk):
        TenantSettings.objects.update(settings={})
    assert [alert.resolved_at is None for alert in told(world)] == [False, True]


def test_staff_are_told_once_and_until_it_is_corrected(world: World) -> None:
    copy = follower(world, copy_loss_limit="x")
    for _ in range(3):
        assert watch(world, copy) == ["active"]
        (alert,) = told(world)
    for language, words in (
        ("en", ("Stop of the copy", "1 have none until then")),
        ("zh-hans", ("无法读取", "没有亏损上限")),
    ):
        with translation.override(language):
            text = alert_text(alert.code, alert.params)
        assert words[1] in text
        assert copy.customer.name in text
    spoil(world, copy, copy_loss_limit="500")
    (alert,) = told(world)
    assert alert.resolved_at is not None


def test_a_level_above_is_one_alert_for_all_its_copies(world: World) -> None:
    settings = {"values": {"copy_loss_limit": "500", "direction": "sideways"}}
    TenantSettingsFactory(tenant=world.tenant, settings=settings)
    copies = follower(world), follower(world)
    world.run(world.entry())
    watch(world, *copies)
    (alert,) = told(world)
    assert (alert.params["level"], alert.params["copies"]) == ("tenant", "2")
    with tenant_scope(world.tenant.pk):
        TenantSettings.objects.update(settings="broken")
    watch(world, *copies)
