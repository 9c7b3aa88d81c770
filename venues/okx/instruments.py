"""The venue's instruments, read by ccxt; amounts from OKX's own text, never ccxt's floats."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from math import inf
from typing import Any

import ccxt

from venues.domain.types import (
    Instrument,
    InstrumentKind,
    UnreadableError,
    VenueError,
    VenueErrorKind,
)
from venues.okx import reading
from venues.okx.transport import OkxTransport

logger = logging.getLogger(__name__)

_TYPES = ("SPOT", "SWAP")
_DOLLARS = frozenset({"USD", "USDT", "USDC"})
"""Quotes in which OKX's limits in dollars are the quote's own value."""
ROWS_AT_A_TIME = 50
"""Between two orders on their way: ccxt needs 50 µs for one of a thousand rows."""


class InstrumentList:
    """What this gateway last loaded. Callers that come while a load is under way share it: the
    public limit is per address."""

    def __init__(self, client: ccxt.okx, transport: OkxTransport) -> None:
        self._client = client
        self._transport = transport
        self._by_symbol: dict[str, Instrument] = {}
        self._past: dict[str, Instrument] = {}
        self._gone: set[str] = set()
        self._told_contract_sizes: dict[str, Decimal] = {}
        self.unreadable: Mapping[str, str] = {}
        """By symbol: the field that cannot be read."""
        self._symbols: dict[str, str] = {}
        self._loaded_at = -inf
        self._loading: asyncio.Task[dict[str, Instrument]] | None = None

    async def load(self, *, max_age_seconds: float) -> dict[str, Instrument]:
        """All by unified symbol, asked for again when older. Raises VenueError."""
        if self._by_symbol and time.monotonic() - self._loaded_at < max_age_seconds:
            return self._by_symbol
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load())
        return await asyncio.shield(self._loading)

    async def _load(self) -> dict[str, Instrument]:
        loaded: dict[str, Instrument] = {}
        unreadable: dict[str, str] = {}
        for kind in _TYPES:
            found_before = len(loaded)
            # Exits need them, too.
            rows = await self._transport.read(
                None, "GET", "public/instruments", {"instType": kind}, is_exit=True
            )
            for number, row in enumerate(rows):
                self._take(row, kind, loaded, unreadable)
                if number % ROWS_AT_A_TIME == 0:
                    await asyncio.sleep(0)
            self._refuse_a_torso(kind, len(loaded) - found_before)
        if not loaded:
            raise VenueError(VenueErrorKind.UNAVAILABLE, message="no instruments in the answer")
        if unreadable:
            fields = dict(Counter(unreadable.values()))
            logger.warning("unreadable instruments, by field: %s", fields)
        self.unreadable = unreadable
        self._past |= self._by_symbol
        self._by_symbol = loaded
        self._symbols |= {item.venue_symbol: item.symbol for item in loaded.values()}
        self._gone.clear()
        self._loaded_at = time.monotonic()
        return loaded

    def _refuse_a_torso(self, kind: str, found: int) -> None:
        """Markets are delisted one by one: a list that lost half of them is a broken answer."""
        had = sum(instrument_type(item) == kind for item in self._by_symbol.values())
        if found * 2 < had:
            message = f"only {found} of {had} instruments in the answer"
            raise VenueError(VenueErrorKind.UNAVAILABLE, message=message)

    def remember(self, instruments: Iterable[Instrument]) -> None:
        """What was listed once: orders in it can still be looked up. From any thread."""
        for item in instruments:
            self._past[item.symbol] = item
            self._symbols.setdefault(item.venue_symbol, item.symbol)

    def _take(
        self, row: Any, kind: str, loaded: dict[str, Instrument], unreadable: dict[str, str]
    ) -> None:
        """One row of nonsense must not hide a thousand that can be traded."""
        symbol = ""
        try:
            market = self._market(row)
            if row.get("instType") != kind:
                raise UnreadableError("instType")
            symbol = market["symbol"]
            found = _instrument(market, row)
            if found is None:
                return
            if symbol in loaded or symbol in unreadable:
                raise UnreadableError("instId")
            self._believe_contract_size(found)
            loaded[symbol] = found
        except UnreadableError as error:
            known = self._symbols.get(_name_in(row), "")
            for name in {symbol, known} - {""} or {_name_in(row)}:
                unreadable[name] = error.field
                loaded.pop(name, None)

    def _market(self, row: Any) -> dict[str, Any]:
        """ccxt's reading. Raises UnreadableError."""
        try:
            found: dict[str, Any] | None = self._client.parse_market(reading.row_of(row))
        except UnreadableError:
            raise
        except Exception as error:  # it expects what is documented
            raise UnreadableError("row") from error
        if found is None:
            raise UnreadableError("baseCcy")
        return found

    def _believe_contract_size(self, found: Instrument) -> None:
        """Money is reckoned by it, and it hardly ever changes: two lists have to agree on that."""
        before = self._known(found.symbol)
        told = self._told_contract_sizes.get(found.symbol)
        if before is None or found.contract_size in (before.contract_size, told):
            return
        self._told_contract_sizes[found.symbol] = found.contract_size
        raise UnreadableError("ctVal")

    async def ensure_loaded(self) -> None:
        if not self._by_symbol:
            await self.load(max_age_seconds=0)

    async def of(self, symbol: str) -> Instrument:
        """Listed, or as it was. Raises VenueError, REFUSED when it never was."""
        found = self._known(symbol)
        if found is None:
            await self.ensure_loaded()
            found = self._known(symbol)
        if found is None:
            raise VenueError(VenueErrorKind.REFUSED, message=f"{symbol} is not listed")
        return found

    def _known(self, symbol: str) -> Instrument | None:
        return self._by_symbol.get(symbol) or self._past.get(symbol)

    def is_gone(self, symbol: str) -> bool:
        """Whether the venue does not know its name any more: by its list, or by its own word."""
        listed = symbol in self._by_symbol or symbol in self.unreadable
        unlisted = bool(self._by_symbol) and not listed
        return unlisted or symbol in self._gone

    def note_gone(self, symbol: str) -> None:
        """The venue said so before the next list does."""
        self._gone.add(symbol)
        self.outdate()

    def outdate(self) -> None:
        """Whoever asks next for the list gets a new one."""
        self._loaded_at = -inf

    def symbol(self, venue_symbol: str) -> str:
        """The unified symbol, or the venue's own of what was never listed."""
        return self._symbols.get(venue_symbol, venue_symbol)

    def known_symbol(self, venue_symbol: str) -> str | None:
        return self._symbols.get(venue_symbol)


