"""The gateway of venues.gateway for OKX and for what speaks its protocol."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import ccxt

from venues.clock import ServerTime, VenueClock
from venues.domain.rate_windows import Processes
from venues.domain.types import (
    NOT_SENT,
    AccountConfig,
    BalanceSnapshot,
    Credentials,
    FillSnapshot,
    Instrument,
    Lookup,
    OrderRequest,
    OrderSnapshot,
    Placement,
    PositionSnapshot,
    RejectKind,
    VenueError,
    VenueErrorKind,
)
from venues.okx import lookups, parsing, placing
from venues.okx.budgets import OkxBudgets
from venues.okx.instruments import InstrumentList, instrument_type
from venues.okx.transport import OkxTransport, Row

RECENT_FILLS_MS = 2 * 24 * 3600 * 1000
"""OKX keeps three days of fills where they are read fast, and three months elsewhere."""


class OkxGateway:
    def __init__(self, venue: str, entry: Mapping[str, Any], processes: Processes) -> None:
        self.venue = venue
        ccxt_config: dict[str, Any] = {"enableRateLimit": False}
        if entry["rest_url"]:
            urls = {"rest": entry["rest_url"]}
            # Both: with only `api`, sandbox mode would go back to the real host.
            ccxt_config["urls"] = {"api": urls, "test": urls}
        client = ccxt.okx(ccxt_config)
        self.clock = VenueClock(venue)
        self._transport = OkxTransport(client, OkxBudgets(processes), self.clock)
        self._instruments = InstrumentList(client, self._transport)

    async def aclose(self) -> None:
        await self._transport.aclose()

    # --- the clock --------------------------------------------------------------------------

    async def measure_clock(self) -> None:
        await self.clock.measure(self._server_time)

    async def keep_clock(self) -> None:
        await self.clock.keep(self._server_time)

    async def _server_time(self) -> ServerTime:
        transport = self._transport
        permit = await transport.turn("GET public/time", is_exit=True)
        sent = time.monotonic()  # not before its turn: waiting is not the way to the venue
        rows = await transport.read_in_turn(permit, None, "GET", "public/time", {})
        return ServerTime(parsing.server_time_ms(rows), sent)

    # --- public data ------------------------------------------------------------------------

    async def load_instruments(self, *, max_age_seconds: float = 0) -> dict[str, Instrument]:
        return await self._instruments.load(max_age_seconds=max_age_seconds)

    def remember_instruments(self, instruments: Iterable[Instrument]) -> None:
        self._instruments.remember(instruments)

    async def last_prices(self, symbol: str) -> dict[str, Decimal]:
        found = await self._instruments.of(symbol)
        rows = await self._tickers(found)
        prices = {
            self._instruments.symbol(str(row.get("instId"))): price
            for row in rows
            if (price := parsing.decimal_of(row.get("last"))) is not None and price > 0
        }
        if symbol not in prices:
            raise VenueError(VenueErrorKind.UNAVAILABLE, message="no price in the answer")
        return prices

    async def _tickers(self, instrument: Instrument) -> list[Row]:
        """Of one instrument, or, when many are asked for, of all of its kind in one request."""
        read = self._transport.read
        one = {"instId": instrument.venue_symbol}
        try:
            return await read(None, "GET", "market/ticker", one, turn_seconds=0)
        except VenueError as error:
            if error.code != NOT_SENT:
                raise
        return await read(None, "GET", "market/tickers", {"instType": instrument_type(instrument)})

    # --- placing and cancelling -------------------------------------------------------------

    async def place_order(
        self,
        credentials: Credentials,
        request: OrderRequest,
        *,
        may_leave: Callable[[], Awaitable[bool]] | None = None,
        still_wanted: Callable[[], bool] | None = None,
    ) -> Placement:
        placement = await placing.place(
            self._transport, credentials, request, may_leave=may_leave, still_wanted=still_wanted
        )
        if placement.reject_kind in (RejectKind.CLOCK, RejectKind.LATE):
            self.clock.recheck()
        if placement.reject_kind is RejectKind.CLOSED:
            self._instruments.outdate()
        return placement

    async def cancel_order(
        self, credentials: Credentials, *, symbol: str, client_order_id: str
    ) -> None:
        found = await self._instruments.of(symbol)
        params = {"instId": found.venue_symbol, "clOrdId": client_order_id}
        await self._transport.read(credentials, "POST", "trade/cancel-order", params, is_exit=True)

    async def set_leverage(
        self,
        credentials: Credentials,
        *,
        symbol: str,
        leverage: Decimal,
        margin_mode: str,
        position_sides: Sequence[str],
    ) -> None:
        found = await self._instruments.of(symbol)
        params = {
            "instId": found.venue_symbol,
            "lever": format(leverage, "f"),
            "mgnMode": margin_mode,
        }
        by_side = [{"posSide": side} for side in position_sides if side != "net"]
        # Only an isolated position has a leverage of its own on each side.
        for side in by_side if margin_mode == "isolated" and by_side else [{}]:
            await self._transport.read(
                credentials, "POST", "account/set-leverage", {**params, **side}
            )

    # --- looking up -------------------------------------------------------------------------

    async def find_order(
        self,
        credentials: Credentials,
        *,
        symbol: str,
        client_order_id: str,
        is_exit: bool = False,
    ) -> Lookup:
        return await lookups.find(
            self._transport,
            self._instruments,
            credentials,
            symbol,
            client_order_id,
            is_exit=is_exit,
        )

    async def search_order(
        self,
        credentials: Credentials,
        *,
        symbol: str,
        client_order_id: str,
        since_ms: int | None = None,
        is_exit: bool = False,
    ) -> Lookup:
        return await lookups.search(
            self._transport,
            self._instruments,
            credentials,
            symbol,
            client_order_id,
            since_ms=since_ms,
            now_ms=self.clock.now_ms(),
            is_exit=is_exit,
        )

    async def open_orders(
        self, credentials: Credentials, *, is_exit: bool = False
    ) -> list[OrderSnapshot]:
        await self._instruments.ensure_loaded()
        query = {"limit": "100"}
        rows = await self._transport.read(
            credentials, "GET", "trade/orders-pending", query, is_exit=is_exit
        )
        found = (parsing.order_snapshot(row, self._instruments.symbol) for row in rows)
        return [order for order in found if order is not None]

    async def order_fills(
        self,
        credentials: Credentials,
        *,
        symbol: str,
        venue_order_id: str,
        since_ms: int | None = None,
        is_exit: bool = False,
    ) -> list[FillSnapshot]:
        found = await self._instruments.of(symbol)
        query = {**lookups.order_query(self._instruments, found), "ordId": venue_order_id}
        path = "trade/fills"
        if since_ms is not None and self.clock.now_ms() - since_ms > RECENT_FILLS_MS:
            path = "trade/fills-history"
        rows = await self._transport.read_pages(credentials, path, query, "billId", is_exit=is_exit)
        fills = (parsing.fill_snapshot(row, self._instruments.symbol) for row in rows)
        return [fill for fill in fills if fill is not None]

    # --- the account ------------------------------------------------------------------------

    async def positions(
        self, credentials: Credentials, *, is_exit: bool = False
    ) -> list[PositionSnapshot]:
        await self._instruments.ensure_loaded()
        rows = await self._transport.read(credentials, "GET", "account/positions", is_exit=is_exit)
        found = (parsing.position_snapshot(row, self._instruments.symbol) for row in rows)
        return [position for position in found if position is not None]

    async def balances(
        self, credentials: Credentials, *, is_exit: bool = False
    ) -> list[BalanceSnapshot]:
        rows = await self._transport.read(credentials, "GET", "account/balance", is_exit=is_exit)
        details = rows[0].get("details") if rows else None
        found = (parsing.balance_snapshot(row) for row in details or [])
        return [balance for balance in found if balance is not None]

    async def account_config(self, credentials: Credentials) -> AccountConfig:
        rows = await self._transport.read(credentials, "GET", "account/config")
        if not rows:
            raise VenueError(VenueErrorKind.UNAVAILABLE, message="no account in the answer")
        return parsing.account_config(rows[0])
