"""Refusals stop entries where they happen, once they are many; exits go on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from customers.models import AuditEntry, Event
from customers.tenancy import tenant_scope
from tests.factories import UserFactory
from tests.trading.world import World, make_world
from trading.domain.breaker import BreakerRule
from trading.models import Alert, AnswerCount, Breaker
from trading.services.breaker.answers import answer_counts_purge
from trading.services.breaker.switching import breaker_reset
from trading.services.control_state import forget_controls

PLACE = {"endpoint": "trade/order", "method": "POST"}
NONSENSE = {"code": "51000", "msg": "Parameter error", **PLACE}


@pytest.fixture(autouse=True)
def _rule(settings: Any) -> None:
    settings.BREAKER_RULE = BreakerRule(50, 4, timedelta(seconds=60), timedelta(seconds=120))


@pytest.fixture
def pair(world: World) -> Iterator[tuple[World, World]]:
    """Two firms on one venue."""
    yield world, make_world(world.paper)


def _refuse(world: World, **rule: Any) -> None:
    world.paper.control.add_fault("error_code", **{**NONSENSE, **rule})


def _followers(world: World, number: int) -> list[Any]:
    return [world.follower() for _ in range(number)]


def _breakers() -> dict[str, bool]:
    return dict(Breaker.objects.values_list("level", "is_open"))


def _reasons(world: World, signal: Any) -> set[str]:
    return {intent.reason_code for intent in world.intents(signal)}


def test_a_strategy_whose_orders_are_refused_stops_and_its_exits_go_on(world: World) -> None:
    followers = _followers(world, 4)
    world.run(world.entry())
    _refuse(world, count=4)
    world.run(refused := world.entry("increase"))
    assert _reasons(world, refused) == {"venue_rejected"}
    breaker = Breaker.objects.get()
    assert (breaker.level, breaker.subject_id) == ("strategy", world.strategy.pk)
    assert breaker.half_open_at == breaker.opened_at + timedelta(seconds=120)

    world.run(stopped := world.entry("increase"))
    intent = world.intent(stopped, followers[0])
    assert (intent.status, intent.reason_code) == ("skipped", "strategy_stopped")
    assert intent.reason_params == {
        "answers": "8", "refused": "4", "seconds": "60", "code": "51000",
        "message": "Parameter error",
    }  # fmt: skip
    world.run(closing := world.signal("close"))
    assert {one.status for one in world.intents(closing)} == {"filled"}


def test_staff_hear_of_it_once(world: World) -> None:
    _followers(world, 4)
    _refuse(world)
    for _ in range(2):
        world.run(world.entry())
    with tenant_scope(world.tenant.pk):
        alert = Alert.objects.get()
        assert (alert.code, alert.subject) == (
            "strategy_stopped", f"strategy:{world.strategy.pk}",
        )  # fmt: skip
        assert Event.objects.filter(kind="alert.raised").count() == 1
        assert Event.objects.filter(kind="breaker.changed").count() == 1
    (entry,) = AuditEntry.objects.filter(action="breaker.opened")
    assert (entry.tenant_id, entry.details["params"]["refused"]) == (world.tenant.pk, "4")


def test_entries_that_wait_to_be_sent_are_stopped_too(world: World) -> None:
    """The last check before sending sees it, not only the planner."""
    followers = _followers(world, 4)
    world.run(world.entry())
    flip = world.entry("flip", side="short")
    world.fan_out(flip)  # the closes leave, the entries wait for them
    AnswerCount.objects.all().delete()
    _refuse(world, count=4)
    world.fan_out(world.entry("open", symbol="ETH/USDT:USDT"))
    world.run(flip)
    intent = world.intent(flip, followers[0], leg=0)
    assert (intent.status, intent.reason_code) == ("rejected", "strategy_stopped")
    assert world.held(followers[0]).filled == 0


@pytest.mark.parametrize("code", ["51008", "50111", "50011"])
def test_poor_accounts_wrong_keys_and_rate_limits_stop_nobody(world: World, code: str) -> None:
    poor = _followers(world, 5)
    rich = world.follower()
    keys = [world.keys[one.account_id].api_key for one in poor]
    _refuse(world, code=code, account=keys)
    for _ in range(2):
        world.run(signal := world.entry())
    assert world.intent(signal, rich).status == "filled"
    assert not Breaker.objects.exists()


def test_one_strategys_nonsense_does_not_stop_the_venue_for_another_firm(
    pair: tuple[World, World],
) -> None:
    bad, good = pair
    keys = [bad.keys[one.account_id].api_key for one in _followers(bad, 6)]
    follower = good.follower()
    _refuse(bad, account=keys)
    bad.run(bad.entry())
    good.run(signal := good.entry())
    assert _breakers() == {"strategy": True}
    assert good.intent(signal, follower).status == "filled"


def test_a_venue_that_refuses_several_strategies_stops_for_all_of_them(
    pair: tuple[World, World],
) -> None:
    one, other = pair
    _followers(one, 5)
    _followers(other, 4)
    _refuse(one)
    one.run(one.entry())
    other.run(other.entry())
    assert _breakers() == {"strategy": True, "venue": True}
    one.paper.control.clear_faults()

    third = make_world(one.paper)
    follower = third.follower()
    third.run(signal := third.entry())
    intent = third.intent(signal, follower)
    assert (intent.reason_code, intent.reason_params["venue"]) == ("venue_stopped", "paper")
    assert (intent.reason_params["refused"], intent.reason_params["answers"]) == ("4", "4")
    for firm in pair:
        with tenant_scope(firm.tenant.pk):
            assert "venue_stopped" in set(Alert.objects.values_list("code", flat=True))


def test_refusals_counted_by_different_senders_add_up(world: World) -> None:
    """Three each, of which no sender alone has enough."""
    _followers(world, 3)
    _refuse(world)
    world.run(world.entry())
    assert not Breaker.objects.exists()
    world.run(world.entry())
    assert Breaker.objects.get().params["answers"] == "6"


def test_old_answers_do_not_count(world: World) -> None:
    _followers(world, 3)
    _refuse(world)
    world.run(world.entry())
    AnswerCount.objects.update(at=timezone.now() - timedelta(seconds=61))
    world.run(world.entry())
    assert not Breaker.objects.exists()
    AnswerCount.objects.update(at=timezone.now() - timedelta(minutes=11))
    assert answer_counts_purge() == 2
    assert not AnswerCount.objects.exists()


def _cooled_down(world: World) -> None:
    now = timezone.now()
    Breaker.objects.update(half_open_at=now, counts_from=now)
    forget_controls()


def test_after_the_cool_down_entries_are_tried_and_good_answers_close_it(world: World) -> None:
    followers = _followers(world, 4)
    _refuse(world, count=4)
    world.run(world.entry())
    _cooled_down(world)
    world.run(signal := world.entry())
    assert world.intent(signal, followers[0]).status == "filled"
    assert _breakers() == {"strategy": False}
    assert AuditEntry.objects.filter(action="breaker.closed").count() == 1
    with tenant_scope(world.tenant.pk):
        assert Alert.objects.get().resolved_at is not None


def test_after_the_cool_down_refusals_open_it_again_for_longer(world: World) -> None:
    _followers(world, 4)
    _refuse(world)
    world.run(world.entry())
    _cooled_down(world)
    world.run(world.entry())
    breaker = Breaker.objects.get()
    assert (breaker.is_open, breaker.trips) == (True, 2)
    assert breaker.half_open_at == breaker.opened_at + timedelta(seconds=240)
    with tenant_scope(world.tenant.pk):
        assert Event.objects.filter(kind="alert.raised").count() == 1


def test_without_a_cool_down_only_an_operator_lets_entries_go_again(
    world: World, settings: Any
) -> None:
    settings.BREAKER_RULE = BreakerRule(50, 4, timedelta(seconds=60), timedelta(0))
    followers = _followers(world, 4)
    _refuse(world, count=4)
    world.run(world.entry())
    breaker = Breaker.objects.get()
    assert breaker.half_open_at is None
    with tenant_scope(world.tenant.pk):
        breaker_reset(breaker_id=breaker.pk, actor=UserFactory(is_staff=True))
    world.run(signal := world.entry())
    assert world.intent(signal, followers[0]).status == "filled"
    assert _breakers() == {"strategy": False}


def test_orders_of_unknown_outcome_are_no_refusals(world: World) -> None:
    _followers(world, 5)
    world.paper.control.add_fault("drop", **PLACE)
    world.fan_out(world.entry())
    assert {order.state for order in world.orders()} == {"unknown"}
    assert not AnswerCount.objects.exists()
