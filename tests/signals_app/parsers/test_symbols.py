"""Other spellings of symbols."""

from __future__ import annotations

import pytest

from signals_app.domain.symbol_aliases import SymbolBook, SymbolProblem
from tests.signals_app.parsers.conftest import LISTED

SWAP = "BTC/USDT:USDT"
SPELLINGS = {
    **dict.fromkeys(
        [
            "BTCUSDT", "btcusdt", "BTC-USDT-SWAP", "BTCUSDT.P", "BTC/USDT", "BTC/USDT:USDT",
            "BINANCE:BTCUSDT.P", "OKX:BTCUSDT.P", "BTC_USDT", "BTC-USDT", "BTCUSDTPERP",
            "BTCUSDT_PERP", "BTC-PERP", "BTCUSDT_UMCBL", "XBTUSDTM", "XBTUSDT", "#BTC", "$BTC",
            "BTC", "ＢＴＣＵＳＤＴ", " BTCUSDT ",
        ],
        SWAP,
    ),
    "XBTUSD": "BTC/USD:BTC",
    "BYBIT:BTCUSD.P": "BTC/USD:BTC",
    "BTC-USD-SWAP": "BTC/USD:BTC",
    "BTCUSDC": "BTC/USDC:USDC",
    "BTC-USDT-300628": "BTC/USDT:USDT-300628",
    "1INCHUSDT": "1INCH/USDT:USDT",
    "1000SATSUSDT.P": "1000SATS/USDT:USDT",
    "GOLD": "ETH/USDT",
}  # fmt: skip


def book(**changes: object) -> SymbolBook:
    return SymbolBook(listed=LISTED, venue="okx", aliases={"gold": "ETH/USDT"}, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_spelling_is_understood(text: str) -> None:
    assert book().resolve(text) == SPELLINGS[text]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1000PEPEUSDT", "multiplier"), ("1MPEPEUSDT", "multiplier"), ("kPEPE", "multiplier"),
        ("PEPE1000USDT", "multiplier"), ("SATSUSDT", "multiplier"),
        ("SATS/USDT:USDT", "multiplier"),
        ("NOPEUSDT", "unknown"), ("", "unknown"), ("USDT", "unknown"), ("BTC/EUR", "unknown"),
        ("BTCUSDT BTCUSDT", "unknown"), ("A" * 99, "unknown"), ("BTCUSD_251226", "unknown"),
        ("::", "unknown"), ("/", "unknown"), ("٣٣", "unknown"),
    ],
)  # fmt: skip
def test_what_is_no_listed_symbol_is_refused(text: str, code: str) -> None:
    with pytest.raises(SymbolProblem) as problem:
        book().resolve(text)
    assert problem.value.code == code


def test_the_market_of_a_symbol_without_one_is_the_sources_setting() -> None:
    assert book(market="spot").resolve("BTCUSDT") == "BTC/USDT"
    assert book(market="spot").resolve("BTCUSDT.P") == SWAP
    with pytest.raises(SymbolProblem) as problem:
        book(market="any").resolve("BTCUSDT")
    assert problem.value.code == "ambiguous"
    assert problem.value.params["candidates"] == "BTC/USDT, BTC/USDT:USDT"
    assert book(market="any").resolve("SOLUSDT") == "SOL/USDT:USDT"


def test_a_coin_alone_takes_the_sources_quote() -> None:
    assert book(default_quote="USDC").resolve("BTC") == "BTC/USDC:USDC"
