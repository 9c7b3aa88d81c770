"""Market metadata and last prices, cached per process.

Instruments change rarely: they are reloaded after REFRESH_SECONDS, while the older list goes on
serving, or when a symbol is asked for that is not there. Nothing here blocks a web request:
`known_symbols` answers from memory and starts a load in the background.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from decimal import Decimal
from math import inf
from typing import TypeVar

from venues.domain.types import (
    BookSnapshot,
    FundingSnapshot,
    Instrument,
    VenueError,
    VenueErrorKind,
)
from venues.gateway import UnknownVenueError
from venues.runtime import gateway_for, run

logger = logging.getLogger(__name__)

T = TypeVar("T")

REFRESH_SECONDS = 600.0
RETRY_SECONDS = 5.0
BACKGROUND_RETRY_SECONDS = 60.0
PRICE_LIFETIME_SECONDS = 1.0
BOOK_LIFETIME_SECONDS = 1.0
FUNDING_LIFETIME_SECONDS = 30.0
PRICE_TIMEOUT_SECONDS = 5.0
LOAD_TIMEOUT_SECONDS = 20.0


@dataclass
class _Market:
    instruments: dict[str, Instrument] = field(default_factory=dict)
    loaded_at: float = -inf
    failed_at: float = -inf
    background_at: float = -inf
    prices: dict[str, tuple[float, Decimal]] = field(default_factory=dict)
    books: dict[str, tuple[float, BookSnapshot]] = field(default_factory=dict)
    fundings: dict[str, tuple[float, FundingSnapshot]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


_markets: dict[str, _Market] = {}


def _market(venue: str) -> _Market:
    return _markets.setdefault(venue, _Market())


def forget_markets() -> None:
    """Drop what is cached, e.g. when a venue's address changes."""
    _markets.clear()


def instruments(venue: str) -> dict[str, Instrument]:
    """All instruments of a venue by symbol (network: worker code only).

    Only the first callers of a process wait; without any list, VenueError is raised.
    """
    market = _market(venue)
    if not market.instruments:
        return _load(venue, max_age_seconds=REFRESH_SECONDS)
    _reload_when_old(venue)
    return market.instruments


def instrument(venue: str, symbol: str) -> Instrument | None:
    """One instrument; an unknown symbol causes one reload in RETRY_SECONDS at most."""
    found = instruments(venue).get(symbol)
    if found is None:
        found = _load(venue, max_age_seconds=RETRY_SECONDS).get(symbol)
    return found


def unreadable_field(venue: str, symbol: str) -> str:
    """What could not be read of the symbol in the venue's last list; empty when it could.

    From memory, after `instrument`. Raises UnknownVenueError.
    """
    return gateway_for(venue).unreadable_instruments().get(symbol, "")


def _load(venue: str, *, max_age_seconds: float) -> dict[str, Instrument]:
    """Wait for a list that is not older; an older one when loading fails, or failed just now.

    Without any, raises VenueError or TimeoutError.
    """
    market = _market(venue)
    asked_at = time.monotonic()
    with market.lock:
        now = time.monotonic()
        if market.instruments and (
            now - market.loaded_at < max_age_seconds or now - market.failed_at < RETRY_SECONDS
        ):
            return market.instruments
        if market.failed_at > asked_at:
            # Those who waited for the same load would otherwise wait for each other's time-outs.
            raise VenueError(VenueErrorKind.UNAVAILABLE, message="no instruments")
        try:
            # The gateway may have loaded its own just before.
            loading = gateway_for(venue).load_instruments(max_age_seconds=max_age_seconds)
            market.instruments = run(loading, timeout_seconds=LOAD_TIMEOUT_SECONDS)
            market.loaded_at = time.monotonic()
        except (VenueError, TimeoutError):
            market.failed_at = time.monotonic()
            if not market.instruments:
                raise
            logger.warning("could not reload the markets of %s; using the older list", venue)
    return market.instruments


