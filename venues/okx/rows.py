"""Reading OKX's rows. Nothing here asks anybody.

Each reader raises UnreadableError with the name of the first field that is not as documented, or
that contradicts another: a row counts as a whole or not at all.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypeVar

from venues.domain.types import (
    AccountConfig,
    BalanceSnapshot,
    FillSnapshot,
    LeverageSnapshot,
    OrderSnapshot,
    PositionSide,
    PositionSnapshot,
    Readings,
    Side,
    UnreadableError,
    VenueOrderState,
)
from venues.okx import reading
from venues.okx.reading import row_of

logger = logging.getLogger(__name__)

T = TypeVar("T")
SymbolOf = Callable[[str], str]

_ORDER_STATES = {
    "live": VenueOrderState.WORKING,
    "partially_filled": VenueOrderState.PARTIALLY_FILLED,
    "filled": VenueOrderState.FILLED,
    "canceled": VenueOrderState.CANCELLED,
    "mmp_canceled": VenueOrderState.CANCELLED,
}
_SIDES: dict[str, Side] = {"buy": "buy", "sell": "sell"}
_POSITION_SIDES: dict[str, PositionSide] = {"net": "net", "long": "long", "short": "short"}
_MARGIN_MODES = {"cross": "cross", "isolated": "isolated", "cash": "cash"}
_TAKES_CONTRACTS = {"1": False, "2": True, "3": True, "4": True}
_POSITION_MODES: dict[str, Literal["net", "long_short"]] = {
    "net_mode": "net",
    "long_short_mode": "long_short",
}
_SIDES_OR_NONE: dict[str, PositionSide] = {**_POSITION_SIDES, "": "net"}
_LIQUIDATIONS = frozenset(str(kind) for kind in range(100, 112))
_ADL = frozenset(str(kind) for kind in range(125, 129))
_TRUTHS = {"true": True, "false": False, "": False}
_ROLES = {"M": True, "T": False, "": False}
_PERMISSIONS = re.compile(r"[a-z_]+(,[a-z_]+)*|")
_WITHOUT_PRICE = ("market", "optimal_limit_ioc")
_TICKER_RANGE = 2
"""A last price this many times outside of what the rest of its row says is no price."""


def readings(what: str, rows: Iterable[Any], read: Callable[[Any], T | None]) -> Readings[T]:
    """What `read` makes of each row; those that it cannot read are counted and named."""
    found: list[T] = []
    spoiled: list[str] = []
    for row in rows:
        try:
            item = read(row)
        except UnreadableError as error:
            spoiled.append(error.field)
        else:
            if item is not None:
                found.append(item)
    if spoiled:
        logger.warning("unreadable rows of %s, by field: %s", what, dict(Counter(spoiled)))
    return Readings(found, spoiled)


def server_time_ms(rows: list[Any]) -> int:
    return reading.time_ms(only_row(rows), "ts")


def only_row(rows: list[Any]) -> dict[str, Any]:
    if len(rows) != 1:
        raise UnreadableError("data")
    return row_of(rows[0])


class Ticker(NamedTuple):
    """`day_range_percent`: between the highest and lowest price of 24 hours, of the last one."""

    venue_symbol: str
    last: Decimal
    day_range_percent: Decimal | None


def ticker(row: Any) -> Ticker:
    """The last price has to be borne out by the rest of its row."""
    row = row_of(row)
    price = reading.positive(row, "last")
    for field in ("bidPx", "askPx", "low24h"):
        lowest = reading.positive_or_none(row, field)
        if lowest is not None and price < lowest / _TICKER_RANGE:
            raise UnreadableError("last")
    for field in ("bidPx", "askPx", "high24h"):
        highest = reading.positive_or_none(row, field)
        if highest is not None and price > highest * _TICKER_RANGE:
            raise UnreadableError("last")
    low, high = (reading.positive_or_none(row, field) for field in ("low24h", "high24h"))
    day_range = None if low is None or high is None or high < low else (high - low) / price * 100
    return Ticker(reading.instrument(row), price, day_range)


def confirm_leverage(rows: list[Any], *, venue_symbol: str, leverage: Decimal) -> None:
    """Raises UnreadableError unless each row says that this leverage is set."""
    if not rows:
        raise UnreadableError("data")
    for row in map(row_of, rows):
        if reading.instrument(row) != venue_symbol:
            raise UnreadableError("instId")
        if reading.positive(row, "lever") != leverage:
            raise UnreadableError("lever")


def confirm_margin(rows: list[Any], *, venue_symbol: str, amount: Decimal) -> None:
    """Raises UnreadableError unless it says that this much was added."""
    row = only_row(rows)
    if reading.instrument(row) != venue_symbol:
        raise UnreadableError("instId")
    if reading.choice(row, "type", {"add": "add", "reduce": "reduce"}) != "add":
        raise UnreadableError("type")
    if reading.positive(row, "amt") != amount:
        raise UnreadableError("amt")


def leverage_snapshot(row: Any, symbol_of: SymbolOf) -> LeverageSnapshot:
    row = row_of(row)
    return LeverageSnapshot(
        symbol=symbol_of(reading.instrument(row)),
        position_side=reading.choice(row, "posSide", _POSITION_SIDES),
        margin_mode=reading.choice(row, "mgnMode", _MARGIN_MODES),
        leverage=reading.positive(row, "lever"),
    )


def order_snapshot(row: Any, symbol_of: SymbolOf) -> OrderSnapshot:
    row = row_of(row)
    state = reading.choice(row, "state", _ORDER_STATES)
    quantity = reading.positive(row, "sz")
    filled = reading.unsigned(row, "accFillSz")
    average = reading.positive_or_none(row, "avgPx")
    if filled > quantity and row.get("tgtCcy") != "quote_ccy":
        raise UnreadableError("accFillSz")
    if (average is None) != (filled == 0):
        raise UnreadableError("avgPx")
    if state in (VenueOrderState.FILLED, VenueOrderState.PARTIALLY_FILLED) and not filled:
        raise UnreadableError("state")
    order_type = reading.identifier(row, "ordType")
    return OrderSnapshot(
        venue_order_id=reading.number_id(row, "ordId"),
        client_order_id=order_name(row),
        symbol=symbol_of(reading.instrument(row)),
        state=state,
        quantity=quantity,
        filled_quantity=filled,
        average_price=average,
        cancel_source=reading.remark(row, "cancelSource"),
        side=reading.choice(row, "side", _SIDES),
        position_side=reading.choice(row, "posSide", _SIDES_OR_NONE),
        order_type=order_type,
        price=None if order_type in _WITHOUT_PRICE else _price(row),
        reduce_only=reading.choice(row, "reduceOnly", _TRUTHS),
        margin_mode=reading.identifier(row, "tdMode"),
        leverage=reading.positive_or_none(row, "lever"),
        created_at_ms=reading.time_ms(row, "cTime"),
        updated_at_ms=reading.time_ms(row, "uTime"),
    )


def order_name(row: dict[str, Any]) -> str:
    """The id that we gave it: its own, or that of the stop order that it came of. Empty for none.

    Raises UnreadableError when it may be anybody's.
    """
    own = reading.identifier_or_none(row, "clOrdId")
    if own or reading.is_absent(row, "algoClOrdId"):
        return own
    return reading.identifier(row, "algoClOrdId")


def _price(row: dict[str, Any]) -> Decimal | None:
    """None for an option that is priced by its volatility or in dollars."""
    other_unit = any(not reading.is_absent(row, field) for field in ("pxUsd", "pxVol"))
    return None if other_unit and row.get("px") == "" else reading.positive(row, "px")


def fill_snapshot(row: Any, symbol_of: SymbolOf) -> FillSnapshot:
    row = row_of(row)
    return FillSnapshot(
        trade_id=reading.number_id(row, "tradeId"),
        venue_order_id=reading.number_id(row, "ordId"),
        client_order_id=reading.identifier_or_none(row, "clOrdId"),
        symbol=symbol_of(reading.instrument(row)),
        side=reading.choice(row, "side", _SIDES),
        quantity=reading.positive(row, "fillSz"),
        price=reading.positive(row, "fillPx"),
        fee=reading.decimal(row, "fee").copy_negate(),
        fee_currency=reading.currency(row, "feeCcy"),
        is_maker=reading.choice(row, "execType", _ROLES),
        filled_at_ms=reading.time_ms(row, "ts"),
        position_side=reading.choice(row, "posSide", _SIDES_OR_NONE),
        cause=_cause(row),
    )


def _cause(row: dict[str, Any]) -> Literal["", "liquidation", "adl"]:
    """By the transaction type. Orders' pushes have none; an unknown one is an ordinary trade."""
    kind = row.get("subType")
    if kind in _LIQUIDATIONS:
        return "liquidation"
    return "adl" if kind in _ADL else ""


