"""The gateway of venues.gateway for OKX and for what speaks its protocol."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from math import inf
from typing import Any, TypeVar

import ccxt

from venues.clock import ServerTime, VenueClock
from venues.domain.okx_outcomes import is_margin_refusal
from venues.domain.rate_windows import Processes
from venues.domain.types import (
    NOT_SENT,
    AccountConfig,
    BalanceSnapshot,
    BillSnapshot,
    BookSnapshot,
    Credentials,
    FillSnapshot,
    FundingSnapshot,
    Instrument,
    LeverageSnapshot,
    Lookup,
    OrderRequest,
    OrderSnapshot,
    Placement,
    PositionSide,
    PositionSnapshot,
    Readings,
    RejectKind,
    StopLookup,
    StopRequest,
    StopSnapshot,
    TransferSnapshot,
    VenueError,
    VenueErrorKind,
    WalletMove,
)
from venues.okx import bills, leading, lookups, placing, public, stops
from venues.okx import rows as okx_rows
from venues.okx.budgets import OkxBudgets
from venues.okx.instruments import InstrumentList, instrument_type
from venues.okx.stream import OkxDialogue
from venues.okx.transport import OkxTransport
from venues.streams.dialogue import Dialogue

T = TypeVar("T")


class OkxGateway:
    def __init__(self, venue: str, entry: Mapping[str, Any], processes: Processes) -> None:
        self.venue = venue
        self._entry = entry
        ccxt_config: dict[str, Any] = {"enableRateLimit": False}
        if entry["rest_url"]:
            urls = {"rest": entry["rest_url"]}
            # Both: with only `api`, sandbox mode would go back to the real host.
            ccxt_config["urls"] = {"api": urls, "test": urls}
        client = ccxt.okx(ccxt_config)
        self.clock = VenueClock(venue)
        self._transport = OkxTransport(client, OkxBudgets(processes), self.clock)
        self._instruments = InstrumentList(client, self._transport)
        self._day_ranges: dict[str, Decimal | None] = {}

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
        return ServerTime(okx_rows.server_time_ms(rows), sent)

    # --- streams ----------------------------------------------------------------------------

    def dialogues(self, *, stops: bool) -> list[Dialogue]:
        return [OkxDialogue(self._entry, stops=apart) for apart in (False, True)[: 1 + stops]]

    def symbol_of(self, venue_symbol: str) -> str | None:
        return self._instruments.known_symbol(venue_symbol)

    # --- public data ------------------------------------------------------------------------

    def unreadable_instruments(self) -> Mapping[str, str]:
        return self._instruments.unreadable

    async def load_instruments(self, *, max_age_seconds: float = 0) -> dict[str, Instrument]:
        return await self._instruments.load(max_age_seconds=max_age_seconds)

    def remember_instruments(self, instruments: Iterable[Instrument]) -> None:
        self._instruments.remember(instruments)

    async def last_prices(self, symbol: str) -> dict[str, Decimal]:
        found = await self._instruments.of(symbol)
        rows = await self._tickers(found)
        tickers = okx_rows.readings("tickers", rows, okx_rows.ticker)
        by_symbol = {self._instruments.symbol(each.venue_symbol): each for each in tickers}
        self._day_ranges |= {name: each.day_range_percent for name, each in by_symbol.items()}
        prices = {name: each.last for name, each in by_symbol.items()}
        if symbol not in prices:
            tickers.complete()
            raise VenueError(VenueErrorKind.UNAVAILABLE, message="no price in the answer")
        return prices

    def day_range_percent(self, symbol: str) -> Decimal | None:
        return self._day_ranges.get(symbol)

    async def _tickers(self, instrument: Instrument) -> list[Any]:
        """Of one instrument, or, when many are asked for, of all of its kind in one request."""
        read = self._transport.read
        one = {"instId": instrument.venue_symbol}
        try:
            return await read(None, "GET", "market/ticker", one, turn_seconds=0)
        except VenueError as error:
            if error.code != NOT_SENT:
                raise
        return await read(None, "GET", "market/tickers", {"instType": instrument_type(instrument)})

    async def order_book(self, symbol: str) -> BookSnapshot:
        return await public.order_book(self._transport, await self._instruments.of(symbol))

    async def next_funding(self, symbol: str) -> FundingSnapshot:
        return await public.next_funding(self._transport, await self._instruments.of(symbol))

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
        self,
        credentials: Credentials,
        *,
        symbol: str,
        client_order_id: str,
        venue_order_id: str = "",
    ) -> None:
        found = await self._instruments.of(symbol)
        key = lookups.order_key(client_order_id, venue_order_id)
        params = {"instId": found.venue_symbol, **key}
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
            rows = await self._transport.read(
                credentials, "POST", "account/set-leverage", {**params, **side}
            )
            okx_rows.confirm_leverage(rows, venue_symbol=found.venue_symbol, leverage=leverage)

    async def add_margin(
        self,
        credentials: Credentials,
        *,
        symbol: str,
        amount: Decimal,
        position_side: PositionSide,
    ) -> None:
        found = await self._instruments.of(symbol)
        params = {
            "instId": found.venue_symbol,
            "posSide": position_side,
            "type": "add",
            "amt": format(amount, "f"),
        }
        try:
            rows = await self._transport.read(
                credentials, "POST", "account/position/margin-balance", params
            )
        except VenueError as error:
            if error.code == NOT_SENT or is_margin_refusal(error.code):
                raise
            raise VenueError(VenueErrorKind.UNAVAILABLE, error.code, error.message) from error
        okx_rows.confirm_margin(rows, venue_symbol=found.venue_symbol, amount=amount)

    async def leverages(
        self, credentials: Credentials, *, symbols: Sequence[str], margin_mode: str
    ) -> Readings[LeverageSnapshot]:
        listed = await self._instruments.load(max_age_seconds=inf)
        names = [listed[symbol].venue_symbol for symbol in symbols if symbol in listed]
        if not names:
            return Readings()
        rows = await self._transport.read(
            credentials,
            "GET",
            "account/leverage-info",
            {"instId": ",".join(names), "mgnMode": margin_mode},
        )
        return self._readings("leverages", rows, okx_rows.leverage_snapshot)

    # --- stop orders --------------------------------------------------------------------------

    async def place_stop(self, credentials: Credentials, request: StopRequest) -> Placement:
        placement = await stops.place(self._transport, credentials, request)
        if placement.reject_kind is RejectKind.CLOCK:
            self.clock.recheck()
        if placement.reject_kind is RejectKind.CLOSED:
            self._instruments.outdate()
        return placement

    async def amend_stop(self, credentials: Credentials, request: StopRequest) -> None:
        await stops.amend(self._transport, credentials, request)

    async def cancel_stop(
        self, credentials: Credentials, *, symbol: str, client_stop_id: str
    ) -> None:
        found = await self._instruments.of(symbol)
        await stops.cancel(self._transport, credentials, found, client_stop_id)

    async def find_stop(
        self, credentials: Credentials, *, symbol: str, client_stop_id: str
    ) -> StopLookup:
        return await stops.find(
            self._transport, self._instruments, credentials, symbol, client_stop_id
        )

    # --- looking up -------------------------------------------------------------------------

    async def find_order(
        self,
        credentials: Credentials,
        *,
        symbol: str,
        client_order_id: str,
        venue_order_id: str = "",
        is_exit: bool = False,
    ) -> Lookup:
        return await lookups.find(
            self._transport,
            self._instruments,
            credentials,
            symbol,
            client_order_id,
            venue_order_id=venue_order_id,
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
    ) -> Readings[OrderSnapshot]:
        await self._instruments.ensure_loaded()
        rows = await self._transport.read_pages(
            credentials, "trade/orders-pending", {}, "ordId", is_exit=is_exit
        )
        return self._readings("open orders", rows, okx_rows.order_snapshot)

    async def order_fills(
        self,
        credentials: Credentials,
        *,
        symbol: str,
        venue_order_id: str,
        since_ms: int | None = None,
        is_exit: bool = False,
    ) -> Readings[FillSnapshot]:
        found = await self._instruments.of(symbol)
        query = {**lookups.order_query(self._instruments, found), "ordId": venue_order_id}
        path = "trade/fills"
        if since_ms is not None and self.clock.now_ms() - since_ms > leading.RECENT_FILLS_MS:
            path = "trade/fills-history"
        rows = await self._transport.read_pages(credentials, path, query, "billId", is_exit=is_exit)
        return self._readings("fills", rows, okx_rows.fill_snapshot)

    def _readings(
        self, what: str, rows: list[Any], read: Callable[[Any, okx_rows.SymbolOf], T | None]
    ) -> Readings[T]:
        return okx_rows.readings(what, rows, lambda row: read(row, self._instruments.symbol))

    # --- an account that others follow ----------------------------------------------------------

    async def fills_since(
        self, credentials: Credentials, *, since_ms: int
    ) -> Readings[FillSnapshot]:
        await self._instruments.ensure_loaded()
        rows, until_ms = await leading.fill_rows(
            self._transport, credentials, since_ms=since_ms, now_ms=self.clock.now_ms()
        )
        found = self._readings("fills", rows, okx_rows.fill_snapshot)
        if until_ms is None:
            return found
        # One kind may have been read further than the other.
        whole = (fill for fill in found if fill.filled_at_ms <= until_ms)
        return Readings(whole, found.unreadable, until_ms)

    async def open_stops(self, credentials: Credentials) -> Readings[StopSnapshot]:
        await self._instruments.ensure_loaded()
        rows = await leading.stop_rows(self._transport, credentials)
        return self._readings("stops", rows, leading.stop_snapshot)

    async def transfers_since(
        self, credentials: Credentials, *, since_ms: int
    ) -> Readings[TransferSnapshot]:
        rows = await leading.transfer_rows(self._transport, credentials, since_ms=since_ms)
        return okx_rows.readings("transfers", rows, leading.transfer_snapshot)

    async def bills_since(
        self, credentials: Credentials, *, since_ms: int
    ) -> Readings[BillSnapshot]:
        await self._instruments.ensure_loaded()
        rows, until_ms = await bills.bill_rows(
            self._transport, credentials, since_ms=since_ms, now_ms=self.clock.now_ms()
        )
        found = self._readings("bills", rows, bills.bill_snapshot)
        return Readings(found, found.unreadable, until_ms)

    async def wallet_moves_since(
        self, credentials: Credentials, *, since_ms: int
    ) -> Readings[WalletMove]:
        return await bills.wallet_moves(self._transport, credentials, since_ms=since_ms)

    async def lead_trader_positions(self, code: str) -> Readings[PositionSnapshot]:
        await self._instruments.ensure_loaded()
        rows = await leading.lead_position_rows(self._transport, code=code)
        found = self._readings("lead positions", rows, leading.lead_position)
        return Readings(leading.together(found), found.unreadable)

    # --- the account ------------------------------------------------------------------------

    async def positions(
        self, credentials: Credentials, *, is_exit: bool = False
    ) -> Readings[PositionSnapshot]:
        await self._instruments.ensure_loaded()
        rows = await self._transport.read(credentials, "GET", "account/positions", is_exit=is_exit)
        return self._readings("positions", rows, okx_rows.position_snapshot)

    async def balances(
        self, credentials: Credentials, *, is_exit: bool = False
    ) -> Readings[BalanceSnapshot]:
        rows = await self._transport.read(credentials, "GET", "account/balance", is_exit=is_exit)
        return okx_rows.balance_snapshots(rows)

    async def account_config(self, credentials: Credentials) -> AccountConfig:
        rows = await self._transport.read(credentials, "GET", "account/config")
        return okx_rows.account_config(okx_rows.only_row(rows))
