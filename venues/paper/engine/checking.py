"""From a request's keys to an order, or a reason why not. Nothing is changed here."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from . import rejects
from .amounts import decimal_of, flag, floor_div, given, steps, text
from .instruments import SPOT_MAX_QUOTE
from .matching import opposite
from .orders import BUY, SELL, Order
from .rejects import empty, parameter, reject
from .types import Params, Row

if TYPE_CHECKING:
    from .accounts import Account
    from .core import Core, Market

CLIENT_ID = re.compile(r"^[0-9A-Za-z]{1,32}$")
TAG = re.compile(r"^[0-9A-Za-z]{1,16}$")
ORDER_TYPES = ("market", "limit", "post_only", "fok", "ioc", "optimal_limit_ioc")
PRICED = ("limit", "post_only", "fok", "ioc")
SIDES = {"buy": BUY, "sell": SELL}
STP_MODES = ("cancel_maker", "cancel_taker", "cancel_both")
TRIGGER_TYPES = ("last", "index", "mark")
MAX_PENDING = 500
# Market orders are checked as if they could fill this much away from the best price.
MARKET_BUFFER = Decimal("1.05")
PRICE_BAND_BPS = 500
SPOT_MAX = Decimal(SPOT_MAX_QUOTE)


def band(market: Market) -> tuple[int, int]:
    """(highest buy, lowest sell) price in ticks."""
    width = max(1, market.px_ticks * PRICE_BAND_BPS // 10_000)
    return market.px_ticks + width, max(1, market.px_ticks - width)


def check_client_id(params: Params) -> str:
    cl_ord_id = given(params, "clOrdId")
    if cl_ord_id and not CLIENT_ID.match(cl_ord_id):
        raise parameter("clOrdId")
    return cl_ord_id


def read_order(core: Core, acc: Account, market: Market, params: Params, ts: int) -> Order:
    """Check the request's form and make the order; RejectError says what is wrong."""
    inst = market.inst
    order = Order(acc, inst, 0, ts)
    cl_ord_id = given(params, "clOrdId")
    if cl_ord_id:
        if not CLIENT_ID.match(cl_ord_id):
            raise parameter("clOrdId")
        if cl_ord_id in acc.live_cl_ord_ids:
            raise reject(rejects.DUPLICATE_CLIENT_ID)
        order.cl_ord_id = cl_ord_id
    tag = given(params, "tag")
    if tag:
        if not TAG.match(tag):
            raise parameter("tag")
        order.tag = tag
    if inst.state != "live":
        raise reject(rejects.SUSPENDED)
    side = SIDES.get(given(params, "side"))
    if side is None:
        raise parameter("side")
    order.side = side
    ord_type = given(params, "ordType")
    if ord_type not in ORDER_TYPES:
        raise parameter("ordType")
    order.ord_type = ord_type
    read_mode(acc, order, params)
    _read_price(market, order, params)
    _read_size(market, order, params)
    stp_mode = given(params, "stpMode")
    if stp_mode:
        if stp_mode not in STP_MODES:
            raise parameter("stpMode")
        order.stp_mode = stp_mode
    if params.get("banAmend") is not None:
        order.banned_amend = flag(params, "banAmend")
    if params.get("reduceOnly") is not None and inst.is_swap and acc.pos_mode == "net_mode":
        order.reduce_only = order.closing = flag(params, "reduceOnly")
    order.attached = read_attached(core, market, order, params)
    order.last_px_ticks = market.px_ticks
    return order


