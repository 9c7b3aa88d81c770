"""A leader changes leverage or takes money out: each copy does as its settings say, once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from okx import Funding

from customers.models import Event
from customers.services.events import customer_audience
from customers.tenancy import tenant_scope
from signals_app.models import Signal
from strategies.end_texts import pause_text
from strategies.models import Subscription
from strategies.services.subscriptions import subscription_resume
from tests.factories import CustomerSettingsFactory
from tests.signals_app.leaders.conftest import INST, LeaderWorld
from tests.trading.conftest import LEADER_ADDS
from tests.trading.test_concurrency import at_once
from tests.trading.test_followed_leaders import follow
from tests.trading.world import SYMBOL, World, other_copy
from trading import tasks
from trading.models import FollowedChange, InstrumentSetting
from trading.order_texts import change_text, followed_text
from trading.services.leader_changes import leverages
from trading.services.leader_changes.deciding import leader_change_decide
from trading.services.leader_changes.doing import leader_changes_do
from trading.services.sweeps import leader_changes_due, leader_changes_to_decide
from venues.domain.types import VenueError, VenueErrorKind


@pytest.fixture
def leader(leader_of: LEADER_ADDS) -> LeaderWorld:
    return leader_of()


def copying(world: World, **terms: Any) -> Subscription:
    stated = terms.pop("stated", {})
    return world.follower(settings={"values": stated, "symbols": {}}, **terms)


def at_leverage(leader: LeaderWorld, leverage: str, mode: str = "cross") -> None:
    answer = leader.account.set_leverage(lever=leverage, mgnMode=mode, instId=INST)
    assert answer["code"] == "0", answer


def changed(leader: LeaderWorld, action: str = "leverage") -> Signal:
    [signal] = [signal for signal in leader.reconcile() if signal.action == action]
    return signal


def decide(world: World, signal: Signal) -> list[str]:
    with tenant_scope(world.tenant.pk):
        return leader_change_decide(tenant_id=world.tenant.pk, signal_id=signal.pk)


def do(world: World, ids: Sequence[str]) -> None:
    with tenant_scope(world.tenant.pk):
        leader_changes_do(tenant_id=world.tenant.pk, change_ids=list(ids))


def done(world: World, signal: Signal, copy: Subscription) -> FollowedChange:
    with tenant_scope(world.tenant.pk):
        return FollowedChange.objects.get(signal=signal, subscription=copy)


def told(world: World, copy: Subscription) -> list[dict[str, Any]]:
    with tenant_scope(world.tenant.pk):
        rows = Event.objects.filter(
            audience=customer_audience(copy.customer_id), kind="copy.leader_changed"
        )
        return list(rows.order_by("pk").values_list("payload", flat=True))


def at_venue(world: World, copy: Subscription) -> str:
    """The leverage of the position, as the exchange has it."""
    world.refresh(copy.account_id)
    with tenant_scope(world.tenant.pk):
        [position] = copy.account.positions.all()
    return format(position.leverage.normalize(), "f")


def moved(leader: LeaderWorld, amount: str, source: str, target: str) -> None:
    """Between the trading account (18) and the funding account (6)."""
    keys = leader.keys
    signed = (keys.api_key, keys.secret_key, keys.passphrase)
    funding = Funding.FundingAPI(*signed, domain=leader.paper.url, debug=False)
    answer = funding.funds_transfer(ccy="USDT", amt=amount, from_=source, to=target)
    assert answer["code"] == "0", answer


FOLLOWS = {"on_leverage_change": "follow"}


def opened(world: World, leader: LeaderWorld, leverage: str = "5", mode: str = "cross") -> None:
    at_leverage(leader, leverage, mode)
    leader.order("buy", "10", tdMode=mode)
    follow(world, leader)


def test_leverage_is_followed_told_or_neither(world: World, leader: LeaderWorld) -> None:
    follows = copying(world, stated=FOLLOWS)
    hears = copying(world)
    ignores = copying(world, stated={"on_leverage_change": "ignore"})
    fixed = {"leverage_mode": "fixed", "leverage": "5", **FOLLOWS}
    has_own = copying(world, stated=fixed)
    opened(world, leader)
    flat = copying(world, stated=FOLLOWS)
    at_leverage(leader, "8")
    signal = changed(leader)
    ids = decide(world, signal)
    assert [done(world, signal, follows).pk] == ids
    do(world, ids)
    assert at_venue(world, follows) == "8"
    assert world.held(follows).leverage == 8
    with tenant_scope(world.tenant.pk):
        setting = InstrumentSetting.objects.get(account=follows.account, symbol=SYMBOL)
    assert setting.leverage == 8
    row = done(world, signal, follows)
    assert (row.state, row.before, row.after) == ("done", 5, 8)
    for copy in (hears, ignores, has_own):
        assert at_venue(world, copy) == "5"
    assert [len(told(world, copy)) for copy in (hears, ignores, has_own, flat)] == [1, 0, 0, 0]
    [payload] = told(world, follows)
    assert change_text("copy.leader_changed", payload) == (
        "The leader: The leverage in BTC/USDT:USDT was changed from 5× to 8×."
    )
    assert followed_text(payload) == "Your copy does the same."
    assert followed_text(told(world, hears)[0]) == "Your copy does nothing about it."


@pytest.mark.parametrize("level", ["copy", "account", "customer"])
def test_never_above_the_lowest_max_leverage(world: World, leader: LeaderWorld, level: str) -> None:
    copy = copying(world, stated=FOLLOWS, **({"max_leverage": "6"} if level == "copy" else {}))
    with tenant_scope(world.tenant.pk):
        if level == "account":
            copy.account.max_leverage = Decimal(6)
            copy.account.save()
        if level == "customer":
            CustomerSettingsFactory(
                customer=copy.customer, settings={"values": {"max_leverage": "6"}}
            )
    opened(world, leader)
    at_leverage(leader, "20")
    signal = changed(leader)
    do(world, decide(world, signal))
    assert at_venue(world, copy) == "6"
    assert done(world, signal, copy).after == 6


def test_a_copy_in_another_symbol_follows_there(world: World, leader: LeaderWorld) -> None:
    mapped = copying(world, stated={**FOLLOWS, "symbol_map": {SYMBOL: "ETH/USDT:USDT"}})
    opened(world, leader)
    held = world.held(mapped, "ETH/USDT:USDT")
    assert (held.leverage, held.filled > 0) == (5, True)
    at_leverage(leader, "8")
    signal = changed(leader)
    do(world, decide(world, signal))
    assert done(world, signal, mapped).symbol == "ETH/USDT:USDT"
    assert at_venue(world, mapped) == "8"


def test_not_where_it_brings_liquidation_too_close(world: World, leader: LeaderWorld) -> None:
    stated = {**FOLLOWS, "margin_mode": "as_leader", "min_liquidation_distance_percent": "12"}
    copy = copying(world, stated=stated)
    opened(world, leader, mode="isolated")
    at_leverage(leader, "10", "isolated")
    signal = changed(leader)
    do(world, decide(world, signal))
    assert at_venue(world, copy) == "5"
    row = done(world, signal, copy)
    assert (row.state, row.reason_code) == ("refused", "liquidation_closer")
    assert "at least 12 % are to be kept" in followed_text(told(world, copy)[0])
    at_leverage(leader, "6", "isolated")
    signal = changed(leader)
    do(world, decide(world, signal))
    assert at_venue(world, copy) == "6"


def test_not_where_another_copy_holds_the_symbol(world: World, leader: LeaderWorld) -> None:
    copy = copying(world, stated=FOLLOWS)
    opened(world, leader)
    other, neighbour = other_copy(world, copy)
    other.run(other.entry(size="0.05"))
    assert other.held(neighbour).filled == 5
    at_leverage(leader, "8")
    signal = changed(leader)
    do(world, decide(world, signal))
    assert at_venue(world, copy) == "5"
    assert done(world, signal, copy).reason_code == "terms_shared"


def test_not_without_the_margin_that_a_lower_one_takes(world: World, leader: LeaderWorld) -> None:
    copy = copying(world, stated={**FOLLOWS, "free_margin_reserve_percent": "50"}, usdt="2000")
    opened(world, leader, "10")
    world.refresh(copy.account_id)
    at_leverage(leader, "4")
    signal = changed(leader)
    do(world, decide(world, signal))
    assert done(world, signal, copy).reason_code == "margin_short"
    assert at_venue(world, copy) == "10"


def test_a_copy_that_is_paused_keeps_its_leverage(world: World, leader: LeaderWorld) -> None:
    copy = copying(world, stated=FOLLOWS)
    opened(world, leader)
    with tenant_scope(world.tenant.pk):
        Subscription.objects.filter(pk=copy.pk).update(status="paused")
    at_leverage(leader, "8")
    signal = changed(leader)
    do(world, decide(world, signal))
    assert done(world, signal, copy).reason_code == "subscription_paused"
    assert at_venue(world, copy) == "5"


def test_the_last_change_counts(world: World, leader: LeaderWorld) -> None:
    copy = copying(world, stated=FOLLOWS)
    opened(world, leader)
    at_leverage(leader, "8")
    first = changed(leader)
    late = decide(world, first)
    at_leverage(leader, "3")
    second = changed(leader)
    do(world, decide(world, second))
    do(world, late)
    assert at_venue(world, copy) == "3"
    assert done(world, first, copy).reason_code == "leader_changed_again"


def test_a_crash_after_the_answer_and_a_second_worker_do_no_harm(
    world: World, leader: LeaderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copying(world, stated=FOLLOWS)
    opened(world, leader)
    at_leverage(leader, "8")
    signal = changed(leader)
    monkeypatch.setattr("trading.services.sweeps.GRACE", -leverages.WAIT)
    monkeypatch.setattr("trading.services.sweeps.STOPS_GRACE", -leverages.WAIT)
    assert leader_changes_to_decide() == {world.tenant.pk: [signal.pk]}
    assert at_once([partial(decide, world, signal)] * 3) == []
    assert leader_changes_to_decide() == {}
    ids = leader_changes_due()[world.tenant.pk]

    def dies(tenant_id: str, answer: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(leverages, "learn", dies)
        do(world, ids)
    assert world.held(copy).leverage == 5
    world.refresh(copy.account_id)
    with tenant_scope(world.tenant.pk):  # what we are setting was not changed by others
        assert not copy.account.findings.exists()
        FollowedChange.objects.update(check_at=signal.received_at)
    assert at_once([partial(do, world, ids)] * 2) == []
    assert world.held(copy).leverage == 8
    assert done(world, signal, copy).state == "done"
    assert len(told(world, copy)) == 1


def test_who_comes_to_hold_it_while_it_is_decided_is_decided_for_too(
    world: World, leader: LeaderWorld
) -> None:
    """By a planner that goes on where another one died: with those that have a row already."""
    first = copying(world)
    opened(world, leader)
    at_leverage(leader, "8")
    signal = changed(leader)
    assert decide(world, signal) == []
    second = copying(world)
    world.run(world.entry())
    assert decide(world, signal) == []
    assert [len(told(world, copy)) for copy in (first, second)] == [1, 1]


def test_an_answer_that_comes_after_the_end_changes_nothing(
    world: World, leader: LeaderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copying(world, stated=FOLLOWS)
    opened(world, leader)
    at_leverage(leader, "8")
    signal = changed(leader)
    ids = decide(world, signal)
    answers: list[leverages.Answer] = []
    with monkeypatch.context() as patch:
        patch.setattr(leverages, "learn", lambda tenant_id, answer: answers.append(answer))
        do(world, ids)
    with tenant_scope(world.tenant.pk):
        FollowedChange.objects.update(check_at=signal.received_at)
    do(world, ids)
    assert done(world, signal, copy).state == "done"
    late = VenueError(VenueErrorKind.REFUSED, "59107")
    with tenant_scope(world.tenant.pk):
        leverages.learn(world.tenant.pk, leverages.Answer(answers[0].job, late))
    assert done(world, signal, copy).state == "done"
    assert len(told(world, copy)) == 1


def test_only_one_request_about_a_position_is_on_its_way(
    world: World, leader: LeaderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copying(world, stated=FOLLOWS)
    opened(world, leader)
    at_leverage(leader, "8")
    first = changed(leader)
    with monkeypatch.context() as patch:
        patch.setattr(leverages, "learn", lambda tenant_id, answer: None)
        do(world, decide(world, first))
    at_leverage(leader, "3")
    second = changed(leader)
    do(world, decide(world, second))
    assert done(world, second, copy).state == "due"
    assert at_venue(world, copy) == "8"
    with tenant_scope(world.tenant.pk):  # its sender is dead by then
        sent_at = first.received_at - leverages.IN_FLIGHT
        FollowedChange.objects.filter(signal=first).update(sent_at=sent_at)
        FollowedChange.objects.update(check_at=first.received_at)
    do(world, [done(world, second, copy).pk])
    assert at_venue(world, copy) == "3"


def test_what_the_venue_refuses_is_said_and_what_it_does_not_answer_asked_again(
    world: World, leader: LeaderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copying(world, stated=FOLLOWS)
    opened(world, leader)
    at_leverage(leader, "8")
    signal = changed(leader)
    [change] = decide(world, signal)
    errors = [VenueError(VenueErrorKind.UNAVAILABLE), VenueError(VenueErrorKind.REFUSED, "59107")]
    for error in errors:

        async def answers(job: leverages.Job, error: VenueError = error) -> leverages.Answer:
            return leverages.Answer(job, error)

        with monkeypatch.context() as patch:
            patch.setattr(leverages, "ask", answers)
            do(world, [change])
        if error.kind is VenueErrorKind.UNAVAILABLE:
            assert done(world, signal, copy).state == "sending"
            with tenant_scope(world.tenant.pk):
                FollowedChange.objects.update(check_at=signal.received_at)
    row = done(world, signal, copy)
    assert (row.state, row.reason_code, row.tries) == ("refused", "leverage_not_set", 2)
    assert world.held(copy).leverage == 5
    # The exchange would take it now, but nothing has changed by which that could be known.
    with tenant_scope(world.tenant.pk):
        FollowedChange.objects.update(
            state="due", tries=0, reason_params={}, check_at=signal.received_at
        )
    do(world, [change])
    row = done(world, signal, copy)
    assert (row.state, row.reason_params["code"], row.tries) == ("refused", "59107", 0)
    entry = world.entry("increase", size="0.01", leverage=Decimal(8))
    world.run(entry)
    intent = world.intent(entry, copy)
    assert (intent.reason_code, intent.reason_params["code"]) == ("leverage_not_set", "59107")


def test_money_taken_out_pauses_once_and_can_be_lifted(world: World, leader: LeaderWorld) -> None:
    pauses = copying(world, stated={"on_transfer_out": "pause"})
    hears = copying(world)
    opened(world, leader)
    moved(leader, "500", "18", "6")
    signal = changed(leader, "transfer")
    for _ in range(2):
        do(world, decide(world, signal))
    copy = world.reload(pauses)
    assert copy.status == "paused"
    assert "took 500 USDT out" in pause_text(copy.pause_code, copy.pause_params)
    assert world.reload(hears).status == "active"
    assert [len(told(world, each)) for each in (pauses, hears)] == [1, 1]
    assert "until you resume it" in followed_text(told(world, pauses)[0])
    with tenant_scope(world.tenant.pk):
        subscription_resume(subscription=copy, actor=None)
    do(world, decide(world, signal))
    tasks.leader_changes_sweep()
    copy = world.reload(pauses)
    assert (copy.status, copy.pause_code) == ("active", "")


def test_money_put_in_concerns_nobody(world: World, leader: LeaderWorld) -> None:
    copy = copying(world, stated={"on_transfer_out": "pause"})
    moved(leader, "500", "18", "6")
    changed(leader, "transfer")
    moved(leader, "500", "6", "18")
    signal = changed(leader, "transfer")
    assert decide(world, signal) == []
    assert told(world, copy) == []
