"""Symbols as senders write them, made into ccxt's unified form (`BTC/USDT:USDT`)."""

from __future__ import annotations

import re

MAX_SYMBOL_LENGTH = 48

# base/quote for spot, :settle for a perpetual, -yymmdd for a future, -strike-C or -P for an option
_CODE = r"[A-Z0-9]{1,15}"
UNIFIED_PATTERN = rf"{_CODE}/{_CODE}(:{_CODE}(-[0-9]{{6}}(-[0-9]{{1,9}}-[CP])?)?)?"
# OKX instIds of spot, perpetual swaps and dated futures
INST_ID_PATTERN = rf"{_CODE}-{_CODE}(-(SWAP|[0-9]{{6}}))?"

_UNIFIED = re.compile(UNIFIED_PATTERN)
_INST_ID = re.compile(INST_ID_PATTERN)


def unified_symbol(text: str) -> str | None:
    """The unified symbol, from itself or from an OKX instId; None when it is neither.

    A contract quoted in USD is inverse (settled in its base coin); any other is linear.
    """
    if len(text) > MAX_SYMBOL_LENGTH:
        return None
    if _UNIFIED.fullmatch(text):
        return text
    if not _INST_ID.fullmatch(text):
        return None
    base, quote, *rest = text.split("-")
    if not rest:
        return f"{base}/{quote}"
    settle = base if quote == "USD" else quote
    dated = "" if rest[0] == "SWAP" else f"-{rest[0]}"
    return f"{base}/{quote}:{settle}{dated}"


def is_inverse(symbol: str) -> bool:
    """A contract that is settled in its base coin, by its unified symbol."""
    pair, _, settle = symbol.partition(":")
    return bool(settle) and settle.split("-")[0] == pair.split("/")[0]
