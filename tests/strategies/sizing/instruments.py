"""Markets of all kinds, with the contract values and steps that venues have, and odd ones."""

from __future__ import annotations

from decimal import Decimal as D

from venues.domain.types import Instrument, InstrumentKind

_KINDS = {"swap": InstrumentKind.LINEAR, "coin": InstrumentKind.INVERSE}


def _market(
    name: str, contract_size: str, lot: str, tick: str, minimum: str, **more: D
) -> Instrument:
    base, kind_name, *_ = name.split("-")
    kind = _KINDS.get(kind_name, InstrumentKind.SPOT)
    quote = "USD" if kind is InstrumentKind.INVERSE else "USDT"
    settle = base if kind is InstrumentKind.INVERSE else quote
    symbol = f"{base}/{quote}" if kind is InstrumentKind.SPOT else f"{base}/{quote}:{settle}"
    filters: dict[str, D | None] = {"max_market_size": None, "max_limit_size": None, **more}
    return Instrument(
        symbol=symbol,
        venue_symbol=name,
        kind=kind,
        base=base,
        quote=quote,
        settle=settle,
        contract_size=D(contract_size),
        lot=D(lot),
        tick=D(tick),
        min_size=D(minimum),
        max_leverage=D(100),
        is_live=True,
        **filters,
    )


MARKETS = {
    market.venue_symbol: market
    for market in (
        # coins (of coin contracts: dollars) a contract, lot, tick, minimum
        _market("BTC-swap", "0.01", "0.01", "0.1", "0.01"),
        _market("BTC-swap-whole", "0.001", "1", "0.5", "1"),
        _market("BTC-coin", "100", "1", "0.1", "1"),
        _market("BTC-spot", "1", "0.00000001", "0.1", "0.00001"),
        _market("ETH-swap", "0.1", "0.01", "0.01", "0.01"),
        _market("ETH-coin", "10", "1", "0.01", "1"),
        _market("DOGE-swap", "1000", "0.01", "0.00001", "0.01"),
        _market("DOGE-spot", "1", "0.000001", "0.00001", "1"),
        _market("SHIB-swap", "1000000", "0.1", "0.000000001", "0.1"),
        _market("SOL-swap", "1", "0.01", "0.01", "0.01", max_market_size=D(40)),
        _market("SOL-spot", "1", "0.001", "0.01", "0.001", min_notional=D(5)),
        _market("SUI-swap", "1", "1", "0.0001", "1"),
        _market("ADA-fives", "1", "5", "0.0001", "10"),
    )
}