def read_mode(acc: Account, order: Order, params: Params) -> None:
    td_mode = given(params, "tdMode")
    pos_side = given(params, "posSide")
    inst = order.inst
    if not inst.is_swap:
        if not td_mode:
            raise empty("tdMode")
        # Multi-currency and portfolio accounts trade spot in cross mode; nothing is borrowed.
        if td_mode != "cash" and not (td_mode == "cross" and acc.acct_lv in "34"):
            raise (
                parameter("tdMode")
                if td_mode not in ("cross", "isolated")
                else reject(rejects.WRONG_ACCOUNT_MODE)
            )
        order.td_mode = td_mode
        order.pos_side = "net"
        tgt = given(params, "tgtCcy")
        if tgt and tgt not in ("base_ccy", "quote_ccy"):
            raise parameter("tgtCcy")
        if order.ord_type == "market":
            order.tgt_ccy = tgt or ("quote_ccy" if order.side == BUY else "base_ccy")
        if order.ord_type == "optimal_limit_ioc":
            raise parameter("ordType")
        return
    if acc.acct_lv == "1":
        raise reject(rejects.WRONG_ACCOUNT_MODE)
    if td_mode not in ("cross", "isolated"):
        raise parameter("tdMode")
    order.td_mode = td_mode
    if acc.pos_mode == "net_mode":
        if pos_side not in ("", "net"):
            raise parameter("posSide")
        order.pos_side = "net"
    else:
        if pos_side not in ("long", "short"):
            raise parameter("posSide")
        order.pos_side = pos_side
        order.closing = (pos_side == "long") == (order.side == SELL)
    order.lever = acc.lever_of(inst.inst_id, td_mode, pos_side)


def read_ticks(market: Market, raw: Any, name: str) -> int:
    px = decimal_of(raw)
    if px is None or px <= 0:
        raise parameter(name)
    ticks = steps(px, market.inst.tick)
    if ticks is None:
        raise parameter(name)
    return ticks


def _read_price(market: Market, order: Order, params: Params) -> None:
    if order.ord_type not in PRICED:
        return
    raw = params.get("px")
    if raw is None or raw == "":
        raise empty("px")
    order.px_ticks = read_ticks(market, raw, "px")
    check_band(market, order.side, order.px_ticks)


def check_band(market: Market, side: int, ticks: int) -> None:
    highest, lowest = band(market)
    if (side == BUY and ticks <= highest) or (side == SELL and ticks >= lowest):
        return
    inst = market.inst
    if not inst.is_swap:
        raise reject(rejects.OUTSIDE_BAND, inst.px_text(highest), inst.px_text(lowest))
    if side == BUY:
        raise reject(rejects.BUY_TOO_HIGH, inst.px_text(highest))
    raise reject(rejects.SELL_TOO_LOW, inst.px_text(lowest))


def read_lots(market: Market, raw: Any, name: str = "sz") -> int:
    inst = market.inst
    size = decimal_of(raw)
    if size is None or size <= 0:
        raise parameter(name)
    lots = steps(size, inst.lot)
    if lots is None:
        raise reject(rejects.NOT_LOT_MULTIPLE if size >= inst.lot else rejects.BELOW_MINIMUM)
    if lots < inst.min_lots:
        raise reject(rejects.BELOW_MINIMUM)
    return lots


def _read_size(market: Market, order: Order, params: Params) -> None:
    inst = market.inst
    raw = params.get("sz")
    if raw is None or raw == "":
        raise empty("sz")
    is_market = order.ord_type in ("market", "optimal_limit_ioc")
    if order.tgt_ccy == "quote_ccy":
        value = decimal_of(raw)
        if value is None or value <= 0:
            raise parameter("sz")
        if value > SPOT_MAX:
            raise reject(rejects.OVER_MARKET_VALUE, SPOT_MAX_QUOTE, inst.quote)
        best = market.book.best(opposite(market, order)) or market.px_ticks
        if order.side == SELL:
            order.sz_lots = floor_div(value, best * inst.unit)
        elif value < inst.min_lots * best * inst.unit:
            raise reject(rejects.BELOW_MINIMUM)
        else:
            order.sz_quote = value
            return
        if order.sz_lots < inst.min_lots:
            raise reject(rejects.BELOW_MINIMUM)
        return
    lots = read_lots(market, raw)
    if is_market:
        # Of spot, the venue states maxMktSz in dollars, and far above what an order may be worth.
        if inst.is_swap and lots > inst.max_market_lots:
            raise reject(rejects.OVER_MARKET_MAX, inst.max_market_sz)
        if not inst.is_swap and lots * market.px_ticks * inst.unit > SPOT_MAX:
            raise reject(rejects.OVER_MARKET_VALUE, SPOT_MAX_QUOTE, inst.quote)
    elif lots > inst.max_limit_lots:
        raise reject(rejects.OVER_LIMIT_MAX, inst.max_limit_sz)
    order.sz_lots = lots