def instrument_type(instrument: Instrument) -> str:
    """OKX's instType."""
    return "SPOT" if instrument.kind is InstrumentKind.SPOT else "SWAP"


def _name_in(row: Any) -> str:
    name = row.get("instId") if isinstance(row, dict) else None
    return name if isinstance(name, str) else ""


def _instrument(market: dict[str, Any], row: dict[str, Any]) -> Instrument | None:
    """None for what is announced and not yet tradable. Raises UnreadableError."""
    is_spot = row["instType"] == "SPOT"
    is_live = reading.identifier(row, "state") == "live"
    steps = ("lotSz", "tickSz", "minSz")
    if not is_live and any(reading.is_absent(row, field) for field in steps):
        return None
    lot, tick, minimum = (reading.positive(row, field) for field in steps)
    # Of spot, OKX states it in dollars, which is no native quantity.
    at_market = None if is_spot else reading.positive_or_none(row, "maxMktSz")
    at_limit = reading.positive_or_none(row, "maxLmtSz")
    in_dollars = market["quote"] in _DOLLARS
    market_value = reading.positive_or_none(row, "maxMktAmt") if is_spot and in_dollars else None
    limit_value = reading.positive_or_none(row, "maxLmtAmt") if in_dollars else None
    if minimum < lot:
        raise UnreadableError("minSz")
    for field, most in (("maxMktSz", at_market), ("maxLmtSz", at_limit)):
        if most is not None and most < minimum:
            raise UnreadableError(field)
    kind = InstrumentKind.SPOT if is_spot else _contract_kind(market, row)
    _refuse_another_name(market, row)
    return Instrument(
        symbol=market["symbol"],
        venue_symbol=row["instId"],
        kind=kind,
        base=market["base"],
        quote=market["quote"],
        settle=market["quote"] if is_spot else market["settle"],
        contract_size=Decimal(1) if is_spot else reading.positive(row, "ctVal"),
        lot=lot,
        tick=tick,
        min_size=minimum,
        max_market_size=at_market,
        max_limit_size=at_limit,
        max_leverage=reading.positive_or_none(row, "lever") or Decimal(1),
        is_live=is_live,
        max_market_value=market_value,
        max_limit_value=limit_value,
    )


def _contract_kind(market: dict[str, Any], row: dict[str, Any]) -> InstrumentKind:
    kinds = {"linear": InstrumentKind.LINEAR, "inverse": InstrumentKind.INVERSE}
    kind = reading.choice(row, "ctType", kinds)
    if market["linear"] != (kind is InstrumentKind.LINEAR):
        raise UnreadableError("ctType")
    return kind


def _refuse_another_name(market: dict[str, Any], row: dict[str, Any]) -> None:
    """Orders are sent to the one name, and sized by what goes with the other."""
    name = reading.instrument(row)
    fields = ("baseCcy", "quoteCcy") if row["instType"] == "SPOT" else ("settleCcy",)
    for field in fields:
        reading.currency(row, field)
    parts = [market["baseId"], market["quoteId"]]
    if name.replace("_", "-").split("-")[:2] != parts:
        raise UnreadableError("instId")
    is_spot = row["instType"] == "SPOT"
    if not is_spot and market["settleId"] not in parts and market["quoteId"] != "USD":
        raise UnreadableError("settleCcy")  # only dollars are settled in what stands for them
