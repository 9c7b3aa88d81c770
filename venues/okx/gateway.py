"""The gateway of venues.gateway for OKX and for what speaks its protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from venues.domain.types import (
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
    VenueError,
    VenueErrorKind,
)
from venues.okx import lookups, parsing, placing
from venues.okx.instruments import InstrumentList, instrument_type
from venues.okx.transport import OkxTransport


class OkxGateway:
    def __init__(self, venue: str, entry: Mapping[str, Any]) -> None:
        self.venue = venue
        ccxt_config: dict[str, Any] = {
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["spot", "swap"]}},
        }
        if entry["rest_url"]:
            urls = {"rest": entry["rest_url"]}
            # Both: with only `api`, sandbox mode would go back to the real host.
            ccxt_config["urls"] = {"api": urls, "test": urls}
        self._transport = OkxTransport(ccxt_config)
        self._instruments = InstrumentList(ccxt_config)

    async def aclose(self) -> None:
        await self._transport.aclose()

    # --- public data ------------------------------------------------------------------------

    async def load_instruments(self, *, max_age_seconds: float = 0) -> dict[str, Instrument]:
        return await self._instruments.load(max_age_seconds=max_age_seconds)

    async def last_price(self, symbol: str) -> Decimal:
        found = await self._instruments.of(symbol)
        query = {"instId": found.venue_symbol}
        rows = await self._transport.read(None, "GET", "market/ticker", query)
        price = parsing.decimal_of(rows[0].get("last")) if rows else None
        if price is None or price <= 0:
            raise VenueError(VenueErrorKind.UNAVAILABLE, message="no price in the answer")
        return price

    # --- placing and cancelling -------------------------------------------------------------

    async def place_order(self, credentials: Credentials, request: OrderRequest) -> Placement:
        return await placing.place(self._transport, credentials, request)

    async def cancel_order(
        self, credentials: Credentials, *, symbol: str, client_order_id: str
    ) -> None:
        found = await self._instruments.of(symbol)
        params = {"instId": found.venue_symbol, "clOrdId": client_order_id}
        await self._transport.read(credentials, "POST", "trade/cancel-order", params)

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
        self, credentials: Credentials, *, symbol: str, client_order_id: str
    ) -> Lookup:
        return await lookups.find(
            self._transport, self._instruments, credentials, symbol, client_order_id
        )

    async def search_order(
        self,
        credentials: Credentials,
        *,
        symbol: str,
        client_order_id: str,
        since_ms: int | None = None,
    ) -> Lookup:
        return await lookups.search(
            self._transport, self._instruments, credentials, symbol, client_order_id, since_ms
        )

    async def open_orders(self, credentials: Credentials) -> list[OrderSnapshot]:
        await self._instruments.ensure_loaded()
        query = {"limit": "100"}
        rows = await self._transport.read(credentials, "GET", "trade/orders-pending", query)
        found = (parsing.order_snapshot(row, self._instruments.symbol) for row in rows)
        return [order for order in found if order is not None]

    async def order_fills(
        self, credentials: Credentials, *, symbol: str, venue_order_id: str
    ) -> list[FillSnapshot]:
        found = await self._instruments.of(symbol)
        query = {
            "instType": instrument_type(found),
            "instId": found.venue_symbol,
            "ordId": venue_order_id,
        }
        rows = await self._transport.read_pages(credentials, "trade/fills", query, "billId")
        fills = (parsing.fill_snapshot(row, self._instruments.symbol) for row in rows)
        return [fill for fill in fills if fill is not None]

    # --- the account ------------------------------------------------------------------------

    async def positions(self, credentials: Credentials) -> list[PositionSnapshot]:
        await self._instruments.ensure_loaded()
        rows = await self._transport.read(credentials, "GET", "account/positions")
        found = (parsing.position_snapshot(row, self._instruments.symbol) for row in rows)
        return [position for position in found if position is not None]

    async def balances(self, credentials: Credentials) -> list[BalanceSnapshot]:
        rows = await self._transport.read(credentials, "GET", "account/balance")
        details = rows[0].get("details") if rows else None
        found = (parsing.balance_snapshot(row) for row in details or [])
        return [balance for balance in found if balance is not None]

    async def account_config(self, credentials: Credentials) -> AccountConfig:
        rows = await self._transport.read(credentials, "GET", "account/config")
        if not rows:
            raise VenueError(VenueErrorKind.UNAVAILABLE, message="no account in the answer")
        return parsing.account_config(rows[0])