_ATTACH_KEYS = ("tpTriggerPx", "tpOrdPx", "slTriggerPx", "slOrdPx")


def read_attached(core: Core, market: Market, order: Order, params: Params) -> list[Row]:
    """TP/SL that start when the order ends filled (wholly or in part)."""
    raw = params.get("attachAlgoOrds")
    if not raw:
        if not any(given(params, k) for k in _ATTACH_KEYS):
            return []
        raw = [params]
    if not isinstance(raw, list) or not all(isinstance(r, dict) for r in raw):
        raise parameter("attachAlgoOrds")
    if order.reduce_only:
        raise reject(rejects.REDUCE_ONLY_TP_SL)
    reference = order.px_ticks or market.px_ticks
    out = []
    for entry in raw:
        row: Row = {
            "attachAlgoId": str(core.next_id()),
            "attachAlgoClOrdId": given(entry, "attachAlgoClOrdId"),
            "tpOrdKind": given(entry, "tpOrdKind") or "condition",
            "sz": given(entry, "sz") if entry is not params else "",
            "amendPxOnTriggerType": given(entry, "amendPxOnTriggerType") or "0",
            "callbackRatio": "", "callbackSpread": "", "activePx": "",
            "failCode": "", "failReason": "",
        }  # fmt: skip
        if row["attachAlgoClOrdId"] and not CLIENT_ID.match(row["attachAlgoClOrdId"]):
            raise parameter("attachAlgoClOrdId")
        row.update(read_tp_sl(market, entry, order.side, reference, opening=True))
        if not row["tpTriggerPx"] and not row["slTriggerPx"] and not row["tpOrdPx"]:
            raise parameter("attachAlgoOrds")
        out.append(row)
    return out


TP_SL_MESSAGES = {
    ("tp", True, BUY): ("51046", "The take profit trigger price must be higher than the order "
                                 "price."),
    ("sl", True, BUY): ("51047", "The stop loss trigger price must be lower than the order "
                                 "price."),
    ("tp", True, SELL): ("51048", "The take profit trigger price must be lower than the order "
                                  "price."),
    ("sl", True, SELL): ("51049", "The stop loss trigger price must be higher than the order "
                                  "price."),
    ("tp", False, SELL): ("51277", "TP trigger price can not be lower than the last price."),
    ("sl", False, SELL): ("51278", "SL trigger price can not be higher than the last price."),
    ("tp", False, BUY): ("51279", "TP trigger price can not be higher than the last price."),
    ("sl", False, BUY): ("51280", "SL trigger price can not be lower than the last price."),
}  # fmt: skip


def read_tp_sl(
    market: Market, entry: Params, side: int, reference: int, *, opening: bool
) -> Row:  # fmt: skip
    """The take-profit and stop-loss keys, checked. `side` is that of the order they belong to:
    the opening order's for attached ones, their own for stand-alone ones."""
    out: Row = {}
    direction = side if opening else -side  # +1: a long is protected
    for kind, sign in (("tp", 1), ("sl", -1)):
        trigger = given(entry, f"{kind}TriggerPx")
        px = given(entry, f"{kind}OrdPx")
        px_type = given(entry, f"{kind}TriggerPxType")
        if px_type and px_type not in TRIGGER_TYPES:
            raise parameter(f"{kind}TriggerPxType")
        limit_tp = kind == "tp" and given(entry, "tpOrdKind") == "limit"
        if trigger and not limit_tp:
            ticks = read_ticks(market, trigger, f"{kind}TriggerPx")
            if not px:
                px = "-1"
            if sign * direction * (ticks - reference) < 0:
                raise reject(TP_SL_MESSAGES[kind, opening, side])
        elif px and not limit_tp:
            raise empty(f"{kind}TriggerPx")
        if px and px != "-1":
            read_ticks(market, px, f"{kind}OrdPx")
        out[f"{kind}TriggerPx"] = text(Decimal(trigger)) if trigger else ""
        out[f"{kind}OrdPx"] = px
        out[f"{kind}TriggerPxType"] = px_type or ("last" if trigger else "")
    return out
