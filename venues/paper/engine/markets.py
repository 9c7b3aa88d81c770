"""Time and price: the tick, and the operator's jumps."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from . import algos, public_queries, risk
from .aftermath import settle
from .amounts import decimal_of
from .matching import end, match_resting, trade
from .orders import BUY, SELL
from .rejects import NO_INSTRUMENT
from .types import OkxError

if TYPE_CHECKING:
    from .accounts import Account
    from .core import Core, Market

RISK_EVERY_MS = 1_000


class Ticker:
    """Advances all markets."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._risk_at = 0

    def tick(self) -> None:
        core = self._core
        now = core.now()
        for market in core.markets.values():
            _advance(core, market, now)
            if market.inst.is_swap and now >= market.next_funding:
                risk.pay_funding(core, market, now)
                core.touch("market", market)
                core.emit("funding", None, market.inst.inst_id,
                          lambda m=market: public_queries.funding_row(core, m))  # type: ignore[misc]  # fmt: skip
        if now - self._risk_at >= RISK_EVERY_MS or now < self._risk_at:
            self._risk_at = now
            for acc in core.accounts.values():
                if acc.open:
                    risk.check_account(core, acc)
        for acc in [a for a in core.timers.values() if a.auto_cancel_at <= now]:
            del core.timers[acc.api_key]
            acc.auto_cancel_at = 0
            cancel_all(core, acc, now, "20")
        settle(core)


def cancel_all(core: Core, acc: Account, now: int, source: str) -> int:
    count = 0
    for inst_id, by_id in list(acc.live.items()):
        for order in list(by_id.values()):
            end(core, core.markets[inst_id], order, "canceled", now, source=source)
            count += 1
    return count


def _advance(core: Core, market: Market, now: int) -> None:
    ticks = market.candles.ticks_at(now)
    market.ts = now
    market.candles.observe(now, ticks)
    book = market.book
    if ticks != market.px_ticks:
        # The tape shows a trade on the side that moved the price.
        side = BUY if ticks > market.px_ticks else SELL
        market.px_ticks = ticks
        core.prices_seen += 1
        book.recentre(ticks, shuffle=True)
        trade(core, market, side, ticks, max(market.inst.min_lots, book.size(0) // 20), now)
        _react(core, market)
    elif book.eaten:
        book.recentre(ticks, shuffle=False)
        _react(core, market)
    elif market.algos:
        algos.check(core, market)


def _react(core: Core, market: Market) -> None:
    book = market.book
    if book.bids.keys or book.asks.keys:
        match_resting(core, market)
    if market.algos:
        algos.check(core, market)
    if core.on_event is None:
        return
    inst_id = market.inst.inst_id
    core.emit("ticker", None, inst_id, lambda: public_queries.ticker_row(core, market))
    core.emit("book", None, inst_id, lambda: {"instId": inst_id, "seqId": book.seq})
    core.emit("candle", None, inst_id, lambda: {"instId": inst_id})
    core.emit("mark", None, inst_id, lambda: public_queries.mark_row(core, market))
    core.emit("price_limit", None, inst_id, lambda: public_queries.price_limit_row(core, market))


def set_price(core: Core, inst_id: str, px: str) -> None:
    market = core.markets.get(inst_id)
    if market is None:
        raise OkxError(*NO_INSTRUMENT)
    value = decimal_of(px)
    if value is None or value <= 0:
        raise OkxError("51000", "Parameter px error", 400)
    ticks = max(1, int((value / market.inst.tick).to_integral_value()))
    now = core.now()
    ratio = market.candles.move_to(now, ticks)
    core.touch("price", [inst_id, now, ratio])
    market.px_ticks = ticks
    core.prices_seen += 1
    market.ts = now
    market.book.recentre(ticks, shuffle=False)
    _react(core, market)
    if market.inst.is_swap:
        for acc in core.accounts.values():
            if acc.open and any(p.inst is market.inst for p in acc.open.values()):
                risk.check_account(core, acc)
    settle(core)


def set_funding_rate(core: Core, inst_id: str, rate: str) -> None:
    market = core.need_market({"instId": inst_id}, swap=True)
    value = decimal_of(rate)
    if value is None or abs(value) > Decimal(1):
        raise OkxError("51000", "Parameter fundingRate error", 400)
    market.funding_override = value
    core.touch("market", market)
    core.emit("funding", None, inst_id, lambda: public_queries.funding_row(core, market))


def pay_funding(core: Core, inst_id: str) -> None:
    """Now, and not when it is due next."""
    market = core.need_market({"instId": inst_id}, swap=True)
    risk.pay_funding(core, market, core.now())
    settle(core)


def set_state(core: Core, inst_id: str, state: str) -> None:
    """`delisted` is no state of OKX's: the instrument is on no list any more, no request that
    names it is answered, its orders are cancelled; its history and positions stay."""
    market = core.markets.get(inst_id)
    if market is None:
        raise OkxError(*NO_INSTRUMENT)
    if state not in ("live", "suspend", "preopen", "expired", "delisted"):
        raise OkxError("51000", "Parameter state error", 400)
    if state == "delisted":
        _cancel_market(core, market)
    market.inst.state = state
    core.touch("market", market)
    if market.is_listed:
        core.emit("instrument", None, inst_id, market.inst.row)
    settle(core)


def _cancel_market(core: Core, market: Market) -> None:
    now = core.now()
    for acc in core.accounts.values():
        for order in list(acc.live.get(market.inst.inst_id, {}).values()):
            end(core, market, order, "canceled", now, source="0")
