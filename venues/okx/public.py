"""What OKX publishes of a market beside its price."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

from venues.domain.types import BookSnapshot, FundingSnapshot, Instrument, UnreadableError
from venues.okx import reading
from venues.okx.rows import only_row
from venues.okx.transport import OkxTransport

BOOK_LEVELS = "400"
"""The most that OKX gives at once."""


async def order_book(transport: OkxTransport, instrument: Instrument) -> BookSnapshot:
    query = {"instId": instrument.venue_symbol, "sz": BOOK_LEVELS}
    return book_snapshot(await transport.read(None, "GET", "market/books", query))


async def next_funding(transport: OkxTransport, instrument: Instrument) -> FundingSnapshot:
    query = {"instId": instrument.venue_symbol}
    rows = await transport.read(None, "GET", "public/funding-rate", query)
    return funding_snapshot(rows, instrument.venue_symbol)


def book_snapshot(rows: list[Any]) -> BookSnapshot:
    """Raises UnreadableError, also for sides that cross, or that do not go from better to worse."""
    row = only_row(rows)
    bids, asks = _levels(row, "bids"), _levels(row, "asks")
    if any(better[0] <= worse[0] for better, worse in pairwise(bids)):
        raise UnreadableError("bids")
    if any(better[0] >= worse[0] for better, worse in pairwise(asks)):
        raise UnreadableError("asks")
    if bids and asks and bids[0][0] >= asks[0][0]:
        raise UnreadableError("asks")
    return BookSnapshot(bids, asks)


def _levels(row: dict[str, Any], side: str) -> tuple[tuple[Decimal, Decimal], ...]:
    told = row.get(side)
    if not isinstance(told, list):
        raise UnreadableError(side)
    return tuple(_level(level, side) for level in told)


def _level(told: Any, side: str) -> tuple[Decimal, Decimal]:
    if not isinstance(told, list) or len(told) < 2:
        raise UnreadableError(side)
    level = {f"{side} price": told[0], f"{side} size": told[1]}
    return reading.positive(level, f"{side} price"), reading.unsigned(level, f"{side} size")


def funding_snapshot(rows: list[Any], venue_symbol: str) -> FundingSnapshot:
    """Raises UnreadableError."""
    row = only_row(rows)
    if reading.instrument(row) != venue_symbol:
        raise UnreadableError("instId")
    rate = reading.decimal(row, "fundingRate")
    if abs(rate) >= 1:
        raise UnreadableError("fundingRate")
    return FundingSnapshot(rate, reading.time_ms(row, "fundingTime"))
