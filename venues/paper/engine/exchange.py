"""The engine's one door: an OKX-like exchange as a plain object."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from .types import BookShape, Clock, Event, OkxError, OrderFault, Params, Row

__all__ = ["Account", "BookShape", "Clock", "Event", "Exchange", "OkxError", "OrderFault"]


class Account:
    """One API key's account (filled in by accounts.py)."""

    uid: str
    main_uid: str
    api_key: str
    secret_key: str
    passphrase: str
    permissions: tuple[str, ...]  # of "read_only", "trade", "withdraw"; spec's "read" = read_only
    ips: tuple[str, ...]  # empty: any
    simulated: bool | None  # None: accepts both environments
    acct_lv: str
    pos_mode: str
    label: str


class Exchange:
    """All calls are synchronous and single-threaded. Money is Decimal inside, text outside.

    Three kinds of calls:
    - row calls (`place_order`, ...) return one OKX result row and never raise for what an order
      did wrong: look at `sCode`;
    - list calls return the `data` rows or raise OkxError(code, msg, http_status);
    - control calls (prices, faults, ledger, state) are for the operator.
    `params` are the request's keys as on the wire; "" and None count as absent.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        feed: str = "walk",  # walk | static | path of a CSV with candles
        seed: int = 1,
        matching: Literal["full", "ack"] = "full",
        book: BookShape | None = None,
        prices: dict[str, str] | None = None,  # start price per coin ("BTC") or instId
        reduce_only_excess: Literal["amend", "reject"] = "amend",
        instruments: Iterable[str] | None = None,  # restrict to these instIds
    ) -> None:
        # May be set by the server at any time.
        self.on_event: Callable[[Event], None] | None = None
        # Asked before an event's object is made: (kind, account or None, inst_id) -> bool.
        self.wants: Callable[[str, Any, str], bool] = lambda kind, account, inst_id: True
        raise NotImplementedError

    # -- accounts ------------------------------------------------------------------------
    def add_account(self, spec: dict[str, Any]) -> Account:
        """Keys: apiKey secretKey passphrase balances posMode acctLv permissions ips, and
        optional uid mainUid label simulated fundingBalances feeLevel. ValueError if unusable.
        The same apiKey again replaces its secrets and settings, and keeps its money."""
        raise NotImplementedError

    def account_by_key(self, api_key: str) -> Account | None:
        raise NotImplementedError

    def accounts(self) -> list[Account]:
        raise NotImplementedError

    # -- time ----------------------------------------------------------------------------
    def tick(self) -> None:
        """Advance feed, resting orders, algos, funding, liquidation, candles, timers."""
        raise NotImplementedError

    # -- row calls -----------------------------------------------------------------------
    def inst_id_of(self, params: Params) -> str:
        """instId, or what instIdCode stands for; "" when unknown. For rate limits."""
        raise NotImplementedError

    def place_order(
        self,
        acc: Account,
        params: Params,
        *,
        exp_time_ms: int | None = None,
        fault: OrderFault | None = None,
    ) -> Row:
        """Row: ordId clOrdId tag ts sCode sMsg subCode. expTime in the past raises OkxError."""
        raise NotImplementedError

    def amend_order(self, acc: Account, params: Params, *, exp_time_ms: int | None = None) -> Row:
        raise NotImplementedError

    def cancel_order(self, acc: Account, params: Params) -> Row:
        raise NotImplementedError

    def place_algo(self, acc: Account, params: Params) -> Row:
        raise NotImplementedError

    def amend_algo(self, acc: Account, params: Params) -> Row:
        raise NotImplementedError

    def cancel_algo(self, acc: Account, params: Params) -> Row:
        raise NotImplementedError

    # -- list calls: trade ---------------------------------------------------------------
    def close_position(self, acc: Account, params: Params) -> list[Row]: ...
    def cancel_all_after(self, acc: Account, params: Params) -> list[Row]: ...
    def mass_cancel(self, acc: Account, params: Params) -> list[Row]: ...
    def order_precheck(self, acc: Account, params: Params) -> list[Row]: ...
    def get_order(self, acc: Account, params: Params) -> list[Row]: ...
    def orders_pending(self, acc: Account, params: Params) -> list[Row]: ...
    def orders_history(self, acc: Account, params: Params) -> list[Row]: ...
    def orders_history_archive(self, acc: Account, params: Params) -> list[Row]: ...
    def fills(self, acc: Account, params: Params) -> list[Row]: ...
    def fills_history(self, acc: Account, params: Params) -> list[Row]: ...
    def get_algo(self, acc: Account, params: Params) -> list[Row]: ...
    def algos_pending(self, acc: Account, params: Params) -> list[Row]: ...
    def algos_history(self, acc: Account, params: Params) -> list[Row]: ...

    # -- list calls: account -------------------------------------------------------------
    def balance(self, acc: Account, params: Params) -> list[Row]: ...
    def positions(self, acc: Account, params: Params) -> list[Row]: ...
    def positions_history(self, acc: Account, params: Params) -> list[Row]: ...
    def account_position_risk(self, acc: Account, params: Params) -> list[Row]: ...
    def config(self, acc: Account, params: Params) -> list[Row]: ...
    def account_instruments(self, acc: Account, params: Params) -> list[Row]: ...
    def set_position_mode(self, acc: Account, params: Params) -> list[Row]: ...
    def set_account_level(self, acc: Account, params: Params) -> list[Row]: ...
    def leverage_info(self, acc: Account, params: Params) -> list[Row]: ...
    def set_leverage(self, acc: Account, params: Params) -> list[Row]: ...
    def position_margin(self, acc: Account, params: Params) -> list[Row]: ...
    def trade_fee(self, acc: Account, params: Params) -> list[Row]: ...
    def max_size(self, acc: Account, params: Params) -> list[Row]: ...
    def max_avail_size(self, acc: Account, params: Params) -> list[Row]: ...
    def max_withdrawal(self, acc: Account, params: Params) -> list[Row]: ...
    def bills(self, acc: Account, params: Params) -> list[Row]: ...
    def bills_archive(self, acc: Account, params: Params) -> list[Row]: ...

    # -- list calls: funding account -----------------------------------------------------
    def currencies(self, acc: Account, params: Params) -> list[Row]: ...
    def asset_balances(self, acc: Account, params: Params) -> list[Row]: ...
    def asset_valuation(self, acc: Account, params: Params) -> list[Row]: ...
    def asset_bills(self, acc: Account, params: Params) -> list[Row]: ...
    def transfer(self, acc: Account, params: Params) -> list[Row]: ...
    def transfer_state(self, acc: Account, params: Params) -> list[Row]: ...
    def deposit_address(self, acc: Account, params: Params) -> list[Row]: ...
    def deposit_history(self, acc: Account, params: Params) -> list[Row]: ...
    def withdrawal_history(self, acc: Account, params: Params) -> list[Row]: ...
    def subaccount_list(self, acc: Account, params: Params) -> list[Row]: ...
    def subaccount_transfer(self, acc: Account, params: Params) -> list[Row]: ...

    # -- list calls: public --------------------------------------------------------------
    def public_time(self, params: Params) -> list[Row]: ...
    def system_status(self, params: Params) -> list[Row]: ...
    def instruments(self, params: Params) -> list[Row]: ...
    def mark_price(self, params: Params) -> list[Row]: ...
    def price_limit(self, params: Params) -> list[Row]: ...
    def funding_rate(self, params: Params) -> list[Row]: ...
    def funding_rate_history(self, params: Params) -> list[Row]: ...
    def open_interest(self, params: Params) -> list[Row]: ...
    def position_tiers(self, params: Params) -> list[Row]: ...
    def ticker(self, params: Params) -> list[Row]: ...
    def tickers(self, params: Params) -> list[Row]: ...
    def index_tickers(self, params: Params) -> list[Row]: ...
    def books(self, params: Params) -> list[Row]: ...
    def trades(self, params: Params) -> list[Row]: ...
    def candles(self, params: Params) -> list[list[str]]: ...
    def history_candles(self, params: Params) -> list[list[str]]: ...
    def mark_price_candles(self, params: Params) -> list[list[str]]: ...
    def index_candles(self, params: Params) -> list[list[str]]: ...

    # -- for channels --------------------------------------------------------------------
    def book_levels(self, inst_id: str, depth: int) -> tuple[list[list[str]], list[list[str]], int]:
        """(bids, asks, seq), best first, each `[px, sz, "0", orders]`. seq grows with changes."""
        raise NotImplementedError

    def live_candle(self, inst_id: str, bar: str) -> list[str]:
        """The candle that is forming (confirm "0"); kind "candle" events come as it changes."""
        raise NotImplementedError

    # -- control -------------------------------------------------------------------------
    def set_price(self, inst_id: str, px: str) -> None:
        """Jump to a price: matches resting orders, triggers algos, may liquidate. The walk goes
        on from there. OkxError 51001/51000 if unusable."""
        raise NotImplementedError

    def set_funding_rate(self, inst_id: str, rate: str) -> None: ...
    def set_instrument_state(self, inst_id: str, state: str) -> None: ...

    def deposit(self, api_key: str, ccy: str, amt: str, *, to: str = "trading") -> Row:
        """Money from outside arrives ("trading" or "funding"); negative withdraws."""
        raise NotImplementedError

    def hide_order(self, acc: Account, *, ord_id: str = "", cl_ord_id: str = "", ms: int) -> bool:
        """Look-ups do not find the order for `ms`. False when there is no such order."""
        raise NotImplementedError

    def ledger(self, api_key: str | None = None) -> dict[str, list[Row]]:
        """{"orders", "fills", "cash"}, OKX field names plus apiKey, oldest first."""
        raise NotImplementedError

    # -- state ---------------------------------------------------------------------------
    def open_state(self, path: str) -> None:
        """Restore from an append-only journal if there is one, and keep it from now on."""
        raise NotImplementedError

    def flush(self) -> None:
        """Hand what changed to the operating system (survives kill -9 from here on). `tick`
        does it too; call it before answering if an answer must never outlive its record."""
        raise NotImplementedError

    def close(self) -> None: ...
