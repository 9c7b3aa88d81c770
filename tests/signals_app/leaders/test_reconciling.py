"""A leader on the paper exchange, read by REST: what it does becomes signals, each once."""

from __future__ import annotations

import time
from decimal import Decimal as D
from typing import Any

import pytest
from django.utils import timezone, translation
from okx import Funding

from customers.fields import plain
from customers.models import Event
from customers.tenancy import tenant_scope
from signals_app.event_texts import event_text
from signals_app.models import Leader, LeaderPosition, Signal, SignalSource
from signals_app.services.leaders import reading
from signals_app.services.leaders.reading import QUIET_MS, Reading
from signals_app.services.leaders.reconciling import leader_reading_take
from signals_app.services.leaders.taking import leader_facts
from signals_app.services.sources import source_pause, source_resume
from tests.signals_app.leaders.conftest import INST, LeaderWorld, MakeLeader
from tests.signals_app.leaders.fills import fill
from trading.alert_texts import alert_text
from trading.models import Alert
from venues.okx import transport

BTC = "BTC/USDT:USDT"
NET = (BTC, "net")


def settle() -> None:
    """Positions are compared when nothing was traded just before."""
    time.sleep(QUIET_MS / 1000 + 0.1)


def test_what_a_leader_held_before_is_taken_over_and_not_followed(make_leader: MakeLeader) -> None:
    world = make_leader(started=False)
    world.order("buy", "7")
    settle()
    assert world.reconcile() == []
    assert world.positions() == {NET: 7}
    assert [trade.outcome for trade in world.trades()] == ["before_start"]
    leader = world.reload()
    assert leader.health == Leader.Health.HEALTHY
    assert leader.equities.keys() == {"USDT"}


def test_open_add_thirds_flip_and_close(make_leader: MakeLeader) -> None:
    world = make_leader()
    for side, size in (
        ("buy", "6"), ("buy", "3"), ("sell", "3"), ("sell", "3"), ("sell", "3"),
        ("sell", "4"), ("buy", "9"), ("sell", "5"),
    ):  # fmt: skip
        world.order(side, size)
        world.reconcile()
    assert world.told() == [
        ("open", "0 → 6", ""),
        ("increase", "6 → 9", ""),
        ("reduce", "9 → 6", ""),
        ("reduce", "6 → 3", ""),
        ("close", "3 → 0", ""),
        ("open", "0 → -4", ""),
        ("flip", "-4 → 5", ""),
        ("close", "5 → 0", ""),
    ]
    opened, _, third, *_ = world.signals()
    assert (opened.size, opened.size_basis, opened.side) == (6, "contracts", "long")
    assert opened.leader_equity is not None
    assert 99_000 < opened.leader_equity < 100_001
    assert (opened.leverage, opened.margin_mode) == (3, "cross")
    assert third.size == D("0.333333333333333333")
    assert all(trade.signal_id for trade in world.trades())


def test_reading_again_tells_nothing_twice(make_leader: MakeLeader) -> None:
    world = make_leader()
    world.order("buy", "5")
    assert len(world.reconcile()) == 1
    settle()
    for _ in range(3):
        assert world.reconcile() == []
    assert world.positions() == {NET: 5}


def test_a_leader_in_hedge_mode_is_followed_as_its_exposure(make_leader: MakeLeader) -> None:
    world = make_leader(position_mode="long_short_mode")
    for side, size, position_side in (
        ("buy", "10", "long"),
        ("sell", "4", "short"),
        ("buy", "4", "short"),
        ("sell", "10", "long"),
    ):
        world.order(side, size, posSide=position_side)
        world.reconcile()
    assert world.told() == [
        ("open", "0 → 10", ""),
        ("reduce", "10 → 6", ""),
        ("increase", "6 → 10", ""),
        ("close", "10 → 0", ""),
    ]
    settle()
    assert world.reconcile() == []


def test_missed_for_longer_than_the_lifetime(make_leader: MakeLeader) -> None:
    """Entries are shown only; what closes them is followed; and the books agree."""
    world = make_leader()
    world.order("buy", "5")
    world.reconcile()
    with_lifetime(world, 1)
    world.order("sell", "8")
    time.sleep(2.1)
    world.reconcile()
    assert world.told() == [
        ("open", "0 → 5", ""),
        ("close", "5 → 0", ""),
        ("open", "0 → -3", "entry_too_late"),
    ]
    shown = world.signals()[-1]
    assert shown.status == Signal.Status.DONE
    assert shown.skip_params["lifetime_seconds"] == "1"
    settle()
    assert world.reconcile() == []


