"""Reading OKX's rows: numbers are text, absence is "" or null. Nothing here asks anybody."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from venues.domain.okx_outcomes import is_clock_code, is_credential_code, is_rate_limit_code
from venues.domain.types import (
    AccountConfig,
    BalanceSnapshot,
    FillSnapshot,
    OrderSnapshot,
    PositionSide,
    PositionSnapshot,
    VenueError,
    VenueErrorKind,
    VenueOrderState,
)

SymbolOf = Callable[[str], str]

_ORDER_STATES = {
    "live": VenueOrderState.WORKING,
    "partially_filled": VenueOrderState.PARTIALLY_FILLED,
    "filled": VenueOrderState.FILLED,
    "canceled": VenueOrderState.CANCELLED,
    "mmp_canceled": VenueOrderState.CANCELLED,
}
_POSITION_SIDES: dict[str, PositionSide] = {"net": "net", "long": "long", "short": "short"}


def decimal_of(value: Any) -> Decimal | None:
    """None for what is absent or unreadable."""
    if value in (None, ""):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def time_ms_of(value: Any) -> int:
    """Milliseconds since the epoch; now for what is absent or unreadable."""
    number = decimal_of(value)
    return int(number) if number is not None else int(time.time() * 1000)


def server_time_ms(rows: list[Any]) -> int:
    """Raises VenueError when there is no time in the answer."""
    row = rows[0] if rows else None
    number = decimal_of(row.get("ts")) if isinstance(row, dict) else None
    if number is None or not 0 < number < 10**15:
        raise VenueError(VenueErrorKind.UNAVAILABLE, message="no time in the answer")
    return int(number)


def venue_error(answer: Any, code: Any) -> VenueError:
    """What an answer without code 0 means for a request that places nothing."""
    message = ""
    if isinstance(answer, dict):
        rows = answer.get("data")
        row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
        code = row.get("sCode") or code
        message = str(row.get("sMsg") or answer.get("msg") or "")[:200]
    code = code if isinstance(code, str) else ""
    if is_credential_code(code):
        return VenueError(VenueErrorKind.CREDENTIALS, code, message)
    if is_rate_limit_code(code):
        return VenueError(VenueErrorKind.RATE_LIMIT, code, message)
    if not code or code.startswith("500") or is_clock_code(code):
        return VenueError(VenueErrorKind.UNAVAILABLE, code, message)
    return VenueError(VenueErrorKind.REFUSED, code, message)


def order_snapshot(row: dict[str, Any], symbol_of: SymbolOf) -> OrderSnapshot | None:
    state = _ORDER_STATES.get(str(row.get("state")))
    quantity = decimal_of(row.get("sz"))
    filled = decimal_of(row.get("accFillSz")) or Decimal(0)
    order_id = row.get("ordId")
    if state is None or quantity is None or not order_id:
        return None
    return OrderSnapshot(
        venue_order_id=str(order_id),
        client_order_id=str(row.get("clOrdId") or ""),
        symbol=symbol_of(str(row.get("instId"))),
        state=state,
        quantity=quantity,
        filled_quantity=filled,
        average_price=decimal_of(row.get("avgPx")),
        cancel_source=str(row.get("cancelSource") or ""),
    )


def fill_snapshot(row: dict[str, Any], symbol_of: SymbolOf) -> FillSnapshot | None:
    quantity = decimal_of(row.get("fillSz"))
    price = decimal_of(row.get("fillPx"))
    trade_id = str(row.get("tradeId") or "")
    side = row.get("side")
    if not quantity or price is None or not trade_id or side not in ("buy", "sell"):
        return None
    return FillSnapshot(
        trade_id=trade_id,
        venue_order_id=str(row.get("ordId") or ""),
        client_order_id=str(row.get("clOrdId") or ""),
        symbol=symbol_of(str(row.get("instId"))),
        side=side,
        quantity=quantity,
        price=price,
        fee=-(decimal_of(row.get("fee")) or Decimal(0)),
        fee_currency=str(row.get("feeCcy") or ""),
        is_maker=row.get("execType") == "M",
        filled_at_ms=time_ms_of(row.get("ts")),
    )


def position_snapshot(row: dict[str, Any], symbol_of: SymbolOf) -> PositionSnapshot | None:
    """None for closed ones, which are listed for a while."""
    quantity = decimal_of(row.get("pos"))
    if not quantity:
        return None
    side = _POSITION_SIDES.get(str(row.get("posSide")), "net")
    return PositionSnapshot(
        symbol=symbol_of(str(row.get("instId"))),
        position_side=side,
        quantity=-quantity if side == "short" else quantity,
        average_price=decimal_of(row.get("avgPx")),
        mark_price=decimal_of(row.get("markPx")),
        unrealised_pnl=decimal_of(row.get("upl")),
        leverage=decimal_of(row.get("lever")),
        margin_mode=str(row.get("mgnMode") or ""),
        liquidation_price=decimal_of(row.get("liqPx")),
    )


def balance_snapshot(row: dict[str, Any]) -> BalanceSnapshot | None:
    available = decimal_of(row.get("availEq"))
    if available is None:
        available = decimal_of(row.get("availBal"))
    equity = decimal_of(row.get("eq"))
    if equity is None:
        return None
    return BalanceSnapshot(
        currency=str(row.get("ccy")),
        equity=equity,
        available=available if available is not None else Decimal(0),
    )


def account_config(row: dict[str, Any]) -> AccountConfig:
    return AccountConfig(
        uid=str(row.get("uid") or ""),
        position_mode="long_short" if row.get("posMode") == "long_short_mode" else "net",
        permissions=frozenset(part for part in str(row.get("perm") or "").split(",") if part),
        ip_restricted=bool(row.get("ip")),
    )
