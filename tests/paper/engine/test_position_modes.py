"""Net and long/short mode, reduce-only, closing a whole position."""

import pytest

from venues.paper.engine.exchange import Exchange, OkxError

from .conftest import Desk, open_account

SWAP = "BTC-USDT-SWAP"


def test_a_net_position_is_signed_and_flips(desk):
    desk.placed(SWAP, "buy", "10")
    order = desk.placed(SWAP, "sell", "25")
    assert order["pnl"] == "-0.12"  # only the ten that closed: 1.2 * 0.1 coins
    row = desk.position(SWAP)
    assert (row["pos"], row["avgPx"], row["posSide"]) == ("-15", "59999.4", "net")
    assert len(desk.exchange.positions_history(desk.acc, {})) == 1


def test_long_and_short_live_side_by_side(make_desk):
    desk = make_desk(posMode="long_short_mode")
    assert desk.place(SWAP, "buy", "1")["sCode"] == "51000"  # posSide is required
    desk.placed(SWAP, "buy", "10", posSide="long")
    desk.placed(SWAP, "sell", "4", posSide="short")
    rows = {r["posSide"]: r["pos"] for r in desk.exchange.positions(desk.acc, {})}
    assert rows == {"long": "10", "short": "4"}
    desk.placed(SWAP, "sell", "10", posSide="long")
    rows = {r["posSide"]: r["pos"] for r in desk.exchange.positions(desk.acc, {})}
    assert rows == {"short": "4"}
    fills = desk.exchange.fills(desk.acc, {})
    assert [f["subType"] for f in fills] == ["5", "4", "3"]


def test_closing_in_long_short_mode_never_opens(make_desk):
    desk = make_desk(posMode="long_short_mode")
    assert desk.place(SWAP, "sell", "1", posSide="long")["sCode"] == "51169"
    desk.placed(SWAP, "buy", "10", posSide="long")
    assert desk.place(SWAP, "sell", "11", posSide="long")["sCode"] == "51112"
    assert desk.place(SWAP, "sell", "10", posSide="long")["sCode"] == "0"


def test_closed_positions_are_shown_when_asked_by_name_for_thirty_days(desk, clock):
    desk.placed(SWAP, "buy", "1")
    desk.placed(SWAP, "sell", "1")
    assert desk.exchange.positions(desk.acc, {}) == []
    row = desk.position(SWAP)
    assert (row["pos"], row["avgPx"], row["upl"]) == ("0", "", "")
    clock.advance(31 * 86_400_000)
    assert desk.exchange.positions(desk.acc, {"instId": SWAP}) == []


def test_reduce_only_shrinks_to_the_position_by_default(desk):
    desk.placed(SWAP, "buy", "10")
    assert desk.place(SWAP, "buy", "1", reduceOnly=True)["sCode"] == "51170"
    order = desk.placed(SWAP, "sell", "15", reduceOnly=True)
    assert (order["sz"], order["accFillSz"], order["state"]) == ("10", "10", "filled")
    assert desk.position(SWAP)["pos"] == "0"


def test_reduce_only_beyond_the_position_can_be_refused_instead(clock):
    exchange = Exchange(clock, feed="static", reduce_only_excess="reject")
    desk = Desk(exchange, clock, open_account(exchange))
    desk.placed(SWAP, "buy", "10")
    assert desk.place(SWAP, "sell", "15", reduceOnly=True)["sCode"] == "51205"
    assert desk.place(SWAP, "sell", "10", reduceOnly="true")["sCode"] == "0"


def test_resting_reduce_only_orders_go_when_the_position_is_closed(desk):
    desk.placed(SWAP, "buy", "10")
    resting = desk.placed(SWAP, "sell", "10", "62000", reduceOnly=True)
    assert desk.position(SWAP)["availPos"] == "0"
    desk.placed(SWAP, "sell", "10")
    row = desk.order(SWAP, resting["ordId"])
    assert (row["state"], row["cancelSource"]) == ("canceled", "17")


def test_a_resting_reduce_only_order_never_turns_the_position(desk):
    desk.placed(SWAP, "buy", "10")
    desk.placed(SWAP, "sell", "10", "62000", reduceOnly=True)
    desk.placed(SWAP, "sell", "6")
    desk.exchange.set_price(SWAP, "62500")
    assert desk.position(SWAP)["pos"] == "0"


def test_the_mode_cannot_change_with_positions_or_orders(desk):
    mode = {"posMode": "long_short_mode"}
    desk.placed(SWAP, "buy", "1", "50000")
    with pytest.raises(OkxError) as refused:
        desk.exchange.set_position_mode(desk.acc, mode)
    assert refused.value.code == "59000"
    desk.exchange.mass_cancel(desk.acc, {})
    desk.placed(SWAP, "buy", "1")
    with pytest.raises(OkxError):
        desk.exchange.set_position_mode(desk.acc, mode)
    desk.exchange.close_position(desk.acc, {"instId": SWAP, "mgnMode": "cross"})
    desk.exchange.set_position_mode(desk.acc, mode)
    assert desk.exchange.config(desk.acc, {})[0]["posMode"] == "long_short_mode"


def test_close_position_closes_what_is_there(desk):
    with pytest.raises(OkxError) as refused:
        desk.exchange.close_position(desk.acc, {"instId": SWAP, "mgnMode": "cross"})
    assert refused.value.code == "51023"
    desk.placed(SWAP, "sell", "10")
    desk.placed(SWAP, "buy", "10", "50000", reduceOnly=True)
    with pytest.raises(OkxError):
        desk.exchange.close_position(desk.acc, {"instId": SWAP, "mgnMode": "cross"})
    desk.exchange.close_position(
        desk.acc, {"instId": SWAP, "mgnMode": "cross", "autoCxl": True, "clOrdId": "bye"}
    )
    assert desk.position(SWAP)["pos"] == "0"
    assert desk.pending() == []
    assert desk.exchange.get_order(desk.acc, {"instId": SWAP, "clOrdId": "bye"})


def test_leverage_is_kept_per_mode_and_side(make_desk):
    desk = make_desk(posMode="long_short_mode")
    ask = {"instId": SWAP, "mgnMode": "isolated"}
    desk.exchange.set_leverage(desk.acc, ask | {"lever": "7", "posSide": "long"})
    levers = {r["posSide"]: r["lever"] for r in desk.exchange.leverage_info(desk.acc, ask)}
    assert levers == {"long": "7", "short": "3"}
    with pytest.raises(OkxError):
        desk.exchange.set_leverage(desk.acc, ask | {"lever": "7"})
    desk.exchange.set_leverage(desk.acc, {"instId": SWAP, "mgnMode": "cross", "lever": 12})
    desk.placed(SWAP, "buy", "1", posSide="long")
    assert desk.position(SWAP)["lever"] == "12"


def test_cross_and_isolated_positions_are_separate(desk):
    desk.placed(SWAP, "buy", "3")
    desk.placed(SWAP, "sell", "2", tdMode="isolated")
    assert desk.position(SWAP, mgnMode="cross")["pos"] == "3"
    assert desk.position(SWAP, mgnMode="isolated")["pos"] == "-2"
