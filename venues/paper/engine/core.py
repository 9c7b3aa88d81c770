"""The engine's state and what every part of it needs: ids, events, the ledger's primitives."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from .accounts import Account, Key, Position
from .amounts import ZERO, given, text
from .book import Book
from .candles import Candles
from .feeds import make_sources
from .instruments import COINS, Instrument, catalogue
from .margin import tiers
from .orders import Bill, Order
from .rejects import NO_INSTRUMENT
from .types import BookShape, Clock, Event, OkxError, Params, Row

FUNDING_INTERVAL = 8 * 3_600_000
TRADES_KEPT = 500


class Market:
    """One instrument with its price, book and public history."""

    __slots__ = (
        "algos", "book", "candles", "funding_history", "funding_override", "inst", "next_funding",
        "px_ticks", "source", "tiers", "trade_seq", "trades", "ts",
    )  # fmt: skip

    def __init__(self, inst: Instrument, source: Any, reference: Decimal, shape: BookShape,
                 seed: int, now: int) -> None:  # fmt: skip
        self.inst = inst
        self.source = source
        self.candles = Candles(source, float(inst.tick), now)
        self.px_ticks = self.candles.ticks_at(now)
        self.ts = now
        self.book = Book(inst, shape, seed)
        self.book.recentre(self.px_ticks, shuffle=False)
        self.trades: deque[tuple[str, int, int, int, int]] = deque(maxlen=TRADES_KEPT)
        self.trade_seq = now // 1000
        self.algos: dict[int, Any] = {}
        self.tiers = tiers(inst, reference) if inst.is_swap else ()
        self.next_funding = (now // FUNDING_INTERVAL + 1) * FUNDING_INTERVAL
        self.funding_override: Decimal | None = None
        self.funding_history: deque[tuple[int, Decimal]] = deque(maxlen=400)

    @property
    def is_listed(self) -> bool:
        return self.inst.state != "delisted"

    @property
    def mark(self) -> Decimal:
        return self.px_ticks * self.inst.tick


class Core:
    def __init__(self, clock: Clock, *, feed: str, seed: int, matching: str,
                 book: BookShape | None, prices: dict[str, str] | None,
                 reduce_only_excess: str, instruments: Iterable[str] | None) -> None:  # fmt: skip
        self.clock = clock
        self.seed = seed
        self.feed = feed
        self.ack_only = matching == "ack"
        self.reduce_only_excess = reduce_only_excess
        self.on_event: Callable[[Event], None] | None = None
        self.wants: Callable[[str, Any, str], bool] = lambda kind, account, inst_id: True
        self.accounts: dict[str, Account] = {}
        self.by_uid: dict[str, Account] = {}
        self.further_keys: dict[str, Key] = {}
        now = clock.now_ms()
        self.started = now
        self.shape = book or BookShape()
        self.markets: dict[str, Market] = {}
        self.by_code: dict[int, Market] = {}
        self._make_markets(now, prices or {}, set(instruments or ()))
        # Ids grow with time, so that a restart never repeats one.
        self.last_id = now << 20
        self.dirty: dict[tuple[str, int], Any] | None = None  # set while a journal is kept
        self.prices_seen = 0  # grows whenever a price moved: what was computed before is stale
        self.acked: set[Account] = set()  # accounts with acknowledged orders to journal
        self.timers: dict[str, Account] = {}  # cancel-all-after
        self.just_closed: list[Position] = []  # positions that the running call closed
        self.to_attach: list[Order] = []  # ended orders whose attached TP/SL start now
        self._changed: dict[Account, set[Any]] = {}
        self.statuses: list[Row] = []
        self.insurance: dict[str, Decimal] = {}

    def _make_markets(self, now: int, prices: dict[str, str], only: set[str]) -> None:
        make = make_sources(self.feed, self.seed, now)
        bases = {c.ccy: c.price for c in COINS}
        unknown = [k for k in prices if k not in bases and k.count("-") == 0]
        if unknown:
            raise ValueError(f"prices: unknown coins {unknown}")
        shared: dict[tuple[str, str], Any] = {}
        for inst in catalogue():
            if only and inst.inst_id not in only:
                continue
            base = prices.get(inst.inst_id) or prices.get(inst.coin) or bases[inst.coin]
            source = shared.get((inst.coin, base))
            if source is None:
                source = shared[(inst.coin, base)] = make(inst.coin, base)
            market = Market(inst, source, Decimal(bases[inst.coin]), self.shape, self.seed, now)
            self.markets[inst.inst_id] = market
            self.by_code[inst.inst_id_code] = market
        if not self.markets:
            raise ValueError("no instrument left")

    # -- keys ----------------------------------------------------------------------------
    def check_keys(self, spec: Row) -> None:
        """ValueError if a key of it is another account's."""
        name = spec["apiKey"]
        for key in (name, *(key["apiKey"] for key in spec.get("keys") or ())):
            further = self.further_keys.get(key)
            if (key in self.accounts and key != name) or (
                further and further.account.api_key != name
            ):
                raise ValueError(f"apiKey {key} is taken")

    def learn_keys(self, acc: Account) -> None:
        """After `acc` was configured: its further keys work, those it had before do not."""
        others = {k: key for k, key in self.further_keys.items() if key.account is not acc}
        self.further_keys = others | {key.api_key: key for key in acc.further_keys}

    # -- ids, look-ups -------------------------------------------------------------------
    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def now(self) -> int:
        return self.clock.now_ms()

    def market_of(self, params: Params) -> Market | None:
        raw = params.get("instId")
        if raw:
            return self.listed(raw) if type(raw) is str else None
        code = params.get("instIdCode")
        if code is None or code == "" or isinstance(code, bool):
            return None
        try:
            market = self.by_code.get(int(code))
        except (TypeError, ValueError):
            return None
        return market if market is None or market.is_listed else None

    def listed(self, inst_id: str) -> Market | None:
        market = self.markets.get(inst_id)
        return market if market is not None and market.is_listed else None

    def refuse_delisted(self, params: Params) -> None:
        """A list of an account's own need not name an instrument, but not one that is gone."""
        raw = given(params, "instId")
        if raw in self.markets and not self.markets[raw].is_listed:
            raise OkxError(*NO_INSTRUMENT)

    def need_market(self, params: Params, *, swap: bool = False) -> Market:
        raw = given(params, "instId")
        if not raw:
            raise OkxError("50014", "Parameter instId can not be empty.", 400)
        market = self.listed(raw)
        if market is None or (swap and not market.inst.is_swap):
            raise OkxError(*NO_INSTRUMENT)
        return market

    # -- events --------------------------------------------------------------------------
    def emit(self, kind: str, account: Account | None, inst_id: str,
             row: Callable[[], Any]) -> None:  # fmt: skip
        if self.on_event is not None and self.wants(kind, account, inst_id):
            self.on_event(Event(kind, account, inst_id, row))

    def touch(self, kind: str, thing: Any) -> None:
        """Remember for the journal that this object's state changed."""
        if self.dirty is not None:
            self.dirty[kind, id(thing)] = thing

    def changed(self, acc: Account) -> set[Any]:
        """Currencies and positions that the running call changes, for one announcement. Ask
        after the change: it drops what was computed from the old state."""
        things = self._changed.get(acc)
        if things is None:
            things = self._changed[acc] = set()
        acc.cross_cache.clear()
        return things

    def take_changed(self) -> dict[Account, set[Any]]:
        changed, self._changed = self._changed, {}
        return changed

    # -- ledger --------------------------------------------------------------------------
    def post(
        self, acc: Account, ccy: str, change: Decimal, type_: str, sub_type: str, ts: int,
        order: Order | None = None, details: dict[str, Any] | None = None,
    ) -> Bill:  # fmt: skip
        """The only place where a trading balance moves; every move is a bill."""
        balance = acc.cash.get(ccy, ZERO) + change
        acc.cash[ccy] = balance
        bill = Bill(acc.api_key, self.next_id(), ccy, change, balance, type_, sub_type, ts,
                    order, details)  # fmt: skip
        acc.bills.append(bill)
        self.touch("bill", bill)
        return bill

    def freeze(self, order: Order, ccy: str, amount: Decimal) -> None:
        order.frozen_ccy = ccy
        order.frozen = amount
        frozen = order.account.frozen
        frozen[ccy] = frozen.get(ccy, ZERO) + amount

    def thaw(self, order: Order, amount: Decimal | None = None) -> None:
        if order.frozen:
            amount = order.frozen if amount is None else min(amount, order.frozen)
            order.frozen -= amount
            order.account.frozen[order.frozen_ccy] -= amount

    # -- accounts ------------------------------------------------------------------------
    def deposit(self, acc: Account, ccy: str, amount: Decimal, to: str) -> Row:
        now = self.now()
        kind = "deposit" if amount > 0 else "withdrawal"
        if to == "trading":
            sub_type = "11" if amount > 0 else "12"
            self.post(acc, ccy, amount, "1", sub_type, now, None, {"notes": kind})
        else:
            acc.funding_cash[ccy] = acc.funding_cash.get(ccy, ZERO) + amount
            self.asset_bill(acc, ccy, amount, "1" if amount > 0 else "2")
        number = str(self.next_id())
        row = {
            "ccy": ccy, "chain": f"{ccy}-Paper", "amt": text(abs(amount)), "from": "", "to": "",
            "txId": f"paper{number}", "ts": str(now), "state": "2", "fee": "0",
            "areaCodeFrom": "", "areaCodeTo": "", "actualDepBlkConfirm": "1",
            "fromWdId": "", "note": to, "clientId": "",
            ("depId" if amount > 0 else "wdId"): number,
        }  # fmt: skip
        (acc.deposits if amount > 0 else acc.withdrawals).append(row)
        self.touch("funds", acc)
        return row

    def asset_bill(self, acc: Account, ccy: str, change: Decimal, type_: str) -> None:
        acc.asset_bills.append({
            "billId": str(self.next_id()), "ccy": ccy, "clientId": "",
            "balChg": text(change), "bal": text(acc.funding_cash.get(ccy, ZERO)),
            "type": type_, "notes": "", "ts": str(self.now()),
        })  # fmt: skip
        self.touch("funds", acc)

    # -- money on hand -------------------------------------------------------------------
    def cross_state(self, acc: Account, ccy: str) -> tuple[Decimal, Decimal, Decimal]:
        """(upl, initial margin, maintenance incl. liquidation fee) of cross positions."""
        cached = acc.cross_cache.get(ccy)
        if cached is not None and cached[0] == self.prices_seen:
            return cached[1]  # type: ignore[no-any-return]
        gain = initial = maintenance = ZERO
        for pos in acc.open.values():
            inst = pos.inst
            if pos.mgn_mode != "cross" or inst.settle != ccy:
                continue
            market = self.markets[inst.inst_id]
            ticks = market.px_ticks
            notional = inst.notional(abs(pos.lots), ticks)
            gain += self.upl(pos)
            initial += notional / Decimal(pos.lever)
            maintenance += notional * (self.mmr(market, pos.lots) + acc.fees[3])
        state = (gain, initial, maintenance)
        acc.cross_cache[ccy] = (self.prices_seen, state)
        return state

    def available(self, acc: Account, ccy: str) -> Decimal:
        """Free for new orders: equity less margin in use and frozen by orders."""
        free = acc.cash.get(ccy, ZERO) - acc.frozen.get(ccy, ZERO)
        if acc.open:
            gain, initial, _ = self.cross_state(acc, ccy)
            free += gain - initial
        return free

    def upl(self, pos: Position) -> Decimal:
        inst = pos.inst
        contracts = pos.lots * inst.lot * inst.ct_val
        mark = self.markets[inst.inst_id].px_ticks * inst.tick
        if inst.inverse:
            return contracts / pos.avg_px - contracts / mark
        return contracts * (mark - pos.avg_px)

    @staticmethod
    def mmr(market: Market, lots: int) -> Decimal:
        size = abs(lots) * market.inst.lot
        for tier in market.tiers:
            if size <= tier.max_sz:
                return tier.mmr
        return market.tiers[-1].mmr

    def position(self, acc: Account, inst: Instrument, mgn_mode: str, pos_side: str) -> Position:
        key = (inst.inst_id, mgn_mode, pos_side)
        pos = acc.positions.get(key)
        if pos is None:
            lever = acc.lever_of(inst.inst_id, mgn_mode, pos_side)
            pos = Position(acc, inst, mgn_mode, pos_side, self.next_id(), lever)
            acc.positions[key] = pos
        return pos
