"""How orders meet: takers walk the book, resting orders wait for the price."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from .booking import fill_order
from .orders import BUY, Order

if TYPE_CHECKING:
    from .accounts import Position
    from .book import Side
    from .core import Core, Market


def opposite(market: Market, order: Order) -> Side:
    return market.book.asks if order.side == BUY else market.book.bids


def own_side(market: Market, order: Order) -> Side:
    return market.book.bids if order.side == BUY else market.book.asks


def crosses(market: Market, order: Order) -> bool:
    best = market.book.best(opposite(market, order))
    return best is not None and order.side * (order.px_ticks - best) >= 0


def show(core: Core, order: Order, *, fill: bool = False) -> None:
    if core.on_event is not None:
        core.emit("order", order.account, order.inst.inst_id, lambda: order.push_row(fill=fill))


def trade(core: Core, market: Market, taker_side: int, ticks: int, lots: int, ts: int) -> str:
    """A public trade; its id."""
    market.trade_seq += 1
    trade_id = str(market.trade_seq)
    entry = (trade_id, ticks, lots, taker_side, ts)
    market.trades.append(entry)
    if core.on_event is not None:
        core.emit("trade", None, market.inst.inst_id, lambda: trade_row(market, entry))
    return trade_id


def trade_row(market: Market, entry: tuple[str, int, int, int, int]) -> dict[str, str]:
    trade_id, ticks, lots, side, ts = entry
    inst = market.inst
    return {
        "instId": inst.inst_id, "tradeId": trade_id, "px": inst.px_text(ticks),
        "sz": inst.sz_text(lots), "side": "buy" if side == BUY else "sell", "ts": str(ts),
        "count": "1", "source": "0", "seqId": int(trade_id),
    }  # fmt: skip


def book_fill(core: Core, market: Market, order: Order, ticks: int, lots: int, exec_type: str,
              trade_id: str, ts: int) -> None:  # fmt: skip
    """Book a fill, end the order when it is full, tell."""
    fill = fill_order(core, market, order, ticks, lots, exec_type, trade_id, ts)
    full = order.sz_lots and order.left_lots <= 0
    if full:
        end(core, market, order, "filled", ts, quiet=True)
    show(core, order, fill=True)
    if core.on_event is not None:
        core.emit("fill", order.account, order.inst.inst_id, fill.row)


def take(core: Core, market: Market, order: Order, limit: int | None,
         budget: Decimal | None = None) -> bool:  # fmt: skip
    """Walk the other side up to `limit` ticks. `budget` bounds the quote money (spot buys).
    False when self-trade prevention ended the taker."""
    book = market.book
    side = opposite(market, order)
    sign = side.sign
    unit = market.inst.unit
    ts = core.now()
    while True:
        room = order.left_lots if order.sz_lots else 1 << 62
        if order.avail_fill_lots >= 0:
            room = min(room, order.avail_fill_lots)
        if room <= 0:
            return True
        made_up = book.made_up(side)
        maker = side.first() if side.keys else None
        if maker is not None and (made_up is None or sign * maker.px_ticks <= sign * made_up[0]):
            ticks, lots = maker.px_ticks, maker.left_lots
        elif made_up is not None:
            maker = None
            ticks, lots = made_up
        else:
            return True
        if limit is not None and sign * (ticks - limit) > 0:
            return True
        if maker is not None:
            if maker.account.main_uid == order.account.main_uid:
                if not _prevent_self_trade(core, market, order, maker, ts):
                    return False
                continue
            lots = _maker_room(core, market, maker, lots, ts)
            if not lots:
                continue
        if lots > room:
            lots = room
        if budget is not None:
            affordable = int((budget - order.cum_quote) / (ticks * unit))
            if affordable < lots:
                lots = affordable
                if lots <= 0:
                    return True
        trade_id = trade(core, market, order.side, ticks, lots, ts)
        if maker is None:
            book.eat(side, lots)
        else:
            book.seq += 1
            book_fill(core, market, maker, ticks, lots, "M", trade_id, ts)
            if maker.avail_fill_lots == 0 and maker.is_live:
                stop_filling(core, market, maker, ts)
        book_fill(core, market, order, ticks, lots, "T", trade_id, ts)
        if not order.is_live:
            return True


def _prevent_self_trade(core: Core, market: Market, order: Order, maker: Order, ts: int) -> bool:
    """True if the taker goes on. The taker's mode decides."""
    if order.stp_mode in ("cancel_maker", "cancel_both"):
        end(core, market, maker, "canceled", ts, source="32")
    if order.stp_mode == "cancel_maker":
        return True
    end(core, market, order, "canceled", ts, source="32")
    return False


def _maker_room(core: Core, market: Market, maker: Order, lots: int, ts: int) -> int:
    """What a resting order may fill now: a reducing one no more than the position holds."""
    if maker.avail_fill_lots >= 0:
        lots = min(lots, maker.avail_fill_lots)
    if maker.closing:
        lots = min(lots, reducible(core, maker))
        if lots <= 0:
            end(core, market, maker, "canceled", ts, source="17")
            return 0
    return lots


def held(order: Order) -> Position | None:
    return order.account.open.get((order.inst.inst_id, order.td_mode, order.pos_side))


def reducible(core: Core, order: Order) -> int:
    """Lots of the position on the other side of this order."""
    pos = held(order)
    if pos is None or pos.lots * order.side >= 0:
        return 0
    return abs(pos.lots)


def stop_filling(core: Core, market: Market, order: Order, ts: int) -> None:
    """A fault's cap is used up: cancel the rest, or leave it live where nothing reaches it."""
    own_side(market, order).remove(order)
    if order.fault_cancels:
        end(core, market, order, "canceled", ts, source="14")


def end(core: Core, market: Market, order: Order, state: str, ts: int, *, source: str = "",
        quiet: bool = False) -> None:  # fmt: skip
    """Bring an order to its final state and out of all indexes of live orders."""
    acc = order.account
    order.state = state
    order.cancel_source = source
    order.u_time = ts
    core.thaw(order)
    own_side(market, order).remove(order)
    live = acc.live.get(order.inst.inst_id)
    if live is not None:
        live.pop(order.ord_id, None)
    if order.cl_ord_id and acc.live_cl_ord_ids.get(order.cl_ord_id) is order:
        del acc.live_cl_ord_ids[order.cl_ord_id]
    core.touch("order", order)
    if order.attached and order.filled_lots:
        core.to_attach.append(order)
    if not order.inst.is_swap:
        core.changed(acc).update((order.inst.base, order.inst.quote))
    else:
        core.changed(acc).add(order.inst.settle)
    if not quiet:
        show(core, order)


def match_resting(core: Core, market: Market) -> None:
    """The price moved (or liquidity came back): fill resting orders that it reached, as makers,
    at their own price, as far as the made-up liquidity of the other side goes."""
    book = market.book
    ts = core.now()
    for mine, other in ((book.bids, book.asks), (book.asks, book.bids)):
        while mine.keys:
            made_up = book.made_up(other)
            order = mine.first()
            if made_up is None or order is None:
                break
            if order.side * (order.px_ticks - made_up[0]) < 0:
                break
            lots = _maker_room(core, market, order, min(order.left_lots, made_up[1]), ts)
            if not lots:
                continue
            trade_id = trade(core, market, -order.side, order.px_ticks, lots, ts)
            book.eat(other, lots)
            book_fill(core, market, order, order.px_ticks, lots, "M", trade_id, ts)
            if order.avail_fill_lots == 0 and order.is_live:
                stop_filling(core, market, order, ts)
