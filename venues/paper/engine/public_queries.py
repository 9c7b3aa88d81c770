"""Public data and market data."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from .account_queries import bad, need
from .amounts import given, text
from .candles import DAY, BarSize
from .checking import band
from .feeds import HOUR
from .matching import trade_row
from .rejects import NO_INSTRUMENT
from .trade_queries import first, integer, limit_of
from .types import OkxError, Params, Row

if TYPE_CHECKING:
    from .book import Side
    from .core import Core, Market

HISTORY = 2 * 365 * DAY
CANDLES_KEPT = 1440
INST_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
MAX_FUNDING = Decimal("0.00375")


def inst_type_of(params: Params) -> str:
    kind = need(params, "instType")
    if kind not in INST_TYPES:
        raise bad("instType")
    return kind


def select(core: Core, params: Params, *, swap: bool = False) -> list[Market]:
    """Markets by instType, instId, uly or instFamily."""
    inst_id = given(params, "instId")
    if inst_id:
        return [core.need_market(params, swap=swap)]
    family = given(params, "instFamily") or given(params, "uly")
    kind = inst_type_of(params)
    return [
        m for m in core.markets.values()
        if m.is_listed and m.inst.inst_type == kind and (not family or m.inst.family == family)
    ]  # fmt: skip


def instruments(core: Core, params: Params) -> list[Row]:
    inst_type_of(params)
    wanted = given(params, "instId")
    if wanted and core.listed(wanted) is None:
        raise OkxError(*NO_INSTRUMENT)
    kind = given(params, "instType")
    family = given(params, "instFamily") or given(params, "uly")
    return [
        m.inst.row() for m in core.markets.values()
        if m.is_listed and m.inst.inst_type == kind and (not wanted or m.inst.inst_id == wanted)
        and (not family or m.inst.family == family)
    ]  # fmt: skip


def mark_row(core: Core, market: Market) -> Row:
    inst = market.inst
    return {"instId": inst.inst_id, "instType": inst.inst_type,
            "markPx": inst.px_text(market.px_ticks), "ts": str(market.ts)}  # fmt: skip


def mark_price(core: Core, params: Params) -> list[Row]:
    return [mark_row(core, m) for m in select(core, params)]


def price_limit_row(core: Core, market: Market) -> Row:
    high, low = band(market)
    inst = market.inst
    return {"buyLmt": inst.px_text(high), "enabled": True, "instId": inst.inst_id, "instType":
            inst.inst_type, "sellLmt": inst.px_text(low), "ts": str(market.ts)}  # fmt: skip


def price_limit(core: Core, params: Params) -> list[Row]:
    return [price_limit_row(core, core.need_market(params))]


def funding_rate_of(market: Market) -> Decimal:
    """The rate that is due next: the operator's, else one that follows the price's day."""
    if market.funding_override is not None:
        return market.funding_override
    due = market.next_funding
    then, before = (market.source.price(t) for t in (due - 8 * HOUR, due - 16 * HOUR))
    drift = Decimal(round((then / before - 1) * 10_000)) / Decimal(1_000_000)
    return max(-MAX_FUNDING, min(MAX_FUNDING, Decimal("0.0001") + drift))


def funding_row(core: Core, market: Market) -> Row:
    due = market.next_funding
    last = market.funding_history[-1] if market.funding_history else None
    return {
        "formulaType": "noRate", "fundingRate": text(funding_rate_of(market)),
        "fundingTime": str(due), "impactValue": "", "instId": market.inst.inst_id,
        "instType": "SWAP", "interestRate": "0.0001", "maxFundingRate": text(MAX_FUNDING),
        "method": "current_period", "minFundingRate": text(-MAX_FUNDING),
        "nextFundingRate": "", "nextFundingTime": str(due + 8 * HOUR), "premium": "0",
        "prevFundingTime": str(due - 8 * HOUR),
        "settFundingRate": text(last[1]) if last else "", "settState": "settled",
        "ts": str(core.now()),
    }  # fmt: skip


def funding_rate(core: Core, params: Params) -> list[Row]:
    if need(params, "instId") == "ANY":
        return [funding_row(core, m) for m in core.markets.values() if m.inst.is_swap]
    return [funding_row(core, core.need_market(params, swap=True))]


def funding_rate_history(core: Core, params: Params) -> list[Row]:
    market = core.need_market(params, swap=True)
    after, before = integer(params, "after", 0), integer(params, "before", 0)
    rows = (
        {"formulaType": "noRate", "fundingRate": text(rate), "fundingTime": str(ts), "instId":
         market.inst.inst_id, "instType": "SWAP", "method": "current_period", "realizedRate":
         text(rate)}
        for ts, rate in reversed(market.funding_history)
        if (not after or ts < after) and (not before or ts > before)
    )  # fmt: skip
    return first(rows, limit_of(params))


def open_interest_row(core: Core, market: Market) -> Row:
    inst = market.inst
    lots = 0
    for acc in core.accounts.values():
        for pos in acc.open.values():
            if pos.inst is inst:
                lots += abs(pos.lots)
    contracts = lots * inst.lot
    usd = inst.notional_usd(lots, market.px_ticks)
    coins = usd / market.mark if inst.inverse else contracts * inst.ct_val
    return {"instId": inst.inst_id, "instType": "SWAP", "oi": text(contracts),
            "oiCcy": text(coins.quantize(Decimal("1E-8"))), "oiUsd": text(usd),
            "ts": str(core.now())}  # fmt: skip


def open_interest(core: Core, params: Params) -> list[Row]:
    return [open_interest_row(core, m) for m in select(core, params, swap=True)
            if m.inst.is_swap]  # fmt: skip


def position_tiers(core: Core, params: Params) -> list[Row]:
    kind = inst_type_of(params)
    need(params, "tdMode")
    family = given(params, "instFamily") or given(params, "uly")
    inst_id = given(params, "instId")
    wanted_tier = given(params, "tier")
    if kind == "SWAP" and not family and not inst_id:
        raise OkxError("50014", "Parameter uly or instFamily can not be empty.", 400)
    out = []
    for market in core.markets.values():
        inst = market.inst
        if inst.inst_type != kind or not inst.is_swap:
            continue
        if (family and inst.family not in family.split(",")) or (
            inst_id and inst.inst_id not in inst_id.split(",")
        ):
            continue
        out.extend(
            {"baseMaxLoan": "", "imr": text(t.imr), "instFamily": inst.family, "instId":
             inst.inst_id, "maxLever": text(t.max_lever), "maxSz": text(t.max_sz), "minSz":
             text(t.min_sz), "mmr": text(t.mmr), "optMgnFactor": "0", "quoteMaxLoan": "",
             "tier": str(t.tier), "uly": inst.family}
            for t in market.tiers if not wanted_tier or str(t.tier) == wanted_tier
        )  # fmt: skip
    return out


# -- market data -----------------------------------------------------------------------------
def ticker_row(core: Core, market: Market) -> Row:
    inst, book = market.inst, market.book
    bids, asks = book.levels(book.bids, 1), book.levels(book.asks, 1)
    now = market.ts
    hour = now // HOUR * HOUR
    day = market.candles.bar(hour - 23 * HOUR, hour + HOUR)
    utc0 = market.candles.bar(now // DAY * DAY, now // DAY * DAY + HOUR)
    hong_kong = BarSize("1D").start(now)
    utc8 = market.candles.bar(hong_kong, hong_kong + HOUR)
    assert day is not None
    assert utc0 is not None
    assert utc8 is not None
    volume, volume_ccy, _ = volumes(market, day[4], day[3])
    last = inst.px_text(market.px_ticks)
    last_size = market.trades[-1][2] if market.trades else inst.min_lots
    return {
        "askPx": inst.px_text(asks[0][0]) if asks else "",
        "askSz": inst.sz_text(asks[0][1]) if asks else "0",
        "bidPx": inst.px_text(bids[0][0]) if bids else "",
        "bidSz": inst.sz_text(bids[0][1]) if bids else "0",
        "high24h": inst.px_text(day[1]), "instId": inst.inst_id, "instType": inst.inst_type,
        "last": last, "lastSz": inst.sz_text(last_size), "low24h": inst.px_text(day[2]),
        "open24h": inst.px_text(day[0]), "sodUtc0": inst.px_text(utc0[0]),
        "sodUtc8": inst.px_text(utc8[0]), "ts": str(now), "vol24h": volume,
        "volCcy24h": volume_ccy,
    }  # fmt: skip


def volumes(market: Market, turnover: float, ticks: int) -> tuple[str, str, str]:
    """(vol, volCcy, volCcyQuote): contracts or coins, coins or quote money, quote money."""
    inst = market.inst
    money = Decimal(round(turnover))
    coins = (money / (ticks * inst.tick)).quantize(Decimal("0.0001"))
    if not inst.is_swap:
        return text(coins), text(money), text(money)
    contracts = money / inst.ct_val if inst.inverse else coins / inst.ct_val
    lots = int(contracts / inst.lot)
    return inst.sz_text(lots), text(coins), text(money)


def ticker(core: Core, params: Params) -> list[Row]:
    return [ticker_row(core, core.need_market(params))]


def tickers(core: Core, params: Params) -> list[Row]:
    return [ticker_row(core, m) for m in select(core, {k: v for k, v in params.items()
                                                       if k != "instId"})]  # fmt: skip


def index_row(core: Core, market: Market) -> Row:
    row = ticker_row(core, market)
    keys = ("high24h", "low24h", "open24h", "sodUtc0", "sodUtc8", "ts")
    return {"instId": market.inst.family, "idxPx": row["last"]} | {k: row[k] for k in keys}


def index_tickers(core: Core, params: Params) -> list[Row]:
    inst_id, quote = given(params, "instId"), given(params, "quoteCcy")
    if inst_id:
        return [index_row(core, _index_market(core, inst_id))]
    if not quote:
        raise OkxError("50014", "Parameter instId or quoteCcy can not be empty.", 400)
    return [index_row(core, m) for m in core.markets.values()
            if not m.inst.is_swap and m.inst.quote == quote]  # fmt: skip


def _index_market(core: Core, inst_id: str) -> Market:
    market = core.markets.get(inst_id) or core.markets.get(f"{inst_id}-SWAP")
    if market is None:
        raise OkxError(*NO_INSTRUMENT)
    return market


def side_rows(market: Market, side: Side, depth: int) -> list[list[str]]:
    inst = market.inst
    return [[inst.px_text(t), inst.sz_text(lots), "0", str(n)]
            for t, lots, n in market.book.levels(side, depth)]  # fmt: skip


def books(core: Core, params: Params) -> list[Row]:
    market = core.need_market(params)
    depth = integer(params, "sz", 1)
    if not 1 <= depth <= 5000:
        raise bad("sz")
    book = market.book
    return [{"asks": side_rows(market, book.asks, depth),
             "bids": side_rows(market, book.bids, depth),
             "ts": str(market.ts), "seqId": book.seq}]  # fmt: skip


def trades(core: Core, params: Params, most: int = 500) -> list[Row]:
    market = core.need_market(params)
    rows = (trade_row(market, entry) for entry in reversed(market.trades))
    return first(rows, limit_of(params, most))


def candle_row(market: Market, bar: BarSize, start: int, now: int) -> list[str] | None:
    end = bar.end(start)
    found = market.candles.bar(start, end)
    if found is None:
        return None
    inst = market.inst
    o, h, low, c, turnover = found
    return [str(start), inst.px_text(o), inst.px_text(h), inst.px_text(low), inst.px_text(c),
            *volumes(market, turnover, c), "1" if end <= now else "0"]  # fmt: skip


def bar_size(params: Params) -> BarSize:
    try:
        return BarSize(given(params, "bar") or "1m")
    except ValueError:
        raise bad("bar") from None


def candles(core: Core, params: Params, *, history: bool = False) -> list[list[str]]:
    """Newest first. `after` asks for bars older than that time, `before` for newer ones; with
    `before` alone the newest bars come, as on the venue."""
    market = core.need_market(params)
    return _candles(core, market, params, history=history)


def _candles(core: Core, market: Market, params: Params, *, history: bool) -> list[list[str]]:
    bar = bar_size(params)
    now = market.ts
    after, before = integer(params, "after", 0), integer(params, "before", 0)
    limit = integer(params, "limit", 100)
    if limit < 1:
        raise bad("limit")
    limit = min(limit, 300)
    newest = bar.start(now)
    oldest = core.started - HISTORY
    if not history and bar.span:
        oldest = max(oldest, newest - CANDLES_KEPT * bar.span)
    start = bar.start(min(after - 1, now)) if after else newest
    out = []
    while len(out) < limit and start >= oldest and start > before:
        row = candle_row(market, bar, start, now)
        if row is None:
            break
        if not history or row[8] == "1":
            out.append(row)
        start = bar.start(start - 1)
    return out


def price_candles(core: Core, params: Params, *, index: bool) -> list[list[str]]:
    """Mark or index candles: ts, o, h, l, c, confirm."""
    market = _index_market(core, need(params, "instId")) if index else core.need_market(params)
    rows = _candles(core, market, params, history=False)
    return [[*row[:5], row[8]] for row in rows]
