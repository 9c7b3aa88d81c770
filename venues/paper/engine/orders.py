"""Orders, fills, bills and algo orders as the engine holds them, and their rows on the wire."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from .amounts import ZERO, q, text
from .types import Row

if TYPE_CHECKING:
    from .accounts import Account
    from .instruments import Instrument

LIVE_STATES = ("live", "partially_filled")
BUY = 1
SELL = -1


class Order:
    __slots__ = (
        "account",
        "algo_cl_ord_id",
        "algo_id",
        "amend_result",
        "amend_source",
        "attached",
        "avail_fill_lots",
        "banned_amend",
        "c_time",
        "cancel_source",
        "category",
        "cl_ord_id",
        "closing",
        "cum_lot_ticks",
        "cum_quote",
        "exec_type",
        "fault_cancels",
        "fee",
        "fee_ccy",
        "fill_fee",
        "fill_lots",
        "fill_pnl",
        "fill_ticks",
        "fill_time",
        "filled_lots",
        "frozen",
        "frozen_ccy",
        "hidden_until",
        "inst",
        "last_px_ticks",
        "lever",
        "ord_id",
        "ord_type",
        "pnl",
        "pos_side",
        "px_ticks",
        "reduce_only",
        "req_id",
        "side",
        "source",
        "state",
        "stp_mode",
        "sz_lots",
        "sz_quote",
        "tag",
        "td_mode",
        "tgt_ccy",
        "trade_id",
        "u_time",
    )  # fmt: skip

    def __init__(self, account: Account, inst: Instrument, ord_id: int, ts: int) -> None:
        self.account = account
        self.inst = inst
        self.ord_id = ord_id
        self.c_time = self.u_time = ts
        self.cl_ord_id = self.tag = self.algo_id = self.algo_cl_ord_id = ""
        self.side = BUY
        self.pos_side = ""  # "", net, long, short as shown on the wire
        self.td_mode = "cash"
        self.ord_type = "market"
        self.tgt_ccy = ""
        self.px_ticks = 0  # 0: no price
        self.sz_lots = 0  # 0 while a market buy is measured in quote money
        self.sz_quote: Decimal | None = None
        self.reduce_only = False
        self.closing = False  # may only reduce: reduce-only, or the closing side of long/short
        self.banned_amend = False
        self.lever = ""
        self.stp_mode = "cancel_maker"
        self.category = "normal"
        self.source = ""
        self.attached: list[Row] = []
        self.state = "live"
        self.cancel_source = ""
        self.filled_lots = 0
        self.cum_lot_ticks = 0
        self.cum_quote = ZERO  # spot and linear: quote money; inverse: coins
        self.fee = ZERO
        self.fee_ccy = ""
        self.pnl = ZERO
        # The last fill, for the orders channel.
        self.fill_ticks = self.fill_lots = self.fill_time = 0
        self.fill_fee = self.fill_pnl = ZERO
        self.trade_id = self.exec_type = ""
        self.last_px_ticks = 0
        self.amend_result = self.amend_source = self.req_id = ""
        self.frozen = ZERO
        self.frozen_ccy = ""
        self.hidden_until = 0
        self.avail_fill_lots = -1  # a fault's cap on what may still fill; -1: none
        self.fault_cancels = False

    @property
    def left_lots(self) -> int:
        return self.sz_lots - self.filled_lots

    @property
    def is_live(self) -> bool:
        return self.state == "live" or self.state == "partially_filled"

    @property
    def avg_px(self) -> Decimal:
        if not self.filled_lots:
            return ZERO
        inst = self.inst
        if inst.inverse:
            return q(self.filled_lots * inst.unit / self.cum_quote)
        return q(self.cum_lot_ticks * inst.tick / self.filled_lots)

    def row(self) -> Row:
        inst = self.inst
        filled = self.filled_lots
        first = self.attached[0] if self.attached else {}
        buy = self.side == BUY
        if inst.is_swap:
            fee_ccy = rebate_ccy = inst.settle
        else:
            fee_ccy = inst.base if buy else inst.quote
            rebate_ccy = inst.quote if buy else inst.base
        return {
            "accFillSz": inst.sz_text(filled),
            "algoClOrdId": self.algo_cl_ord_id,
            "algoId": self.algo_id,
            "attachAlgoClOrdId": first.get("attachAlgoClOrdId", ""),
            "attachAlgoOrds": self.attached,
            "avgPx": text(self.avg_px) if filled else "",
            "cTime": str(self.c_time),
            "cancelSource": self.cancel_source,
            "cancelSourceReason": CANCEL_REASONS.get(self.cancel_source, ""),
            "category": self.category,
            "ccy": "",
            "clOrdId": self.cl_ord_id,
            "fee": text(self.fee),
            "feeCcy": self.fee_ccy or fee_ccy,
            "fillPx": inst.px_text(self.fill_ticks) if filled else "",
            "fillSz": inst.sz_text(self.fill_lots),
            "fillTime": str(self.fill_time) if filled else "",
            "instId": inst.inst_id,
            "instIdCode": inst.inst_id_code,
            "instType": inst.inst_type,
            "isTpLimit": "false",
            "lever": self.lever,
            "linkedAlgoOrd": {"algoId": ""},
            "ordId": str(self.ord_id),
            "ordType": self.ord_type,
            "pnl": text(self.pnl),
            "posSide": self.pos_side,
            "px": inst.px_text(self.px_ticks) if self.px_ticks else "",
            "pxType": "",
            "pxUsd": "",
            "pxVol": "",
            "quickMgnType": "",
            "rebate": "0",
            "rebateCcy": rebate_ccy,
            "reduceOnly": "true" if self.reduce_only else "false",
            "side": "buy" if buy else "sell",
            "slOrdPx": first.get("slOrdPx", ""),
            "slTriggerPx": first.get("slTriggerPx", ""),
            "slTriggerPxType": first.get("slTriggerPxType", ""),
            "source": self.source,
            "state": self.state,
            "stpId": "",
            "stpMode": self.stp_mode,
            "sz": text(self.sz_quote) if self.sz_quote is not None else inst.sz_text(self.sz_lots),
            "tag": self.tag,
            "tdMode": self.td_mode,
            "tgtCcy": self.tgt_ccy,
            "tpOrdPx": first.get("tpOrdPx", ""),
            "tpTriggerPx": first.get("tpTriggerPx", ""),
            "tpTriggerPxType": first.get("tpTriggerPxType", ""),
            "tradeId": self.trade_id,
            "tradeQuoteCcy": "" if inst.is_swap else inst.quote,
            "uTime": str(self.u_time),
        }

    def push_row(self, *, fill: bool) -> Row:
        """The orders channel's row: fill keys describe this event only."""
        row = self.row()
        inst = self.inst
        ticks = self.px_ticks or self.last_px_ticks
        lots = self.sz_lots or self.filled_lots
        row.update(
            fillPx=inst.px_text(self.fill_ticks) if fill else "",
            fillSz=inst.sz_text(self.fill_lots) if fill else "0",
            fillTime=str(self.fill_time) if fill else "",
            tradeId=self.trade_id if fill else "",
            execType=self.exec_type if fill else "",
            fillFee=text(self.fill_fee) if fill else "0",
            fillFeeCcy=self.fee_ccy if fill else "",
            fillPnl=text(self.fill_pnl) if fill else "0",
            fillNotionalUsd=(
                text(inst.notional_usd(self.fill_lots, self.fill_ticks)) if fill else ""
            ),
            notionalUsd=text(inst.notional_usd(lots, ticks)),
            lastPx=inst.px_text(self.last_px_ticks),
            code="0",
            msg="",
            reqId=self.req_id,
            amendResult=self.amend_result,
            amendSource=self.amend_source,
        )
        return row


