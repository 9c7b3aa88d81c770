"""A venue's symbols, and a call of a parser as intake makes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from signals_app.domain.canonical import canonical_to_json
from signals_app.domain.parsers.base import Parsed, Payload
from signals_app.domain.parsers.registry import parser_named
from signals_app.domain.symbol_aliases import SymbolBook

BTC = "BTC/USDT:USDT"
NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
LISTED = frozenset(
    "BTC/USDT:USDT BTC/USDT BTC/USD:BTC BTC/USDC:USDC ETH/USDT:USDT ETH/USDT SOL/USDT:USDT "
    "XRP/USDT:USDT DOGE/USDT:USDT PEPE/USDT:USDT OP/USDT:USDT NEAR/USDT:USDT ONE/USDT:USDT "
    "1INCH/USDT:USDT 1000SATS/USDT:USDT BTC/USDT:USDT-300628".split()
)


def book(config: Any) -> SymbolBook:
    return SymbolBook(
        listed=LISTED,
        venue="okx",
        market=config["market"],
        default_quote=config["default_quote"],
        aliases=config["symbols"],
    )


def parse(name: str, body: bytes | str, settings: dict[str, Any] | None = None) -> Parsed:
    parser = parser_named(name)
    config = parser.config(settings or {})
    raw = body.encode() if isinstance(body, str) else body
    return parser.parse(Payload(raw, "text/plain", NOW, NOW), config, book(config))


def parsed_fields(parsed: Parsed) -> dict[str, Any]:
    """The one signal as its canonical JSON, without the time of its arrival."""
    (signal,) = parsed.signals
    document = canonical_to_json(signal)
    if signal.emitted_at == NOW:
        del document["emitted_at"]
    if document["order_type"] == "market":
        del document["order_type"]
    return document
