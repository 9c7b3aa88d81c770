"""A leader adds margin to an isolated position: copies that follow add the same share, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal as D
from functools import partial
from typing import Any

import pytest
from django.utils import timezone
from okx import Account

from customers.tenancy import tenant_scope
from signals_app.models import Signal
from strategies.models import Subscription
from tests.signals_app.leaders.conftest import INST, LeaderWorld
from tests.trading.conftest import LEADER_ADDS
from tests.trading.test_concurrency import at_once
from tests.trading.test_followed_leaders import follow
from tests.trading.test_leader_changes import (
    at_leverage,
    changed,
    copying,
    decide,
    do,
    done,
    opened,
    told,
)
from tests.trading.world import SYMBOL, World, other_copy
from trading.models import FollowedChange
from trading.order_texts import followed_text
from trading.services.control_state import controls_for, forget_controls
from trading.services.controls import control_set
from trading.services.leader_changes import margins
from venues.domain.types import VenueError, VenueErrorKind

FOLLOWS = {"on_margin_topup": "follow", "margin_mode": "as_leader"}
ADDING = "account/position/margin-balance"


@pytest.fixture
def leader(leader_of: LEADER_ADDS) -> LeaderWorld:
    return leader_of()


@pytest.fixture(autouse=True)
def no_faults(world: World) -> Iterator[None]:
    yield
    world.paper.control.clear_faults()


def following(world: World, **stated: Any) -> Subscription:
    terms = stated.pop("terms", {})
    return copying(world, stated={**FOLLOWS, **stated}, **terms)


def account_of(world: World, copy: Subscription) -> Account.AccountAPI:
    keys = world.keys[copy.account_id]
    signed = (keys.api_key, keys.secret_key, keys.passphrase)
    return Account.AccountAPI(*signed, domain=world.paper.url, debug=False)


def margin(world: World, copy: Subscription, inst: str = INST) -> D:
    """As the exchange has it."""
    rows = account_of(world, copy).get_positions(instId=inst)["data"]
    [found] = [row["margin"] for row in rows if D(row["pos"])]
    return D(found)


def additions(world: World, copy: Subscription) -> list[D]:
    """All margin that the exchange booked to the copy's positions by request."""
    rows = account_of(world, copy).get_account_bills(type="6")["data"]
    return sorted(-D(row["balChg"]) for row in rows if row["subType"] == "160")


def adds(leader: LeaderWorld, amount: str, kind: str = "add", side: str = "net") -> Signal:
    answer = leader.account.adjustment_margin(INST, side, kind, amount)
    assert answer["code"] == "0", answer
    return changed(leader, "margin")


def later(world: World, seconds: int) -> None:
    """As if it had been sent so long ago, and its next look were due."""
    with tenant_scope(world.tenant.pk):
        for row in FollowedChange.objects.exclude(sent_at=None).exclude(check_at=None):
            row.sent_at -= timedelta(seconds=seconds)
            row.check_at = timezone.now()
            row.save()


def stop_entries(world: World) -> None:
    with tenant_scope(world.tenant.pk):
        control_set(
            level="tenant", subject_id=world.tenant.pk, mode="reducing", reason="why", actor=None
        )
    forget_controls()  # a quarter of a second later


def answers(world: World, copy: Subscription, action: str, **more: Any) -> None:
    key = world.keys[copy.account_id].api_key
    world.paper.control.add_fault(action, endpoint=ADDING, account=key, **more)


def test_the_same_share_is_added_told_or_neither(world: World, leader: LeaderWorld) -> None:
    follows = following(world)
    half = following(world, terms={"ratio": D("0.5")})
    fixed = following(world, leverage_mode="fixed", leverage="10")
    hears = following(world, on_margin_topup="alert")
    ignores = following(world, on_margin_topup="ignore")
    opened(world, leader, mode="isolated")
    before = {copy.pk: margin(world, copy) for copy in (follows, half, fixed, hears, ignores)}
    signal = adds(leader, "300")  # a quarter of 1,200

    do(world, decide(world, signal))

    for copy, added in ((follows, 300), (half, 150), (fixed, 150)):
        assert round(margin(world, copy) - before[copy.pk]) == added
        row = done(world, signal, copy)
        assert (row.state, row.reason_code, row.tries) == ("done", "margin_added", 1)
        assert row.after is not None and row.before is not None
        assert margin(world, copy) == row.after
    for copy in (hears, ignores):
        assert margin(world, copy) == before[copy.pk]
    assert [len(told(world, copy)) for copy in (follows, hears, ignores)] == [1, 1, 0]
    text = followed_text(told(world, follows)[0])
    assert text.startswith("Your copy does the same: ")
    assert "USDT of margin were added" in text
    world.refresh(follows.account_id)
    with tenant_scope(world.tenant.pk):
        assert not follows.account.findings.exists()


