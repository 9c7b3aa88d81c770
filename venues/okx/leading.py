"""What is read of an account that others follow: its trades in order, its stops, what was moved in
or out, and what the venue publishes of lead traders."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal

from venues.domain.types import (
    Credentials,
    PositionSide,
    PositionSnapshot,
    Side,
    StopSnapshot,
    TransferSnapshot,
)
from venues.okx import reading
from venues.okx.reading import row_of
from venues.okx.rows import SymbolOf
from venues.okx.transport import OkxTransport

RECENT_FILLS_MS = 2 * 24 * 3600 * 1000
"""OKX keeps three days of fills where they are read fast, and three months elsewhere."""
_DERIVATIVES = ("SWAP", "FUTURES")
_STOP_KINDS = "conditional,oco"
_TRANSFER = "1"
_MOST_LEAD_POSITIONS = "500"

_SIDES: dict[str, Side] = {"buy": "buy", "sell": "sell"}
_POSITION_SIDES: dict[str, PositionSide] = {
    "net": "net",
    "long": "long",
    "short": "short",
    "": "net",
}
_MARGIN_MODES = {"cross": "cross", "isolated": "isolated"}
_TRIGGERS: dict[Any, Literal["", "sl", "tp"]] = {"sl": "sl", "tp": "tp"}
_TRUTHS = {"true": True, "false": False, "": False}


async def fill_rows(
    transport: OkxTransport, credentials: Credentials, *, since_ms: int, now_ms: int
) -> tuple[list[Any], int | None]:
    """And until when, if that is not now."""
    if now_ms - since_ms <= RECENT_FILLS_MS:
        return await transport.read_since(
            credentials, "trade/fills", {}, "billId", since_ms=since_ms, now_ms=now_ms
        )
    rows: list[Any] = []
    ends: list[int] = []
    for kind in _DERIVATIVES:  # the long list is kept by kind
        found, until_ms = await transport.read_since(
            credentials,
            "trade/fills-history",
            {"instType": kind},
            "billId",
            since_ms=since_ms,
            now_ms=now_ms,
        )
        rows += found
        ends += [until_ms] if until_ms is not None else []
    return rows, min(ends, default=None)


async def stop_rows(transport: OkxTransport, credentials: Credentials) -> list[dict[str, Any]]:
    return await transport.read_pages(
        credentials, "trade/orders-algo-pending", {"ordType": _STOP_KINDS}, "algoId", is_exit=False
    )


def stop_snapshot(row: Any, symbol_of: SymbolOf) -> StopSnapshot:
    row = row_of(row)
    return StopSnapshot(
        venue_stop_id=reading.number_id(row, "algoId"),
        client_stop_id=reading.identifier_or_none(row, "algoClOrdId"),
        symbol=symbol_of(reading.instrument(row)),
        state=reading.identifier(row, "state"),
        side=reading.choice(row, "side", _SIDES),
        position_side=reading.choice(row, "posSide", _POSITION_SIDES),
        quantity=reading.positive_or_none(row, "sz"),
        stop_loss_trigger=reading.positive_or_none(row, "slTriggerPx"),
        take_profit_trigger=reading.positive_or_none(row, "tpTriggerPx"),
        reduce_only=reading.choice(row, "reduceOnly", _TRUTHS),
        updated_at_ms=reading.time_ms(row, "uTime"),
        venue_order_id=_order_of_stop(row),
        triggered_by=_TRIGGERS.get(row.get("actualSide"), ""),
        actual_quantity=reading.positive_or_none(row, "actualSz"),
        fail_code=reading.remark(row, "failCode"),
    )


def _order_of_stop(row: dict[str, Any]) -> str:
    """The one order that it became; empty while there is none."""
    if not reading.is_absent(row, "ordId"):
        return reading.number_id(row, "ordId")
    ids = row.get("ordIdList")
    if not isinstance(ids, list) or len(ids) != 1:
        return ""
    return reading.number_id({"ordIdList": ids[0]}, "ordIdList")


async def transfer_rows(
    transport: OkxTransport, credentials: Credentials, *, since_ms: int
) -> list[dict[str, Any]]:
    query = {"type": _TRANSFER, "begin": str(max(since_ms, 0))}
    return await transport.read_pages(credentials, "account/bills", query, "billId", is_exit=False)


def transfer_snapshot(row: Any) -> TransferSnapshot:
    row = row_of(row)
    return TransferSnapshot(
        transfer_id=reading.number_id(row, "billId"),
        currency=reading.currency(row, "ccy"),
        amount=reading.decimal(row, "balChg"),
        moved_at_ms=reading.time_ms(row, "ts"),
    )


async def lead_position_rows(transport: OkxTransport, *, code: str) -> list[dict[str, Any]]:
    return await transport.read(
        None,
        "GET",
        "copytrading/public-current-subpositions",
        {"instType": "SWAP", "uniqueCode": code, "limit": _MOST_LEAD_POSITIONS},
    )


def lead_position(row: Any, symbol_of: SymbolOf) -> PositionSnapshot:
    row = row_of(row)
    quantity = reading.decimal(row, "subPos")
    side = reading.choice(row, "posSide", _POSITION_SIDES)
    return PositionSnapshot(
        symbol=symbol_of(reading.instrument(row)),
        position_side=side,
        quantity=-abs(quantity) if side == "short" else quantity,
        average_price=reading.positive_or_none(row, "openAvgPx"),
        mark_price=reading.positive_or_none(row, "markPx"),
        unrealised_pnl=None,
        leverage=reading.positive_or_none(row, "lever"),
        margin_mode=reading.choice(row, "mgnMode", _MARGIN_MODES),
        liquidation_price=None,
        updated_at_ms=reading.time_ms(row, "openTime"),
    )


def together(positions: Iterable[PositionSnapshot]) -> list[PositionSnapshot]:
    """A lead trader's published positions are many small ones: those of one side become one."""
    found: dict[tuple[str, str], list[PositionSnapshot]] = {}
    for position in positions:
        found.setdefault((position.symbol, position.position_side), []).append(position)
    return [_one(parts) for parts in found.values()]


def _one(parts: list[PositionSnapshot]) -> PositionSnapshot:
    first = parts[0]
    quantity = sum((part.quantity for part in parts), Decimal(0))
    value = sum((part.quantity * (part.average_price or 0) for part in parts), Decimal(0))
    return PositionSnapshot(
        symbol=first.symbol,
        position_side=first.position_side,
        quantity=quantity,
        average_price=value / quantity if quantity else None,
        mark_price=first.mark_price,
        unrealised_pnl=None,
        leverage=first.leverage,
        margin_mode=first.margin_mode,
        liquidation_price=None,
        updated_at_ms=max(part.updated_at_ms for part in parts),
    )
