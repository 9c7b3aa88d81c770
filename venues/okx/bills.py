"""Bills, every change of a balance of the trading account; and what came to the customer's wallet
from outside, or left it."""

from __future__ import annotations

from typing import Any

from venues.domain.types import BillKind, BillSnapshot, Credentials, Readings, WalletMove
from venues.okx import reading
from venues.okx.reading import row_of
from venues.okx.rows import SymbolOf, readings
from venues.okx.transport import OkxTransport

_KINDS = {
    "1": BillKind.TRANSFER,
    "2": BillKind.TRADE,
    "3": BillKind.TRADE,  # delivery
    "5": BillKind.TRADE,  # liquidation
    "7": BillKind.INTEREST,
    "8": BillKind.FUNDING,
    "9": BillKind.TRADE,  # auto-deleveraging
}


async def bill_rows(
    transport: OkxTransport, credentials: Credentials, *, since_ms: int, now_ms: int
) -> tuple[list[Any], int | None]:
    """And until when, if that is not now."""
    return await transport.read_since(
        credentials, "account/bills", {}, "billId", since_ms=since_ms, now_ms=now_ms
    )


def bill_snapshot(row: Any, symbol_of: SymbolOf) -> BillSnapshot:
    row = row_of(row)
    kind = reading.identifier(row, "type")
    change = reading.decimal_down(row, "balChg")
    to_margin = reading.down_or_none(row, "posBalChg")
    return BillSnapshot(
        bill_id=reading.number_id(row, "billId"),
        kind=_KINDS.get(kind, BillKind.OTHER),
        venue_kind=f"{kind}/{reading.remark(row, 'subType')}",
        currency=reading.currency(row, "ccy"),
        change=change,
        balance=reading.decimal_down(row, "bal"),
        # What goes to or comes from an isolated position's margin moves no balance.
        amount=change or to_margin or change,
        symbol="" if reading.is_absent(row, "instId") else symbol_of(reading.instrument(row)),
        size=reading.positive_or_none(row, "sz"),
        occurred_at_ms=reading.time_ms(row, "ts"),
    )


_DONE = "2"


async def wallet_moves(
    transport: OkxTransport, credentials: Credentials, *, since_ms: int
) -> Readings[WalletMove]:
    found: list[WalletMove] = []
    spoiled: list[str] = []
    for path, id_field, sign in (
        ("asset/deposit-history", "depId", 1),
        ("asset/withdrawal-history", "wdId", -1),
    ):
        query = {"before": str(max(since_ms, 0)), "limit": "100"}
        rows = await transport.read(credentials, "GET", path, query)

        def read(row: Any, id_field: str = id_field, sign: int = sign) -> WalletMove | None:
            return _wallet_move(row, id_field, sign)

        told = readings("wallet moves", rows, read)
        found += told
        spoiled += told.unreadable
    return Readings(found, spoiled)


def _wallet_move(row: Any, id_field: str, sign: int) -> WalletMove | None:
    """None while it is not done."""
    row = row_of(row)
    if reading.remark(row, "state") != _DONE:
        return None
    return WalletMove(
        move_id=f"{id_field}:{reading.number_id(row, id_field)}",
        currency=reading.currency(row, "ccy"),
        amount=sign * reading.positive(row, "amt"),
        moved_at_ms=reading.time_ms(row, "ts"),
    )
