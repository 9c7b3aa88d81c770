"""Conditional orders: take profit / stop loss (conditional, oco), trigger, trailing."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from . import rejects
from .algo_order import Algo, trail_ticks
from .amounts import decimal_of, flag, given, text
from .checking import (
    CLIENT_ID,
    SIDES,
    TAG,
    TRIGGER_TYPES,
    read_attached,
    read_lots,
    read_mode,
    read_ticks,
    read_tp_sl,
)
from .orders import BUY, SELL, Order
from .placing import submit
from .rejects import RejectError, empty, parameter, reject
from .types import Params, Row

if TYPE_CHECKING:
    from .accounts import Account, Position
    from .core import Core, Market

TYPES = ("conditional", "oco", "trigger", "move_order_stop")
MAX_PENDING = 500
RATIO_LIMITS = (Decimal("0.001"), Decimal("1"))


def _show(core: Core, algo: Algo) -> None:
    core.touch("algo", algo)
    core.emit("algo", algo.account, algo.inst.inst_id, algo.row)


def _answer(algo_id: str, cl_ord_id: str, tag: str, ts: int, why: RejectError | None) -> Row:
    return {"algoClOrdId": cl_ord_id, "algoId": algo_id, "clOrdId": cl_ord_id,
            "sCode": why.code if why else "0", "sMsg": why.msg if why else "",
            "subCode": "", "tag": tag, "ts": str(ts)}  # fmt: skip


def place(core: Core, acc: Account, params: Params) -> Row:
    ts = core.now()
    cl_ord_id = given(params, "algoClOrdId") or given(params, "clOrdId")
    tag = given(params, "tag")
    try:
        algo = _read(core, acc, params, cl_ord_id, tag, ts)
    except RejectError as why:
        return _answer("", cl_ord_id, tag, ts, why)
    market = core.markets[algo.inst.inst_id]
    _register(core, market, algo)
    return _answer(str(algo.algo_id), cl_ord_id, tag, ts, None)


def _register(core: Core, market: Market, algo: Algo) -> None:
    algo.account.algos[algo.algo_id] = algo
    market.algos[algo.algo_id] = algo
    _show(core, algo)


def _read(core: Core, acc: Account, params: Params, cl_ord_id: str, tag: str, ts: int) -> Algo:
    market = core.market_of(params)
    if market is None:
        raise reject(rejects.NO_INSTRUMENT)
    if cl_ord_id and not CLIENT_ID.match(cl_ord_id):
        raise parameter("algoClOrdId")
    if cl_ord_id and any(a.cl_ord_id == cl_ord_id for a in acc.algos.values()):
        raise RejectError("51065", "algoClOrdId already exists.")
    if tag and not TAG.match(tag):
        raise parameter("tag")
    if len(acc.algos) >= MAX_PENDING:
        raise reject(rejects.TOO_MANY_PENDING, market.inst.inst_id, MAX_PENDING)
    algo = Algo(acc, market, 0, ts)
    algo.cl_ord_id, algo.tag = cl_ord_id, tag
    side = SIDES.get(given(params, "side"))
    if side is None:
        raise parameter("side")
    algo.side = side
    algo.ord_type = given(params, "ordType")
    if algo.ord_type not in TYPES:
        raise parameter("ordType")
    _read_shape(core, acc, market, algo, params)
    if algo.ord_type in ("conditional", "oco"):
        _read_tp_sl_algo(market, algo, params)
    elif algo.ord_type == "trigger":
        _read_trigger(core, market, algo, params)
    else:
        _read_trailing(market, algo, params)
    algo.algo_id = core.next_id()
    return algo


def _read_shape(core: Core, acc: Account, market: Market, algo: Algo, params: Params) -> None:
    """Trade mode, position side, size: read as for a plain order."""
    plain = Order(acc, market.inst, 0, algo.c_time)
    plain.side = algo.side
    plain.ord_type = "market"
    read_mode(acc, plain, params)
    algo.td_mode, algo.pos_side = plain.td_mode, plain.pos_side
    algo.tgt_ccy = given(params, "tgtCcy")
    algo.reduce_only = flag(params, "reduceOnly") and market.inst.is_swap
    algo.cxl_on_close_pos = flag(params, "cxlOnClosePos")
    if algo.cxl_on_close_pos and not algo.reduce_only:
        raise parameter("cxlOnClosePos")
    fraction = given(params, "closeFraction")
    if fraction:
        if fraction != "1" or not market.inst.is_swap:
            raise parameter("closeFraction")
        if acc.pos_mode == "net_mode" and not algo.reduce_only:
            raise parameter("reduceOnly")
        algo.close_fraction = fraction
        return
    raw = params.get("sz")
    if raw is None or raw == "":
        raise empty("sz")
    if algo.tgt_ccy == "quote_ccy" and not market.inst.is_swap:
        value = decimal_of(raw)
        if value is None or value <= 0:
            raise parameter("sz")
        algo.sz = text(value)
    else:
        algo.sz = market.inst.sz_text(read_lots(market, raw))


def _read_tp_sl_algo(market: Market, algo: Algo, params: Params) -> None:
    algo.tp_sl = read_tp_sl(market, params, algo.side, market.px_ticks, opening=False)
    both = bool(algo.tp_sl["tpTriggerPx"]) + bool(algo.tp_sl["slTriggerPx"])
    if not both or (algo.ord_type == "oco" and both < 2):
        raise empty("tpTriggerPx or slTriggerPx")


def _read_trigger(core: Core, market: Market, algo: Algo, params: Params) -> None:
    raw = given(params, "triggerPx")
    if not raw:
        raise empty("triggerPx")
    algo.trigger_ticks = read_ticks(market, raw, "triggerPx")
    algo.ord_px = given(params, "orderPx") or given(params, "ordPx")
    if not algo.ord_px:
        raise empty("orderPx")
    if algo.ord_px != "-1":
        algo.ord_px = market.inst.px_text(read_ticks(market, algo.ord_px, "orderPx"))
    algo.trigger_px_type = given(params, "triggerPxType") or "last"
    if algo.trigger_px_type not in TRIGGER_TYPES:
        raise parameter("triggerPxType")
    algo.rising = algo.trigger_ticks > market.px_ticks
    plain = Order(algo.account, market.inst, 0, algo.c_time)
    plain.side = algo.side
    plain.px_ticks = algo.trigger_ticks
    algo.attached = read_attached(core, market, plain, {"attachAlgoOrds":
                                                        params.get("attachAlgoOrds")})  # fmt: skip


def _read_trailing(market: Market, algo: Algo, params: Params) -> None:
    ratio, spread = given(params, "callbackRatio"), given(params, "callbackSpread")
    if bool(ratio) == bool(spread):
        raise RejectError("51000", "Either callbackRatio or callbackSpread is required")
    if ratio:
        value = decimal_of(ratio)
        if value is None or not RATIO_LIMITS[0] <= value <= RATIO_LIMITS[1]:
            raise parameter("callbackRatio")
        algo.callback_ratio = value
    else:
        algo.callback_spread_ticks = read_ticks(market, spread, "callbackSpread")
    active = given(params, "activePx")
    if active:
        algo.active_ticks = read_ticks(market, active, "activePx")
        algo.rising = algo.active_ticks > market.px_ticks
    else:
        algo.active = True
        algo.extreme = market.px_ticks


# -- life after the placement ----------------------------------------------------------------
def find(acc: Account, params: Params) -> Algo | None:
    algo_id = given(params, "algoId")
    if algo_id:
        return acc.algos.get(int(algo_id)) if algo_id.isdigit() else None
    cl_ord_id = given(params, "algoClOrdId") or given(params, "clOrdId")
    return next((a for a in acc.algos.values() if cl_ord_id and a.cl_ord_id == cl_ord_id), None)


def cancel(core: Core, acc: Account, params: Params) -> Row:
    ts = core.now()
    algo = find(acc, params)
    if algo is None:
        return _answer(given(params, "algoId"), given(params, "algoClOrdId"), "", ts,
                       reject(rejects.ALGO_GONE))  # fmt: skip
    _end(core, algo, "canceled", ts)
    return _answer(str(algo.algo_id), algo.cl_ord_id, algo.tag, ts, None)


def amend(core: Core, acc: Account, params: Params) -> Row:
    ts = core.now()
    algo = find(acc, params)
    why: RejectError | None = None
    if algo is None:
        why = reject(rejects.ALGO_AMEND_GONE)
    else:
        try:
            _amend(core, algo, params)
        except RejectError as error:
            why = error
    algo_id = str(algo.algo_id) if algo else given(params, "algoId")
    cl_ord_id = algo.cl_ord_id if algo else given(params, "algoClOrdId")
    row = _answer(algo_id, cl_ord_id, "", ts, why)
    row["reqId"] = given(params, "reqId")
    return row


_AMEND_KEYS = {
    "newTpTriggerPx": "tpTriggerPx", "newTpOrdPx": "tpOrdPx", "newSlTriggerPx": "slTriggerPx",
    "newSlOrdPx": "slOrdPx", "newTpTriggerPxType": "tpTriggerPxType",
    "newSlTriggerPxType": "slTriggerPxType",
}  # fmt: skip


def _amend(core: Core, algo: Algo, params: Params) -> None:
    market = core.markets[algo.inst.inst_id]
    sz, tp_sl = algo.sz, dict(algo.tp_sl)
    if given(params, "newSz"):
        sz = market.inst.sz_text(read_lots(market, params["newSz"], "newSz"))
    changes = {old: given(params, new) for new, old in _AMEND_KEYS.items() if given(params, new)}
    trigger, ord_px = given(params, "newTriggerPx"), given(params, "newOrdPx")
    ticks = read_ticks(market, trigger, "newTriggerPx") if trigger else algo.trigger_ticks
    if ord_px and ord_px != "-1":
        read_ticks(market, ord_px, "newOrdPx")
    if algo.ord_type in ("conditional", "oco"):
        tp_sl.update(changes)
        for kind in ("tp", "sl"):  # 0 removes one of them
            if changes.get(f"{kind}TriggerPx") == "0":
                tp_sl.update({f"{kind}{k}": "" for k in ("TriggerPx", "OrdPx", "TriggerPxType")})
        tp_sl = read_tp_sl(market, tp_sl, algo.side, market.px_ticks, opening=False)
        if not tp_sl["tpTriggerPx"] and not tp_sl["slTriggerPx"]:
            raise reject(rejects.AMEND_NOTHING)
    algo.sz, algo.tp_sl = sz, tp_sl
    if trigger:
        algo.trigger_ticks = ticks
        algo.rising = ticks > market.px_ticks
    algo.ord_px = ord_px or algo.ord_px
    algo.u_time = core.now()
    _show(core, algo)


def _end(core: Core, algo: Algo, state: str, ts: int) -> None:
    algo.state = state
    algo.u_time = ts
    acc = algo.account
    acc.algos.pop(algo.algo_id, None)
    core.markets[algo.inst.inst_id].algos.pop(algo.algo_id, None)
    acc.algo_done.append(algo)
    _show(core, algo)


def cancel_for_position(core: Core, pos: Position) -> None:
    ts = core.now()
    for algo in list(pos.account.algos.values()):
        if (
            algo.inst is pos.inst
            and (algo.cxl_on_close_pos or algo.close_fraction or algo.parent_ord_id)
            and (algo.td_mode, algo.pos_side) == (pos.mgn_mode, pos.pos_side)
        ):
            _end(core, algo, "canceled", ts)


def start_attached(core: Core, order: Order) -> None:
    """The parent ended with fills: its TP/SL become stand-alone orders of the filled size."""
    market = core.markets[order.inst.inst_id]
    inst = order.inst
    filled = order.filled_lots * inst.lot
    if not inst.is_swap and order.side == BUY:
        filled += order.fee  # what is left to sell after the fee in coins
    size = inst.sz_text(int(filled / inst.lot))
    for entry in order.attached:
        algo = Algo(order.account, market, int(entry["attachAlgoId"]), core.now())
        algo.cl_ord_id = entry["attachAlgoClOrdId"]
        algo.side = -order.side
        algo.td_mode, algo.pos_side = order.td_mode, order.pos_side
        algo.parent_ord_id = str(order.ord_id)
        algo.reduce_only = inst.is_swap
        algo.tp_sl = {k: entry[k] for k in algo.tp_sl}
        if entry["tpOrdKind"] == "limit" and entry["tpOrdPx"] not in ("", "-1"):
            # A limit take profit rests from the start; here it triggers at its own price.
            algo.tp_sl["tpTriggerPx"] = entry["tpOrdPx"]
            algo.tp_sl["tpTriggerPxType"] = "last"
        both = algo.tp_sl["tpTriggerPx"] and algo.tp_sl["slTriggerPx"]
        algo.ord_type = "oco" if both else "conditional"
        algo.sz = entry["sz"] or size
        algo.tag = order.tag
        algo.account.algos[algo.algo_id] = algo
        market.algos[algo.algo_id] = algo
        _show(core, algo)


# -- triggering ------------------------------------------------------------------------------
def check(core: Core, market: Market) -> None:
    """After the price moved: which algos of this market go off?"""
    for algo in list(market.algos.values()):
        if algo.state != "live":
            continue
        hit = _hit(market, algo)
        if hit is not None:
            _fire(core, algo, *hit)


def _hit(market: Market, algo: Algo) -> tuple[str, str] | None:
    """("tp" | "sl" | "", order price) if it triggers now. Last, mark and index are one price."""
    ticks = market.px_ticks
    if algo.ord_type == "trigger":
        reached = ticks >= algo.trigger_ticks if algo.rising else ticks <= algo.trigger_ticks
        return ("", algo.ord_px) if reached else None
    if algo.ord_type == "move_order_stop":
        return _trail(ticks, algo)
    px = market.mark
    up = algo.side == SELL  # a sell protects a long: profit lies above
    for kind, rising in (("sl", not up), ("tp", up)):
        raw = algo.tp_sl[f"{kind}TriggerPx"]
        if raw and (px >= Decimal(raw) if rising else px <= Decimal(raw)):
            return kind, algo.tp_sl[f"{kind}OrdPx"] or "-1"
    return None


def _trail(ticks: int, algo: Algo) -> tuple[str, str] | None:
    if not algo.active:
        reached = ticks >= algo.active_ticks if algo.rising else ticks <= algo.active_ticks
        if not reached:
            return None
        algo.active = True
        algo.extreme = ticks
    algo.extreme = min(algo.extreme, ticks) if algo.side == BUY else max(algo.extreme, ticks)
    edge = trail_ticks(algo)
    reached = ticks >= edge if algo.side == BUY else ticks <= edge
    return ("", "-1") if reached else None


def _fire(core: Core, algo: Algo, kind: str, px: str) -> None:
    ts = core.now()
    acc, inst = algo.account, algo.inst
    algo.trigger_time = ts
    algo.actual_side = kind
    market_order = px == "-1"
    params: Params = {
        "instId": inst.inst_id, "tdMode": algo.td_mode, "side":
        "buy" if algo.side == BUY else "sell", "ordType": "market" if market_order else "limit",
        "sz": algo.sz, "tag": algo.tag, "reduceOnly": algo.reduce_only,
    }  # fmt: skip
    if inst.is_swap:
        params["posSide"] = algo.pos_side
    elif algo.side == BUY and market_order:
        params["tgtCcy"] = algo.tgt_ccy or "base_ccy"
    if not market_order:
        params["px"] = px
    if algo.attached:
        params["attachAlgoOrds"] = algo.attached
    pos = acc.open.get((inst.inst_id, algo.td_mode, algo.pos_side))
    closes = algo.close_fraction or algo.parent_ord_id
    if inst.is_swap and closes and pos is not None and pos.lots * algo.side < 0:
        size = inst.sz_text(abs(pos.lots))
        if algo.close_fraction or Decimal(algo.sz) > abs(pos.lots) * inst.lot:
            params["sz"] = size
    try:
        order = submit(
            core, acc, params, ts, algo_id=str(algo.algo_id), algo_cl_ord_id=algo.cl_ord_id,
            source={"trigger": "6", "move_order_stop": "25"}.get(algo.ord_type, "7"),
        )  # fmt: skip
    except RejectError as why:
        algo.fail_code = why.code
        _end(core, algo, "order_failed", ts)
        return
    algo.ord_id = str(order.ord_id)
    algo.actual_sz = params["sz"]
    algo.actual_px = text(order.avg_px) if market_order else px
    _end(core, algo, "effective", ts)
