"""Public lead traders: the positions that the venue publishes, polled, move followers."""

from __future__ import annotations

import secrets
import time
from datetime import timedelta
from decimal import Decimal as D

from django.utils import timezone

from customers.tenancy import system_scope
from signals_app.services.leaders.streaming import LeaderAccounts
from signals_app.services.leaders.sweeping import leaders_due
from tests import factories as make
from tests.signals_app.leaders.conftest import LeaderWorld, MakeLeader
from venues.okx.leading import lead_position, together

BTC = "BTC/USDT:USDT"


def lead_trader(make_leader: MakeLeader, **account: str) -> LeaderWorld:
    code = secrets.token_hex(8).upper()
    return make_leader(credential=False, lead_trader_code=code, **account)


def test_differences_of_published_positions_become_signals(make_leader: MakeLeader) -> None:
    world = lead_trader(make_leader)
    for side, size in (
        ("buy", "6"), ("buy", "3"), ("sell", "3"), ("sell", "6"), ("sell", "2"), ("buy", "5"),
    ):  # fmt: skip
        world.order(side, size)
        world.reconcile()
        assert world.reconcile() == []
    assert world.told() == [
        ("open", "0 → 6", ""),
        ("increase", "6 → 9", ""),
        ("reduce", "9 → 6", ""),
        ("close", "6 → 0", ""),
        ("open", "0 → -2", ""),
        ("flip", "-2 → 3", ""),
    ]
    opened = world.signals()[0]
    assert opened.external_id.startswith(f"position:{BTC}:")
    # The venue publishes no equity of a lead trader.
    assert (opened.leader_equity, opened.leverage, opened.margin_mode) == (None, 3, "cross")


def test_what_a_lead_trader_held_before_is_not_followed(make_leader: MakeLeader) -> None:
    code = secrets.token_hex(8).upper()
    world = make_leader(credential=False, started=False, lead_trader_code=code)
    world.order("buy", "4")
    assert world.reconcile() == []
    world.order("sell", "1")
    world.reconcile()
    assert world.told() == [("reduce", "4 → 3", "")]


def test_adding_to_an_old_position_is_not_old(make_leader: MakeLeader) -> None:
    """The venue says when a position was opened; what was added came after the last reading."""
    world = lead_trader(make_leader)
    world.order("buy", "4")
    world.reconcile()
    world.lifetime(1)
    time.sleep(1.5)
    world.reconcile()
    world.order("buy", "2")
    [added] = world.reconcile()
    assert (added.action, added.skip_code) == ("increase", "")
    assert added.price is not None


def test_a_lead_trader_in_hedge_mode(make_leader: MakeLeader) -> None:
    world = lead_trader(make_leader, position_mode="long_short_mode")
    world.order("buy", "10", posSide="long")
    world.reconcile()
    world.order("sell", "4", posSide="short")
    world.reconcile()
    assert world.told() == [("open", "0 → 10", ""), ("reduce", "10 → 6", "")]


def test_an_unknown_lead_trader_says_so(make_leader: MakeLeader) -> None:
    world = lead_trader(make_leader)
    world.change(lead_trader_code="NOBODY")
    assert world.reconcile() is None
    leader = world.reload()
    assert (leader.health, leader.health_code) == ("unhealthy", "lead_trader_unknown")


def test_it_is_polled_and_not_streamed(make_leader: MakeLeader) -> None:
    world = lead_trader(make_leader)
    account = make_leader()
    with system_scope("test"):
        assert [each.id for each in LeaderAccounts().subjects()] == [account.leader.pk]
    assert leaders_due() == {}
    ago = timezone.now() - timedelta(seconds=6)
    for each in (world, account):
        each.change(tried_at=ago)
    assert leaders_due().keys() == {world.leader.tenant_id, account.leader.tenant_id}
    state = make.StreamStateFactory(
        tenant=account.leader.tenant, kind="leader", subject_id=account.leader.pk, state="live"
    )
    make.LeaseFactory(name=state.lease, holder="a streamer")
    # A leader that is heard by stream gets a second opinion from time to time only.
    assert leaders_due() == {world.leader.tenant_id: [world.leader.pk]}
    account.change(tried_at=timezone.now() - timedelta(seconds=31))
    assert account.leader.pk in leaders_due()[account.leader.tenant_id]


def test_the_parts_of_one_position_are_one() -> None:
    def row(size: str, price: str, side: str = "short") -> dict[str, str]:
        return {
            "instId": "BTC-USDT-SWAP", "subPos": size, "openAvgPx": price, "posSide": side,
            "lever": "5", "mgnMode": "cross", "markPx": "50000", "openTime": "1700000000000",
        }  # fmt: skip

    parts = [lead_position(row(*each), str) for each in (("1", "50000"), ("3", "54000"))]
    [whole] = together(parts)
    assert (whole.quantity, whole.average_price, whole.position_side) == (D(-4), D(53_000), "short")