def _reload_when_old(venue: str) -> None:
    """In the background, and not again and again while it fails. Never blocks."""
    market = _market(venue)
    now = time.monotonic()
    is_old = now - market.loaded_at > REFRESH_SECONDS
    if is_old and now - market.background_at > BACKGROUND_RETRY_SECONDS:
        market.background_at = now
        threading.Thread(target=_load_quietly, args=(venue,), daemon=True).start()


def outdate(venue: str) -> None:
    """The venue said that a market is not as listed: the list is read again in the background."""
    market = _market(venue)
    market.loaded_at = -inf
    _reload_when_old(venue)


def _load_quietly(venue: str) -> None:
    try:
        # Not quite, so that the gateway's own list, as old as ours, is not taken for new.
        _load(venue, max_age_seconds=REFRESH_SECONDS / 2)
    except (VenueError, TimeoutError, LookupError) as error:
        logger.warning("could not load the markets of %s: %s", venue, error)


def known_symbols(venue: str) -> frozenset[str] | None:
    """The venue's symbols from memory; None while they are not loaded. Never blocks."""
    _reload_when_old(venue)
    market = _market(venue)
    return frozenset(market.instruments) if market.instruments else None


def known_instrument(venue: str, symbol: str) -> Instrument | None:
    """One instrument from memory, as `known_symbols`. Never blocks."""
    _reload_when_old(venue)
    return _market(venue).instruments.get(symbol)


def day_range_percent(venue: str, symbol: str) -> Decimal | None:
    """How far the price moved within 24 hours, in per cent of it, as of the last `last_price`;
    None when the venue did not say, or is not known any more. From memory."""
    try:
        return gateway_for(venue).day_range_percent(symbol)
    except UnknownVenueError:
        return None


def known_price(venue: str, symbol: str) -> Decimal | None:
    """The last price that this process heard of, however old. Never blocks."""
    cached = _market(venue).prices.get(symbol)
    return None if cached is None else cached[1]


def last_price(
    venue: str, symbol: str, *, timeout_seconds: float = PRICE_TIMEOUT_SECONDS
) -> Decimal | None:
    """The last traded price, at most PRICE_LIFETIME_SECONDS old; None when it cannot be had in
    time. Network.
    """
    market = _market(venue)
    cached = market.prices.get(symbol)
    if cached is not None and time.monotonic() - cached[0] < PRICE_LIFETIME_SECONDS:
        return cached[1]
    try:
        prices = run(gateway_for(venue).last_prices(symbol), timeout_seconds=timeout_seconds)
    except (VenueError, TimeoutError) as error:
        logger.warning("no price of %s on %s: %s", symbol, venue, error)
        return None
    now = time.monotonic()
    market.prices.update((each, (now, price)) for each, price in prices.items())
    return prices[symbol]


def order_book(venue: str, symbol: str) -> BookSnapshot | None:
    """At most BOOK_LIFETIME_SECONDS old; None when it cannot be had. Network: worker code only."""
    books = _market(venue).books
    if (known := _young(books.get(symbol), BOOK_LIFETIME_SECONDS)) is not None:
        return known
    try:
        book = run(gateway_for(venue).order_book(symbol), timeout_seconds=3)
    except (VenueError, TimeoutError, UnknownVenueError) as error:
        logger.warning("no order book of %s on %s: %s", symbol, venue, error)
        return None
    books[symbol] = time.monotonic(), book
    return book


def next_funding(venue: str, symbol: str) -> FundingSnapshot | None:
    """As last told, at most FUNDING_LIFETIME_SECONDS ago; None when it cannot be had. Network:
    worker code only."""
    fundings = _market(venue).fundings
    if (known := _young(fundings.get(symbol), FUNDING_LIFETIME_SECONDS)) is not None:
        return known
    try:
        funding = run(gateway_for(venue).next_funding(symbol), timeout_seconds=3)
    except (VenueError, TimeoutError, UnknownVenueError) as error:
        logger.warning("no funding rate of %s on %s: %s", symbol, venue, error)
        return None
    fundings[symbol] = time.monotonic(), funding
    return funding


def _young(known: tuple[float, T] | None, lifetime_seconds: float) -> T | None:
    if known is None or time.monotonic() - known[0] >= lifetime_seconds:
        return None
    return known[1]
