"""Balance and position rows: computed when asked for, from the ledger and the mark prices."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from . import margin
from .amounts import ZERO, q, text
from .types import Row

if TYPE_CHECKING:
    from .accounts import Account, Position
    from .core import Core

STABLE = ("USDT", "USD", "USDC")


def usd_price(core: Core, ccy: str) -> Decimal:
    if ccy in STABLE:
        return Decimal(1)
    market = core.markets.get(f"{ccy}-USDT") or core.markets.get(f"{ccy}-USDT-SWAP")
    return market.mark if market else ZERO


def liquidation_price(core: Core, pos: Position) -> Decimal | None:
    acc, inst = pos.account, pos.inst
    market = core.markets[inst.inst_id]
    rate = core.mmr(market, pos.lots) + acc.fees[3]
    if pos.mgn_mode == "isolated":
        cushion = pos.margin
    else:
        gain, _, maintenance = core.cross_state(acc, inst.settle)
        own = inst.notional(abs(pos.lots), market.px_ticks) * rate
        cushion = acc.cash.get(inst.settle, ZERO) + gain - core.upl(pos) - (maintenance - own)
    return margin.liquidation_price(inst, pos.lots, pos.avg_px, cushion, rate)


def margin_ratio(core: Core, pos: Position) -> Decimal | None:
    acc, inst = pos.account, pos.inst
    market = core.markets[inst.inst_id]
    if pos.mgn_mode == "cross":
        gain, _, maintenance = core.cross_state(acc, inst.settle)
        equity = acc.cash.get(inst.settle, ZERO) + gain
    else:
        notional = inst.notional(abs(pos.lots), market.px_ticks)
        maintenance = notional * (core.mmr(market, pos.lots) + acc.fees[3])
        equity = pos.margin + core.upl(pos)
    return equity / maintenance if maintenance else None


def position_row(core: Core, pos: Position) -> Row:
    inst, acc = pos.inst, pos.account
    market = core.markets[inst.inst_id]
    mark, lots = market.mark, pos.lots
    shown = lots if pos.pos_side == "net" else abs(lots)
    row: Row = {
        "adl": "1" if lots else "", "baseBal": "", "baseBorrowed": "", "baseInterest": "",
        "bePx": "", "bizRefId": "", "bizRefType": "", "cTime": str(pos.c_time),
        "ccy": inst.settle, "clSpotInUseAmt": "", "closeOrderAlgo": [], "deltaBS": "",
        "deltaPA": "", "fee": text(pos.fee), "fundingFee": text(pos.funding), "gammaBS": "",
        "gammaPA": "", "hedgedPos": "", "idxPx": text(index_price(core, inst.coin, mark)),
        "instId": inst.inst_id, "instType": inst.inst_type, "interest": "", "last": text(mark),
        "lever": pos.lever, "liab": "", "liabCcy": "", "liqPenalty": text(pos.liq_penalty),
        "markPx": text(mark), "maxSpotInUseAmt": "", "mgnMode": pos.mgn_mode,
        "nonSettleAvgPx": "", "optVal": "", "pendingCloseOrdLiabVal": "", "pnl":
        text(pos.realized), "pos": inst.sz_text(shown), "posCcy": "", "posId": str(pos.pos_id),
        "posSide": pos.pos_side, "quoteBal": "", "quoteBorrowed": "", "quoteInterest": "",
        "realizedPnl": text(pos.realized + pos.fee + pos.funding + pos.liq_penalty),
        "settledPnl": "", "spotInUseAmt": "", "spotInUseCcy": "", "thetaBS": "", "thetaPA": "",
        "tradeId": pos.trade_id, "uTime": str(pos.u_time), "usdPx": "1", "vegaBS": "",
        "vegaPA": "",
    }  # fmt: skip
    empty = ("avgPx", "availPos", "imr", "liqPx", "margin", "mgnRatio", "mmr", "notionalUsd",
             "upl", "uplLastPx", "uplRatio", "uplRatioLastPx")  # fmt: skip
    row.update(dict.fromkeys(empty, ""))
    if not lots:
        return row
    upl = q(core.upl(pos))
    notional = inst.notional(abs(lots), market.px_ticks)
    lever = Decimal(pos.lever)
    entry = margin.value(inst, lots, pos.avg_px) / lever
    isolated = pos.mgn_mode == "isolated"
    liq = liquidation_price(core, pos)
    ratio = margin_ratio(core, pos)
    closing = sum(
        o.left_lots for o in acc.live.get(inst.inst_id, {}).values()
        if o.closing and o.td_mode == pos.mgn_mode and o.pos_side == pos.pos_side
    )  # fmt: skip
    row.update(
        avgPx=text(pos.avg_px),
        availPos=inst.sz_text(max(0, abs(lots) - closing)),
        imr="" if isolated else text(q(notional / lever)),
        margin=text(pos.margin) if isolated else "",
        mmr=text(q(notional * core.mmr(market, lots))),
        mgnRatio=text(q(ratio)) if ratio is not None else "",
        liqPx=text(q(liq)) if liq is not None else "",
        notionalUsd=text(inst.notional_usd(abs(lots), market.px_ticks)),
        upl=text(upl), uplLastPx=text(upl),
        uplRatio=text(q(upl / entry)), uplRatioLastPx=text(q(upl / entry)),
        bePx=text(_break_even(pos)),
    )  # fmt: skip
    return row


def _break_even(pos: Position) -> Decimal:
    """Where closing pays both taker fees."""
    rate = pos.account.fees[3]
    sign = 1 if pos.lots > 0 else -1
    return q(pos.avg_px * (1 + sign * rate) / (1 - sign * rate))


def index_price(core: Core, coin: str, fallback: Decimal) -> Decimal:
    market = core.markets.get(f"{coin}-USDT")
    return market.mark if market else fallback


def currency_row(core: Core, acc: Account, ccy: str, now: int) -> Row:
    cash = acc.cash.get(ccy, ZERO)
    frozen = acc.frozen.get(ccy, ZERO)
    gain, initial, maintenance = core.cross_state(acc, ccy)
    iso_margin = iso_gain = ZERO
    for pos in acc.open.values():
        if pos.mgn_mode == "isolated" and pos.inst.settle == ccy:
            iso_margin += pos.margin
            iso_gain += core.upl(pos)
    cross_equity = cash + gain
    equity = cross_equity + iso_margin + iso_gain
    price = usd_price(core, ccy)
    available = max(ZERO, cross_equity - initial - frozen)
    derivatives = acc.acct_lv != "1"
    return {
        "accAvgPx": "", "autoLendAmt": "0", "autoLendMtAmt": "0", "autoLendStatus": "off",
        "availBal": text(q(max(ZERO, min(cash - frozen, available)))),
        "availEq": text(q(available)) if derivatives else "",
        "borrowFroz": "0", "cashBal": text(cash), "ccy": ccy, "clSpotInUseAmt": "0",
        "colBorrAutoConversion": "0", "colRes": "0", "collateralEnabled": False,
        "collateralRestrict": False, "crossLiab": "0", "disEq": text(q(equity * price)),
        "eq": text(q(equity)), "eqUsd": text(q(equity * price)), "fixedBal": "0",
        "frozenBal": text(q(frozen + initial)), "frpType": "0", "imr": text(q(initial)),
        "interest": "0", "isoEq": text(q(iso_margin + iso_gain)), "isoLiab": "0",
        "isoUpl": text(q(iso_gain)), "liab": "0", "maxLoan": "0", "maxSpotInUse": "",
        "mgnRatio": text(q(cross_equity / maintenance)) if maintenance else "",
        "mmr": text(q(maintenance)), "notionalLever": "0", "openAvgPx": "",
        "ordFrozen": text(q(frozen)), "rewardBal": "0", "smtSyncEq": "0", "spotBal": "",
        "spotCopyTradingEq": "0", "spotInUseAmt": "0", "spotIsoBal": "0", "spotUpl": "",
        "spotUplRatio": "", "stgyEq": "0", "totalPnl": "", "totalPnlRatio": "", "twap": "0",
        "uTime": str(now), "upl": text(q(gain + iso_gain)), "uplLiab": "0",
    }  # fmt: skip


def account_row(core: Core, acc: Account, only: list[str] | None = None) -> Row:
    now = core.now()
    details, total, iso = [], ZERO, ZERO
    initial = maintenance = frozen = ZERO
    gain = notional = ZERO
    currencies = [c for c, v in acc.cash.items() if v or acc.frozen.get(c)]
    settles = {p.inst.settle for p in acc.open.values()}
    currencies += [c for c in settles if c not in currencies]
    for ccy in currencies:
        row = currency_row(core, acc, ccy, now)
        price = usd_price(core, ccy)
        total += Decimal(row["eqUsd"])
        iso += Decimal(row["isoEq"]) * price
        initial += Decimal(row["imr"]) * price
        maintenance += Decimal(row["mmr"]) * price
        frozen += Decimal(row["ordFrozen"]) * price
        gain += Decimal(row["upl"]) * price
        if only is None or ccy in only:
            details.append(row)
    for pos in acc.open.values():
        market = core.markets[pos.inst.inst_id]
        notional += pos.inst.notional_usd(abs(pos.lots), market.px_ticks)
    multi = acc.acct_lv in "34"
    return {
        "adjEq": text(q(total)) if multi else "", "availEq": text(q(total - initial - frozen))
        if multi else "", "borrowFroz": "", "delta": "", "deltaLever": "", "deltaNeutralStatus":
        "", "details": details, "imr": text(q(initial)) if multi else "", "isoEq": text(q(iso)),
        "mgnRatio": text(q(total / maintenance)) if multi and maintenance else "",
        "mmr": text(q(maintenance)) if multi else "", "notionalUsd": text(notional) if multi
        else "", "notionalUsdForBorrow": "", "notionalUsdForFutures": "",
        "notionalUsdForOption": "", "notionalUsdForSwap": text(notional) if multi else "",
        "ordFroz": text(q(frozen)) if multi else "", "totalEq": text(q(total)),
        "uTime": str(now), "upl": text(q(gain)) if multi else "",
    }  # fmt: skip


def balance_and_position_row(core: Core, acc: Account, things: set[object], kind: str) -> Row:
    """The balance_and_position channel: what changed, in short."""
    now = str(core.now())
    balances = [
        {"ccy": t, "cashBal": text(acc.cash.get(t, ZERO)), "uTime": now}
        for t in things if isinstance(t, str)
    ]  # fmt: skip
    positions = []
    for pos in things:
        if isinstance(pos, str):
            continue
        full = position_row(core, pos)  # type: ignore[arg-type]
        keys = ("posId", "tradeId", "instId", "instType", "mgnMode", "posSide", "pos", "ccy",
                "posCcy", "avgPx", "nonSettleAvgPx", "settledPnl", "uTime")  # fmt: skip
        positions.append({k: full[k] for k in keys})
    return {"pTime": now, "eventType": kind, "balData": balances, "posData": positions,
            "trades": []}  # fmt: skip