def test_what_the_leader_takes_out_again_stays(world: World, leader: LeaderWorld) -> None:
    copy = following(world)
    opened(world, leader, mode="isolated")
    do(world, decide(world, adds(leader, "300")))
    before = margin(world, copy)
    signal = adds(leader, "200", "reduce")
    do(world, decide(world, signal))
    assert margin(world, copy) == before
    assert done(world, signal, copy).does == "tell"


def test_not_more_than_is_free_or_the_copy_may_invest(world: World, leader: LeaderWorld) -> None:
    poor = following(world, free_margin_reserve_percent="20", terms={"usdt": "1800"})
    capped = following(world, total_cap="1300")
    full = following(world, total_cap="1201")
    opened(world, leader, mode="isolated")
    for copy in (poor, capped, full):
        world.refresh(copy.account_id)
    before = {copy.pk: margin(world, copy) for copy in (poor, capped, full)}
    signal = adds(leader, "600")
    do(world, decide(world, signal))
    for copy in (poor, capped):
        row = done(world, signal, copy)
        assert (row.state, row.reason_code) == ("done", "margin_added_in_part")
        assert 0 < margin(world, copy) - before[copy.pk] < 600
    assert margin(world, capped) - before[capped.pk] <= 100
    # What was added counts as invested from then on.
    again = adds(leader, "600")
    do(world, decide(world, again))
    for copy in (capped, full):
        assert margin(world, copy) <= 1302
    assert done(world, again, capped).reason_code == "margin_short"
    assert "can be given" in followed_text(told(world, capped)[-1])


def test_why_nothing_is_added(world: World, leader: LeaderWorld) -> None:
    cross = following(world, margin_mode="cross")
    watches = following(world)
    paused = following(world)
    shared = following(world)
    opened(world, leader, mode="isolated")
    with tenant_scope(world.tenant.pk):
        Subscription.objects.filter(pk=paused.pk).update(status="paused")
        watching = {"values": {**FOLLOWS, "monitor_only": True}, "symbols": {}}
        Subscription.objects.filter(pk=watches.pk).update(settings=watching)
    other, neighbour = other_copy(world, shared)
    with tenant_scope(world.tenant.pk):
        isolated = {"values": {"margin_mode": "isolated"}, "symbols": {}}
        Subscription.objects.filter(pk=neighbour.pk).update(settings=isolated)
    other.run(other.entry(size="0.05"))
    assert other.held(neighbour).filled == 5
    signal = adds(leader, "300")
    do(world, decide(world, signal))
    expected = {
        cross.pk: "margin_not_isolated",
        watches.pk: "change_only_watched",
        paused.pk: "subscription_paused",
        shared.pk: "terms_shared",
    }
    for copy in (cross, watches, paused, shared):
        row = done(world, signal, copy)
        assert (row.state, row.reason_code) == ("refused", expected[copy.pk])
        assert additions(world, copy) == []
        assert followed_text(told(world, copy)[0])


@pytest.mark.parametrize(("amount", "state"), [("11", "refused"), ("13", "done")])
def test_what_funding_does_is_no_top_up(
    world: World, leader: LeaderWorld, amount: str, state: str
) -> None:
    """1 % of 1,200 are 12."""
    copy = following(world)
    opened(world, leader, mode="isolated")
    signal = adds(leader, amount)
    do(world, decide(world, signal))
    row = done(world, signal, copy)
    assert row.state == state
    assert row.reason_code == ("margin_added" if state == "done" else "margin_too_little")


