"""The short way for benchmarks: acknowledge now, book when somebody looks.

A placement costs a look-up and a list entry. The order, its fill at the last price and all
balances follow, exactly as a full fill would book them, the first time the account is read.
Funds, reductions and price bands are not checked.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from . import rejects
from .amounts import given
from .booking import fill_order
from .orders import BUY, SELL, Order
from .rejects import RejectError, order_row, parameter, reject
from .types import Params, Row

if TYPE_CHECKING:
    from .accounts import Account
    from .core import Core

SUCCESS = "Order successfully placed."


def place(core: Core, acc: Account, params: Params) -> Row:
    ts = core.clock.now_ms()
    market = core.market_of(params)
    try:
        if market is None:
            raise reject(rejects.NO_INSTRUMENT)
        side = params.get("side")
        if side != "buy" and side != "sell":
            raise parameter("side")
        try:
            size = Decimal(str(params.get("sz")))
        except InvalidOperation:
            raise parameter("sz") from None
        if not size.is_finite() or not 0 < size < 1_000_000_000_000:
            raise parameter("sz")
    except RejectError as why:
        return order_row("", given(params, "clOrdId"), given(params, "tag"), ts, why.code, why.msg)
    core.last_id = ord_id = core.last_id + 1
    acc.pending_acks.append((ord_id, params, market, ts, market.px_ticks, size))
    if core.dirty is not None:
        core.acked.add(acc)
    return {
        "clOrdId": params.get("clOrdId") or "", "ordId": str(ord_id), "sCode": "0",
        "sMsg": SUCCESS, "subCode": "", "tag": params.get("tag") or "", "ts": str(ts),
    }  # fmt: skip


def settle(core: Core, acc: Account) -> None:
    """Book everything that was acknowledged for an account."""
    pending, acc.pending_acks = acc.pending_acks, []
    for ord_id, params, market, ts, ticks, size in pending:
        inst = market.inst
        order = Order(acc, inst, ord_id, ts)
        order.side = BUY if params["side"] == "buy" else SELL
        order.cl_ord_id, order.tag = given(params, "clOrdId"), given(params, "tag")
        order.ord_type = given(params, "ordType") or "market"
        order.td_mode = given(params, "tdMode") or ("cross" if inst.is_swap else "cash")
        order.pos_side = given(params, "posSide") or "net"
        order.reduce_only = str(params.get("reduceOnly")).lower() == "true"
        px = given(params, "px")
        if px and order.ord_type != "market":
            order.px_ticks = ticks = int(Decimal(px) / inst.tick)
        if inst.is_swap:
            order.lever = acc.lever_of(inst.inst_id, order.td_mode, order.pos_side)
        elif order.ord_type == "market":
            tgt = "quote_ccy" if order.side == BUY else "base_ccy"
            order.tgt_ccy = given(params, "tgtCcy") or tgt
        lots = int(size / inst.lot)
        if order.tgt_ccy == "quote_ccy":
            order.sz_quote = size
            lots = int(size / (ticks * inst.unit))
        order.sz_lots = lots
        acc.orders[ord_id] = order
        acc.order_list.append(order)
        if order.cl_ord_id:
            acc.by_cl_ord_id[order.cl_ord_id] = order
        if lots:
            market.trade_seq += 1
            fill_order(core, market, order, ticks, lots, "T", str(market.trade_seq), ts)
        order.state = "filled"
        core.touch("order", order)
    if pending:
        core.take_changed()
        core.just_closed.clear()
