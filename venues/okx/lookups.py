"""Looking one order up, and what the answers prove. A failed or odd answer proves nothing."""

from __future__ import annotations

from typing import Any

from venues.domain.okx_outcomes import INSTRUMENT_UNKNOWN_CODE
from venues.domain.types import (
    Credentials,
    Instrument,
    Lookup,
    LookupResult,
    UnreadableError,
    VenueError,
)
from venues.okx import reading
from venues.okx.instruments import InstrumentList, instrument_type
from venues.okx.rows import SymbolOf, order_name, order_snapshot
from venues.okx.transport import OkxTransport

SEARCH_MARGIN_MS = 120_000
"""A search looks back from the time of sending by more than clocks may differ."""

WEEK_MS = 7 * 24 * 3600 * 1000 - SEARCH_MARGIN_MS
"""What is older is in the archive: what was filled, for three months."""

_ORDER_UNKNOWN = "51603"


async def find(
    transport: OkxTransport,
    instruments: InstrumentList,
    credentials: Credentials,
    symbol: str,
    client_order_id: str,
    *,
    venue_order_id: str,
    is_exit: bool,
) -> Lookup:
    try:
        found = await instruments.of(symbol)
        query = {"instId": found.venue_symbol, **order_key(client_order_id, venue_order_id)}
        rows = await transport.read_for_proof(credentials, "trade/order", query, is_exit=is_exit)
    except VenueError as error:
        if error.code == _ORDER_UNKNOWN:
            return Lookup(LookupResult.ABSENT)
        if error.code == INSTRUMENT_UNKNOWN_CODE:
            # Delisted: only a search, which need not name it, can tell of its orders.
            instruments.note_gone(symbol)
            return Lookup(LookupResult.ABSENT)
        return _no_evidence(error)
    lookup = _match(rows, client_order_id, found, instruments.symbol)
    return lookup or Lookup(LookupResult.NO_EVIDENCE, detail="an answer without the order")


async def search(
    transport: OkxTransport,
    instruments: InstrumentList,
    credentials: Credentials,
    symbol: str,
    client_order_id: str,
    *,
    since_ms: int | None,
    now_ms: int,
    is_exit: bool,
) -> Lookup:
    try:
        found = await instruments.of(symbol)
        query = order_query(instruments, found)
        recent = {**query}
        if since_ms is not None:
            recent["begin"] = str(since_ms - SEARCH_MARGIN_MS)
        reads = [("trade/orders-pending", query), ("trade/orders-history", recent)]
        if since_ms is not None and now_ms - since_ms > WEEK_MS:
            reads.append(("trade/orders-history-archive", recent))
        for path, params in reads:
            rows = await transport.read_pages(credentials, path, params, "ordId", is_exit=is_exit)
            lookup = _match(rows, client_order_id, found, instruments.symbol)
            if lookup is not None:
                return lookup
        fills = await transport.read_pages(
            credentials, "trade/fills", recent, "billId", is_exit=is_exit
        )
        for row in fills:
            if _client_order_id(row) == client_order_id:
                detail = "fills exist, the order does not yet"
                return Lookup(LookupResult.NO_EVIDENCE, detail=detail)
    except VenueError as error:
        return _no_evidence(error)
    return Lookup(LookupResult.ABSENT)


def order_key(client_order_id: str, venue_order_id: str) -> dict[str, str]:
    """How an order is asked for: one that the venue placed has no client id of its own."""
    return {"ordId": venue_order_id} if venue_order_id else {"clOrdId": client_order_id}


def _no_evidence(error: VenueError) -> Lookup:
    field = error.field if isinstance(error, UnreadableError) else ""
    return Lookup(LookupResult.NO_EVIDENCE, detail=str(error), unreadable=field)


def order_query(instruments: InstrumentList, instrument: Instrument) -> dict[str, str]:
    """Names the instrument to a list of orders or fills, unless the venue forgot the name."""
    query = {"instType": instrument_type(instrument)}
    if not instruments.is_gone(instrument.symbol):
        query["instId"] = instrument.venue_symbol
    return query


def _match(
    rows: list[Any], client_order_id: str, instrument: Instrument, symbol_of: SymbolOf
) -> Lookup | None:
    """None when no row is about this order, and each of them is known to be about another."""
    doubtful: UnreadableError | None = None
    for row in rows:
        try:
            if _client_order_id(row) != client_order_id:
                continue
            if reading.instrument(row) != instrument.venue_symbol:
                raise UnreadableError("instId")
            return Lookup(LookupResult.FOUND, order=order_snapshot(row, symbol_of))
        except UnreadableError as error:
            doubtful = error
    return None if doubtful is None else _no_evidence(doubtful)


def _client_order_id(row: Any) -> str:
    """Empty for an order without one. Raises UnreadableError when it may be anybody's."""
    return order_name(reading.row_of(row))
