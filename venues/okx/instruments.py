"""The venue's instruments, read by ccxt; amounts from OKX's own text, never ccxt's floats."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from decimal import Decimal
from math import inf
from typing import Any

import ccxt

from venues.domain.types import Instrument, InstrumentKind, VenueError, VenueErrorKind
from venues.okx.parsing import decimal_of
from venues.okx.transport import OkxTransport

logger = logging.getLogger(__name__)

_TYPES = ("SPOT", "SWAP")
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
        for kind in _TYPES:
            found_before = len(loaded)
            # Exits need them, too.
            rows = await self._transport.read(
                None, "GET", "public/instruments", {"instType": kind}, is_exit=True
            )
            for number, row in enumerate(rows):
                found = self._readable(row)
                if found is not None:
                    loaded[found.symbol] = found
                if number % ROWS_AT_A_TIME == 0:
                    await asyncio.sleep(0)
            self._refuse_a_torso(kind, len(loaded) - found_before)
        if not loaded:
            raise VenueError(VenueErrorKind.UNAVAILABLE, message="no instruments in the answer")
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

    def _readable(self, row: Any) -> Instrument | None:
        try:
            market = self._client.parse_market(row)
            return None if market is None else _instrument(market)
        except Exception:
            # One row of nonsense must not hide a thousand that can be traded.
            logger.warning("an unreadable instrument: %.200r", row, exc_info=True)
            return None

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
        unlisted = bool(self._by_symbol) and symbol not in self._by_symbol
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


def instrument_type(instrument: Instrument) -> str:
    """OKX's instType."""
    return "SPOT" if instrument.kind is InstrumentKind.SPOT else "SWAP"


def _instrument(market: dict[str, Any]) -> Instrument | None:
    info = market.get("info") or {}
    if info.get("instType") not in _TYPES:
        return None
    lot, tick, minimum = (decimal_of(info.get(key)) for key in ("lotSz", "tickSz", "minSz"))
    if not lot or not tick or not minimum:
        return None  # announced but not yet tradable
    if market["spot"]:
        kind, contract_size = InstrumentKind.SPOT, Decimal(1)
    else:
        kind = InstrumentKind.LINEAR if market["linear"] else InstrumentKind.INVERSE
        contract_size = decimal_of(info.get("ctVal")) or Decimal(0)
        if contract_size <= 0:
            return None
    return Instrument(
        symbol=market["symbol"],
        venue_symbol=info["instId"],
        kind=kind,
        base=market["base"],
        quote=market["quote"],
        settle=market["settle"] or market["quote"],
        contract_size=contract_size,
        lot=lot,
        tick=tick,
        min_size=minimum,
        # Of spot, OKX states it in USDT, which is no native quantity.
        max_market_size=None if market["spot"] else decimal_of(info.get("maxMktSz")),
        max_limit_size=decimal_of(info.get("maxLmtSz")),
        max_leverage=decimal_of(info.get("lever")) or Decimal(1),
        is_live=info.get("state") == "live",
    )
