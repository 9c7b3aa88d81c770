"""At which leverage, and in which margin mode, a follower enters."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from strategies.domain.settings import CopySettings, LeverageMode, MarginModeSetting
from trading.domain.planning import Book
from venues.domain.types import Instrument, InstrumentKind

ZERO, ONE = Decimal(0), Decimal(1)
SPOT_MARGIN_MODE = "cash"


def entry_leverage(
    leaders: Decimal | None,
    settings: CopySettings,
    position: Decimal | None,
    book: Book,
    instrument: Instrument,
) -> Decimal:
    """The follower's own, or as the leader; when the signal is silent, as the account has it in
    the symbol. Within all limits."""
    if instrument.kind is InstrumentKind.SPOT:
        return ONE
    others = next((other.leverage for other in book.others_terms if other.leverage), None)
    wanted = leaders or (position if book.holds else None) or others or position or ONE
    if settings.leverage_mode is LeverageMode.FIXED and settings.leverage is not None:
        wanted = settings.leverage
    limits = (wanted, settings.max_leverage, instrument.max_leverage)
    return max(ONE, min(limit for limit in limits if limit is not None))


class Holding(Protocol):
    """A copied position."""

    @property
    def filled(self) -> Decimal: ...
    @property
    def leverage(self) -> Decimal | None: ...
    @property
    def margin_mode(self) -> str: ...
    @property
    def average_entry_price(self) -> Decimal | None: ...


def freed_margin(
    position: Holding, account: str, instrument: Instrument, price: Decimal | None
) -> Decimal:
    """What its end would make available, in the quote currency: an estimate, for which the venue
    has the last word. `account`: the account's margin mode, for a position that has none."""
    entry, leverage = position.average_entry_price, position.leverage
    if instrument.kind is InstrumentKind.SPOT or not position.filled:
        return ZERO
    if not price or not entry or not leverage:
        return ZERO
    if (position.margin_mode or account) != "isolated":
        # Its profit or loss is in what is available already.
        return instrument.notional(abs(position.filled), price) / leverage
    result = instrument.pnl(position.filled, entry, price)
    margin = instrument.notional(abs(position.filled), entry) / leverage
    if instrument.kind is InstrumentKind.INVERSE:  # in coins
        result, margin = result * price, margin / entry * price
    return max(margin + result, ZERO)


def margin_mode(
    leaders: str,
    settings: CopySettings,
    *,
    account: str,
    position: str,
    book: Book,
    instrument: Instrument,
) -> str:
    """What is held keeps its margin mode to its end, whatever the settings say by then: no venue
    changes it, and an exit in another one finds nothing to close. `leaders` is empty when the
    signal does not say it, `position` when nothing was entered yet."""
    if instrument.kind is InstrumentKind.SPOT:
        return SPOT_MARGIN_MODE
    if book.holds:
        return position or account
    if settings.margin_mode is MarginModeSetting.AS_LEADER:
        return leaders or account
    if settings.margin_mode is MarginModeSetting.AS_ACCOUNT:
        return account
    return settings.margin_mode.value
