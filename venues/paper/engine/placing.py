"""Place, amend, cancel: the row calls for plain orders."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from . import rejects
from .amounts import ZERO, flag, given, q, text
from .checking import (
    MARKET_BUFFER,
    MAX_PENDING,
    check_band,
    check_client_id,
    read_lots,
    read_order,
    read_ticks,
)
from .matching import crosses, end, held, opposite, own_side, reducible, show, stop_filling, take
from .orders import BUY, Order
from .rejects import RejectError, order_row, parameter, reject
from .types import OkxError, OrderFault, Params, Row

if TYPE_CHECKING:
    from .accounts import Account
    from .core import Core, Market

IMMEDIATE = ("ioc", "optimal_limit_ioc", "fok")


def check_exp_time(ts: int, exp_time_ms: int | None) -> None:
    if exp_time_ms is not None and exp_time_ms < ts:
        raise OkxError("50036", f"The expTime can't be earlier than the current system time {ts}.")


def place(core: Core, acc: Account, params: Params, fault: OrderFault | None = None) -> Row:
    ts = core.now()
    try:
        order = submit(core, acc, params, ts, fault)
    except RejectError as why:
        return order_row("", given(params, "clOrdId"), given(params, "tag"), ts, why.code,
                         why.msg, why.sub_code)  # fmt: skip
    return order_row(str(order.ord_id), order.cl_ord_id, order.tag, ts, "0",
                     "Order successfully placed.")  # fmt: skip


def submit(
    core: Core, acc: Account, params: Params, ts: int, fault: OrderFault | None = None,
    *, algo_id: str = "", algo_cl_ord_id: str = "", category: str = "normal", source: str = "",
) -> Order:  # fmt: skip
    """Check and run an order. Raises RejectError before anything has changed."""
    market = core.market_of(params)
    if market is None:
        raise reject(rejects.NO_INSTRUMENT)
    order = read_order(core, acc, market, params, ts)
    _check_reduce(core, order)
    budget = _check_funds(core, market, order)
    inst_id = order.inst.inst_id
    live = acc.live.get(inst_id)
    if live is None:
        live = acc.live[inst_id] = {}
    if len(live) >= MAX_PENDING:
        raise reject(rejects.TOO_MANY_PENDING, inst_id, MAX_PENDING)
    order.ord_id = core.next_id()
    order.algo_id, order.algo_cl_ord_id = algo_id, algo_cl_ord_id
    order.category, order.source = category, source
    if fault is not None:
        _apply_fault(order, fault, ts)
    register(core, order, live)
    show(core, order)
    execute(core, market, order, budget)
    return order


def register(core: Core, order: Order, live: dict[int, Order]) -> None:
    acc = order.account
    acc.orders[order.ord_id] = order
    acc.order_list.append(order)
    live[order.ord_id] = order
    if order.cl_ord_id:
        acc.live_cl_ord_ids[order.cl_ord_id] = order
        acc.by_cl_ord_id[order.cl_ord_id] = order
    core.touch("order", order)


def _apply_fault(order: Order, fault: OrderFault, ts: int) -> None:
    if fault.hide_ms:
        order.hidden_until = ts + fault.hide_ms
    if fault.fill_fraction is not None:
        share = min(max(Decimal(fault.fill_fraction), ZERO), Decimal(1))
        size = order.sz_lots
        if not size and order.sz_quote is not None:
            # A market buy in quote money gets its size in coins, so that a part can be left.
            size = int(order.sz_quote / (order.last_px_ticks * order.inst.unit))
            order.sz_lots = size
            order.sz_quote = None
            order.tgt_ccy = "base_ccy"
        order.avail_fill_lots = int(size * share)
        order.fault_cancels = fault.remainder == "cancel"


def _check_reduce(core: Core, order: Order) -> None:
    """Reduce-only orders and the closing side of long/short mode need a position."""
    if not order.closing:
        return
    room = reducible(core, order)
    if not room:
        key = (order.inst.inst_id, order.td_mode, order.pos_side)
        same = order.reduce_only and key in order.account.open
        raise reject(rejects.SAME_DIRECTION if same else rejects.NOTHING_TO_REDUCE)
    if order.sz_lots <= room:
        return
    if not order.reduce_only:
        raise reject(rejects.EXCEEDS_POSITION)
    if core.reduce_only_excess == "reject" or order.banned_amend:
        raise reject(rejects.REDUCE_ONLY_EXCEEDS)
    order.sz_lots = room
    order.amend_source = "4"


def _check_funds(core: Core, market: Market, order: Order) -> Decimal | None:
    """Enough money? For spot buys at market, what they may spend."""
    inst, acc = order.inst, order.account
    if inst.is_swap:
        lots = order.sz_lots - (reducible(core, order) if acc.open else 0)
        if lots > 0 and not order.closing:
            _check_tier(market, order, lots)
            need = swap_need(core, market, order, lots)
            if need > core.available(acc, inst.settle):
                raise reject(rejects.NO_MARGIN, inst.settle)
        return None
    if order.side != BUY:
        free = acc.cash.get(inst.base, ZERO) - acc.frozen.get(inst.base, ZERO)
        free_lots = int(free / inst.lot)
        if order.sz_lots > free_lots:
            # A market order shrinks to what is there, unless that is forbidden.
            if order.ord_type != "market" or order.banned_amend or free_lots < inst.min_lots:
                raise reject(rejects.NO_FUNDS, inst.base)
            order.sz_lots = free_lots
        return None
    free = spendable(core, acc, inst.quote)
    if order.ord_type != "market":
        if order.sz_lots * order.px_ticks * inst.unit > free:
            raise reject(rejects.NO_FUNDS, inst.quote)
        return None
    best = market.book.best(opposite(market, order)) or market.px_ticks
    if free < inst.min_lots * best * inst.unit:
        raise reject(rejects.NO_FUNDS, inst.quote)
    wanted = order.sz_quote
    if wanted is None:
        wanted = order.sz_lots * best * inst.unit
        if wanted > free and order.banned_amend:
            raise reject(rejects.NO_FUNDS, inst.quote)
        return free
    if wanted > free:
        if order.banned_amend:
            raise reject(rejects.NO_FUNDS, inst.quote)
        order.sz_quote = wanted = free
    return wanted


def _check_tier(market: Market, order: Order, lots: int) -> None:
    """A higher leverage allows a smaller position."""
    pos = held(order)
    total = lots + (abs(pos.lots) if pos is not None and pos.lots * order.side > 0 else 0)
    allowed = [t.max_sz for t in market.tiers if t.max_lever >= Decimal(order.lever)]
    most = allowed[-1] if allowed else ZERO
    if total * market.inst.lot > most:
        raise reject(rejects.OVER_TIER, text(most), order.lever)


def spendable(core: Core, acc: Account, ccy: str) -> Decimal:
    """Cash that orders do not hold; a loss of open cross positions holds some too."""
    free = acc.cash.get(ccy, ZERO) - acc.frozen.get(ccy, ZERO)
    return min(free, core.available(acc, ccy)) if acc.open else free


def swap_need(core: Core, market: Market, order: Order, lots: int) -> Decimal:
    """Initial margin and taker fee for the part of an order that opens."""
    inst = order.inst
    if order.px_ticks:
        notional = inst.notional(lots, order.px_ticks)
    else:
        notional = inst.notional(lots, market.px_ticks) * MARKET_BUFFER
    return notional / Decimal(order.lever) + notional * order.account.fees[3]


def execute(core: Core, market: Market, order: Order, budget: Decimal | None) -> None:
    ts = order.u_time
    kind = order.ord_type
    limit = order.px_ticks or None
    if kind == "market":
        going = take(core, market, order, None, budget)
        if going and order.is_live:
            _end_market(core, market, order, ts)
    elif kind == "post_only":
        if crosses(market, order):
            end(core, market, order, "canceled", ts, source="31")
        else:
            rest(core, market, order)
    elif kind in IMMEDIATE:
        if kind == "fok":
            side = opposite(market, order)
            reach = market.book.available(side, limit, order.sz_lots, order.account.main_uid)
            if reach < order.sz_lots:
                end(core, market, order, "canceled", ts, source="13")
                return
        going = take(core, market, order, limit)
        if going and order.is_live:
            if order.avail_fill_lots == 0 and not order.fault_cancels:
                return
            end(core, market, order, "canceled", ts, source="14")
    else:
        going = take(core, market, order, limit)
        if going and order.is_live:
            rest(core, market, order)


def _end_market(core: Core, market: Market, order: Order, ts: int) -> None:
    """What ends a market order that is not full: a fault, its money, or an empty book."""
    if order.avail_fill_lots == 0:
        stop_filling(core, market, order, ts)
    elif order.filled_lots and not order.inst.is_swap and order.side == BUY:
        # Measured in money, or shrunk to it: it is done.
        if order.sz_quote is None:
            order.sz_lots = order.filled_lots
        end(core, market, order, "filled", ts)
    else:
        end(core, market, order, "canceled", ts, source="14")


def rest(core: Core, market: Market, order: Order) -> None:
    inst = order.inst
    left = order.left_lots
    if not inst.is_swap:
        if order.side == BUY:
            core.freeze(order, inst.quote, left * order.px_ticks * inst.unit)
        else:
            core.freeze(order, inst.base, left * inst.lot)
        core.changed(order.account).add(order.frozen_ccy)
    elif not order.closing:
        opening = left - (reducible(core, order) if order.account.open else 0)
        if opening > 0:
            core.freeze(order, inst.settle, q(swap_need(core, market, order, opening)))
            core.changed(order.account).add(inst.settle)
    if order.avail_fill_lots == 0:
        stop_filling(core, market, order, order.u_time)
    else:
        own_side(market, order).add(order)
        market.book.seq += 1


def find_live(acc: Account, params: Params) -> Order | None:
    """By ordId if given (it wins), else the newest with that clOrdId."""
    ord_id = given(params, "ordId")
    if ord_id:
        order = acc.orders.get(int(ord_id)) if ord_id.isdigit() else None
    else:
        order = acc.live_cl_ord_ids.get(given(params, "clOrdId"))
    # A hidden order is hidden from look-ups only: the matching side knows it.
    if order is None or not order.is_live:
        return None
    inst_id = given(params, "instId")
    return order if not inst_id or inst_id == order.inst.inst_id else None


def cancel(core: Core, acc: Account, params: Params) -> Row:
    ts = core.now()
    ord_id, cl_ord_id = given(params, "ordId"), given(params, "clOrdId")
    try:
        if core.market_of(params) is None:
            raise reject(rejects.NO_INSTRUMENT)
        if not ord_id and not cl_ord_id:
            raise RejectError("51000", "Either parameter ordId or clOrdId is required")
        order = find_live(acc, params)
        if order is None:
            raise reject(rejects.CANCEL_GONE)
    except RejectError as why:
        row = order_row(ord_id, cl_ord_id, "", ts, why.code, why.msg)
    else:
        market = core.markets[order.inst.inst_id]
        end(core, market, order, "canceled", ts, source="1")
        market.book.seq += 1
        row = order_row(str(order.ord_id), order.cl_ord_id, "", ts, "0", "")
    del row["tag"], row["subCode"]
    return row


def amend(core: Core, acc: Account, params: Params) -> Row:
    ts = core.now()
    ord_id, cl_ord_id = given(params, "ordId"), given(params, "clOrdId")
    code, msg, sub_code = "0", "", ""
    order: Order | None = None
    try:
        if core.market_of(params) is None:
            raise reject(rejects.NO_INSTRUMENT)
        if not ord_id and not cl_ord_id:
            raise RejectError("51000", "Either parameter ordId or clOrdId is required")
        if not ord_id:
            check_client_id(params)
        order = find_live(acc, params)
        if order is None:
            raise reject(rejects.AMEND_GONE)
        _amend(core, order, params, ts)
        ord_id, cl_ord_id = str(order.ord_id), order.cl_ord_id
    except RejectError as why:
        code, msg, sub_code = why.code, why.msg, why.sub_code
        if order is not None and order.is_live and flag(params, "cxlOnFail"):
            end(core, core.markets[order.inst.inst_id], order, "canceled", ts, source="1")
    return {"clOrdId": cl_ord_id, "ordId": ord_id, "reqId": given(params, "reqId"),
            "sCode": code, "sMsg": msg, "subCode": sub_code, "ts": str(ts)}  # fmt: skip


def _amend(core: Core, order: Order, params: Params, ts: int) -> None:
    market = core.markets[order.inst.inst_id]
    new_sz, new_px = given(params, "newSz"), given(params, "newPx")
    if not new_sz and not new_px:
        raise reject(rejects.AMEND_NOTHING)
    if not order.px_ticks and new_px:
        raise parameter("newPx")
    lots, ticks = order.sz_lots, order.px_ticks
    if new_sz:
        lots = read_lots(market, new_sz, "newSz")
        if lots > market.inst.max_limit_lots:
            raise reject(rejects.OVER_LIMIT_MAX, market.inst.max_limit_sz)
    if new_px:
        ticks = read_ticks(market, new_px, "newPx")
        check_band(market, order.side, ticks)
    if order.closing and lots - order.filled_lots > reducible(core, order):
        raise reject(rejects.REDUCE_ONLY_EXCEEDS)
    # The frozen money of the old terms pays for the new ones.
    old = (order.sz_lots, order.px_ticks, order.frozen)
    core.thaw(order)
    order.sz_lots, order.px_ticks = lots, ticks
    try:
        if lots > order.filled_lots and (lots > old[0] or ticks != old[1]):
            _check_amended_funds(core, market, order)
    except RejectError:
        order.sz_lots, order.px_ticks = old[:2]
        if old[2]:
            core.freeze(order, order.frozen_ccy, old[2])
        raise
    order.sz_lots, order.px_ticks = old[:2]
    own_side(market, order).remove(order)
    keeps_place = ticks == old[1] and lots <= old[0]
    order.sz_lots, order.px_ticks = lots, ticks
    order.u_time = ts
    order.req_id = given(params, "reqId")
    order.amend_result = "0"
    order.amend_source = "1"
    market.book.seq += 1
    core.touch("order", order)
    if order.left_lots <= 0:
        end(core, market, order, "filled", ts)
        return
    show(core, order)
    if keeps_place:
        _rest_in_place(core, market, order)
    elif order.ord_type == "post_only" and crosses(market, order):
        end(core, market, order, "canceled", ts, source="31")
    elif take(core, market, order, ticks) and order.is_live:
        rest(core, market, order)
    order.amend_result = order.amend_source = order.req_id = ""


def _check_amended_funds(core: Core, market: Market, order: Order) -> None:
    full = order.sz_lots
    order.sz_lots = order.left_lots
    try:
        _check_funds(core, market, order)
    finally:
        order.sz_lots = full


def _rest_in_place(core: Core, market: Market, order: Order) -> None:
    """A smaller size keeps its place in the queue: put it back before those behind it."""
    side = own_side(market, order)
    queue = side.orders.get(side.sign * order.px_ticks)
    behind = [o for o in queue.values() if o.ord_id > order.ord_id] if queue else []
    rest(core, market, order)
    for other in behind:
        side.remove(other)
        side.add(other)