def test_a_missed_entry_that_the_market_ran_away_from(make_leader: MakeLeader) -> None:
    world = make_leader()
    world.change(max_slippage_bps=D(5))
    world.order("buy", "5")
    price = D(world.paper_price())
    world.paper.control.set_price(INST, str(price * D("1.01")))
    try:
        world.reconcile()
    finally:
        world.paper.control.set_price(INST, str(price))
    assert world.told() == [("open", "0 → 5", "entry_slipped")]


def test_more_missed_trades_than_one_reading_takes_are_read_in_several(
    make_leader: MakeLeader, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_leader()
    world.order("buy", "5")
    world.reconcile()
    settle()
    world.change(cursor_ms=int(time.time() * 1000))
    for size in range(1, 9):
        world.order("sell" if size % 2 else "buy", str(size))
        time.sleep(0.1)
    world.order("sell", "9")
    settle()
    monkeypatch.setattr(reading, "OVERLAP_MS", 200)
    monkeypatch.setattr(transport, "PAGE_ROWS", 2)
    monkeypatch.setattr(transport, "MAX_PAGES", 1)
    monkeypatch.setattr(transport, "SHORT_WINDOW_MS", 400)
    assert world.reconcile() is not None
    assert world.positions() == {}
    assert world.told()[-1][1].endswith("→ 0")
    assert len(world.trades()) == 10
    leader = world.reload()
    assert leader.health == Leader.Health.HEALTHY


def test_a_list_without_end_is_said_to_be_unread(
    make_leader: MakeLeader, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_leader()
    for _ in range(3):
        world.order("buy", "1")
    monkeypatch.setattr(transport, "PAGE_ROWS", 1)
    monkeypatch.setattr(transport, "MAX_WINDOW_PAGES", 2)
    assert world.reconcile() is None
    assert world.reload().health_code == "venue_unreadable"


def test_trades_that_cannot_be_had_are_made_up_for_by_the_positions(
    make_leader: MakeLeader,
) -> None:
    """Our own last known state is wrong: the venue's is adopted and the difference handed on."""
    world = make_leader()
    world.order("buy", "5")
    world.reconcile()
    settle()
    forget_trade(world, quantity=D(8))  # as if we had once counted three too many
    assert [signal.action for signal in world.reconcile()] == ["reduce"]
    assert world.told()[-1] == ("reduce", "8 → 5", "")
    assert world.positions() == {NET: 5}
    assert world.reconcile() == []


def test_a_symbol_that_is_not_followed_moves_nobody_and_is_kept_in_the_books(
    make_leader: MakeLeader,
) -> None:
    world = make_leader()
    world.change(symbols=[BTC])
    world.order("buy", "5", inst="ETH-USDT-SWAP")
    world.order("buy", "2")
    world.reconcile()
    assert [signal.symbol for signal in world.signals()] == [BTC]
    assert world.positions() == {NET: 2, ("ETH/USDT:USDT", "net"): 5}
    outcomes = {trade.symbol: trade.outcome for trade in world.trades()}
    assert outcomes == {BTC: "", "ETH/USDT:USDT": "symbol_not_followed"}


def test_spot_is_not_followed_and_says_so(make_leader: MakeLeader) -> None:
    world = make_leader()
    world.order("buy", "0.01", inst="BTC-USDT", tdMode="cash", tgtCcy="base_ccy")
    assert world.reconcile() == []
    assert [trade.outcome for trade in world.trades()] == ["spot_not_followed"]
    settle()
    assert world.reconcile() == []


def test_while_the_source_is_paused_the_books_go_on(make_leader: MakeLeader) -> None:
    world = make_leader()
    set_source(world, status="paused")
    world.order("buy", "5")
    assert world.reconcile() == []
    assert {trade.outcome for trade in world.trades()} == {"refused"}
    set_source(world, status="active")
    world.order("sell", "2")
    world.reconcile()
    assert world.told() == [("reduce", "5 → 3", "")]


def pause(world: LeaderWorld) -> None:
    with tenant_scope(world.leader.tenant_id):
        assert source_pause(source=world.reload().source, reason="holiday", actor=None)


def resume(world: LeaderWorld) -> bool:
    with tenant_scope(world.leader.tenant_id):
        return source_resume(source=world.reload().source, actor=None)


@pytest.mark.parametrize(
    ("before", "trades", "told"),
    [
        ("6", [("sell", "6")], ("close", "6 → 0")),
        ("6", [("sell", "1"), ("sell", "1")], ("reduce", "6 → 4")),
        ("6", [("sell", "4"), ("buy", "1")], ("reduce", "6 → 3")),
        ("6", [("sell", "9")], ("close", "6 → 0")),
        ("6", [("buy", "2")], None),
        ("6", [("sell", "6"), ("buy", "6")], None),
    ],
)
def test_what_it_gave_up_while_staff_had_paused_it_is_given_up_when_they_resume_it(
    make_leader: MakeLeader,
    before: str,
    trades: list[tuple[str, str]],
    told: tuple[str, str] | None,
) -> None:
    world = make_leader()
    world.order("buy", before)
    world.reconcile()
    pause(world)
    for side, size in trades:
        world.order(side, size)
        settle()
        world.reconcile()
    heard = world.told()
    assert len(heard) == 1, "nothing is taken while it is paused"
    assert resume(world)
    assert world.told()[1:] == ([(*told, "")] if told else [])
    assert not resume(world)
    assert len(world.told()) == (2 if told else 1)


def test_what_the_system_paused_has_nothing_to_make_good(make_leader: MakeLeader) -> None:
    """Its exits were followed meanwhile."""
    world = make_leader()
    world.order("buy", "6")
    world.reconcile()
    with tenant_scope(world.leader.tenant_id):
        source_pause(source=world.reload().source, reason="", actor=None, code="too_many_problems")
    world.order("sell", "2")
    settle()
    world.reconcile()
    world.order("buy", "1")
    settle()
    world.reconcile()
    assert resume(world)
    assert [action for action, *_ in world.told()] == ["open", "reduce"]


def test_a_leader_without_equity_says_so(make_leader: MakeLeader) -> None:
    world = make_leader()
    world.change(equities={"BTC": "1"})
    world.order("buy", "1")

    with tenant_scope(world.leader.tenant_id):
        facts = leader_facts(world.reload(), BTC, None, D(50_000))
    assert facts.equity == 0


# --- events -------------------------------------------------------------------------------------


def test_a_changed_leverage_is_told_once(make_leader: MakeLeader) -> None:
    world = make_leader()
    world.order("buy", "5")
    settle()
    world.reconcile()
    assert world.account.set_leverage(lever="9", mgnMode="cross", instId=INST)["code"] == "0"
    [told] = world.reconcile()
    assert (told.action, told.leverage, told.skip_code) == ("leverage", 9, "event_not_followed")
    assert words(told) == f"The leverage in {BTC} was changed from 3× to 9×."
    assert world.reconcile() == []


def test_later_entries_carry_the_new_leverage(make_leader: MakeLeader) -> None:
    """Of fills read by REST, which say nothing of leverage, as of any."""
    world = make_leader()
    world.order("buy", "5")
    settle()
    world.reconcile()
    world.account.set_leverage(lever="9", mgnMode="cross", instId=INST)
    world.reconcile()
    with tenant_scope(world.leader.tenant_id):
        assert leader_facts(world.reload(), BTC, None, D(50_000)).leverage == 9
    world.order("buy", "2")
    [added] = world.reconcile()
    assert (added.action, added.leverage) == ("increase", 9)
    # Changed and used between two readings, it is known all the same.
    world.account.set_leverage(lever="4", mgnMode="cross", instId=INST)
    world.order("buy", "2")
    added, *_ = world.reconcile()
    assert (added.action, added.leverage) == ("increase", 4)


def test_a_margin_top_up_is_told_with_its_amount(make_leader: MakeLeader) -> None:
    world = make_leader()
    world.order("buy", "5", tdMode="isolated")
    settle()
    world.reconcile()
    answer = world.account.adjustment_margin(INST, "net", "add", "123.5")
    assert answer["code"] == "0", answer
    [told] = world.reconcile()
    assert (told.action, told.size, told.size_basis) == ("margin", D("123.5"), "quote")
    assert words(told) == f"123.5 USDT of margin were added to the position in {BTC}."
    assert world.reconcile() == []


def test_a_stop_is_told_when_it_is_set_moved_and_removed(make_leader: MakeLeader) -> None:
    world = make_leader()
    world.order("buy", "5")
    settle()
    world.reconcile()
    price = D(world.paper_price())
    low, lower = (format((price * D(share)).quantize(D("0.1")), "f") for share in ("0.9", "0.8"))
    placed = world.trading.place_algo_order(
        instId=INST, tdMode="cross", side="sell", ordType="conditional", sz="5",
        slTriggerPx=low, slOrdPx="-1", reduceOnly="true",
    )  # fmt: skip
    assert placed["code"] == "0", placed
    algo_id = placed["data"][0]["algoId"]
    [was_set] = world.reconcile()
    assert (was_set.action, was_set.stop_loss, was_set.symbol) == ("stops", D(low), BTC)
    assert words(was_set) == f"A stop loss at {short(low)} was set in {BTC}."
    amended = world.trading.amend_algo_order(
        instId=INST, algoId=algo_id, newSlTriggerPx=lower, newSlOrdPx="-1"
    )
    assert amended["code"] == "0", amended
    [moved] = world.reconcile()
    assert (moved.action, moved.stop_loss) == ("stops", D(lower))
    expected = f"The stop loss in {BTC} was moved from {short(low)} to {short(lower)}."
    assert words(moved) == expected
    world.trading.cancel_algo_order([{"instId": INST, "algoId": algo_id}])
    [removed] = world.reconcile()
    assert (removed.action, removed.stop_loss, removed.take_profit) == ("stops", None, None)
    assert words(removed) == f"The stop loss at {short(lower)} in {BTC} is gone."
    assert world.reconcile() == []
    with tenant_scope(world.leader.tenant_id):
        events = Event.objects.filter(kind="leader.changed").order_by("pk")
        kinds = [event.payload["facts"]["kind"] for event in events]
        alerts = Alert.objects.filter(code="leader_changed").count()
    assert kinds == ["stop_set", "stop_moved", "stop_removed"]
    assert alerts == 1  # a message a minute, however often a trailing stop moves


def test_a_transfer_out_is_told_with_its_amount(make_leader: MakeLeader) -> None:
    world = make_leader()
    take_out(world, "2500")
    [told] = world.reconcile()
    assert (told.action, told.size, told.symbol) == ("transfer", -2500, "")
    assert words(told) == "2500 USDT were moved out of the account."
    assert world.reconcile() == []
    with tenant_scope(world.leader.tenant_id):
        alert = Alert.objects.get(code="leader_changed")
    assert alert.resolved_at is not None  # it happened; nothing has to end
    assert words(told) in alert_text(alert.code, alert.params)
    with translation.override("zh-hans"):
        assert "转出" in alert_text(alert.code, alert.params)


def test_money_taken_out_after_an_entry_does_not_enlarge_it(make_leader: MakeLeader) -> None:
    """Both are heard of together, after a gap: its share was that of the equity before."""
    world = make_leader()
    world.order("buy", "5")
    take_out(world, "50000")
    opened, *_ = world.reconcile()
    assert opened.action == "open"
    assert opened.leader_equity is not None
    assert 99_000 < opened.leader_equity < 100_001


def test_an_entry_after_money_was_taken_out_is_a_share_of_the_rest(
    make_leader: MakeLeader,
) -> None:
    world = make_leader()
    take_out(world, "50000")
    time.sleep(0.05)  # by the exchange's clock, in milliseconds, before the entry
    world.order("buy", "5")
    opened = next(signal for signal in world.reconcile() if signal.action == "open")
    assert opened.leader_equity is not None
    assert 49_000 < opened.leader_equity < 50_001


def words(signal: Signal) -> str:
    return event_text(signal.skip_params)


def short(number: str) -> str:
    return format(plain(D(number)), "f")


def take_out(world: LeaderWorld, amount: str) -> None:
    keys = world.keys
    funding = Funding.FundingAPI(
        keys.api_key, keys.secret_key, keys.passphrase, domain=world.paper.url, debug=False
    )
    answer = funding.funds_transfer(ccy="USDT", amt=amount, from_="18", to="6")
    assert answer["code"] == "0", answer


# --- small pieces -------------------------------------------------------------------------------


def with_lifetime(world: LeaderWorld, seconds: int) -> None:
    set_source(world, signal_lifetime_seconds=seconds)


def set_source(world: LeaderWorld, **fields: Any) -> None:

    with tenant_scope(world.leader.tenant_id):
        SignalSource.objects.filter(pk=world.leader.source_id).update(**fields)


def forget_trade(world: LeaderWorld, *, quantity: D) -> None:

    with tenant_scope(world.leader.tenant_id):
        LeaderPosition.objects.filter(leader=world.leader).update(quantity=quantity)


def test_positions_are_not_compared_with_trades_of_the_same_moment(
    make_leader: MakeLeader,
) -> None:
    """They come from two requests: one may have seen the trade and the other not."""
    world = make_leader()
    at = int(time.time() * 1000)
    traded = fill("90", 5, at=at - 100, price=D(world.paper_price()))
    reading = Reading(asked_at=timezone.now(), asked_ms=at, positions=[], fills=[traded])
    with tenant_scope(world.leader.tenant_id):
        leader_reading_take(leader=world.leader, reading=reading)
    assert world.told() == [("open", "0 → 5", "")]