CANCEL_REASONS = {
    "1": "Order canceled by user",
    "3": "Order canceled: maintenance margin ratio too low",
    "9": "Order canceled: insufficient balance",
    "13": "FOK order canceled: it could not be filled at once",
    "14": "IOC order canceled: the rest could not be filled at once",
    "17": "Close order canceled: the position is closed already",
    "20": "Canceled by cancel-all-after",
    "31": "Post-only order canceled: it would have taken liquidity",
    "32": "Canceled by self-trade prevention",
}


class Fill:
    __slots__ = ("bill_id", "exec_type", "fee", "fee_ccy", "inst", "lots", "mark",
                 "order", "pnl", "sub_type", "ticks", "trade_id", "ts")  # fmt: skip

    def __init__(self, order: Order, trade_id: str, bill_id: int, ticks: int, lots: int,
                 fee: Decimal, fee_ccy: str, pnl: Decimal, exec_type: str, sub_type: str,
                 mark: int, ts: int) -> None:  # fmt: skip
        self.order = order
        self.inst = order.inst
        self.trade_id = trade_id
        self.bill_id = bill_id
        self.ticks = ticks
        self.lots = lots
        self.fee = fee
        self.fee_ccy = fee_ccy
        self.pnl = pnl
        self.exec_type = exec_type
        self.sub_type = sub_type
        self.mark = mark
        self.ts = ts

    def row(self) -> Row:
        order, inst = self.order, self.inst
        rate = ZERO
        if self.fee:
            base = inst.notional(self.lots, self.ticks)
            if not inst.is_swap and order.side == BUY:
                base = self.lots * inst.lot
            rate = (self.fee / base).quantize(Decimal("1E-8"))
        return {
            "billId": str(self.bill_id),
            "clOrdId": order.cl_ord_id,
            "execType": self.exec_type,
            "fee": text(self.fee),
            "feeCcy": self.fee_ccy,
            "feeRate": text(rate),
            "fillFwdPx": "",
            "fillIdxPx": inst.px_text(self.mark),
            "fillMarkPx": inst.px_text(self.mark) if inst.is_swap else "",
            "fillMarkVol": "",
            "fillPnl": text(self.pnl),
            "fillPx": inst.px_text(self.ticks),
            "fillPxUsd": "",
            "fillPxVol": "",
            "fillSz": inst.sz_text(self.lots),
            "fillTime": str(self.ts),
            "instId": inst.inst_id,
            "instType": inst.inst_type,
            "ordId": str(order.ord_id),
            "posSide": order.pos_side or "net",
            "side": "buy" if order.side == BUY else "sell",
            "subType": self.sub_type,
            "tag": order.tag,
            "tradeId": self.trade_id,
            "tradeQuoteCcy": "" if inst.is_swap else inst.quote,
            "ts": str(self.ts),
        }


