"""The catalogue: what can be traded, with the real venue's contract values and steps."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from .amounts import steps_text, text
from .types import Row


class Coin(NamedTuple):
    ccy: str
    name: str
    price: str  # where a walk or a static feed starts
    spot_tick: str
    spot_lot: str
    spot_min: str
    ct_val: str
    swap_tick: str
    swap_lot: str
    swap_max_market: str
    swap_max_limit: str
    max_lever: str
    inverse_ct_val: str = ""


# Sizes of contracts are in contracts, of spot in coins.
COINS = (
    Coin(
        "BTC",
        "Bitcoin",
        "60000",
        "0.1",
        "0.00000001",
        "0.00001",
        "0.01",
        "0.1",
        "0.01",
        "35000",
        "100000000",
        "100",
        "100",
    ),
    Coin(
        "ETH",
        "Ethereum",
        "3000",
        "0.01",
        "0.000001",
        "0.0001",
        "0.1",
        "0.01",
        "0.01",
        "80000",
        "100000000",
        "100",
        "10",
    ),
    Coin(
        "SOL",
        "Solana",
        "150",
        "0.01",
        "0.000001",
        "0.001",
        "1",
        "0.01",
        "0.01",
        "40000",
        "100000000",
        "100",
    ),
    Coin(
        "DOGE",
        "Dogecoin",
        "0.15",
        "0.00001",
        "0.000001",
        "1",
        "1000",
        "0.00001",
        "0.01",
        "30000",
        "100000000",
        "75",
    ),
    Coin(
        "XRP",
        "Ripple",
        "0.6",
        "0.0001",
        "0.000001",
        "1",
        "100",
        "0.0001",
        "0.01",
        "40000",
        "100000000",
        "75",
    ),
    Coin(
        "ADA",
        "Cardano",
        "0.45",
        "0.0001",
        "0.0001",
        "1",
        "100",
        "0.0001",
        "0.1",
        "30000",
        "100000000",
        "50",
    ),
    Coin(
        "LTC",
        "Litecoin",
        "80",
        "0.01",
        "0.000001",
        "0.001",
        "1",
        "0.01",
        "0.1",
        "10000",
        "100000000",
        "50",
    ),
    Coin(
        "TRX",
        "TRON",
        "0.12",
        "0.00001",
        "0.000001",
        "1",
        "1000",
        "0.00001",
        "0.01",
        "6000",
        "1000000",
        "50",
    ),
    Coin(
        "LINK",
        "Chainlink",
        "15",
        "0.001",
        "0.000001",
        "0.1",
        "1",
        "0.001",
        "0.1",
        "50000",
        "100000000",
        "50",
    ),
    Coin(
        "AVAX",
        "Avalanche",
        "30",
        "0.01",
        "0.00001",
        "0.01",
        "1",
        "0.01",
        "0.1",
        "20000",
        "100000000",
        "50",
    ),
    Coin(
        "DOT",
        "Polkadot",
        "6",
        "0.001",
        "0.000001",
        "0.1",
        "1",
        "0.001",
        "0.1",
        "50000",
        "100000000",
        "50",
    ),
    Coin(
        "BCH",
        "Bitcoin Cash",
        "400",
        "0.1",
        "0.00001",
        "0.001",
        "0.1",
        "0.1",
        "0.1",
        "10000",
        "100000000",
        "50",
    ),
    Coin(
        "BNB",
        "BNB",
        "580",
        "0.1",
        "0.000001",
        "0.001",
        "0.01",
        "0.1",
        "1",
        "200000",
        "100000000",
        "50",
    ),
    Coin(
        "UNI",
        "Uniswap",
        "8",
        "0.001",
        "0.000001",
        "0.1",
        "1",
        "0.001",
        "1",
        "50000",
        "100000000",
        "50",
    ),
    Coin(
        "SUI",
        "Sui",
        "1.2",
        "0.0001",
        "0.000001",
        "1",
        "1",
        "0.0001",
        "1",
        "300000",
        "100000000",
        "50",
    ),
    Coin(
        "SHIB",
        "Shiba Inu",
        "0.000018",
        "0.000000001",
        "1",
        "10000",
        "1000000",
        "0.000000001",
        "0.1",
        "40000",
        "100000000",
        "50",
    ),
)
LIST_TIME = "1611916828000"
SPOT_MAX_QUOTE = "1000000"  # a spot market order may be worth this much of the quote currency


def places_of(step: Decimal) -> int:
    """Decimal places of a step, which must be a power of ten no larger than one."""
    places = -step.adjusted()
    if places < 0 or step != Decimal(1).scaleb(-places):
        raise ValueError(f"{step} is not a power of ten")
    return places


class Instrument:
    """Sizes are counted in lots and prices in ticks (ints); `unit` turns the product of both
    into money, so that the hot path multiplies ints."""

    __slots__ = (
        "_lot_places",
        "_tick_places",
        "base",
        "coin",
        "ct_type",
        "ct_val",
        "family",
        "inst_id",
        "inst_id_code",
        "inst_type",
        "inverse",
        "is_swap",
        "lot",
        "lot_text",
        "max_lever",
        "max_limit_lots",
        "max_limit_sz",
        "max_market_lots",
        "max_market_sz",
        "min_lots",
        "min_sz",
        "quote",
        "settle",
        "state",
        "tick",
        "tick_text",
        "unit",
    )  # fmt: skip

    def __init__(self, *, coin: str, inst_type: str, quote: str, code: int, tick: str, lot: str,
                 min_sz: str, ct_val: str, max_lever: str, max_market: str,
                 max_limit: str) -> None:  # fmt: skip
        self.coin = coin
        self.inst_type = inst_type
        self.is_swap = inst_type == "SWAP"
        self.base = coin
        self.quote = quote
        self.family = f"{coin}-{quote}"
        self.inst_id = self.family + ("-SWAP" if self.is_swap else "")
        self.inst_id_code = code
        self.inverse = self.is_swap and quote == "USD"
        self.ct_type = "" if not self.is_swap else "inverse" if self.inverse else "linear"
        self.settle = "" if not self.is_swap else coin if self.inverse else quote
        self.tick = Decimal(tick)
        self.lot = Decimal(lot)
        self.tick_text = tick
        self.lot_text = lot
        self.min_sz = min_sz
        self.ct_val = Decimal(ct_val or "1")
        self.max_lever = max_lever
        self.max_market_sz = max_market
        self.max_limit_sz = max_limit
        self.min_lots = int(Decimal(min_sz) / self.lot)
        self.max_market_lots = int(Decimal(max_market) / self.lot)
        self.max_limit_lots = int(Decimal(max_limit) / self.lot)
        # Linear and spot: lots * ticks * unit = quote money. Inverse: lots * unit = USD.
        self.unit = self.lot * self.ct_val * (Decimal(1) if self.inverse else self.tick)
        self.state = "live"
        self._tick_places = places_of(self.tick)
        self._lot_places = places_of(self.lot)

    def notional(self, lots: int, ticks: int) -> Decimal:
        """In the settle currency (spot: in the quote currency), not rounded."""
        if self.inverse:
            return lots * self.unit / (ticks * self.tick)
        return (lots * ticks) * self.unit

    def notional_usd(self, lots: int, ticks: int) -> Decimal:
        return lots * self.unit if self.inverse else (lots * ticks) * self.unit

    def price(self, ticks: int) -> Decimal:
        return ticks * self.tick

    def px_text(self, ticks: int) -> str:
        return steps_text(ticks, self._tick_places)

    def sz_text(self, lots: int) -> str:
        return steps_text(lots, self._lot_places)

    def row(self) -> Row:
        swap = self.is_swap
        return {
            "alias": "",
            "auctionEndTime": "",
            "baseCcy": "" if swap else self.base,
            "category": "1",
            "contTdSwTime": "",
            "ctMult": "1" if swap else "",
            "ctType": self.ct_type,
            "ctVal": text(self.ct_val) if swap else "",
            "ctValCcy": (("USD" if self.inverse else self.base) if swap else ""),
            "expTime": "",
            "futureSettlement": False,
            "groupId": "1",
            "instCategory": "1",
            "instFamily": self.family if swap else "",
            "instId": self.inst_id,
            "instIdCode": self.inst_id_code,
            "instType": self.inst_type,
            "lever": self.max_lever if swap else "",
            "listTime": LIST_TIME,
            "lotSz": self.lot_text,
            "maxIcebergSz": self.max_limit_sz,
            "maxLmtAmt": "20000000",
            "maxLmtSz": self.max_limit_sz,
            "maxMktAmt": "" if swap else SPOT_MAX_QUOTE,
            "maxMktSz": self.max_market_sz,
            "maxStopSz": self.max_market_sz,
            "maxTriggerSz": self.max_limit_sz,
            "maxTwapSz": self.max_limit_sz,
            "minSz": self.min_sz,
            "openType": "",
            "optType": "",
            "posLmtAmt": "",
            "posLmtPct": "",
            "preMktSwTime": "",
            "quoteCcy": "" if swap else self.quote,
            "tradeQuoteCcyList": [] if swap else [self.quote],
            "ruleType": "normal",
            "settleCcy": self.settle,
            "state": self.state,
            "stk": "",
            "tickSz": self.tick_text,
            "uly": self.family if swap else "",
        }


def catalogue() -> list[Instrument]:
    """Spot first, then linear, then inverse swaps; the codes never change."""
    spots, linear, inverse = [], [], []
    for index, coin in enumerate(COINS):
        spots.append(Instrument(
            coin=coin.ccy, inst_type="SPOT", quote="USDT", code=10000 + index,
            tick=coin.spot_tick, lot=coin.spot_lot, min_sz=coin.spot_min, ct_val="",
            max_lever="", max_market="1000000000", max_limit="9999999999"))  # fmt: skip
        linear.append(Instrument(
            coin=coin.ccy, inst_type="SWAP", quote="USDT", code=20000 + index,
            tick=coin.swap_tick, lot=coin.swap_lot, min_sz=coin.swap_lot, ct_val=coin.ct_val,
            max_lever=coin.max_lever, max_market=coin.swap_max_market,
            max_limit=coin.swap_max_limit))  # fmt: skip
        if coin.inverse_ct_val:
            inverse.append(Instrument(
                coin=coin.ccy, inst_type="SWAP", quote="USD", code=30000 + index,
                tick=coin.swap_tick, lot="1", min_sz="1", ct_val=coin.inverse_ct_val,
                max_lever=coin.max_lever, max_market="30000",
                max_limit="100000000"))  # fmt: skip
    return spots + linear + inverse
