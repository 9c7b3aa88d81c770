"""Calls that act on a whole position or on many orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .account_queries import bad, need
from .amounts import flag, given
from .markets import cancel_all
from .matching import end
from .placing import submit
from .rejects import RejectError
from .trade_queries import integer
from .types import OkxError, Params, Row

if TYPE_CHECKING:
    from .accounts import Account
    from .core import Core


def close(core: Core, acc: Account, params: Params) -> list[Row]:
    market = core.need_market(params, swap=True)
    mode = need(params, "mgnMode")
    if mode not in ("cross", "isolated"):
        raise bad("mgnMode")
    side = given(params, "posSide") or "net"
    if acc.pos_mode == "long_short_mode" and side == "net":
        raise bad("posSide")
    inst_id = market.inst.inst_id
    pos = acc.open.get((inst_id, mode, side))
    if pos is None:
        raise OkxError("51023", "Position does not exist.")
    closing = [o for o in acc.live.get(inst_id, {}).values()
               if o.td_mode == mode and o.side * pos.lots < 0 and o.pos_side == side]  # fmt: skip
    if closing:
        if not flag(params, "autoCxl"):
            raise OkxError("51113", "Market-price liquidation requests are too frequent or "
                           "closing orders are pending; cancel them first.")  # fmt: skip
        for order in closing:
            end(core, market, order, "canceled", core.now(), source="1")
    request: Params = {
        "instId": inst_id, "tdMode": mode, "side": "sell" if pos.lots > 0 else "buy",
        "ordType": "market", "sz": market.inst.sz_text(abs(pos.lots)), "posSide": side,
        "reduceOnly": True, "clOrdId": given(params, "clOrdId"), "tag": given(params, "tag"),
    }  # fmt: skip
    try:
        # A position may be larger than one market order: closing is not bound by that.
        left = abs(pos.lots)
        while left > 0:
            lots = min(left, market.inst.max_market_lots)
            request["sz"] = market.inst.sz_text(lots)
            submit(core, acc, dict(request), core.now())
            left -= lots
    except RejectError as why:
        raise OkxError(why.code, why.msg) from why
    return [{"instId": inst_id, "posSide": side, "clOrdId": given(params, "clOrdId"),
             "tag": given(params, "tag")}]  # fmt: skip


def cancel_all_after(core: Core, acc: Account, params: Params) -> list[Row]:
    need(params, "timeOut")
    seconds = integer(params, "timeOut", 0)
    if seconds != 0 and not 10 <= seconds <= 120:
        raise bad("timeOut")
    now = core.now()
    if seconds:
        acc.auto_cancel_at = now + seconds * 1000
        core.timers[acc.api_key] = acc
    else:
        acc.auto_cancel_at = 0
        core.timers.pop(acc.api_key, None)
    return [{"triggerTime": str(acc.auto_cancel_at), "tag": given(params, "tag"),
             "ts": str(now)}]  # fmt: skip


def mass_cancel(core: Core, acc: Account) -> list[Row]:
    cancel_all(core, acc, core.now(), "1")
    return [{"result": True}]
