"""One fill and all it changes: order, fee, balances, position, bill, fill record."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from .amounts import ZERO, q, text
from .margin import average
from .orders import BUY, Bill, Fill, Order
from .types import Row

if TYPE_CHECKING:
    from .accounts import Position
    from .core import Core, Market

# Bills of these order categories are liquidations (type 5), not trades (type 2).
LIQUIDATIONS = {"partial_liquidation": ("100", "101"), "full_liquidation": ("104", "105")}


def fill_order(
    core: Core, market: Market, order: Order, ticks: int, lots: int, exec_type: str,
    trade_id: str, ts: int,
) -> Fill:  # fmt: skip
    """Book a fill of an order. The caller ends the order when it is full."""
    inst = order.inst
    acc = order.account
    order.filled_lots += lots
    order.cum_lot_ticks += lots * ticks
    order.fill_ticks = ticks
    order.fill_lots = lots
    order.fill_time = order.u_time = ts
    order.trade_id = trade_id
    order.exec_type = exec_type
    order.last_px_ticks = market.px_ticks
    notional = inst.notional(lots, ticks)
    order.cum_quote += notional
    rate = acc.fees[(2 if inst.is_swap else 0) + (exec_type == "T")]
    if inst.is_swap:
        fee = q(-notional * rate)
        fee_ccy = inst.settle
        pnl, bill, sub_type = _swap(core, market, order, ticks, lots, notional, fee, ts)
    else:
        pnl = ZERO
        fee, fee_ccy, bill, sub_type = _spot(core, order, lots, notional, rate, ts)
    bill.details.update(tradeId=trade_id, execType=exec_type)  # type: ignore[union-attr]
    order.fee += fee
    order.fee_ccy = fee_ccy
    order.pnl += pnl
    order.fill_fee = fee
    order.fill_pnl = pnl
    if order.frozen:
        _thaw(core, order, lots)
    if order.avail_fill_lots > 0:
        order.avail_fill_lots -= lots
    order.state = "partially_filled"
    fill = Fill(order, trade_id, bill.bill_id, ticks, lots, fee, fee_ccy, pnl, exec_type,
                sub_type, market.px_ticks, ts)  # fmt: skip
    acc.fill_list.append(fill)
    core.touch("fill", fill)
    core.touch("order", order)
    return fill


def _thaw(core: Core, order: Order, lots: int) -> None:
    left = order.left_lots
    if left <= 0:
        core.thaw(order)
    elif order.inst.is_swap:
        core.thaw(order, q(order.frozen * lots / (left + lots)))
    elif order.side == BUY:
        core.thaw(order, order.frozen - left * order.px_ticks * order.inst.unit)
    else:
        core.thaw(order, order.frozen - left * order.inst.lot)


def _spot(
    core: Core, order: Order, lots: int, value: Decimal, rate: Decimal, ts: int
) -> tuple[Decimal, str, Bill, str]:
    """The fee is taken from what is received, so one of the two bills carries it."""
    inst, acc = order.inst, order.account
    size = lots * inst.lot
    px_sz = {"px": text(order.fill_ticks * inst.tick), "sz": text(size), "fillTime": str(ts)}
    if order.side == BUY:
        fee, fee_ccy, sub_type = q(-size * rate), inst.base, "1"
        core.post(acc, inst.quote, -value, "2", "1", ts, order, dict(px_sz))
        bill = core.post(acc, inst.base, size + fee, "2", "1", ts, order, px_sz)
    else:
        fee, fee_ccy, sub_type = q(-value * rate), inst.quote, "2"
        core.post(acc, inst.base, -size, "2", "2", ts, order, dict(px_sz))
        bill = core.post(acc, inst.quote, value + fee, "2", "2", ts, order, px_sz)
    bill.fee = fee
    core.changed(acc).update((inst.base, inst.quote))
    return fee, fee_ccy, bill, sub_type


def _swap(
    core: Core, market: Market, order: Order, ticks: int, lots: int, notional: Decimal,
    fee: Decimal, ts: int,
) -> tuple[Decimal, Bill, str]:  # fmt: skip
    inst, acc = order.inst, order.account
    pos = core.position(acc, inst, order.td_mode, order.pos_side)
    held = pos.lots
    signed = lots * order.side
    closed = min(abs(held), lots) if held * signed < 0 else 0
    opened = lots - closed
    px = ticks * inst.tick
    pnl = released = added = ZERO
    open_fee = fee
    if closed:
        direction = 1 if held > 0 else -1
        contracts = closed * direction * inst.lot * inst.ct_val
        if inst.inverse:
            pnl = q(contracts / pos.avg_px - contracts / px)
        else:
            pnl = q(contracts * (px - pos.avg_px))
        if pos.margin:
            released = pos.margin if closed == abs(held) else q(pos.margin * closed / abs(held))
            pos.margin -= released
        _count_close(pos, closed, px, pnl)
        # A fill that flips pays its fee for both parts; the closing part goes with the old one.
        close_fee = fee if not opened else q(fee * closed / lots)
        pos.fee += close_fee
        open_fee -= close_fee
        if closed == abs(held):
            pos.lots = 0
            _closed(core, pos, order.category, ts)
        else:
            pos.lots += closed * order.side
    if opened:
        if not pos.lots:
            pos.reset()
            pos.c_time = ts
            pos.opened_long = order.side == BUY
            pos.avg_px = ZERO
            pos.lever = acc.lever_of(inst.inst_id, order.td_mode, order.pos_side)
            acc.open[pos.key] = pos
        pos.avg_px = q(average(inst, abs(pos.lots), pos.avg_px, opened, px))
        pos.lots += opened * order.side
        pos.opened_lots += opened
        pos.open_avg = q(average(inst, pos.opened_lots - opened, pos.open_avg or px, opened, px))
        pos.max_lots = max(pos.max_lots, abs(pos.lots))
        if order.td_mode == "isolated":
            part = notional if opened == lots else inst.notional(opened, ticks)
            added = q(part / Decimal(pos.lever))
            pos.margin += added
    pos.fee += open_fee
    pos.trade_id = order.trade_id
    pos.u_time = ts
    sub_type = _sub_type(order, held)
    bill_type = "5" if order.category in LIQUIDATIONS else "2"
    bill = core.post(
        acc, inst.settle, pnl + fee + released - added, bill_type, sub_type, ts, order,
        {"px": text(px), "sz": text(lots * inst.lot), "fillTime": str(ts)},
    )  # fmt: skip
    bill.pnl = pnl
    bill.fee = fee
    if order.td_mode == "isolated":
        bill.pos_bal = pos.margin
        bill.pos_bal_chg = added - released
    core.changed(acc).update((inst.settle, pos))
    core.touch("position", pos)
    return pnl, bill, sub_type


def _sub_type(order: Order, held: int) -> str:
    if order.category in LIQUIDATIONS:
        return LIQUIDATIONS[order.category][0 if held > 0 else 1]
    if order.pos_side == "long":
        return "3" if order.side == BUY else "5"
    if order.pos_side == "short":
        return "6" if order.side == BUY else "4"
    return "1" if order.side == BUY else "2"


def _count_close(pos: Position, closed: int, px: Decimal, pnl: Decimal) -> None:
    pos.close_cost = q(average(pos.inst, pos.closed_lots, pos.close_cost or px, closed, px))
    pos.closed_lots += closed
    pos.realized += pnl


def _closed(core: Core, pos: Position, category: str, ts: int) -> None:
    pos.account.open.pop(pos.key, None)
    pos.margin = ZERO
    kind = {"partial_liquidation": "3", "full_liquidation": "3", "adl": "4"}.get(category, "2")
    row = closed_row(pos, kind, ts)
    pos.account.position_log.append(row)
    core.touch("position_log", row)
    core.just_closed.append(pos)


def closed_row(pos: Position, kind: str, ts: int) -> Row:
    inst = pos.inst
    realized = pos.realized + pos.fee + pos.funding + pos.liq_penalty
    long = pos.pos_side == "long" or (pos.pos_side == "net" and pos.opened_long)
    margin_base = pos.max_lots and inst.notional(
        pos.max_lots, max(1, int(pos.open_avg / inst.tick))
    ) / Decimal(pos.lever)
    return {
        "ccy": inst.settle,
        "cTime": str(pos.c_time),
        "closeAvgPx": text(pos.close_cost),
        "closeTotalPos": inst.sz_text(pos.closed_lots),
        "direction": "long" if long else "short",
        "fee": text(pos.fee),
        "fundingFee": text(pos.funding),
        "instId": inst.inst_id,
        "instType": inst.inst_type,
        "lever": pos.lever,
        "liqPenalty": text(pos.liq_penalty),
        "mgnMode": pos.mgn_mode,
        "nonSettleAvgPx": "",
        "openAvgPx": text(pos.open_avg),
        "openMaxPos": inst.sz_text(pos.max_lots),
        "pnl": text(pos.realized),
        "pnlRatio": text(q(realized / margin_base)) if margin_base else "0",
        "posId": str(pos.pos_id),
        "posSide": pos.pos_side,
        "realizedPnl": text(realized),
        "settledPnl": "",
        "triggerPx": "",
        "type": kind,
        "uTime": str(ts),
        "uly": inst.family,
    }
