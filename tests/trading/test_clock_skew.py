"""Our clock and the venue's differ: what is signed and what expires goes by the venue's."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.trading.world import World
from trading import tasks
from trading.models import Alert, Order
from trading.services import clocks
from trading.services.submission import sender
from venues import runtime
from venues.domain.clock import ALERT_MS
from venues.runtime import clock_of

PLACE = {"endpoint": "trade/order", "method": "POST"}
CLOCK = {"endpoint": "public/time"}


def _skew(world: World, milliseconds: int, *, known: bool = True) -> None:
    """The venue's clock is that far ahead of ours."""
    world.paper.control.call("POST", "clock", {"offsetMs": milliseconds})
    if known:
        runtime.close_gateways()


def _alerts(world: World, **filters: Any) -> list[Alert]:
    with tenant_scope(world.tenant.pk):
        return list(Alert.objects.filter(**filters))


@pytest.mark.parametrize("skew", [1500, -1500, 45_000])
def test_orders_go_right_however_far_the_clocks_are_apart(world: World, skew: int) -> None:
    follower = world.follower()
    _skew(world, skew)
    world.run(signal := world.entry())
    assert world.intent(signal, follower).status == "filled"
    world.run(closing := world.signal("close"))
    assert world.intent(closing, follower).status == "filled"
    assert world.held(follower).filled == 0


def test_an_order_has_its_whole_time_on_a_venue_that_is_ahead(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By our clock it would have expired before it was sent."""
    monkeypatch.setattr(sender, "DEADLINE", timedelta(seconds=1.2))
    follower = world.follower()
    _skew(world, 1500)
    world.run(signal := world.entry())
    assert world.intent(signal, follower).status == "filled"


def test_an_order_that_comes_late_is_discarded_by_a_venue_that_is_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By our clock the venue would take it long after we count on its absence."""
    monkeypatch.setattr(sender, "DEADLINE", timedelta(seconds=0.3))
    follower = world.follower()
    _skew(world, -1500)
    world.paper.control.add_fault("delay", ms=800, **PLACE)
    world.run(signal := world.entry())
    intent = world.intent(signal, follower)
    assert (intent.status, intent.reason_code) == ("rejected", "too_late")
    assert world.ledger_orders(follower) == []


def test_a_clock_that_moves_under_way_costs_at_most_a_reason(world: World) -> None:
    """Signed by the old time: refused, and not the key's fault; then measured anew."""
    follower = world.follower()
    world.run(world.entry())
    _skew(world, 40_000, known=False)
    world.fan_out(refused := world.entry("increase"))
    intent = world.intent(refused, follower)
    assert (intent.status, intent.reason_code) == ("rejected", "clock_refused")
    assert world.reload(follower.account).health == "healthy"

    until = time.monotonic() + 12  # sooner than it would be measured anyway
    while abs((clock_of("paper").skew_ms() or 0) - 40_000) > 5000 and time.monotonic() < until:
        time.sleep(0.05)
    world.run(signal := world.entry("increase"))
    assert world.intent(signal, follower).status == "filled"


def test_a_refused_exit_is_sent_again_by_the_new_time(world: World) -> None:
    follower = world.follower()
    world.run(world.entry())
    _skew(world, 40_000, known=False)
    world.fan_out(closing := world.signal("close"))
    assert [order.reason_code for order in world.orders(is_entry=False)] == ["clock_refused"]
    until = time.monotonic() + 20
    while world.intent(closing, follower).status != "filled" and time.monotonic() < until:
        with tenant_scope(world.tenant.pk):
            # When they are due: the time, too, is asked for no more often than a limit allows.
            due = Order.objects.filter(state="rejected", check_at__lte=timezone.now())
            ids = list(due.values_list("pk", flat=True))
        tasks.orders_check(order_ids=ids, tenant_id=world.tenant.pk)
        world.check()
        time.sleep(0.05)
    assert world.held(follower).filled == 0


def test_reading_an_account_by_the_wrong_time_does_not_blame_its_keys(world: World) -> None:
    follower = world.follower()
    _skew(world, 40_000, known=False)
    tasks.accounts_reread(account_ids=[follower.account_id], tenant_id=world.tenant.pk)
    assert world.reload(follower.account).health == "healthy"


def test_while_the_clock_cannot_be_read_exits_leave_and_entries_do_not(world: World) -> None:
    follower = world.follower()
    world.run(world.entry())
    world.paper.control.add_fault("http_status", status=503, **CLOCK)
    runtime.close_gateways()  # as a process that starts now
    world.run(blocked := world.entry("increase"))
    intent = world.intent(blocked, follower)
    assert (intent.status, intent.reason_code) == ("rejected", "clock_unknown")
    assert intent.reason_params == {"venue": "paper"}
    world.run(world.signal("close"))
    assert world.held(follower).filled == 0

    tasks.clocks_check()
    (alert,) = _alerts(world)
    assert (alert.code, alert.params["milliseconds"]) == ("clock_unknown", "?")
    world.paper.control.clear_faults()
    runtime.close_gateways()
    tasks.clocks_check()
    assert [alert.resolved_at is not None for alert in _alerts(world)] == [True]
    world.run(signal := world.entry())
    assert world.intent(signal, follower).status == "filled"


def test_a_time_of_nonsense_is_an_unknown_time(world: World) -> None:
    follower = world.follower()
    body = json.dumps({"code": "0", "msg": "", "data": [{"ts": "9" * 14}]})
    world.paper.control.add_fault("html", body=body, **CLOCK)
    runtime.close_gateways()
    world.run(signal := world.entry())
    assert world.intent(signal, follower).reason_code == "clock_unknown"


@pytest.mark.parametrize(("skew", "alerted"), [(1500, True), (-1500, True), (0, False)])
def test_staff_are_told_of_a_clock_that_is_off_and_that_it_is_right_again(
    world: World, skew: int, alerted: bool
) -> None:
    world.follower()
    _skew(world, skew)
    _clocks_checked()
    _clocks_checked()
    alerts = _alerts(world, code="clock_skewed")
    assert len(alerts) == alerted
    if alerted:
        assert abs(int(alerts[0].params["milliseconds"]) - 1500) < 400
        _skew(world, 0)
        _clocks_checked()
        assert _alerts(world, resolved_at=None, code="clock_skewed") == []


def _clocks_checked() -> None:
    """With a good reading, however busy this machine is."""
    until = time.monotonic() + 30
    while runtime.clock_measured("paper", worst_ms=ALERT_MS).uncertainty_ms() >= ALERT_MS:
        assert time.monotonic() < until
        runtime.close_gateways()
    tasks.clocks_check()


def test_the_alert_of_a_host_that_is_gone_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.follower()
    with monkeypatch.context() as other:
        other.setattr(clocks.socket, "gethostname", lambda: "another-host")
        _skew(world, 1500)
        _clocks_checked()
    _skew(world, 0)
    _clocks_checked()
    (alert,) = _alerts(world, resolved_at=None, code="clock_skewed")
    assert alert.subject == "paper@another-host"
    with tenant_scope(world.tenant.pk):
        Alert.objects.update(seen_at=timezone.now() - timedelta(minutes=11))
    tasks.clocks_check()
    assert _alerts(world, resolved_at=None, code="clock_skewed") == []
