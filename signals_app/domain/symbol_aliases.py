"""Symbols as exchanges, charts and people write them, resolved to one that the venue lists.

`domain.symbols` reads the two exact spellings; here are the others: `BTCUSDT`, `BTCUSDT.P`,
`BINANCE:BTCUSDT.P`, `BTC_USDT`, `XBTUSD`, `#BTC`. Nothing is guessed: what could be two listed
symbols, or a contract on a thousand of the coin, is a SymbolProblem and never a symbol.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from signals_app.domain.symbols import MAX_SYMBOL_LENGTH, unified_symbol

QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USDE", "USD", "DAI", "EUR", "BTC", "ETH")
"""Longer ones before those that they end with."""
_BASES = {"XBT": "BTC", "BCC": "BCH", "XDG": "DOGE"}
_PERPETUAL = re.compile(r"(?:\.PS?|[-_.]?PERP|[-_]SWAP|[-_]UMCBL|[-_]DMCBL|[-_]PERPETUAL)$")
_VENUE = re.compile(r"[A-Z0-9_]{2,20}:(?=[^/]+$)")
_COMPACT = re.compile(r"[A-Z0-9]{2,30}")
_MULTIPLIERS = (
    (re.compile(r"(1000000|1M)(?=[A-Z])"), "1000000"),
    (re.compile(r"(10000)(?=[A-Z])"), "10000"),
    (re.compile(r"(1000|1K)(?=[A-Z])"), "1000"),
)


class SymbolProblem(Exception):  # noqa: N818  (a finding about a text, not our error)
    """`code` is unknown, ambiguous or multiplier; `params` are for its sentence."""

    def __init__(self, code: str, **params: str) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


@dataclass(frozen=True)
class SymbolBook:
    """The source's venue: what it lists, and what a symbol without a market or quote means."""

    listed: frozenset[str]
    venue: str = ""
    market: str = "swap"
    default_quote: str = "USDT"
    aliases: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def bases(self) -> frozenset[str]:
        return frozenset(symbol.split("/")[0] for symbol in self.listed)

    @cached_property
    def _aliases(self) -> dict[str, str]:
        return {plain_text(alias).upper(): symbol for alias, symbol in self.aliases.items()}

    def resolve(self, text: str) -> str:
        """The one listed symbol that `text` means. Raises SymbolProblem."""
        written = plain_text(text).strip().lstrip("#$").upper()
        if not written or len(written) > MAX_SYMBOL_LENGTH:
            raise SymbolProblem("unknown", text=text[:MAX_SYMBOL_LENGTH], venue=self.venue)
        if written in self._aliases:
            return self._listed(unified_symbol(self._aliases[written]), text)
        if ":" in written and (exact := unified_symbol(written)):
            return self._listed(exact, text)
        written = _VENUE.sub("", written, count=1)
        if (exact := unified_symbol(written)) and ":" in exact:
            return self._listed(exact, text)
        perpetual = bool(_PERPETUAL.search(written))
        # kPEPE is how one venue writes 1000PEPE; in capitals it would look like any other coin.
        if plain_text(text).strip().lstrip("#$").startswith("k") and written[1:2].isalpha():
            written = f"1000{written[1:]}" if written not in self.bases else written
        return self._choose(_PERPETUAL.sub("", written) or written, perpetual, text)

    def _listed(self, symbol: str | None, text: str) -> str:
        if symbol is None or symbol not in self.listed:
            self._check_multiplier(text, *(symbol or "/").split(":")[0].split("/"))
            raise SymbolProblem("unknown", text=text[:MAX_SYMBOL_LENGTH], venue=self.venue)
        return symbol

    def _choose(self, name: str, perpetual: bool, text: str) -> str:
        pairs = self._pairs(name)
        market = "swap" if perpetual else self.market
        found = {
            symbol
            for base, quote in pairs
            for symbol in _markets(base, quote, market)
            if symbol in self.listed
        }
        if len(found) > 1:
            raise SymbolProblem(
                "ambiguous", text=text[:MAX_SYMBOL_LENGTH], candidates=", ".join(sorted(found))
            )
        if not found:
            for base, quote in pairs:
                self._check_multiplier(text, base, quote)
            raise SymbolProblem("unknown", text=text[:MAX_SYMBOL_LENGTH], venue=self.venue)
        return found.pop()

    def _pairs(self, name: str) -> list[tuple[str, str]]:
        parts = re.split(r"[-/_ ]", name)
        if len(parts) == 2 and all(_COMPACT.fullmatch(part) or len(part) == 1 for part in parts):
            return [(_BASES.get(parts[0], parts[0]), parts[1])]
        if not _COMPACT.fullmatch(name) and len(name) != 1:
            return []
        # A contract on USDT that is written with a trailing M (XBTUSDTM) is KuCoin's perpetual.
        trimmed = name[:-1] if name.endswith(("USDTM", "USDCM")) else name
        pairs = [
            (base, quote)
            for quote in QUOTES
            if trimmed.endswith(quote) and (base := trimmed[: -len(quote)])
        ]
        # BTC alone, and coins whose own name ends like a quote currency.
        pairs.append((name, self.default_quote.upper()))
        return [(_BASES.get(base, base), quote) for base, quote in pairs]

    def _check_multiplier(self, text: str, base: str, quote: str) -> None:
        """A price of 1000PEPE is no price of PEPE: neither is taken for the other."""
        for pattern, factor in _MULTIPLIERS:
            match = pattern.match(base)
            if match and base[match.end() :] in self.bases:
                self._refuse_multiplier(text, base, base[match.end() :])
            for other in (factor + base, base + factor):
                if other in self.bases:
                    self._refuse_multiplier(text, base, other)
            if base.endswith(factor) and base[: -len(factor)] in self.bases:
                self._refuse_multiplier(text, base, base[: -len(factor)])

    def _refuse_multiplier(self, text: str, base: str, other: str) -> None:
        raise SymbolProblem(
            "multiplier",
            text=text[:MAX_SYMBOL_LENGTH],
            base=base,
            listed=other,
            venue=self.venue,
        )


def _markets(base: str, quote: str, market: str) -> list[str]:
    spot = f"{base}/{quote}"
    settle = base if quote == "USD" else quote
    swap = f"{spot}:{settle}"
    return {"spot": [spot], "swap": [swap]}.get(market, [spot, swap])


def plain_text(text: str) -> str:
    """Full-width letters, digits and punctuation as the plain ones."""
    return unicodedata.normalize("NFKC", text)
