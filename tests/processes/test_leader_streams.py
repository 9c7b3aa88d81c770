"""A real streamer hears a leader that trades by the exchange's SDK, whatever happens to its lines.

Nobody plans or sends here: looked at are the signals, each a step from the leader's position
before to the one after. Storms: tests/storm.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from customers.models import StreamState
from customers.tenancy import system_scope
from tests.processes.live import LiveProcess, LiveProcesses, wait_for
from tests.signals_app.leaders.conftest import (
    INST,
    LeaderWorld,
    MakeLeader,
    make_leader,  # noqa: F401  (a fixture)
)
from venues import runtime

BTC = "BTC/USDT:USDT"


@pytest.fixture
def leader(make_leader: MakeLeader) -> Iterator[LeaderWorld]:  # noqa: F811
    world = make_leader(usdt="10000000")
    # Nobody but the streamer asks: the sweeper's second opinion is another test's.
    yield world
    world.paper.control.clear_faults()
    runtime.close_gateways()


def streamer(live: LiveProcesses, leader: LeaderWorld) -> LiveProcess:
    return live.manage(
        "streamer",
        env={"PAPER_EXCHANGE_URL": leader.paper.url},
        ready=lambda process: " started" in process.log(),
    )


def wait_live(leader: LeaderWorld, seconds: float = 60) -> None:
    def is_live() -> bool:
        with system_scope("test"):
            rows = StreamState.objects.filter(kind="leader", subject_id=leader.leader.pk)
            return rows.filter(state="live").exists()

    wait_for(is_live, seconds=seconds, what="the leader's stream is live")


def at_venue(leader: LeaderWorld) -> Decimal:
    rows = leader.account.get_positions(instType="SWAP")["data"]
    return sum((Decimal(row["pos"]) for row in rows), Decimal(0))


def followed_to(leader: LeaderWorld) -> Decimal:
    """Where the signals lead, one after the other; each begins where the one before ended."""
    at = Decimal(0)
    for signal in leader.signals():
        assert signal.leader_position_before == at, [
            (each.action, each.leader_position_before, each.leader_position_after)
            for each in leader.signals()
        ]
        assert signal.leader_position_after is not None
        at = signal.leader_position_after
    return at


def wait_followed(leader: LeaderWorld, seconds: float) -> None:
    wait_for(
        lambda: followed_to(leader) == at_venue(leader),
        seconds=seconds,
        what="the signals lead to the leader's position",
    )


def test_a_market_order_is_a_signal_at_once(leader: LeaderWorld, live: LiveProcesses) -> None:
    streamer(live, leader)
    wait_live(leader)
    leader.order("buy", "3")
    wait_for(lambda: len(leader.signals()) == 1, seconds=5, what="the signal is here")
    [signal] = leader.signals()
    assert (signal.action, signal.size, signal.leverage) == ("open", 3, 3)
    trade = leader.trades()[0]
    assert trade.signal_id == signal.pk
    assert signal.emitted_at == trade.filled_at


@pytest.mark.slow
def test_a_killed_streamer_loses_nothing(leader: LeaderWorld, live: LiveProcesses) -> None:
    first = streamer(live, leader)
    wait_live(leader)
    leader.order("buy", "5")
    wait_followed(leader, seconds=10)
    first.kill()
    leader.order("sell", "2")
    leader.order("sell", "7")
    streamer(live, leader)
    wait_followed(leader, seconds=40)
    assert followed_to(leader) == -4


def test_a_resting_order_is_followed_while_it_rests(
    leader: LeaderWorld, live: LiveProcesses
) -> None:
    leader.change(follow_orders="working")
    streamer(live, leader)
    wait_live(leader)

    def actions() -> list[str]:
        return [signal.action for signal in leader.signals()]

    price = (Decimal(leader.paper_price()) * Decimal("0.98")).quantize(Decimal("0.1"))
    order_id = leader.order("buy", "5", ordType="limit", px=str(price))
    wait_for(lambda: actions() == ["open"], seconds=5, what="it is placed")
    answer = leader.trading.amend_order(instId=INST, ordId=order_id, newSz="8")
    assert answer["code"] == "0", answer
    wait_for(lambda: actions() == ["open", "open"], seconds=5, what="it is amended")
    leader.trading.cancel_order(instId=INST, ordId=order_id)
    wait_for(lambda: actions() == ["open", "open", "cancel"], seconds=5, what="it is cancelled")
    placed, amended, cancelled = leader.signals()
    assert [signal.size for signal in (placed, amended)] == [5, 8]
    assert (amended.amends_id, cancelled.amends_id) == (placed.pk, amended.pk)
