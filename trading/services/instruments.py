"""Instruments as somebody traded them, for when the venue does not list them or does not answer."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields
from decimal import Decimal
from typing import Any

from django.utils import timezone

from trading.domain.reasons import Reason, ReasonCode
from trading.models import TradedInstrument
from venues import markets
from venues.domain.types import Instrument, InstrumentKind, VenueError
from venues.gateway import UnknownVenueError
from venues.runtime import gateway_for

_AMOUNTS = frozenset(
    "contract_size lot tick min_size max_market_size max_limit_size max_leverage"
    " min_notional max_market_value max_limit_value".split()
)
_noted: dict[tuple[str, str], Instrument] = {}


def instrument_note(venue: str, instrument: Instrument) -> None:
    """Keep what is about to be traded; one statement when it is new or has changed."""
    key = venue, instrument.symbol
    if _noted.get(key) == instrument:
        return
    TradedInstrument.objects.update_or_create(
        venue=venue,
        symbol=instrument.symbol,
        defaults={"facts": _facts(instrument), "noted_at": timezone.now()},
    )
    _noted[key] = instrument


def instrument_in_memory(venue: str, symbol: str) -> Instrument | None:
    """As listed, else as it was traded, if this process knows. Asks nobody."""
    return markets.known_instrument(venue, symbol) or _noted.get((venue, symbol))


def instrument_of_order(venue: str, symbol: str) -> Instrument | None:
    """What an order's fills are reckoned by: as listed, else as it was traded, else by asking.

    Memory first, then the database; over the network only when nobody has traded it.
    """
    found = instrument_in_memory(venue, symbol)
    if found is not None:
        return found
    row = TradedInstrument.objects.filter(venue=venue, symbol=symbol).first()
    if row is not None:
        return _noted.setdefault((venue, symbol), _instrument(row.facts))
    try:
        return markets.instrument(venue, symbol)
    except (VenueError, TimeoutError, LookupError):
        return None


def market_doubt(venue: str, symbol: str) -> Reason | None:
    """Why nothing is opened in what is missing from the venue's list: it is there, unreadable."""
    try:
        field = markets.unreadable_field(venue, symbol)
    except UnknownVenueError:
        return None
    if not field:
        return None
    params = {"venue": venue, "symbol": symbol, "field": field}
    return Reason(ReasonCode.MARKET_UNREADABLE, params)


def instruments_remind(venue_symbols: Iterable[tuple[str, str]]) -> None:
    """Have gateways know what their venues do not list, or could not be asked for."""
    for venue, symbol in set(venue_symbols):
        if markets.known_instrument(venue, symbol) is not None:
            continue
        found = instrument_of_order(venue, symbol)
        if found is not None:
            with suppress(UnknownVenueError):  # whoever asks that venue says so
                gateway_for(venue).remember_instruments([found])


def forget_noted() -> None:
    """For tests: as a process that has just started."""
    _noted.clear()


def _facts(instrument: Instrument) -> dict[str, Any]:
    """Amounts as text; `is_live` is a matter of the moment and is left out."""
    values = {field.name: getattr(instrument, field.name) for field in fields(Instrument)}
    del values["is_live"]
    return {
        name: format(value, "f") if isinstance(value, Decimal) else value
        for name, value in values.items()
    }


def _instrument(facts: dict[str, Any]) -> Instrument:
    values: dict[str, Any] = {
        name: Decimal(value) if name in _AMOUNTS and value is not None else value
        for name, value in facts.items()
    }
    values["kind"] = InstrumentKind(facts["kind"])
    return Instrument(**values, is_live=False)
