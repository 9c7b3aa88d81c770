"""OKX v5 through ccxt: its markets and signatures, our own pooled transport.

ccxt's `create_order` costs twice a bare signed request, turns unclear answers into errors that
look like rejections, and puts expTime where OKX ignores it (docs/performance.md). So ccxt loads
the markets and signs; the request, and what its answer proves, are ours. One client signs for all
accounts with the credentials of the moment; nothing of an account stays behind.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import aiohttp
import ccxt
import ccxt.async_support as ccxt_async
from yarl import URL

from venues.domain.okx_outcomes import (
    classify_placement,
    is_credential_code,
    is_rate_limit_code,
)
from venues.domain.types import (
    AccountConfig,
    BalanceSnapshot,
    Credentials,
    FillSnapshot,
    Instrument,
    InstrumentKind,
    Lookup,
    LookupResult,
    OrderRequest,
    OrderSnapshot,
    Placement,
    PlacementResult,
    PositionSide,
    PositionSnapshot,
    VenueError,
    VenueErrorKind,
    VenueOrderState,
)

PLACE_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 10.0
CONNECTIONS = 400
LOOKUP_ATTEMPTS = 3
"""Of each read of a look-up: absence needs four answers in a row, and half of them may fail."""
LOOKUP_PAUSE_SECONDS = 0.25
LOOKUP_PATIENCE_SECONDS = 3.0
"""No further attempt after this: a venue that hangs is asked again by the next look-up."""

PAGE_ROWS = 100
MAX_PAGES = 20
SEARCH_MARGIN_MS = 120_000
"""A search looks back from the time of sending by more than clocks may differ."""

_ORDER_UNKNOWN = "51603"
_ORDER_STATES = {
    "live": VenueOrderState.WORKING,
    "partially_filled": VenueOrderState.PARTIALLY_FILLED,
    "filled": VenueOrderState.FILLED,
    "canceled": VenueOrderState.CANCELLED,
    "mmp_canceled": VenueOrderState.CANCELLED,
}
_POSITION_SIDES: dict[str, PositionSide] = {"net": "net", "long": "long", "short": "short"}
_INSTRUMENT_TYPES = ("SPOT", "SWAP")


class OkxGateway:
    def __init__(self, venue: str, entry: Mapping[str, Any]) -> None:
        self.venue = venue
        self._config: dict[str, Any] = {
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["spot", "swap"]}},
        }
        if entry["rest_url"]:
            urls = {"rest": entry["rest_url"]}
            # Both: with only `api`, sandbox mode would go back to the real host.
            self._config["urls"] = {"api": urls, "test": urls}
        self._signer = ccxt.okx(self._config)
        self._session: aiohttp.ClientSession | None = None
        self._instruments: dict[str, Instrument] = {}
        self._symbols: dict[str, str] = {}
        self._loading: asyncio.Task[dict[str, Instrument]] | None = None

    # --- transport --------------------------------------------------------------------------

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=25),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
            )
        return self._session

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _sign(
        self, credentials: Credentials | None, method: str, path: str, params: Any
    ) -> dict[str, Any]:
        """ccxt's signed request. No await between setting and clearing the credentials."""
        signer = self._signer
        if credentials is None:
            return signer.sign(path, ["public"], method, params)
        signer.apiKey = credentials.api_key
        signer.secret = credentials.api_secret
        signer.password = credentials.passphrase
        try:
            return signer.sign(path, ["private"], method, params)
        finally:
            signer.apiKey = signer.secret = signer.password = ""

    async def _send(self, signed: dict[str, Any], timeout_seconds: float) -> bytes:
        """One exchange of bytes. Raises aiohttp.ClientError, TimeoutError, ValueError."""
        session = self._open_session()
        async with asyncio.timeout(timeout_seconds):
            async with session.request(
                signed["method"],
                _encoded_url(signed["url"]),
                data=signed["body"],
                headers=signed["headers"],
                allow_redirects=False,
            ) as response:
                return await response.read()

    async def _read(
        self,
        credentials: Credentials | None,
        method: str,
        path: str,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The rows of an answer with code 0. Raises VenueError."""
        try:
            signed = self._sign(credentials, method, path, params or {})
            body = await self._send(signed, READ_TIMEOUT_SECONDS)
            answer = json.loads(body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise VenueError(VenueErrorKind.UNAVAILABLE, message=type(error).__name__) from error
        except ValueError as error:
            raise VenueError(
                VenueErrorKind.UNAVAILABLE, message="the answer is not readable"
            ) from error
        code = answer.get("code") if isinstance(answer, dict) else None
        if code == "0" and isinstance(answer.get("data"), list):
            return answer["data"]
        raise _venue_error(answer, code)

    async def _read_for_proof(
        self, credentials: Credentials, path: str, params: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """`_read` with a second and third attempt when nothing was answered. Raises VenueError."""
        started = time.monotonic()
        for attempt in range(1, LOOKUP_ATTEMPTS + 1):
            try:
                return await self._read(credentials, "GET", path, params)
            except VenueError as error:
                spent = time.monotonic() - started
                last = attempt == LOOKUP_ATTEMPTS or spent > LOOKUP_PATIENCE_SECONDS
                if last or error.kind is not VenueErrorKind.UNAVAILABLE:
                    raise
            await asyncio.sleep(LOOKUP_PAUSE_SECONDS)
        raise AssertionError("the last attempt returns or raises")

    async def _read_pages(
        self, credentials: Credentials, path: str, params: dict[str, Any], key: str
    ) -> list[dict[str, Any]]:
        """All rows, newest first; `key` is what the venue pages by. Raises VenueError."""
        rows: list[dict[str, Any]] = []
        query = {**params, "limit": str(PAGE_ROWS)}
        for _ in range(MAX_PAGES):
            found = await self._read_for_proof(credentials, path, query)
            rows += found
            if len(found) < PAGE_ROWS:
                return rows
            query["after"] = str(found[-1].get(key) or "")
        raise VenueError(VenueErrorKind.UNAVAILABLE, message=f"{path} has too many rows")

    # --- public data ------------------------------------------------------------------------

    async def _ensure_instruments(self) -> None:
        if not self._instruments:
            await self.load_instruments()

    async def load_instruments(self) -> dict[str, Instrument]:
        # Callers that come while a load is under way share it: the public limit is per address.
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load_instruments())
        return await asyncio.shield(self._loading)

    async def _load_instruments(self) -> dict[str, Instrument]:
        client = ccxt_async.okx(self._config)
        try:
            markets = await client.load_markets()
        except ccxt.BaseError as error:
            raise VenueError(VenueErrorKind.UNAVAILABLE, message=str(error)[:200]) from error
        finally:
            await client.close()
        loaded: dict[str, Instrument] = {}
        for market in markets.values():
            parsed = _instrument(market)
            if parsed is not None:
                loaded[parsed.symbol] = parsed
        self._instruments = loaded
        self._symbols = {item.venue_symbol: item.symbol for item in loaded.values()}
        return loaded

    async def _instrument_of(self, symbol: str) -> Instrument:
        await self._ensure_instruments()
        found = self._instruments.get(symbol)
        if found is None:
            raise VenueError(VenueErrorKind.REFUSED, message=f"{symbol} is not listed")
        return found

    def _symbol(self, venue_symbol: str) -> str:
        return self._symbols.get(venue_symbol, venue_symbol)

    async def last_price(self, symbol: str) -> Decimal:
        found = await self._instrument_of(symbol)
        rows = await self._read(None, "GET", "market/ticker", {"instId": found.venue_symbol})
        price = _decimal(rows[0].get("last")) if rows else None
        if price is None or price <= 0:
            raise VenueError(VenueErrorKind.UNAVAILABLE, message="no price in the answer")
        return price

    # --- placing and cancelling -------------------------------------------------------------

    async def place_order(self, credentials: Credentials, request: OrderRequest) -> Placement:
        signed = self._sign(credentials, "POST", "trade/order", _order_params(request))
        signed["headers"]["expTime"] = str(request.deadline_ms)
        try:
            body = await self._send(signed, PLACE_TIMEOUT_SECONDS)
        except aiohttp.ClientConnectorError as error:
            # No connection was made, so nothing left; the look-up confirms it all the same.
            return Placement(PlacementResult.UNKNOWN, code="connect", message=str(error)[:200])
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Placement(
                PlacementResult.UNKNOWN, code=type(error).__name__[:32], message=str(error)[:200]
            )
        return classify_placement(body, request.client_order_id)

    async def cancel_order(
        self, credentials: Credentials, *, symbol: str, client_order_id: str
    ) -> None:
        found = await self._instrument_of(symbol)
        await self._read(
            credentials,
            "POST",
            "trade/cancel-order",
            {"instId": found.venue_symbol, "clOrdId": client_order_id},
        )

    async def set_leverage(
        self,
        credentials: Credentials,
        *,
        symbol: str,
        leverage: Decimal,
        margin_mode: str,
        position_sides: Sequence[str],
    ) -> None:
        found = await self._instrument_of(symbol)
        params: dict[str, Any] = {
            "instId": found.venue_symbol,
            "lever": format(leverage, "f"),
            "mgnMode": margin_mode,
        }
        isolated_sides = [side for side in position_sides if side != "net"]
        if margin_mode == "isolated" and isolated_sides:
            for side in isolated_sides:
                await self._read(
                    credentials, "POST", "account/set-leverage", {**params, "posSide": side}
                )
            return
        await self._read(credentials, "POST", "account/set-leverage", params)

    # --- looking up -------------------------------------------------------------------------

    async def find_order(
        self, credentials: Credentials, *, symbol: str, client_order_id: str
    ) -> Lookup:
        try:
            found = await self._instrument_of(symbol)
            rows = await self._read_for_proof(
                credentials,
                "trade/order",
                {"instId": found.venue_symbol, "clOrdId": client_order_id},
            )
        except VenueError as error:
            if error.code == _ORDER_UNKNOWN:
                return Lookup(LookupResult.ABSENT)
            return Lookup(LookupResult.NO_EVIDENCE, detail=str(error))
        return self._match(rows, client_order_id, absent_if_missing=False)

    async def search_order(
        self,
        credentials: Credentials,
        *,
        symbol: str,
        client_order_id: str,
        since_ms: int | None = None,
    ) -> Lookup:
        try:
            found = await self._instrument_of(symbol)
            kind = _instrument_type(found)
            query = {"instType": kind, "instId": found.venue_symbol}
            recent = {**query}
            if since_ms is not None:
                recent["begin"] = str(since_ms - SEARCH_MARGIN_MS)
            reads = (("trade/orders-pending", query), ("trade/orders-history", recent))
            for path, params in reads:
                rows = await self._read_pages(credentials, path, params, "ordId")
                lookup = self._match(rows, client_order_id, absent_if_missing=True)
                if lookup.result is not LookupResult.ABSENT:
                    return lookup
            fills = await self._read_pages(credentials, "trade/fills", recent, "billId")
        except VenueError as error:
            return Lookup(LookupResult.NO_EVIDENCE, detail=str(error))
        if any(row.get("clOrdId") == client_order_id for row in fills):
            return Lookup(LookupResult.NO_EVIDENCE, detail="fills exist, the order does not yet")
        return Lookup(LookupResult.ABSENT)

    def _match(
        self, rows: list[dict[str, Any]], client_order_id: str, *, absent_if_missing: bool
    ) -> Lookup:
        for row in rows:
            if isinstance(row, dict) and row.get("clOrdId") == client_order_id:
                snapshot = self._order_snapshot(row)
                if snapshot is None:
                    return Lookup(LookupResult.NO_EVIDENCE, detail="unreadable order")
                return Lookup(LookupResult.FOUND, order=snapshot)
        if absent_if_missing:
            return Lookup(LookupResult.ABSENT)
        return Lookup(LookupResult.NO_EVIDENCE, detail="an answer without the order")

    def _order_snapshot(self, row: dict[str, Any]) -> OrderSnapshot | None:
        state = _ORDER_STATES.get(str(row.get("state")))
        quantity = _decimal(row.get("sz"))
        filled = _decimal(row.get("accFillSz")) or Decimal(0)
        order_id = row.get("ordId")
        if state is None or quantity is None or not order_id:
            return None
        return OrderSnapshot(
            venue_order_id=str(order_id),
            client_order_id=str(row.get("clOrdId") or ""),
            symbol=self._symbol(str(row.get("instId"))),
            state=state,
            quantity=quantity,
            filled_quantity=filled,
            average_price=_decimal(row.get("avgPx")),
            updated_at_ms=_integer(row.get("uTime")),
            cancel_source=str(row.get("cancelSource") or ""),
        )

    async def open_orders(self, credentials: Credentials) -> list[OrderSnapshot]:
        await self._ensure_instruments()
        rows = await self._read(credentials, "GET", "trade/orders-pending", {"limit": "100"})
        snapshots = [self._order_snapshot(row) for row in rows]
        return [snapshot for snapshot in snapshots if snapshot is not None]

    async def order_fills(
        self, credentials: Credentials, *, symbol: str, venue_order_id: str
    ) -> list[FillSnapshot]:
        found = await self._instrument_of(symbol)
        query = {
            "instType": _instrument_type(found),
            "instId": found.venue_symbol,
            "ordId": venue_order_id,
        }
        rows = await self._read_pages(credentials, "trade/fills", query, "billId")
        return [fill for row in rows if (fill := self._fill(row)) is not None]

    def _fill(self, row: dict[str, Any]) -> FillSnapshot | None:
        quantity = _decimal(row.get("fillSz"))
        price = _decimal(row.get("fillPx"))
        trade_id = str(row.get("tradeId") or "")
        side = row.get("side")
        if not quantity or price is None or not trade_id or side not in ("buy", "sell"):
            return None
        return FillSnapshot(
            trade_id=trade_id,
            venue_order_id=str(row.get("ordId") or ""),
            client_order_id=str(row.get("clOrdId") or ""),
            symbol=self._symbol(str(row.get("instId"))),
            side=side,
            quantity=quantity,
            price=price,
            fee=-(_decimal(row.get("fee")) or Decimal(0)),
            fee_currency=str(row.get("feeCcy") or ""),
            is_maker=row.get("execType") == "M",
            filled_at_ms=_integer(row.get("ts")),
        )

    # --- the account ------------------------------------------------------------------------

    async def positions(self, credentials: Credentials) -> list[PositionSnapshot]:
        await self._ensure_instruments()
        rows = await self._read(credentials, "GET", "account/positions")
        found = []
        for row in rows:
            quantity = _decimal(row.get("pos"))
            if not quantity:
                continue  # closed ones are listed for a while
            side = _POSITION_SIDES.get(str(row.get("posSide")), "net")
            found.append(
                PositionSnapshot(
                    symbol=self._symbol(str(row.get("instId"))),
                    position_side=side,
                    quantity=-quantity if side == "short" else quantity,
                    average_price=_decimal(row.get("avgPx")),
                    mark_price=_decimal(row.get("markPx")),
                    unrealised_pnl=_decimal(row.get("upl")),
                    leverage=_decimal(row.get("lever")),
                    margin_mode=str(row.get("mgnMode") or ""),
                    liquidation_price=_decimal(row.get("liqPx")),
                )
            )
        return found

    async def balances(self, credentials: Credentials) -> list[BalanceSnapshot]:
        rows = await self._read(credentials, "GET", "account/balance")
        details = rows[0].get("details") if rows else None
        found = []
        for row in details or []:
            available = _decimal(row.get("availEq"))
            if available is None:
                available = _decimal(row.get("availBal"))
            equity = _decimal(row.get("eq"))
            if equity is not None:
                found.append(
                    BalanceSnapshot(
                        currency=str(row.get("ccy")),
                        equity=equity,
                        available=available if available is not None else Decimal(0),
                    )
                )
        return found

    async def account_config(self, credentials: Credentials) -> AccountConfig:
        rows = await self._read(credentials, "GET", "account/config")
        if not rows:
            raise VenueError(VenueErrorKind.UNAVAILABLE, message="no account in the answer")
        row = rows[0]
        return AccountConfig(
            uid=str(row.get("uid") or ""),
            account_level=str(row.get("acctLv") or ""),
            position_mode="long_short" if row.get("posMode") == "long_short_mode" else "net",
            permissions=frozenset(part for part in str(row.get("perm") or "").split(",") if part),
            ip_restricted=bool(row.get("ip")),
        )


# --- reading OKX's strings --------------------------------------------------------------------


def _encoded_url(url: str) -> URL:
    """As signed: aiohttp must not normalise what the signature covers."""
    return URL(url, encoded=True)


def _venue_error(answer: Any, code: Any) -> VenueError:
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
    if not code or code.startswith("500"):
        return VenueError(VenueErrorKind.UNAVAILABLE, code, message)
    return VenueError(VenueErrorKind.REFUSED, code, message)


def _decimal(value: Any) -> Decimal | None:
    """OKX writes numbers as text and absence as "" or null. Unreadable is absent."""
    if value in (None, ""):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _integer(value: Any) -> int:
    number = _decimal(value)
    return int(number) if number is not None else int(time.time() * 1000)


def _instrument_type(instrument: Instrument) -> str:
    return "SPOT" if instrument.kind is InstrumentKind.SPOT else "SWAP"


def _instrument(market: dict[str, Any]) -> Instrument | None:
    info = market.get("info") or {}
    if info.get("instType") not in _INSTRUMENT_TYPES:
        return None
    lot, tick, minimum = (_decimal(info.get(key)) for key in ("lotSz", "tickSz", "minSz"))
    if not lot or not tick or not minimum:
        return None  # announced but not yet tradable
    if market["spot"]:
        kind, contract_size = InstrumentKind.SPOT, Decimal(1)
    else:
        kind = InstrumentKind.LINEAR if market["linear"] else InstrumentKind.INVERSE
        contract_size = _decimal(info.get("ctVal")) or Decimal(0)
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
        max_market_size=None if market["spot"] else _decimal(info.get("maxMktSz")),
        max_limit_size=_decimal(info.get("maxLmtSz")),
        max_leverage=_decimal(info.get("lever")) or Decimal(1),
        is_live=info.get("state") == "live",
    )


def _order_params(request: OrderRequest) -> dict[str, Any]:
    params: dict[str, Any] = {
        "instId": request.instrument.venue_symbol,
        "clOrdId": request.client_order_id,
        "side": request.side,
        "ordType": request.order_type,
        "sz": format(request.quantity, "f"),
    }
    if request.order_type == "limit":
        assert request.price is not None
        params["px"] = format(request.price, "f")
    if request.instrument.kind is InstrumentKind.SPOT:
        # OKX's own default takes a market buy's size for quote currency.
        params["tdMode"] = "cash"
        params["tgtCcy"] = "base_ccy"
        # Otherwise a market order is silently shrunk to the balance.
        params["banAmend"] = True
        return params
    params["tdMode"] = request.margin_mode
    if request.position_side != "net":
        params["posSide"] = request.position_side
    elif request.reduce_only:
        params["reduceOnly"] = True
    return params
