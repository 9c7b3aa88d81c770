"""The engine's one door: an OKX-like exchange as a plain object."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Iterable
from typing import Any, Literal

from . import (
    account_queries,
    ack,
    algos,
    asset_queries,
    copytrading,
    markets,
    placing,
    positions,
    public_queries,
    trade_queries,
)
from .accounts import Account, Key, check_spec
from .aftermath import settle
from .amounts import PRECISION, decimal_of, given
from .candles import BarSize
from .core import Core
from .journal import Journal
from .types import BookShape, Clock, Event, OkxError, OrderFault, Params, Row

__all__ = ["Account", "BookShape", "Clock", "Event", "Exchange", "OkxError", "OrderFault"]

AccountCall = Callable[[Account, Params], list[Row]]


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
        self._widen_context()
        self._core = Core(
            clock, feed=feed, seed=seed, matching=matching, book=book, prices=prices,
            reduce_only_excess=reduce_only_excess, instruments=instruments,
        )  # fmt: skip
        self._ticker = markets.Ticker(self._core)
        self._journal: Journal | None = None

    # -- events: both may be set at any time -----------------------------------------------
    @property
    def on_event(self) -> Callable[[Event], None] | None:
        return self._core.on_event

    @on_event.setter
    def on_event(self, listener: Callable[[Event], None] | None) -> None:
        self._core.on_event = listener

    @property
    def wants(self) -> Callable[[str, Any, str], bool]:
        """Asked before an event's object is made: (kind, account or None, inst_id) -> bool."""
        return self._core.wants

    @wants.setter
    def wants(self, question: Callable[[str, Any, str], bool]) -> None:
        self._core.wants = question

    # -- accounts --------------------------------------------------------------------------
    def add_account(self, spec: dict[str, Any]) -> Account:
        """Keys: apiKey secretKey passphrase balances posMode acctLv permissions ips, and
        optional uid mainUid label simulated fundingBalances fees{spotMaker,spotTaker,swapMaker,
        swapTaker} keys[apiKey secretKey passphrase permissions ips label]. ValueError if
        unusable. The same apiKey again replaces its secrets and settings, and keeps its money
        and modes."""
        check_spec(spec)
        core = self._core
        core.check_keys(spec)
        acc = core.accounts.get(spec["apiKey"])
        if acc is not None:
            modes = acc.acct_lv, acc.pos_mode
            acc.configure(spec)
            acc.acct_lv, acc.pos_mode = modes
            core.learn_keys(acc)
            core.touch("account", acc)
            return acc
        acc = Account(len(core.accounts) + 1, spec)
        if acc.uid in core.by_uid:
            raise ValueError(f"uid {acc.uid} is taken")
        core.accounts[acc.api_key] = acc
        core.by_uid[acc.uid] = acc
        core.learn_keys(acc)
        core.touch("account", acc)
        for key, wallet in (("balances", "trading"), ("fundingBalances", "funding")):
            for ccy, amount in (spec.get(key) or {}).items():
                value = decimal_of(amount)
                if value:
                    core.deposit(acc, ccy, value, wallet)
        return acc

    def account_by_key(self, api_key: str) -> Account | None:
        return self._core.accounts.get(api_key)

    def key(self, api_key: str) -> Account | Key | None:
        """Who may sign with it: an account's first key is the account itself."""
        return self._core.accounts.get(api_key) or self._core.further_keys.get(api_key)

    def accounts(self) -> list[Account]:
        return list(self._core.accounts.values())

    # -- time ------------------------------------------------------------------------------
    def tick(self) -> None:
        """Advance feed, resting orders, algos, funding, liquidation, candles, timers."""
        self._widen_context()
        self._ticker.tick()
        self.flush()

    # -- row calls -------------------------------------------------------------------------
    def inst_id_of(self, params: Params) -> str:
        """instId, or what instIdCode stands for; "" when unknown. For rate limits."""
        market = self._core.market_of(params)
        return market.inst.inst_id if market else ""

    def place_order(
        self,
        acc: Account,
        params: Params,
        *,
        exp_time_ms: int | None = None,
        fault: OrderFault | None = None,
    ) -> Row:
        """Row: ordId clOrdId tag ts sCode sMsg subCode. expTime in the past raises OkxError."""
        core = self._core
        if exp_time_ms is not None:
            placing.check_exp_time(core.now(), exp_time_ms)
        if core.ack_only:
            row = ack.place(core, acc, params)
            if fault is not None and fault.hide_ms:
                self.hide_order(acc, ord_id=row["ordId"], ms=fault.hide_ms)
            return row
        row = placing.place(core, acc, params, fault)
        settle(core)
        return row

    def amend_order(self, acc: Account, params: Params, *, exp_time_ms: int | None = None) -> Row:
        core = self._core
        placing.check_exp_time(core.now(), exp_time_ms)
        row = placing.amend(core, self._ready(acc), params)
        settle(core)
        return row

    def cancel_order(self, acc: Account, params: Params) -> Row:
        row = placing.cancel(self._core, self._ready(acc), params)
        settle(self._core)
        return row

    def place_algo(self, acc: Account, params: Params) -> Row:
        return algos.place(self._core, self._ready(acc), params)

    def amend_algo(self, acc: Account, params: Params) -> Row:
        return algos.amend(self._core, acc, params)

    def cancel_algo(self, acc: Account, params: Params) -> Row:
        return algos.cancel(self._core, acc, params)

    # -- list calls: trade -----------------------------------------------------------------
    def close_position(self, acc: Account, params: Params) -> list[Row]:
        rows = positions.close(self._core, self._ready(acc), params)
        settle(self._core)
        return rows

    def cancel_all_after(self, acc: Account, params: Params) -> list[Row]:
        return positions.cancel_all_after(self._core, acc, params)

    def mass_cancel(self, acc: Account, params: Params) -> list[Row]:
        rows = positions.mass_cancel(self._core, acc)
        settle(self._core)
        return rows

    def get_order(self, acc: Account, params: Params) -> list[Row]:
        return trade_queries.get_order(self._core, self._ready(acc), params)

    def orders_pending(self, acc: Account, params: Params) -> list[Row]:
        return trade_queries.orders_pending(self._core, self._ready(acc), params)

    def orders_history(self, acc: Account, params: Params) -> list[Row]:
        return trade_queries.orders_history(self._core, self._ready(acc), params)

    def orders_history_archive(self, acc: Account, params: Params) -> list[Row]:
        return trade_queries.orders_history(self._core, self._ready(acc), params, archive=True)

    def fills(self, acc: Account, params: Params) -> list[Row]:
        return trade_queries.fills(self._core, self._ready(acc), params)

    def fills_history(self, acc: Account, params: Params) -> list[Row]:
        window = trade_queries.ARCHIVE_WINDOW
        return trade_queries.fills(self._core, self._ready(acc), params, window=window)

    def get_algo(self, acc: Account, params: Params) -> list[Row]:
        return trade_queries.get_algo(acc, params)

    def algos_pending(self, acc: Account, params: Params) -> list[Row]:
        return trade_queries.algos_pending(acc, params)

    def algos_history(self, acc: Account, params: Params) -> list[Row]:
        return trade_queries.algos_history(acc, params)

    # -- list calls: account ---------------------------------------------------------------
    def balance(self, acc: Account, params: Params) -> list[Row]:
        return account_queries.balance(self._core, self._ready(acc), params)

    def positions(self, acc: Account, params: Params) -> list[Row]:
        return account_queries.positions(self._core, self._ready(acc), params)

    def positions_history(self, acc: Account, params: Params) -> list[Row]:
        return account_queries.positions_history(self._core, self._ready(acc), params)

    def account_position_risk(self, acc: Account, params: Params) -> list[Row]:
        return account_queries.account_position_risk(self._core, self._ready(acc))

    def balance_and_position(self, acc: Account) -> Row:
        """The snapshot row of that channel; later rows come with "balance" events."""
        from .account_rows import balance_and_position_row

        acc = self._ready(acc)
        things: set[Any] = {*acc.cash, *acc.open.values()}
        return balance_and_position_row(self._core, acc, things, "snapshot")

    def config(self, acc: Account, params: Params, key: Key | None = None) -> list[Row]:
        return account_queries.config(acc, key or acc)

    def account_instruments(self, acc: Account, params: Params) -> list[Row]:
        return public_queries.instruments(self._core, params)

    def set_position_mode(self, acc: Account, params: Params) -> list[Row]:
        return account_queries.set_position_mode(self._core, self._ready(acc), params)

    def set_account_level(self, acc: Account, params: Params) -> list[Row]:
        return account_queries.set_account_level(self._core, self._ready(acc), params)

    def leverage_info(self, acc: Account, params: Params) -> list[Row]:
        return account_queries.leverage_info(self._core, acc, params)

    def set_leverage(self, acc: Account, params: Params) -> list[Row]:
        rows = account_queries.set_leverage(self._core, self._ready(acc), params)
        settle(self._core)
        return rows

    def position_margin(self, acc: Account, params: Params) -> list[Row]:
        rows = account_queries.position_margin(self._core, self._ready(acc), params)
        settle(self._core)
        return rows

    def trade_fee(self, acc: Account, params: Params) -> list[Row]:
        return account_queries.trade_fee(self._core, acc, params)

    def max_size(self, acc: Account, params: Params) -> list[Row]:
        return account_queries.max_size(self._core, self._ready(acc), params)

    def max_avail_size(self, acc: Account, params: Params) -> list[Row]:
        return account_queries.max_avail_size(self._core, self._ready(acc), params)

    def max_withdrawal(self, acc: Account, params: Params) -> list[Row]:
        return account_queries.max_withdrawal(self._core, self._ready(acc), params)

    def bills(self, acc: Account, params: Params) -> list[Row]:
        return account_queries.bills(self._core, self._ready(acc), params)

    def bills_archive(self, acc: Account, params: Params) -> list[Row]:
        return account_queries.bills(self._core, self._ready(acc), params, archive=True)

    # -- list calls: funding account -------------------------------------------------------
    def currencies(self, acc: Account, params: Params) -> list[Row]:
        return asset_queries.currencies(params)

    def asset_balances(self, acc: Account, params: Params) -> list[Row]:
        return asset_queries.balances(acc, params)

    def asset_valuation(self, acc: Account, params: Params) -> list[Row]:
        return asset_queries.valuation(self._core, self._ready(acc), params)

    def asset_bills(self, acc: Account, params: Params) -> list[Row]:
        return asset_queries.asset_bills(acc, params)

    def transfer(self, acc: Account, params: Params) -> list[Row]:
        rows = asset_queries.transfer(self._core, self._ready(acc), params)
        settle(self._core)
        return rows

    def transfer_state(self, acc: Account, params: Params) -> list[Row]:
        return asset_queries.transfer_state(acc, params)

    def deposit_address(self, acc: Account, params: Params) -> list[Row]:
        return asset_queries.deposit_address(acc, params)

    def deposit_history(self, acc: Account, params: Params) -> list[Row]:
        return asset_queries.deposit_history(acc, params)

    def withdrawal_history(self, acc: Account, params: Params) -> list[Row]:
        return asset_queries.withdrawal_history(acc, params)

    def subaccount_list(self, acc: Account, params: Params) -> list[Row]:
        return asset_queries.subaccount_list(self._core, acc)

    def subaccount_transfer(self, acc: Account, params: Params) -> list[Row]:
        rows = asset_queries.subaccount_transfer(self._core, acc, params)
        settle(self._core)
        return rows

    # -- list calls: public ----------------------------------------------------------------
    def public_time(self, params: Params) -> list[Row]:
        return [{"ts": str(self._core.now())}]

    def system_status(self, params: Params) -> list[Row]:
        state = given(params, "state")
        return [s for s in self._core.statuses if not state or s["state"] == state]

    def instruments(self, params: Params) -> list[Row]:
        return public_queries.instruments(self._core, params)

    def mark_price(self, params: Params) -> list[Row]:
        return public_queries.mark_price(self._core, params)

    def price_limit(self, params: Params) -> list[Row]:
        return public_queries.price_limit(self._core, params)

    def funding_rate(self, params: Params) -> list[Row]:
        return public_queries.funding_rate(self._core, params)

    def funding_rate_history(self, params: Params) -> list[Row]:
        return public_queries.funding_rate_history(self._core, params)

    def open_interest(self, params: Params) -> list[Row]:
        return public_queries.open_interest(self._core, params)

    def position_tiers(self, params: Params) -> list[Row]:
        return public_queries.position_tiers(self._core, params)

    def lead_trader_positions(self, params: Params) -> list[Row]:
        return copytrading.current_subpositions(self._core, params)

    def ticker(self, params: Params) -> list[Row]:
        return public_queries.ticker(self._core, params)

    def tickers(self, params: Params) -> list[Row]:
        return public_queries.tickers(self._core, params)

    def index_tickers(self, params: Params) -> list[Row]:
        return public_queries.index_tickers(self._core, params)

    def books(self, params: Params) -> list[Row]:
        return public_queries.books(self._core, params)

    def trades(self, params: Params) -> list[Row]:
        return public_queries.trades(self._core, params)

    def candles(self, params: Params) -> list[list[str]]:
        return public_queries.candles(self._core, params)

    def history_candles(self, params: Params) -> list[list[str]]:
        return public_queries.candles(self._core, params, history=True)

    def mark_price_candles(self, params: Params) -> list[list[str]]:
        return public_queries.price_candles(self._core, params, index=False)

    def index_candles(self, params: Params) -> list[list[str]]:
        return public_queries.price_candles(self._core, params, index=True)

    # -- for channels ----------------------------------------------------------------------
    def book_levels(self, inst_id: str, depth: int) -> tuple[list[list[str]], list[list[str]], int]:
        """(bids, asks, seq), best first, each `[px, sz, "0", orders]`. seq grows with changes."""
        market = self._core.markets[inst_id]
        book = market.book
        return (
            public_queries.side_rows(market, book.bids, depth),
            public_queries.side_rows(market, book.asks, depth),
            book.seq,
        )

    def live_candle(self, inst_id: str, bar: str, *, back: int = 0) -> list[str]:
        """The candle that is forming (confirm "0"), or the closed one `back` bars before it."""
        market = self._core.markets[inst_id]
        size = BarSize(bar)
        start = size.start(market.ts)
        for _ in range(back):
            start = size.start(start - 1)
        row = public_queries.candle_row(market, size, start, market.ts)
        assert row is not None
        return row

    # -- control ---------------------------------------------------------------------------
    def set_price(self, inst_id: str, px: str) -> None:
        """Jump to a price: matches resting orders, triggers algos, may liquidate. The walk goes
        on from there. OkxError 51001/51000 if unusable."""
        markets.set_price(self._core, inst_id, px)

    def set_funding_rate(self, inst_id: str, rate: str) -> None:
        markets.set_funding_rate(self._core, inst_id, rate)

    def pay_funding(self, inst_id: str) -> None:
        markets.pay_funding(self._core, inst_id)

    def set_instrument_state(self, inst_id: str, state: str) -> None:
        markets.set_state(self._core, inst_id, state)

    def deposit(self, api_key: str, ccy: str, amt: str, *, to: str = "trading") -> Row:
        """Money from outside arrives ("trading" or "funding"); negative withdraws."""
        acc = self._core.accounts.get(api_key)
        value = decimal_of(amt)
        if acc is None or not value or to not in ("trading", "funding"):
            raise ValueError("deposit needs a known apiKey, an amount and trading or funding")
        self._ready(acc)
        row = self._core.deposit(acc, ccy, value, to)
        self._core.changed(acc).add(ccy)
        settle(self._core)
        return row

    def hide_order(self, acc: Account, *, ord_id: str = "", cl_ord_id: str = "", ms: int) -> bool:
        """Look-ups do not find the order for `ms`. False when there is no such order."""
        acc = self._ready(acc)
        order = acc.orders.get(int(ord_id)) if ord_id.isdigit() else acc.by_cl_ord_id.get(cl_ord_id)
        if order is None:
            return False
        order.hidden_until = self._core.now() + ms
        self._core.touch("order", order)
        return True

    def ledger(self, api_key: str | None = None) -> dict[str, list[Row]]:
        """{"orders", "fills", "cash", "algos"}, OKX field names plus apiKey, oldest first.
        `cash` are the trading accounts' bills: per account and ccy, their balChg sum up to
        cashBal."""
        core = self._core
        chosen = [a for k, a in core.accounts.items() if api_key is None or k == api_key]
        out: dict[str, list[Row]] = {"orders": [], "fills": [], "cash": [], "algos": []}
        for acc in chosen:
            self._ready(acc)
            mine = {"apiKey": acc.api_key}
            out["orders"].extend(o.row() | mine for o in acc.order_list)
            out["fills"].extend(f.row() | mine for f in acc.fill_list)
            out["cash"].extend(b.row() | mine for b in acc.bills)
            algos_of = sorted([*acc.algos.values(), *acc.algo_done], key=lambda a: a.algo_id)
            out["algos"].extend(a.row() | mine for a in algos_of)
        return out

    # -- state -----------------------------------------------------------------------------
    def open_state(self, path: str) -> None:
        """Restore from an append-only journal if there is one, and keep it from now on. Call it
        on an exchange without accounts; ValueError if the file is not a journal."""
        if self._core.accounts or self._journal is not None:
            raise ValueError("state must be opened first, and once")
        self._journal = Journal(self._core, path)

    def flush(self) -> None:
        """Hand what changed to the operating system (survives kill -9 from here on). `tick`
        does it too; call it before answering if an answer must never outlive its record."""
        if self._journal is not None:
            acked, self._core.acked = self._core.acked, set()
            for acc in acked:
                ack.settle(self._core, acc)
            self._journal.flush()

    def close(self) -> None:
        if self._journal is not None:
            self.flush()
            self._journal.close()
            self._journal = None

    @staticmethod
    def _widen_context() -> None:
        """The decimal context belongs to a thread, and not always to the one that made us."""
        context = decimal.getcontext()
        if context.prec < PRECISION:
            context.prec = PRECISION

    # -- inside ----------------------------------------------------------------------------
    def _ready(self, acc: Account) -> Account:
        """Before an account is read, what was only acknowledged is booked."""
        if acc.pending_acks:
            ack.settle(self._core, acc)
        return acc
