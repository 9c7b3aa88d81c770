"""Every REST endpoint: its path, permission, rate limit, and the engine's call behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from venues.paper.server import orders
from venues.paper.server.limits import Limit
from venues.paper.server.routing import Call, Permission, Route


def _public(path: str, name: str, per_2s: int, window_s: float = 2.0) -> Route:
    def handler(call: Call) -> Any:
        return getattr(call.server.exchange, name)(call.params)

    return Route("GET", path, handler, private=False, limit=Limit(per_2s, "ip", window_s))


def _private(
    method: str,
    path: str,
    name: str,
    limit: Limit,
    permission: Permission = "read_only",
) -> Route:
    def handler(call: Call) -> Any:
        return getattr(call.server.exchange, name)(call.account, call.params)

    return Route(method, path, handler, permission=permission, limit=limit)


def _get(path: str, name: str, per_2s: int, window_s: float = 2.0) -> Route:
    return _private("GET", path, name, Limit(per_2s, "user", window_s))


def _post(
    path: str, name: str, per_2s: int, permission: Permission = "trade", window_s: float = 2.0
) -> Route:
    return _private("POST", path, name, Limit(per_2s, "user", window_s), permission)


def _orders(path: str, handler: Callable[[Call], Any], *, batch: bool = False) -> Route:
    return Route("POST", path, handler, permission="trade", shape="orders", batch=batch)


def _config(call: Call) -> Any:
    return call.server.exchange.config(call.account, call.params, call.key)


# -- orders: limits are counted inside, because REST and WebSocket share them -----------------


def _exp_time(call: Call) -> int | None:
    return orders.parse_exp_time(call.request.headers.get(b"exptime"))


def _place(call: Call) -> Any:
    return orders.place(call.server, call.account, [call.params], _exp_time(call), call.rules)


def _place_batch(call: Call) -> Any:
    return orders.place(call.server, call.account, call.params, _exp_time(call), call.rules)


def _amend(call: Call) -> Any:
    return orders.amend(call.server, call.account, [call.params], _exp_time(call))


def _amend_batch(call: Call) -> Any:
    return orders.amend(call.server, call.account, call.params, _exp_time(call))


def _cancel(call: Call) -> Any:
    return orders.cancel(call.server, call.account, [call.params])


def _cancel_batch(call: Call) -> Any:
    return orders.cancel(call.server, call.account, call.params)


def _algo_rows(name: str) -> Callable[[Call], Any]:
    def handler(call: Call) -> Any:
        run = getattr(call.server.exchange, name)
        items = call.params if isinstance(call.params, list) else [call.params]
        return [run(call.account, item) for item in items]

    return handler


def _algo(path: str, name: str, *, batch: bool) -> Route:
    return Route(
        "POST",
        path,
        _algo_rows(name),
        permission="trade",
        limit=Limit(20, "user"),
        shape="orders",
        batch=batch,
    )


def _instrument_get(path: str, name: str, per_2s: int) -> Route:
    return _private("GET", path, name, Limit(per_2s, "instrument"))


ROUTES: tuple[Route, ...] = (
    # trade
    _orders("trade/order", _place),
    _orders("trade/batch-orders", _place_batch, batch=True),
    _orders("trade/cancel-order", _cancel),
    _orders("trade/cancel-batch-orders", _cancel_batch, batch=True),
    _orders("trade/amend-order", _amend),
    _orders("trade/amend-batch-orders", _amend_batch, batch=True),
    _instrument_get("trade/order", "get_order", 60),
    _get("trade/orders-pending", "orders_pending", 60),
    _get("trade/orders-history", "orders_history", 40),
    _get("trade/orders-history-archive", "orders_history_archive", 20),
    _get("trade/fills", "fills", 60),
    _get("trade/fills-history", "fills_history", 10),
    _post("trade/close-position", "close_position", 20),
    _post("trade/cancel-all-after", "cancel_all_after", 1, window_s=1.0),
    _post("trade/mass-cancel", "mass_cancel", 5),
    _post("trade/order-precheck", "order_precheck", 5),
    _algo("trade/order-algo", "place_algo", batch=False),
    _algo("trade/amend-algos", "amend_algo", batch=False),
    _algo("trade/cancel-algos", "cancel_algo", batch=True),
    _get("trade/order-algo", "get_algo", 20),
    _get("trade/orders-algo-pending", "algos_pending", 20),
    _get("trade/orders-algo-history", "algos_history", 20),
    # account
    _get("account/balance", "balance", 10),
    _get("account/positions", "positions", 10),
    _get("account/positions-history", "positions_history", 10),
    _get("account/account-position-risk", "account_position_risk", 10),
    Route("GET", "account/config", _config, limit=Limit(5, "user")),
    _get("account/instruments", "account_instruments", 20),
    _post("account/set-position-mode", "set_position_mode", 5),
    _post("account/set-account-level", "set_account_level", 5),
    _get("account/leverage-info", "leverage_info", 20),
    _post("account/set-leverage", "set_leverage", 20),
    _post("account/position/margin-balance", "position_margin", 20),
    _get("account/trade-fee", "trade_fee", 5),
    _get("account/max-size", "max_size", 20),
    _get("account/max-avail-size", "max_avail_size", 20),
    _get("account/max-withdrawal", "max_withdrawal", 20),
    _get("account/bills", "bills", 10),
    _get("account/bills-archive", "bills_archive", 10),
    # funding account
    _get("asset/currencies", "currencies", 6, window_s=1.0),
    _get("asset/balances", "asset_balances", 6, window_s=1.0),
    _get("asset/asset-valuation", "asset_valuation", 1, window_s=1.0),
    _get("asset/bills", "asset_bills", 6, window_s=1.0),
    _post("asset/transfer", "transfer", 2, window_s=1.0),
    _get("asset/transfer-state", "transfer_state", 10, window_s=1.0),
    _get("asset/deposit-address", "deposit_address", 6, window_s=1.0),
    _get("asset/deposit-history", "deposit_history", 6, window_s=1.0),
    _get("asset/withdrawal-history", "withdrawal_history", 6, window_s=1.0),
    _get("users/subaccount/list", "subaccount_list", 2),
    _post("asset/subaccount/transfer", "subaccount_transfer", 1, window_s=1.0),
    # public
    _public("public/time", "public_time", 10),
    _public("public/instruments", "instruments", 20),
    _public("public/mark-price", "mark_price", 10),
    _public("public/price-limit", "price_limit", 20),
    _public("public/funding-rate", "funding_rate", 10),
    _public("public/funding-rate-history", "funding_rate_history", 10),
    _public("public/open-interest", "open_interest", 20),
    _public("public/position-tiers", "position_tiers", 10),
    _public("system/status", "system_status", 1, window_s=5.0),
    _public("copytrading/public-current-subpositions", "lead_trader_positions", 5),
    # market
    _public("market/ticker", "ticker", 20),
    _public("market/tickers", "tickers", 20),
    _public("market/index-tickers", "index_tickers", 20),
    _public("market/books", "books", 40),
    _public("market/books-full", "books", 10),
    _public("market/candles", "candles", 40),
    _public("market/history-candles", "history_candles", 20),
    _public("market/mark-price-candles", "mark_price_candles", 20),
    _public("market/history-mark-price-candles", "mark_price_candles", 10),
    _public("market/index-candles", "index_candles", 20),
    _public("market/history-index-candles", "index_candles", 10),
    _public("market/trades", "trades", 100),
    _public("market/history-trades", "trades", 20),
)