def test_not_while_entries_are_stopped(world: World, leader: LeaderWorld) -> None:
    copy = following(world)
    opened(world, leader, mode="isolated")
    signal = adds(leader, "300")
    ids = decide(world, signal)
    stop_entries(world)
    do(world, ids)
    assert done(world, signal, copy).reason_code == "entries_stopped"
    assert additions(world, copy) == []


def test_entries_that_are_stopped_before_it_leaves(
    world: World, leader: LeaderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = following(world)
    opened(world, leader, mode="isolated")
    signal = adds(leader, "300")
    ids = decide(world, signal)
    real = margins.prepare

    def prepared(*args: Any) -> Any:
        jobs = real(*args)
        assert len(jobs) == 1
        stop_entries(world)
        controls_for(tenant_id=world.tenant.pk, strategy_id="", customer_id="", venue="paper")
        return jobs

    monkeypatch.setattr(margins, "prepare", prepared)
    do(world, ids)
    row = done(world, signal, copy)
    assert (row.state, row.reason_code) == ("refused", "entries_stopped")
    assert additions(world, copy) == []


def test_a_copy_in_another_symbol_adds_there(world: World, leader: LeaderWorld) -> None:
    eth = "ETH/USDT:USDT"
    copy = following(world, symbol_map={SYMBOL: eth})
    opened(world, leader, mode="isolated")
    before = margin(world, copy, "ETH-USDT-SWAP")
    signal = adds(leader, "300")
    do(world, decide(world, signal))
    assert done(world, signal, copy).symbol == eth
    assert round(margin(world, copy, "ETH-USDT-SWAP") / before, 2) == D("1.25")


def test_in_hedge_mode_the_side_that_is_held(world: World, leader: LeaderWorld) -> None:
    copy = following(world, terms={"position_mode": "long_short"})
    opened(world, leader, mode="isolated")
    before = margin(world, copy)
    do(world, decide(world, adds(leader, "300")))
    assert round(margin(world, copy) - before) == 300


def test_not_for_the_side_that_a_copy_does_not_hold(world: World, leader_of: LEADER_ADDS) -> None:
    """The leader holds both, the copy what is left of them: a long of 5."""
    leader = leader_of(position_mode="long_short_mode")
    copy = following(world)
    for side, buys, size in (("long", "buy", "10"), ("short", "sell", "5")):
        terms = {"lever": "5", "mgnMode": "isolated", "instId": INST, "posSide": side}
        assert leader.account.set_leverage(**terms)["code"] == "0"
        leader.order(buys, size, tdMode="isolated", posSide=side)
        follow(world, leader)
    assert world.held(copy).filled == 5
    signal = adds(leader, "300", side="short")
    do(world, decide(world, signal))
    assert done(world, signal, copy).reason_code == "margin_of_other_side"
    assert additions(world, copy) == []
    before = margin(world, copy)
    do(world, decide(world, adds(leader, "300", side="long")))
    assert round(margin(world, copy) / before, 2) == D("1.25")


@pytest.mark.parametrize("booked", [True, False])
def test_an_answer_that_does_not_come_is_looked_up_and_never_asked_for_again(
    world: World, leader: LeaderWorld, booked: bool
) -> None:
    copy = following(world)
    opened(world, leader, mode="isolated")
    before = margin(world, copy)
    signal = adds(leader, "300")
    ids = decide(world, signal)
    answers(world, copy, "drop", booked=booked)
    do(world, ids)
    world.paper.control.clear_faults()
    assert done(world, signal, copy).state == "sending"
    for seconds in (0, 20, 50):
        later(world, seconds)
        do(world, ids)
    row = done(world, signal, copy)
    state, code = ("done", "margin_added") if booked else ("refused", "margin_not_answered")
    assert (row.state, row.reason_code, row.tries) == (state, code, 1)
    assert round(margin(world, copy) - before) == (300 if booked else 0)
    assert len(additions(world, copy)) == int(booked)
    assert len(told(world, copy)) == 1


def test_what_may_still_arrive_is_not_called_missing(world: World, leader: LeaderWorld) -> None:
    copy = following(world)
    opened(world, leader, mode="isolated")
    signal = adds(leader, "300")
    ids = decide(world, signal)
    answers(world, copy, "drop")
    do(world, ids)
    later(world, 40)
    do(world, ids)
    assert done(world, signal, copy).state == "sending"


@pytest.mark.parametrize("booked", [True, False])
def test_a_position_that_was_traded_meanwhile_is_left_to_people(
    world: World, leader: LeaderWorld, booked: bool
) -> None:
    copy = following(world)
    opened(world, leader, mode="isolated")
    signal = adds(leader, "300")
    ids = decide(world, signal)
    answers(world, copy, "drop", booked=booked)
    do(world, ids)
    world.paper.control.clear_faults()
    leader.order("buy", "5", tdMode="isolated")
    follow(world, leader)
    later(world, 70)
    do(world, ids)
    row = done(world, signal, copy)
    assert (row.state, row.reason_code) == ("refused", "margin_unclear")
    assert len(additions(world, copy)) == int(booked)
    assert "look there" in followed_text(told(world, copy)[0])


@pytest.mark.parametrize(
    ("code", "ends"), [("59301", "margin_not_added"), ("51149", ""), ("50001", "")]
)
def test_only_a_definite_refusal_ends_it(
    world: World, leader: LeaderWorld, code: str, ends: str
) -> None:
    copy = following(world)
    opened(world, leader, mode="isolated")
    signal = adds(leader, "300")
    answers(world, copy, "error_code", code=code, msg="no", booked=not ends)
    do(world, decide(world, signal))
    row = done(world, signal, copy)
    assert row.state == ("refused" if ends else "sending")
    if ends:
        assert row.reason_code == ends
        return
    world.paper.control.clear_faults()
    later(world, 0)
    do(world, [row.pk])
    assert done(world, signal, copy).state == "done"
    assert len(additions(world, copy)) == 1


def test_what_was_not_taken_for_the_rate_is_decided_anew(world: World, leader: LeaderWorld) -> None:
    copy = following(world)
    opened(world, leader, mode="isolated")
    signal = adds(leader, "300")
    ids = decide(world, signal)
    answers(world, copy, "error_code", code="50011", msg="slowly", count=1)
    do(world, ids)
    assert done(world, signal, copy).state == "due"
    later(world, 0)
    do(world, ids)
    row = done(world, signal, copy)
    assert (row.state, row.tries) == ("done", 2)
    assert len(additions(world, copy)) == 1


@pytest.mark.parametrize("dies_at", ["ask", "learn"])
def test_a_crash_and_two_workers_add_it_once(
    world: World, leader: LeaderWorld, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    copy = following(world)
    opened(world, leader, mode="isolated")
    signal = adds(leader, "300")
    assert at_once([partial(decide, world, signal)] * 3) == []
    with tenant_scope(world.tenant.pk):
        ids = list(FollowedChange.objects.values_list("pk", flat=True))

    def dies(*args: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(margins, dies_at, dies)
        do(world, ids)
    was_sent = dies_at == "learn"
    assert len(additions(world, copy)) == int(was_sent)
    later(world, 70)
    assert at_once([partial(do, world, ids)] * 3) == []
    row = done(world, signal, copy)
    assert (row.state, row.tries) == ("done" if was_sent else "refused", 1)
    assert len(additions(world, copy)) == int(was_sent)
    assert len(told(world, copy)) == 1


def test_a_worker_that_was_away_does_not_send_it_again(
    world: World, leader: LeaderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It saw that it was to be done; when it goes on, another one has sent it without an answer."""
    copy = following(world)
    opened(world, leader, mode="isolated")
    signal = adds(leader, "300")
    ids = decide(world, signal)
    real = margins._looks
    answers(world, copy, "drop", booked=True)

    def slowly(*args: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(margins, "_looks", real)
            do(world, ids)
        world.paper.control.clear_faults()
        later(world, 5)
        return real(*args)

    monkeypatch.setattr(margins, "_looks", slowly)
    do(world, ids)
    assert len(additions(world, copy)) == 1
    assert done(world, signal, copy).tries == 1


def test_what_was_shown_before_it_was_sent_says_nothing_of_it(
    world: World, leader: LeaderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = following(world)
    opened(world, leader, mode="isolated")
    signal = adds(leader, "300")
    ids = decide(world, signal)
    answers(world, copy, "drop")
    do(world, ids)
    later(world, 5)
    traded = margins.Look(ids[0], signal.received_at - timedelta(hours=1), ())
    monkeypatch.setattr(margins, "_looks", lambda changes, keys: {ids[0]: traded})
    do(world, ids)
    assert done(world, signal, copy).state == "sending"


def test_an_answer_that_comes_after_the_end_changes_nothing(
    world: World, leader: LeaderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = following(world)
    opened(world, leader, mode="isolated")
    signal = adds(leader, "300")
    ids = decide(world, signal)
    late: list[margins.Answer] = []
    with monkeypatch.context() as patch:
        patch.setattr(margins, "learn", lambda tenant_id, answer: late.append(answer))
        do(world, ids)
    later(world, 40)
    do(world, ids)
    assert done(world, signal, copy).state == "done"
    for kind in (VenueErrorKind.REFUSED, VenueErrorKind.RATE_LIMIT, VenueErrorKind.UNAVAILABLE):
        with tenant_scope(world.tenant.pk):
            margins.learn(world.tenant.pk, margins.Answer(late[0].job, VenueError(kind, "59301")))
    row = done(world, signal, copy)
    assert (row.state, row.check_at, row.reason_code) == ("done", None, "margin_added")
    assert len(told(world, copy)) == 1


def test_two_top_ups_and_two_workers(world: World, leader: LeaderWorld) -> None:
    """Each is a share of the margin of then, and the second waits for the first one's end."""
    copy = following(world)
    opened(world, leader, mode="isolated")
    before = margin(world, copy)
    first = adds(leader, "300")
    second = adds(leader, "150")
    ids = [*decide(world, first), *decide(world, second)]
    answers(world, copy, "drop", booked=True, count=1)
    do(world, ids)
    world.paper.control.clear_faults()
    states = {done(world, each, copy).state for each in (first, second)}
    assert states == {"sending", "due"}
    looks: list[Callable[[], None]] = [partial(do, world, ids)] * 2
    for _ in range(4):
        with tenant_scope(world.tenant.pk):
            FollowedChange.objects.exclude(check_at=None).update(check_at=timezone.now())
        assert at_once(looks) == []
    assert [done(world, each, copy).state for each in (first, second)] == ["done", "done"]
    assert round(margin(world, copy) - before) == 450
    assert len(additions(world, copy)) == 2


def test_a_change_of_leverage_waits_for_what_is_being_added(
    world: World, leader: LeaderWorld
) -> None:
    """It moves the margin, too, and nobody could tell any more whether it was added."""
    copy = following(world, on_leverage_change="follow")
    opened(world, leader, mode="isolated")
    signal = adds(leader, "300")
    ids = decide(world, signal)
    answers(world, copy, "drop", booked=True)
    do(world, ids)
    world.paper.control.clear_faults()
    with tenant_scope(world.tenant.pk):
        FollowedChange.objects.update(sent_at=timezone.now() - timedelta(seconds=45))
    at_leverage(leader, "4", "isolated")
    leverage = changed(leader)
    do(world, decide(world, leverage))
    assert done(world, leverage, copy).state == "due"
    later(world, 0)
    do(world, ids)
    assert done(world, signal, copy).state == "done"
    later(world, 0)
    with tenant_scope(world.tenant.pk):
        FollowedChange.objects.exclude(check_at=None).update(check_at=timezone.now())
    do(world, [done(world, leverage, copy).pk])
    assert done(world, leverage, copy).state == "done"


def test_an_old_top_up_is_no_answer_to_the_market_of_now(world: World, leader: LeaderWorld) -> None:
    copy = following(world)
    opened(world, leader, mode="isolated")
    signal = adds(leader, "300")
    ids = decide(world, signal)
    with tenant_scope(world.tenant.pk):
        Signal.objects.filter(pk=signal.pk).update(
            received_at=timezone.now() - timedelta(minutes=11)
        )
    do(world, ids)
    assert done(world, signal, copy).reason_code == "signal_too_old"
    assert additions(world, copy) == []
