"""Client order ids, look-up windows, paging, expiry."""

import pytest

from venues.paper.engine.exchange import OkxError, OrderFault

SWAP = "BTC-USDT-SWAP"
HOUR = 3_600_000
DAY = 24 * HOUR


def by_client_id(desk, cl_ord_id):
    return desk.exchange.get_order(desk.acc, {"instId": SWAP, "clOrdId": cl_ord_id})[0]


def test_a_client_id_is_unique_among_live_orders_only(desk):
    first = desk.placed(SWAP, "buy", "1", "50000", clOrdId="Abc1")
    again = desk.place(SWAP, "buy", "1", "50000", clOrdId="Abc1")
    assert (again["sCode"], again["clOrdId"]) == ("51016", "Abc1")
    assert desk.place(SWAP, "buy", "1", "50000", clOrdId="abc1")["sCode"] == "0"  # case counts
    desk.exchange.cancel_order(desk.acc, {"instId": SWAP, "clOrdId": "Abc1"})
    second = desk.placed(SWAP, "buy", "1", clOrdId="Abc1")  # fills at once
    third = desk.placed(SWAP, "buy", "1", clOrdId="Abc1")
    assert by_client_id(desk, "Abc1")["ordId"] == third["ordId"]
    assert desk.order(SWAP, second["ordId"])["state"] == "filled"
    assert desk.order(SWAP, first["ordId"])["state"] == "canceled"
    assert desk.position(SWAP)["pos"] == "2"  # the second send doubled it


def test_two_accounts_may_use_one_client_id(make_desk):
    for desk in (make_desk(), make_desk()):
        assert desk.place(SWAP, "buy", "1", "50000", clOrdId="same")["sCode"] == "0"


def test_the_exchange_id_wins_when_both_are_given(desk):
    first = desk.placed(SWAP, "buy", "1", "50000", clOrdId="one")
    desk.placed(SWAP, "buy", "1", "50000", clOrdId="two")
    both = {"instId": SWAP, "ordId": first["ordId"], "clOrdId": "two"}
    assert desk.exchange.get_order(desk.acc, both)[0]["clOrdId"] == "one"
    desk.exchange.cancel_order(desk.acc, both)
    assert [o["clOrdId"] for o in desk.pending()] == ["two"]


@pytest.mark.parametrize("key", [{"ordId": "123"}, {"clOrdId": "never"}, {"ordId": "abc"}])
def test_an_unknown_order_is_51603(desk, key):
    with pytest.raises(OkxError) as refused:
        desk.exchange.get_order(desk.acc, {"instId": SWAP} | key)
    assert (refused.value.code, refused.value.http_status) == ("51603", 200)


def test_strangers_orders_are_not_found(make_desk):
    mine, theirs = make_desk(), make_desk()
    order = mine.placed(SWAP, "buy", "1", "50000")
    with pytest.raises(OkxError):
        theirs.order(SWAP, order["ordId"])
    key = {"instId": SWAP, "ordId": order["ordId"]}
    assert theirs.exchange.cancel_order(theirs.acc, key)["sCode"] == "51400"


def test_an_unfilled_cancel_is_found_for_two_hours(desk, clock):
    order = desk.placed(SWAP, "buy", "1", "50000", clOrdId="gone")
    desk.exchange.mass_cancel(desk.acc, {})
    history = {"instType": "SWAP"}
    clock.advance(2 * HOUR)
    assert by_client_id(desk, "gone")["state"] == "canceled"
    assert desk.exchange.orders_history(desk.acc, history)[0]["ordId"] == order["ordId"]
    assert desk.exchange.orders_history_archive(desk.acc, history) == []
    clock.advance(1)
    assert desk.exchange.orders_history(desk.acc, history) == []
    with pytest.raises(OkxError):
        by_client_id(desk, "gone")


def test_filled_orders_stay_seven_days_in_history_and_three_months_in_the_archive(desk, clock):
    desk.placed(SWAP, "buy", "1")
    history = {"instType": "SWAP"}
    clock.advance(7 * DAY)
    assert len(desk.exchange.orders_history(desk.acc, history)) == 1
    clock.advance(1)
    assert desk.exchange.orders_history(desk.acc, history) == []
    assert len(desk.exchange.orders_history_archive(desk.acc, history)) == 1
    clock.advance(83 * DAY)
    assert desk.exchange.orders_history_archive(desk.acc, history) == []


def test_fills_stay_three_days_and_fills_history_three_months(desk, clock):
    desk.placed(SWAP, "buy", "1")
    clock.advance(3 * DAY)
    assert len(desk.exchange.fills(desk.acc, {})) == 1
    clock.advance(1)
    assert desk.exchange.fills(desk.acc, {}) == []
    assert len(desk.exchange.fills_history(desk.acc, {"instType": "SWAP"})) == 1


def test_orders_history_pages_by_order_id(desk):
    ids = [desk.placed(SWAP, "buy", "1")["ordId"] for _ in range(5)]
    ask = {"instType": "SWAP", "limit": "2"}
    seen, after = [], None
    while rows := desk.exchange.orders_history(desk.acc, ask | {"after": after}):
        seen += [r["ordId"] for r in rows]
        after = seen[-1]
    assert seen == ids[::-1]
    newer = desk.exchange.orders_history(desk.acc, ask | {"before": ids[2]})
    assert [r["ordId"] for r in newer] == [ids[4], ids[3]]


