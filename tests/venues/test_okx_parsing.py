"""Whatever JSON stands in a field of OKX's rows: a row as it is told, or an UnreadableError."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from venues.domain.types import UnreadableError, VenueError
from venues.okx import parsing, rows

ORDER = {
    "instId": "BTC-USDT-SWAP", "ordId": "123", "clOrdId": "abc1", "state": "filled", "sz": "10",
    "accFillSz": "10", "avgPx": "50000.5", "side": "buy", "posSide": "net", "px": "", "tgtCcy": "",
    "ordType": "market", "tdMode": "cross", "lever": "5", "cTime": "1763700000000",
    "uTime": "1763700000001", "reduceOnly": "false", "cancelSource": "",
}  # fmt: skip
FILL = {
    "instId": "BTC-USDT-SWAP", "ordId": "123", "clOrdId": "abc1", "tradeId": "9", "side": "sell",
    "fillSz": "3", "fillPx": "50000.5", "fee": "-0.75", "feeCcy": "USDT", "execType": "T",
    "ts": "1763700000000", "posSide": "net",
}  # fmt: skip
POSITION = {
    "instId": "BTC-USDT-SWAP", "pos": "-4", "posSide": "net", "avgPx": "50000", "markPx": "50001",
    "upl": "-0.04", "lever": "5", "mgnMode": "cross", "liqPx": "", "margin": "", "uTime": "",
}  # fmt: skip
BALANCE = {"ccy": "USDT", "eq": "100.5", "availEq": "90", "availBal": "90"}
CONFIG = {"uid": "77", "posMode": "net_mode", "acctLv": "2", "perm": "read_only,trade", "ip": ""}
TICKER = {
    "instId": "BTC-USDT-SWAP", "last": "50000", "bidPx": "49999", "askPx": "50001",
    "low24h": "49000", "high24h": "51000",
}  # fmt: skip


def name_of(venue_symbol: str) -> str:
    return venue_symbol


READERS: list[tuple[dict[str, Any], Callable[[Any], Any]]] = [
    (ORDER, lambda row: rows.order_snapshot(row, name_of)),
    (FILL, lambda row: rows.fill_snapshot(row, name_of)),
    (POSITION, lambda row: rows.position_snapshot(row, name_of)),
    (BALANCE, rows.balance_snapshot),
    (CONFIG, rows.account_config),
    (TICKER, rows.ticker),
    ({"ts": "1763700000000"}, lambda row: rows.server_time_ms([row])),
]
NUMBERS = [
    "0", "-0", "1", "-1", "NaN", "-NaN", "sNaN", "Infinity", "1e999", "1e-30", "1e19", "1e20",
    "9" * 20, "9" * 21, "9" * 5000, "0." + "1" * 19, "0.1" + "0" * 30, " 1", "1 ", "1_0", "+1",
    "0x1", "１", "٣", "1,5", ".5", "5.", "--1", "1e", "\ud800", "a\x00",
]  # fmt: skip
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(NUMBERS)
    | st.decimals(allow_nan=True, places=4).map(str)
    | st.sampled_from(["net", "long", "short", "filled", "live", "canceled", "ETH-USDT", "buy"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
AMOUNTS = {
    "sz": "quantity", "accFillSz": "filled_quantity", "fillSz": "quantity", "fillPx": "price",
    "eq": "equity", "pos": "quantity", "avgPx": "average_price", "upl": "unrealised_pnl",
}  # fmt: skip


def amounts_of(read: Any) -> list[Decimal]:
    values = read if isinstance(read, tuple) else [getattr(read, n) for n in read.__slots__]
    return [value for value in values if isinstance(value, Decimal)]


@pytest.mark.parametrize("number", range(len(READERS)))
@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_any_json_in_any_field_is_read_as_told_or_not_at_all(
    number: int, data: st.DataObject
) -> None:
    true, read = READERS[number]
    fields = data.draw(st.lists(st.sampled_from(sorted(true)), min_size=1, max_size=3))
    row = {**true, **{field: data.draw(JUNK) for field in fields}}
    for field in data.draw(st.lists(st.sampled_from(sorted(true)), max_size=1)):
        row.pop(field, None)
    row = json.loads(json.dumps(row))
    try:
        found = read(row)
    except UnreadableError as error:
        assert error.field in true
        json.dumps(str(error)).encode()
        return
    if found is None or isinstance(found, int):
        return
    for amount in amounts_of(found):
        assert amount.is_finite()
        assert abs(amount) < Decimal(10) ** 20
        assert amount == round(amount, 18)
    for field, attribute in AMOUNTS.items():
        if field in true and hasattr(found, attribute):
            value = getattr(found, attribute)
            told = row.get(field)
            assert value is None or isinstance(told, str)
            # At most what was told, and less only beyond the 18th decimal.
            assert value is None or 0 <= Decimal(told) - value < Decimal("1e-18")


@pytest.mark.parametrize("number", range(len(READERS)))
@settings(max_examples=100, deadline=None)
@given(junk=JUNK)
def test_a_row_of_any_json_is_read_or_named(number: int, junk: Any) -> None:
    _, read = READERS[number]
    with pytest.raises(UnreadableError):
        read(json.loads(json.dumps(junk)))


@settings(max_examples=200, deadline=None)
@given(told=st.lists(JUNK | st.just(FILL), max_size=8))
def test_good_rows_count_and_each_bad_one_is_named(told: list[Any]) -> None:
    found = rows.readings("fills", told, lambda row: rows.fill_snapshot(row, name_of))
    good = sum(row == FILL for row in told)
    assert (len(found), len(found.unreadable)) == (good, len(told) - good)


@settings(max_examples=200, deadline=None)
@given(answer=JUNK, code=JUNK)
def test_a_refusal_of_any_json_is_an_error_that_can_be_stored(answer: Any, code: Any) -> None:
    for said in (answer, {"code": code, "msg": answer, "data": [{"sCode": code, "sMsg": answer}]}):
        error = parsing.venue_error(said, code)
        assert isinstance(error, VenueError)
        assert len(error.code) <= 32
        f"{error.code}{error.message}".encode()


@pytest.mark.parametrize("number", range(len(READERS)))
def test_what_is_documented_is_read(number: int) -> None:
    true, read = READERS[number]
    assert read(dict(true)) is not None


def test_a_state_that_nobody_knows_is_no_state() -> None:
    for state in ("FILLED", "done", "", None, 1, ["filled"]):
        with pytest.raises(UnreadableError, match="state"):
            rows.order_snapshot({**ORDER, "state": state}, name_of)


def test_a_balance_is_never_more_than_there_is() -> None:
    told = {**BALANCE, "eq": "0.9999999999999999999", "availEq": "-0.0000000000000000001"}
    read = rows.balance_snapshot(told)
    assert (read.equity, read.available) == (Decimal("0.999999999999999999"), Decimal("-1e-18"))
