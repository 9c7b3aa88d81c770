"""Market metadata and last prices, cached per process.

Instruments change rarely: they are reloaded after REFRESH_SECONDS, or when a symbol is asked for
that is not there. Nothing here blocks a web request: `known_symbols` answers from memory and
starts a load in the background.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from decimal import Decimal

from venues.domain.types import Instrument, VenueError
from venues.runtime import gateway_for, run

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 600.0
RETRY_SECONDS = 5.0
BACKGROUND_RETRY_SECONDS = 60.0
PRICE_LIFETIME_SECONDS = 1.0
LOAD_TIMEOUT_SECONDS = 20.0


@dataclass
class _Market:
    instruments: dict[str, Instrument] = field(default_factory=dict)
    loaded_at: float = 0.0
    tried_at: float = 0.0
    prices: dict[str, tuple[float, Decimal]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


_markets: dict[str, _Market] = {}


def _market(venue: str) -> _Market:
    return _markets.setdefault(venue, _Market())


def forget_markets() -> None:
    """Drop what is cached, e.g. when a venue's address changes."""
    _markets.clear()


def instruments(venue: str, *, max_age_seconds: float = REFRESH_SECONDS) -> dict[str, Instrument]:
    """All instruments of a venue by symbol; loads them when needed (network: worker code only).

    When a reload fails, the older list goes on; without any, VenueError is raised.
    """
    market = _market(venue)
    if market.instruments and time.monotonic() - market.loaded_at < max_age_seconds:
        return market.instruments
    with market.lock:
        if market.instruments and time.monotonic() - market.loaded_at < max_age_seconds:
            return market.instruments
        try:
            market.instruments = run(
                gateway_for(venue).load_instruments(), timeout_seconds=LOAD_TIMEOUT_SECONDS
            )
            market.loaded_at = time.monotonic()
        except (VenueError, TimeoutError):
            if not market.instruments:
                raise
            logger.warning("could not reload the markets of %s; using the older list", venue)
            market.loaded_at = time.monotonic() - max_age_seconds + RETRY_SECONDS
    return market.instruments


def instrument(venue: str, symbol: str) -> Instrument | None:
    """One instrument; an unknown symbol causes one reload in RETRY_SECONDS at most."""
    found = instruments(venue).get(symbol)
    if found is None:
        found = instruments(venue, max_age_seconds=RETRY_SECONDS).get(symbol)
    return found


def known_symbols(venue: str) -> frozenset[str] | None:
    """The venue's symbols from memory; None while they are not loaded. Never blocks."""
    market = _market(venue)
    now = time.monotonic()
    stale = not market.instruments or now - market.loaded_at > REFRESH_SECONDS
    if stale and now - market.tried_at > BACKGROUND_RETRY_SECONDS:
        market.tried_at = now
        threading.Thread(target=_load_quietly, args=(venue,), daemon=True).start()
    if not market.instruments:
        return None
    return frozenset(market.instruments)


def known_instrument(venue: str, symbol: str) -> Instrument | None:
    """One instrument from memory, as `known_symbols`. Never blocks."""
    if known_symbols(venue) is None:
        return None
    return _market(venue).instruments.get(symbol)


def _load_quietly(venue: str) -> None:
    try:
        instruments(venue)
    except (VenueError, TimeoutError, LookupError) as error:
        logger.warning("could not load the markets of %s: %s", venue, error)


def last_price(venue: str, symbol: str) -> Decimal | None:
    """The last traded price, at most PRICE_LIFETIME_SECONDS old; None when it cannot be had.

    Network: worker code only.
    """
    market = _market(venue)
    cached = market.prices.get(symbol)
    if cached is not None and time.monotonic() - cached[0] < PRICE_LIFETIME_SECONDS:
        return cached[1]
    try:
        price = run(gateway_for(venue).last_price(symbol), timeout_seconds=5)
    except (VenueError, TimeoutError) as error:
        logger.warning("no price of %s on %s: %s", symbol, venue, error)
        return None
    market.prices[symbol] = (time.monotonic(), price)
    return price