def test_fills_page_by_bill_id_and_filter_by_order(desk):
    orders = [desk.placed(SWAP, "buy", "1") for _ in range(3)]
    rows = desk.exchange.fills(desk.acc, {})
    assert [r["ordId"] for r in rows] == [o["ordId"] for o in orders[::-1]]
    rest = desk.exchange.fills(desk.acc, {"after": rows[0]["billId"]})
    assert rest == rows[1:]
    one = desk.exchange.fills_history(desk.acc, {"instType": "SWAP", "ordId": orders[1]["ordId"]})
    assert [r["ordId"] for r in one] == [orders[1]["ordId"]]


def test_history_filters_by_state_and_instrument(desk):
    desk.placed(SWAP, "buy", "1")
    desk.placed("ETH-USDT-SWAP", "buy", "1")
    desk.placed(SWAP, "buy", "1", "50000")
    desk.exchange.mass_cancel(desk.acc, {})

    def count(**ask):
        return len(desk.exchange.orders_history(desk.acc, {"instType": "SWAP"} | ask))

    assert (count(), count(instId=SWAP), count(state="filled"), count(state="canceled")) == (
        3, 2, 2, 1,
    )  # fmt: skip
    assert desk.exchange.orders_history(desk.acc, {"instType": "SPOT"}) == []


def test_a_placement_after_its_expiry_is_refused_and_books_nothing(desk, clock):
    params = {"instId": SWAP, "side": "buy", "ordType": "market", "sz": "1", "tdMode": "cross"}
    with pytest.raises(OkxError) as refused:
        desk.exchange.place_order(desk.acc, params, exp_time_ms=clock.ms - 1)
    assert refused.value.code == "50036"
    assert desk.exchange.ledger()["orders"] == []
    assert desk.exchange.place_order(desk.acc, params, exp_time_ms=clock.ms)["sCode"] == "0"
    with pytest.raises(OkxError):
        desk.exchange.amend_order(desk.acc, {}, exp_time_ms=clock.ms - 1)


def test_a_hidden_order_is_found_by_no_look_up_until_its_time(desk, clock):
    row = desk.place(SWAP, "buy", "1", clOrdId="hid", fault=OrderFault(hide_ms=5000))
    with pytest.raises(OkxError) as refused:
        by_client_id(desk, "hid")
    assert refused.value.code == "51603"
    assert desk.exchange.orders_history(desk.acc, {"instType": "SWAP"}) == []
    assert desk.exchange.fills(desk.acc, {}) == []
    assert desk.position(SWAP)["pos"] == "1"  # it is booked all the same
    assert len(desk.exchange.ledger()["fills"]) == 1
    clock.advance(5000)
    assert by_client_id(desk, "hid")["ordId"] == row["ordId"]
    assert len(desk.exchange.fills(desk.acc, {})) == 1


def test_an_order_can_be_hidden_later_and_pending_ones_too(desk, clock):
    desk.placed(SWAP, "buy", "1", "50000", clOrdId="later")
    assert desk.exchange.hide_order(desk.acc, cl_ord_id="later", ms=1000)
    assert desk.pending() == []
    assert not desk.exchange.hide_order(desk.acc, cl_ord_id="unknown", ms=1000)
    clock.advance(1000)
    assert len(desk.pending()) == 1


@pytest.mark.parametrize("px", [None, "60001"])
def test_a_forced_partial_fill_leaves_the_rest_live_for_ever(desk, px):
    row = desk.place(SWAP, "buy", "10", px, fault=OrderFault(fill_fraction="0.3"))
    order = desk.order(SWAP, row["ordId"])
    assert (order["state"], order["accFillSz"]) == ("partially_filled", "3")
    desk.exchange.set_price(SWAP, "50000")
    assert desk.order(SWAP, row["ordId"])["accFillSz"] == "3"
    key = {"instId": SWAP, "ordId": row["ordId"]}
    assert desk.exchange.cancel_order(desk.acc, key)["sCode"] == "0"


def test_a_forced_partial_fill_can_cancel_the_rest(desk):
    fault = OrderFault(fill_fraction="0.3", remainder="cancel")
    row = desk.place(SWAP, "buy", "10", fault=fault)
    order = desk.order(SWAP, row["ordId"])
    assert (order["state"], order["accFillSz"]) == ("canceled", "3")
    # A resting order keeps to its cap when the price comes to it.
    row = desk.place(SWAP, "buy", "10", "59000", fault=fault)
    desk.exchange.set_price(SWAP, "58000")
    order = desk.order(SWAP, row["ordId"])
    assert (order["state"], order["accFillSz"], order["avgPx"]) == ("canceled", "3", "59000")


def test_cancel_all_after_fires_and_can_be_taken_back(desk, clock):
    desk.placed(SWAP, "buy", "1", "50000")
    desk.exchange.cancel_all_after(desk.acc, {"timeOut": "10"})
    desk.exchange.cancel_all_after(desk.acc, {"timeOut": "0"})
    clock.advance(20_000)
    desk.exchange.tick()
    assert len(desk.pending()) == 1
    row = desk.exchange.cancel_all_after(desk.acc, {"timeOut": "10"})[0]
    assert int(row["triggerTime"]) == clock.ms + 10_000
    clock.advance(10_000)
    desk.exchange.tick()
    assert desk.pending() == []
    history = desk.exchange.orders_history(desk.acc, {"instType": "SWAP"})
    assert history[0]["cancelSource"] == "20"


def test_a_hidden_order_can_be_canceled_all_the_same(desk):
    row = desk.place(SWAP, "buy", "1", "50000", fault=OrderFault(hide_ms=5000))
    key = {"instId": SWAP, "ordId": row["ordId"]}
    assert desk.exchange.cancel_order(desk.acc, key)["sCode"] == "0"