def position_snapshot(row: Any, symbol_of: SymbolOf) -> PositionSnapshot | None:
    """None for closed ones, which are listed for a while."""
    row = row_of(row)
    return position_told(row, symbol_of) if reading.decimal(row, "pos") else None


def position_told(row: Any, symbol_of: SymbolOf) -> PositionSnapshot:
    """Quantity 0 is a position that was closed."""
    row = row_of(row)
    quantity = reading.decimal(row, "pos")
    side = reading.choice(row, "posSide", _POSITION_SIDES)
    if side != "net" and quantity < 0:
        raise UnreadableError("pos")
    return PositionSnapshot(
        symbol=symbol_of(reading.instrument(row)),
        position_side=side,
        quantity=quantity.copy_negate() if side == "short" else quantity,
        average_price=reading.positive_or_none(row, "avgPx"),
        mark_price=reading.positive_or_none(row, "markPx"),
        unrealised_pnl=reading.down_or_none(row, "upl"),
        leverage=reading.positive_or_none(row, "lever"),
        margin_mode=reading.choice(row, "mgnMode", _MARGIN_MODES),
        liquidation_price=reading.down_or_none(row, "liqPx"),
        margin=reading.down_or_none(row, "margin"),
        maintenance=reading.down_or_none(row, "mmr"),
        updated_at_ms=0 if reading.is_absent(row, "uTime") else reading.time_ms(row, "uTime"),
    )


