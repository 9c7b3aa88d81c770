"""One conditional order and its row on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .amounts import ZERO, text
from .orders import BUY, SELL
from .types import Row

if TYPE_CHECKING:
    from .accounts import Account
    from .core import Market


class Algo:
    __slots__ = (
        "account", "active", "active_ticks", "actual_px", "actual_side", "actual_sz", "algo_id",
        "attached", "c_time", "callback_ratio", "callback_spread_ticks", "cl_ord_id",
        "close_fraction", "cxl_on_close_pos", "extreme", "fail_code", "inst", "ord_id", "ord_px",
        "ord_type", "parent_ord_id", "pos_side", "reduce_only", "rising", "side", "state", "sz",
        "tag", "td_mode", "tgt_ccy", "tp_sl", "trigger_px_type", "trigger_ticks", "trigger_time",
        "u_time",
    )  # fmt: skip

    def __init__(self, account: Account, market: Market, algo_id: int, ts: int) -> None:
        self.account = account
        self.inst = market.inst
        self.algo_id = algo_id
        self.c_time = self.u_time = ts
        self.cl_ord_id = self.tag = self.pos_side = self.tgt_ccy = self.sz = ""
        self.td_mode = "cash"
        self.side = SELL
        self.ord_type = "conditional"
        self.tp_sl: Row = dict.fromkeys(
            ("tpTriggerPx", "tpOrdPx", "tpTriggerPxType", "slTriggerPx", "slOrdPx",
             "slTriggerPxType"), "")  # fmt: skip
        self.reduce_only = False
        self.close_fraction = ""
        self.cxl_on_close_pos = False
        self.trigger_ticks = self.active_ticks = self.callback_spread_ticks = self.extreme = 0
        self.rising = True  # a trigger order waits for a higher price
        self.active = False  # a trailing order follows the price
        self.trigger_px_type = "last"
        self.ord_px = "-1"
        self.callback_ratio = ZERO
        self.attached: list[Row] = []
        self.parent_ord_id = ""
        self.state = "live"
        self.actual_px = self.actual_sz = self.actual_side = self.ord_id = self.fail_code = ""
        self.trigger_time = 0

    def row(self) -> Row:
        inst = self.inst
        trailing = self.ord_type == "move_order_stop"
        trigger = self.ord_type == "trigger"
        px = self.trigger_ticks
        move_trigger = inst.px_text(trail_ticks(self)) if trailing and self.active else ""
        return {
            "activePx": inst.px_text(self.active_ticks) if self.active_ticks else "",
            "actualPx": self.actual_px, "actualSide": self.actual_side,
            "actualSz": self.actual_sz or "0", "algoClOrdId": self.cl_ord_id,
            "algoId": str(self.algo_id), "amendPxOnTriggerType": "0",
            "attachAlgoOrds": self.attached, "cTime": str(self.c_time),
            "callbackRatio": text(self.callback_ratio) if self.callback_ratio else "",
            "callbackSpread": inst.px_text(self.callback_spread_ticks)
            if self.callback_spread_ticks else "",
            "ccy": "", "chaseType": "", "chaseVal": "", "clOrdId": self.cl_ord_id,
            "closeFraction": self.close_fraction, "failCode": self.fail_code,
            "instId": inst.inst_id, "instType": inst.inst_type, "isTradeBorrowMode": "",
            "last": "", "lever": self.account.lever_of(inst.inst_id, self.td_mode, self.pos_side)
            if inst.is_swap else "",
            "linkedOrd": {"ordId": self.parent_ord_id}, "maxChaseType": "", "maxChaseVal": "",
            "moveTriggerPx": move_trigger, "ordId": self.ord_id,
            "ordIdList": [self.ord_id] if self.ord_id else [],
            "ordPx": self.ord_px if trigger else "", "ordType": self.ord_type,
            "posSide": self.pos_side, "pxLimit": "", "pxSpread": "", "pxVar": "",
            "quickMgnType": "", "reduceOnly": "true" if self.reduce_only else "false",
            "side": "buy" if self.side == BUY else "sell", "state": self.state, "sz": self.sz,
            "szLimit": "", "tag": self.tag, "tdMode": self.td_mode, "tgtCcy": self.tgt_ccy,
            "timeInterval": "", "tradeQuoteCcy": "" if inst.is_swap else inst.quote,
            "triggerPx": inst.px_text(px) if px else "",
            "triggerPxType": self.trigger_px_type if trigger else "",
            "triggerTime": str(self.trigger_time) if self.trigger_time else "",
            "uTime": str(self.u_time), **self.tp_sl,
        }  # fmt: skip


def trail_ticks(algo: Algo) -> int:
    """Where a trailing order triggers: behind the best price seen."""
    gap = algo.callback_spread_ticks
    if algo.callback_ratio:
        gap = max(1, int(algo.extreme * algo.callback_ratio))
    return max(1, algo.extreme + (gap if algo.side == BUY else -gap))