class Bill:
    """One change of one currency's balance. `bal` is the balance after it."""

    __slots__ = ("bal", "bal_chg", "bill_id", "ccy", "details", "fee", "order", "owner", "pnl",
                 "pos_bal", "pos_bal_chg", "sub_type", "ts", "type")  # fmt: skip

    def __init__(
        self, owner: str, bill_id: int, ccy: str, bal_chg: Decimal, bal: Decimal, type_: str,
        sub_type: str, ts: int, order: Order | None = None, details: Row | None = None,
    ) -> None:  # fmt: skip
        self.owner = owner  # the account's apiKey
        self.bill_id = bill_id
        self.ccy = ccy
        self.bal_chg = bal_chg
        self.bal = bal
        self.type = type_
        self.sub_type = sub_type
        self.ts = ts
        self.order = order
        self.details = details  # wire keys that differ from the order's: sz, px, notes, ...
        self.pnl = self.fee = self.pos_bal = self.pos_bal_chg = ZERO

    def row(self) -> Row:
        order = self.order
        inst = order.inst if order else None
        row: Row = {
            "bal": text(self.bal),
            "balChg": text(self.bal_chg),
            "billId": str(self.bill_id),
            "ccy": self.ccy,
            "clOrdId": order.cl_ord_id if order else "",
            "earnAmt": "",
            "earnApr": "",
            "execType": "",
            "fee": text(self.fee),
            "fillFwdPx": "",
            "fillIdxPx": "",
            "fillMarkPx": "",
            "fillMarkVol": "",
            "fillPxUsd": "",
            "fillPxVol": "",
            "fillTime": "",
            "from": "",
            "instId": inst.inst_id if inst else "",
            "instType": inst.inst_type if inst else "",
            "interest": "0",
            "mgnMode": order.td_mode if order else "",
            "notes": "",
            "ordId": str(order.ord_id) if order else "",
            "pnl": text(self.pnl),
            "posBal": text(self.pos_bal),
            "posBalChg": text(self.pos_bal_chg),
            "px": "",
            "subType": self.sub_type,
            "sz": text(abs(self.bal_chg)),
            "tag": order.tag if order else "",
            "to": "",
            "tradeId": "",
            "ts": str(self.ts),
            "type": self.type,
        }
        if self.details:
            row.update(self.details)
        return row
