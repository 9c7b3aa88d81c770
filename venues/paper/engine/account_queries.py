"""The account endpoints: balance, positions, leverage, modes, fees, sizes, bills."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from . import account_rows, margin
from .amounts import ZERO, decimal_of, given, q, text
from .checking import MARKET_BUFFER
from .placing import spendable
from .trade_queries import ARCHIVE_WINDOW, DAY, HISTORY_WINDOW, first, integer, limit_of, page
from .types import OkxError, Params, Row

if TYPE_CHECKING:
    from .accounts import Account, Key, Position
    from .core import Core, Market

CLOSED_SHOWN = 30 * DAY


def bad(name: str) -> OkxError:
    return OkxError("51000", f"Parameter {name} error", 400)


def missing(name: str) -> OkxError:
    return OkxError("50014", f"Parameter {name} can not be empty.", 400)


def need(params: Params, name: str) -> str:
    value = given(params, name)
    if not value:
        raise missing(name)
    return value


def balance(core: Core, acc: Account, params: Params) -> list[Row]:
    ccy = given(params, "ccy")
    return [account_rows.account_row(core, acc, ccy.split(",") if ccy else None)]


def positions(core: Core, acc: Account, params: Params) -> list[Row]:
    ids = {i.strip() for i in given(params, "instId").split(",") if i.strip()}
    pos_ids = {i.strip() for i in given(params, "posId").split(",") if i.strip()}
    if len(ids) > 10 or len(pos_ids) > 20:
        raise bad("instId" if len(ids) > 10 else "posId")
    inst_type = given(params, "instType")
    if inst_type == "SPOT":
        raise bad("instType")
    oldest = core.now() - CLOSED_SHOWN
    out = []
    for pos in acc.positions.values():
        if inst_type and pos.inst.inst_type != inst_type:
            continue
        if ids or pos_ids:
            # Asked by name, a closed position is shown with size zero for a while.
            asked = pos.inst.inst_id in ids or str(pos.pos_id) in pos_ids
            if not asked or not (pos.lots or pos.u_time >= oldest):
                continue
        elif not pos.lots:
            continue
        out.append(account_rows.position_row(core, pos))
    return out


def positions_history(core: Core, acc: Account, params: Params) -> list[Row]:
    wanted = {k: given(params, k) for k in ("instType", "instId", "mgnMode", "type", "posId")}
    after, before = integer(params, "after", 0), integer(params, "before", 0)
    oldest = core.now() - ARCHIVE_WINDOW

    def rows() -> Iterator[Row]:
        for row in reversed(acc.position_log):
            ts = int(row["uTime"])
            if ts < oldest:
                return
            if (
                (not after or ts < after)
                and (not before or ts > before)
                and all(not v or row[k] == v for k, v in wanted.items())
            ):
                yield row

    return first(rows(), limit_of(params))


def account_position_risk(core: Core, acc: Account) -> list[Row]:
    whole = account_rows.account_row(core, acc)
    keys = ("ccy", "instId", "instType", "mgnMode", "notionalUsd", "pos", "posCcy", "posId",
            "posSide", "baseBal", "quoteBal")  # fmt: skip
    rows = [account_rows.position_row(core, p) for p in acc.open.values()]
    return [{
        "adjEq": whole["adjEq"], "ts": str(core.now()),
        "balData": [{k: d[k] for k in ("ccy", "disEq", "eq")} for d in whole["details"]],
        "posData": [{k: r[k] for k in keys} | {"notionalCcy": r["notionalUsd"]} for r in rows],
    }]  # fmt: skip


def config(acc: Account, key: Account | Key) -> list[Row]:
    """Of the account, and of the key that asks."""
    return [{
        "acctLv": acc.acct_lv, "acctStpMode": "cancel_maker", "autoLoan": False,
        "ctIsoMode": "automatic", "enableSpotBorrow": False, "feeType": "0",
        "greeksType": "PA", "ip": ",".join(key.ips), "kycLv": "3", "label": key.label,
        "level": "Lv1", "levelTmp": "", "liquidationGear": "-1", "mainUid": acc.main_uid,
        "mgnIsoMode": "automatic", "opAuth": "0", "perm": ",".join(key.permissions),
        "posMode": acc.pos_mode, "roleType": "0", "settleCcy": "", "settleCcyList": [],
        "spotBorrowAutoRepay": False, "spotOffsetType": "", "spotRoleType": "0",
        "spotTraderInsts": [], "stgyType": "0", "traderInsts": [],
        "type": "0" if acc.main_uid == acc.uid else "1", "uid": acc.uid,
    }]  # fmt: skip


def set_position_mode(core: Core, acc: Account, params: Params) -> list[Row]:
    mode = need(params, "posMode")
    if mode not in ("net_mode", "long_short_mode"):
        raise bad("posMode")
    if mode != acc.pos_mode:
        if acc.acct_lv == "1":
            raise OkxError("51010", "Request unsupported under current account mode")
        swaps = any(
            o for inst_id, by_id in acc.live.items() for o in by_id
            if core.markets[inst_id].inst.is_swap
        )  # fmt: skip
        if acc.open or swaps or acc.algos:
            raise OkxError(
                "59000", "Setting failed. Cancel open orders, close positions, and stop trading "
                "bots first."
            )  # fmt: skip
        acc.pos_mode = mode
        core.touch("account", acc)
    return [{"posMode": mode}]


def set_account_level(core: Core, acc: Account, params: Params) -> list[Row]:
    level = need(params, "acctLv")
    if level not in ("1", "2", "3", "4"):
        raise bad("acctLv")
    if level != acc.acct_lv and (acc.open or any(acc.live.values())):
        raise OkxError("59000", "Setting failed. Cancel open orders and close positions first.")
    acc.acct_lv = level
    core.touch("account", acc)
    return [{"acctLv": level}]


def _mode(params: Params) -> str:
    mode = need(params, "mgnMode")
    if mode not in ("cross", "isolated"):
        raise bad("mgnMode")
    return mode


def leverage_info(core: Core, acc: Account, params: Params) -> list[Row]:
    mode = _mode(params)
    out = []
    for inst_id in need(params, "instId").split(","):
        core.need_market({"instId": inst_id}, swap=True)
        both = acc.pos_mode == "long_short_mode"
        for side in ("long", "short") if both else ("net",):
            out.append({"ccy": "", "instId": inst_id, "mgnMode": mode, "posSide": side,
                        "lever": acc.lever_of(inst_id, mode, side)})  # fmt: skip
    return out


def set_leverage(core: Core, acc: Account, params: Params) -> list[Row]:
    mode = _mode(params)
    market = core.need_market(params, swap=True)
    inst_id = market.inst.inst_id
    if acc.acct_lv == "1":
        raise OkxError("51010", "Request unsupported under current account mode")
    lever = decimal_of(params.get("lever"))
    if lever is None or lever < 1:
        raise bad("lever")
    if lever > Decimal(market.inst.max_lever):
        raise OkxError("59102", "Leverage exceeds the maximum limit. Please lower the leverage.")
    side = given(params, "posSide")
    if side not in ("", "net", "long", "short"):
        raise bad("posSide")
    hedged = acc.pos_mode == "long_short_mode"
    if mode == "isolated" and hedged:
        if side not in ("long", "short"):
            raise bad("posSide")
    else:
        side = ""
    touched = [
        p for p in acc.open.values()
        if p.inst is market.inst and p.mgn_mode == mode and (not side or p.pos_side == side)
    ]  # fmt: skip
    _relever(core, acc, touched, lever)
    acc.leverage[(inst_id, mode, side)] = text(lever)
    core.touch("account", acc)
    shown = side or ("net" if not hedged else given(params, "posSide"))
    return [{"instId": inst_id, "lever": text(lever), "mgnMode": mode, "posSide": shown}]


def _relever(core: Core, acc: Account, touched: list[Position], lever: Decimal) -> None:
    """Open positions take the new leverage: isolated margin moves, cross margin is re-counted."""
    for pos in touched:
        inst = pos.inst
        market = core.markets[inst.inst_id]
        size = abs(pos.lots) * inst.lot
        if lever > margin.tier_of(market.tiers, size).max_lever:
            raise OkxError("59107", "Leverage exceeds what the position's tier allows.")
        old = Decimal(pos.lever)
        if pos.mgn_mode == "isolated":
            base = margin.value(inst, pos.lots, pos.avg_px)
            change = q(base / lever) - q(base / old)
        else:
            base = inst.notional(abs(pos.lots), market.px_ticks)
            change = base / lever - base / old
        if change > core.available(acc, inst.settle):
            raise OkxError("59108", "Low margin: lower leverage is not possible now.")
    for pos in touched:
        if pos.mgn_mode == "isolated":
            base = margin.value(pos.inst, pos.lots, pos.avg_px)
            change = q(base / lever) - q(base / Decimal(pos.lever))
            # Never below what the loss so far needs.
            change = max(change, -pos.margin + q(base / lever))
            _move_margin(core, pos, change)
        pos.lever = text(lever)
        core.touch("position", pos)
        core.changed(acc).update((pos, pos.inst.settle))


def _move_margin(core: Core, pos: Position, change: Decimal) -> None:
    if not change:
        return
    pos.margin += change
    bill = core.post(pos.account, pos.inst.settle, -change, "6", "160" if change > 0 else "161",
                     core.now(), None, {"instId": pos.inst.inst_id, "instType": "SWAP",
                                        "mgnMode": "isolated"})  # fmt: skip
    bill.pos_bal, bill.pos_bal_chg = pos.margin, change
    core.touch("position", pos)
    core.changed(pos.account).update((pos, pos.inst.settle))


def position_margin(core: Core, acc: Account, params: Params) -> list[Row]:
    market = core.need_market(params, swap=True)
    side = need(params, "posSide")
    kind = need(params, "type")
    amount = decimal_of(params.get("amt"))
    if kind not in ("add", "reduce"):
        raise bad("type")
    if amount is None or amount <= 0:
        raise bad("amt")
    pos = acc.open.get((market.inst.inst_id, "isolated", side))
    if pos is None:
        raise OkxError("59300", "Margin call failed. Position does not exist.")
    if kind == "add":
        if amount > core.available(acc, market.inst.settle):
            raise OkxError("59301", "Margin adjustment failed: it exceeds the available balance.")
        _move_margin(core, pos, amount)
    else:
        need_now = margin.value(market.inst, pos.lots, pos.avg_px) / Decimal(pos.lever)
        if pos.margin - amount + min(ZERO, core.upl(pos)) < need_now:
            raise OkxError("59301", "Margin adjustment failed: it exceeds the maximum reduction.")
        _move_margin(core, pos, -amount)
    return [{"amt": text(amount), "ccy": market.inst.settle, "instId": market.inst.inst_id,
             "leverage": pos.lever, "posSide": side, "type": kind}]  # fmt: skip


def trade_fee(core: Core, acc: Account, params: Params) -> list[Row]:
    inst_type = need(params, "instType")
    if inst_type not in ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"):
        raise bad("instType")
    spot_maker, spot_taker, swap_maker, swap_taker = (text(-f) for f in acc.fees)
    spot = inst_type in ("SPOT", "MARGIN")
    maker, taker = (spot_maker, spot_taker) if spot else (swap_maker, swap_taker)
    return [{
        "category": "1", "delivery": "", "exercise": "", "feeGroup": [
            {"groupId": "1", "maker": maker, "taker": taker}],
        "fiat": [], "instType": inst_type, "level": "Lv1", "maker": maker,
        "makerU": "" if spot else maker, "makerUSDC": maker, "ruleType": "normal",
        "taker": taker, "takerU": "" if spot else taker, "takerUSDC": taker,
        "ts": str(core.now()),
    }]  # fmt: skip


def max_size(core: Core, acc: Account, params: Params) -> list[Row]:
    out = []
    mode = need(params, "tdMode")
    for inst_id in need(params, "instId").split(","):
        market = core.need_market({"instId": inst_id})
        buy, sell = _openable(core, acc, market, mode, params)
        out.append({"ccy": market.inst.settle, "instId": inst_id, "maxBuy": buy, "maxSell": sell})
    return out


def _openable(
    core: Core, acc: Account, market: Market, mode: str, params: Params
) -> tuple[str, str]:
    inst = market.inst
    px = decimal_of(params.get("px"))
    ticks = int(px / inst.tick) if px else market.px_ticks
    if not inst.is_swap:
        quote = spendable(core, acc, inst.quote)
        base = acc.cash.get(inst.base, ZERO) - acc.frozen.get(inst.base, ZERO)
        lots = max(0, int(quote / (ticks * inst.unit)))
        return inst.sz_text(lots), inst.sz_text(max(0, int(base / inst.lot)))
    free = max(ZERO, core.available(acc, inst.settle))
    lever = Decimal(given(params, "leverage") or acc.lever_of(inst.inst_id, mode, ""))
    buffer = Decimal(1) if px else MARKET_BUFFER
    per_lot = inst.notional(1, ticks) * buffer * (1 / lever + acc.fees[3])
    lots = int(free / per_lot)
    held = acc.open.get((inst.inst_id, mode, "net"))
    more = abs(held.lots) if held else 0
    longer = more if held and held.lots < 0 else 0
    shorter = more if held and held.lots > 0 else 0
    return inst.sz_text(lots + longer), inst.sz_text(lots + shorter)


def max_avail_size(core: Core, acc: Account, params: Params) -> list[Row]:
    out = []
    need(params, "tdMode")
    for inst_id in need(params, "instId").split(","):
        inst = core.need_market({"instId": inst_id}).inst
        if inst.is_swap:
            free = text(q(max(ZERO, core.available(acc, inst.settle))))
            out.append({"instId": inst_id, "availBuy": free, "availSell": free})
        else:
            base = acc.cash.get(inst.base, ZERO) - acc.frozen.get(inst.base, ZERO)
            out.append({"instId": inst_id,
                        "availBuy": text(q(max(ZERO, spendable(core, acc, inst.quote)))),
                        "availSell": text(max(ZERO, base))})  # fmt: skip
    return out


def max_withdrawal(core: Core, acc: Account, params: Params) -> list[Row]:
    ccy = given(params, "ccy")
    names = ccy.split(",") if ccy else list(acc.cash)
    return [
        {"ccy": c, "maxWd": w, "maxWdEx": w, "spotOffsetMaxWd": "0", "spotOffsetMaxWdEx": "0"}
        for c in names for w in (text(q(max(ZERO, spendable(core, acc, c)))),)
    ]  # fmt: skip


def bills(core: Core, acc: Account, params: Params, *, archive: bool = False) -> list[Row]:
    now = core.now()
    window = ARCHIVE_WINDOW if archive else HISTORY_WINDOW
    oldest = max(integer(params, "begin", 0), now - window)
    newest = integer(params, "end", 0) or now + DAY
    wanted = {k: given(params, k) for k in ("instType", "instId", "ccy", "mgnMode", "type",
                                            "subType")}  # fmt: skip

    def rows() -> Iterator[Row]:
        for bill in page(acc.bills, lambda b: b.bill_id, params):
            if bill.ts < oldest:
                return
            if bill.ts <= newest:
                row = bill.row()
                if all(not v or row[k] == v for k, v in wanted.items()):
                    yield row

    return first(rows(), limit_of(params))