def balance_snapshots(rows: list[Any]) -> Readings[BalanceSnapshot]:
    """Raises UnreadableError when there is no list of balances in the answer."""
    details = only_row(rows).get("details")
    if not isinstance(details, list):
        raise UnreadableError("details")
    found = readings("balances", details, balance_snapshot)
    count = Counter(balance.currency for balance in found)
    once = [balance for balance in found if count[balance.currency] == 1]
    if len(once) == len(found):
        return found
    # Told twice: nobody knows which one is true.
    return Readings(once, [*found.unreadable, "ccy"])


def balance_snapshot(row: Any) -> BalanceSnapshot:
    row = row_of(row)
    available = "availBal" if reading.is_absent(row, "availEq") else "availEq"
    return BalanceSnapshot(
        currency=reading.currency(row, "ccy"),
        equity=reading.decimal_down(row, "eq"),
        available=reading.decimal_down(row, available),
        cash=reading.down_or_none(row, "cashBal"),
        equity_usd=reading.down_or_none(row, "eqUsd"),
    )


def account_config(row: Any) -> AccountConfig:
    row = row_of(row)
    permissions, addresses = row.get("perm"), row.get("ip")
    if not isinstance(permissions, str) or not _PERMISSIONS.fullmatch(permissions):
        raise UnreadableError("perm")
    if not isinstance(addresses, str):
        raise UnreadableError("ip")
    return AccountConfig(
        uid=reading.identifier(row, "uid"),
        position_mode=reading.choice(row, "posMode", _POSITION_MODES),
        takes_contracts=reading.choice(row, "acctLv", _TAKES_CONTRACTS),
        permissions=frozenset(part for part in permissions.split(",") if part),
        ip_restricted=bool(addresses),
    )
