"""Whatever happens, money is neither made nor lost."""

from collections import defaultdict
from decimal import Decimal as D

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from venues.paper.engine.exchange import BookShape, Exchange

from .conftest import Desk, HandClock, open_account

INSTRUMENTS = ["BTC-USDT-SWAP", "BTC-USD-SWAP", "BTC-USDT", "ETH-USDT-SWAP"]
BASE = {"BTC-USDT-SWAP": 60000, "BTC-USD-SWAP": 60000, "BTC-USDT": 60000, "ETH-USDT-SWAP": 3000}

orders = st.tuples(
    st.just("order"),
    st.integers(0, 2),
    st.sampled_from(INSTRUMENTS),
    st.sampled_from(["buy", "sell"]),
    st.sampled_from(["market", "limit", "post_only", "ioc", "fok"]),
    st.integers(1, 40),
    st.integers(-20, 20),
    st.sampled_from(["cross", "isolated"]),
    st.booleans(),
)
prices = st.tuples(st.just("price"), st.sampled_from(INSTRUMENTS), st.integers(-12, 12))
others = st.tuples(st.sampled_from(["cancel", "amend", "tick", "funding"]), st.integers(0, 2))
actions = st.lists(st.one_of(orders, orders, prices, others), min_size=1, max_size=40)


def run(desks, exchange, clock, action):
    kind = action[0]
    if kind == "order":
        _, who, inst_id, side, ord_type, size, offset, mode, reduce = action
        desk = desks[who]
        params = {"instId": inst_id, "side": side, "ordType": ord_type, "tdMode": mode,
                  "sz": str(size), "reduceOnly": reduce}  # fmt: skip
        if ord_type != "market":
            last = D(exchange.ticker({"instId": inst_id})[0]["last"])
            params["px"] = str((last * (1000 + offset) / 1000).quantize(D("0.1")))
        if not inst_id.endswith("SWAP"):
            params |= {"tdMode": "cash", "tgtCcy": "base_ccy", "sz": str(D(size) / 100)}
        exchange.place_order(desk.acc, params)
    elif kind == "price":
        px = D(BASE[action[1]]) * (100 + action[2]) / 100
        exchange.set_price(action[1], str(px))
    elif kind == "tick":
        clock.advance(1000)
        exchange.tick()
    elif kind == "funding":
        clock.advance(8 * 3_600_000)
        exchange.tick()
    else:
        desk = desks[action[1]]
        for row in desk.pending()[:1]:
            key = {"instId": row["instId"], "ordId": row["ordId"]}
            if kind == "cancel":
                exchange.cancel_order(desk.acc, key)
            else:
                exchange.amend_order(desk.acc, key | {"newSz": str(D(row["sz"]) * 2)})


def start():
    clock = HandClock()
    exchange = Exchange(
        clock, feed="static", instruments=INSTRUMENTS, book=BookShape(top_notional=20_000)
    )
    money = {"USDT": "20000", "BTC": "0.3"}
    desks = [Desk(exchange, clock, open_account(exchange, balances=money)) for _ in range(3)]
    for desk in desks:
        for inst_id in INSTRUMENTS[:2]:
            for mode in ("cross", "isolated"):
                exchange.set_leverage(desk.acc, {"instId": inst_id, "mgnMode": mode, "lever": "20"})
    return desks, exchange, clock


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(actions)
def test_the_ledger_explains_every_balance_and_position(steps):
    desks, exchange, clock = start()
    for step in steps:
        run(desks, exchange, clock, step)
    for desk in desks:
        check_account(desk)


def check_account(desk):
    ledger = desk.exchange.ledger(desk.acc.api_key)
    cash, iso = defaultdict(D), defaultdict(D)
    for bill in ledger["cash"]:
        cash[bill["ccy"]] += D(bill["balChg"])
        iso[bill["ccy"]] += D(bill["posBalChg"])
        assert D(bill["bal"]) == cash[bill["ccy"]]
    for detail in desk.exchange.balance(desk.acc, {})[0]["details"]:
        assert D(detail["cashBal"]) == cash[detail["ccy"]]
        assert D(detail["cashBal"]) >= 0
    # Contracts: fills add up to positions.
    held = defaultdict(D)
    by_order = defaultdict(D)
    modes = {o["ordId"]: o["tdMode"] for o in ledger["orders"]}
    for fill in ledger["fills"]:
        by_order[fill["ordId"]] += D(fill["fillSz"])
        if fill["instType"] == "SWAP":
            sign = 1 if fill["side"] == "buy" else -1
            held[fill["instId"], modes[fill["ordId"]]] += sign * D(fill["fillSz"])
    shown = {
        (p["instId"], p["mgnMode"]): D(p["pos"]) for p in desk.exchange.positions(desk.acc, {})
    }
    assert {k: v for k, v in held.items() if v} == shown
    for order in ledger["orders"]:
        assert D(order["accFillSz"]) == by_order[order["ordId"]]
        if order["state"] == "filled" and order["tgtCcy"] != "quote_ccy":
            assert order["accFillSz"] == order["sz"]
    # Fees and profits of the fills are those of the bills.
    trades = [b for b in ledger["cash"] if b["type"] in ("2", "5") and b["ordId"]]
    assert sum(D(b["fee"]) for b in trades) == sum(D(f["fee"]) for f in ledger["fills"])
    assert sum(D(b["pnl"]) for b in trades) == sum(D(f["fillPnl"]) for f in ledger["fills"])
    # Money frozen by orders is that of live orders: none live, none frozen.
    if not desk.pending():
        assert all(D(v) == 0 for v in desk.acc.frozen.values())
    assert all(v >= 0 for v in desk.acc.frozen.values())
    margins = defaultdict(D)
    for pos in desk.acc.positions.values():
        margins[pos.inst.settle] += pos.margin
    assert sum(margins.values()) == 0 or all(v >= 0 for v in margins.values())


pairs = st.lists(
    st.tuples(st.sampled_from(["buy", "sell"]), st.integers(1, 30), st.integers(-4, 4)),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs)
def test_what_one_account_gains_the_other_loses(steps):
    """Two accounts that trade only with each other, inside the spread of a wide book."""
    clock = HandClock()
    exchange = Exchange(
        clock, feed="static", instruments=["BTC-USDT-SWAP"], book=BookShape(half_spread_bps=200)
    )
    fees = dict.fromkeys(("spotMaker", "spotTaker", "swapMaker", "swapTaker"), "0")
    one, two = (
        Desk(exchange, clock, open_account(exchange, fees=fees, balances={"USDT": "1000000"}))
        for _ in range(2)
    )
    for side, size, offset in steps:
        px = str(60000 + 100 * offset)
        maker = one.placed("BTC-USDT-SWAP", side, str(size), px)
        other = "sell" if side == "buy" else "buy"
        order = two.placed("BTC-USDT-SWAP", other, str(size), px)
        assert (order["state"], order["avgPx"]) == ("filled", px)
        assert one.order("BTC-USDT-SWAP", maker["ordId"])["state"] == "filled"
    held = [D(d.detail()["eq"]) for d in (one, two)]
    assert abs(sum(held) - 2_000_000) < D("1E-9")  # averages are rounded to 15 decimals
    assert sum(d.acc.open[k].lots for d in (one, two) for k in d.acc.open) == 0
