"""What time and price do to positions: funding, margin calls, liquidation."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from .amounts import ZERO, q, text
from .booking import fill_order
from .margin import tier_of
from .matching import end, show, trade
from .orders import BUY, SELL, Order
from .placing import register
from .public_queries import funding_rate_of

if TYPE_CHECKING:
    from .accounts import Account, Position
    from .core import Core, Market

EIGHT_HOURS = 8 * 3_600_000


def pay_funding(core: Core, market: Market, now: int) -> None:
    """Longs pay a positive rate on the notional at mark, shorts get it."""
    due = min(market.next_funding, now)
    rate = funding_rate_of(market)
    inst = market.inst
    for acc in core.accounts.values():
        for pos in [p for p in acc.open.values() if p.inst is inst]:
            notional = inst.notional(abs(pos.lots), market.px_ticks)
            amount = q(-notional * rate) if pos.lots > 0 else q(notional * rate)
            pos.funding += amount
            details = {
                "instId": inst.inst_id, "instType": "SWAP", "mgnMode": pos.mgn_mode,
                "px": inst.px_text(market.px_ticks), "sz": inst.sz_text(abs(pos.lots)),
                "pnl": text(amount),
            }  # fmt: skip
            sub_type = "173" if amount < 0 else "174"
            if pos.mgn_mode == "isolated":
                # Isolated funding settles against the position's margin: no cash moves.
                pos.margin += amount
                bill = core.post(acc, inst.settle, ZERO, "8", sub_type, now, None, details)
                bill.pos_bal, bill.pos_bal_chg = pos.margin, amount
            else:
                core.post(acc, inst.settle, amount, "8", sub_type, now, None, details)
            core.touch("position", pos)
            core.changed(acc).update((pos, inst.settle))
    market.funding_history.append((due, rate))
    # After a long stop or a jump of the clock, missed periods are not charged again.
    market.next_funding = (now // EIGHT_HOURS + 1) * EIGHT_HOURS


def check_account(core: Core, acc: Account) -> None:
    """Liquidate what its margin no longer carries."""
    for pos in list(acc.open.values()):
        if pos.mgn_mode == "isolated" and pos.lots:
            _check_isolated(core, acc, pos)
    for ccy in {p.inst.settle for p in acc.open.values() if p.mgn_mode == "cross"}:
        _check_cross(core, acc, ccy)


def _requirement(core: Core, pos: Position) -> Decimal:
    market = core.markets[pos.inst.inst_id]
    notional = pos.inst.notional(abs(pos.lots), market.px_ticks)
    return notional * (core.mmr(market, pos.lots) + pos.account.fees[3])


def _check_isolated(core: Core, acc: Account, pos: Position) -> None:
    while pos.lots and pos.margin + core.upl(pos) <= _requirement(core, pos):
        market = core.markets[pos.inst.inst_id]
        if _reduce_tiers(core, market, pos):
            continue
        _close_at_bankruptcy(core, market, pos, pos.margin)


def _check_cross(core: Core, acc: Account, ccy: str) -> None:
    def failing() -> bool:
        gain, _, maintenance = core.cross_state(acc, ccy)
        return bool(maintenance) and acc.cash.get(ccy, ZERO) + gain <= maintenance

    if not failing():
        return
    ts = core.now()
    for by_id in list(acc.live.values()):
        for order in list(by_id.values()):
            if order.frozen and order.frozen_ccy == ccy:
                end(core, core.markets[order.inst.inst_id], order, "canceled", ts, source="3")
    while failing():
        mine = [p for p in acc.open.values() if p.mgn_mode == "cross" and p.inst.settle == ccy]
        if not mine:
            return
        worst = max(mine, key=lambda p: _requirement(core, p))
        market = core.markets[worst.inst.inst_id]
        if _reduce_tiers(core, market, worst):
            continue
        if len(mine) > 1:
            _close(core, market, worst, abs(worst.lots), market.px_ticks, "full_liquidation")
        else:
            others = acc.cash.get(ccy, ZERO)
            _close_at_bankruptcy(core, market, worst, others)


def _reduce_tiers(core: Core, market: Market, pos: Position) -> bool:
    """From tier three on, a part of two tiers is closed at the market first."""
    inst = pos.inst
    size = abs(pos.lots) * inst.lot
    tier = tier_of(market.tiers, size)
    if tier.tier < 3:
        return False
    target = market.tiers[tier.tier - 3].max_sz
    lots = int((size - target) / inst.lot)
    _close(core, market, pos, lots, market.px_ticks, "partial_liquidation")
    return True


def _close_at_bankruptcy(core: Core, market: Market, pos: Position, cushion: Decimal) -> None:
    """At the price where the cushion is gone, fee included. What rounding or a gap leaves below
    zero is the insurance fund's."""
    inst, acc = pos.inst, pos.account
    fee = acc.fees[3]
    contracts = abs(pos.lots) * inst.lot * inst.ct_val
    sign = 1 if pos.lots > 0 else -1
    if inst.inverse:
        px = contracts * (1 + sign * fee) / (contracts / pos.avg_px + sign * cushion)
    else:
        px = (pos.avg_px * contracts - sign * cushion) / (contracts * (1 - sign * fee))
    ticks = max(1, int(px / inst.tick)) if px > 0 else 1 if sign > 0 else market.px_ticks
    isolated = pos.mgn_mode == "isolated"
    before = acc.cash.get(inst.settle, ZERO)
    _close(core, market, pos, abs(pos.lots), ticks, "full_liquidation")
    rest = acc.cash.get(inst.settle, ZERO) - (before if isolated else ZERO)
    if rest:
        # Up: the clawback; down: the fund covers it. Either way the account ends at zero.
        core.insurance[inst.settle] = core.insurance.get(inst.settle, ZERO) + rest
        core.post(acc, inst.settle, -rest, "5", "110" if rest > 0 else "111", core.now(), None,
                  {"instId": inst.inst_id, "instType": "SWAP", "mgnMode": pos.mgn_mode,
                   "notes": "insurance fund"})  # fmt: skip


def _close(core: Core, market: Market, pos: Position, lots: int, ticks: int,
           category: str) -> None:  # fmt: skip
    """The liquidation engine takes over a part of a position at a price."""
    ts = core.now()
    order = Order(pos.account, pos.inst, core.next_id(), ts)
    order.side = SELL if pos.lots > 0 else BUY
    order.pos_side, order.td_mode = pos.pos_side, pos.mgn_mode
    order.ord_type = "limit"
    order.px_ticks, order.sz_lots = ticks, lots
    order.closing = True
    order.lever = pos.lever
    order.category = category
    live = pos.account.live.setdefault(pos.inst.inst_id, {})
    register(core, order, live)
    trade_id = trade(core, market, order.side, ticks, lots, ts)
    fill_order(core, market, order, ticks, lots, "T", trade_id, ts)
    end(core, market, order, "filled", ts, quiet=True)
    show(core, order, fill=True)
