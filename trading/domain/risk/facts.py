"""What the rules compare for one entry.

Money is in the quote currency unless said, sizes in the venue's native unit. None is a fact that
was not asked for, or could not be had.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from strategies.domain.settings import DEFAULTS, CopySettings
from trading.domain.reasons import Reason
from trading.domain.risk.order_book import OrderBook
from venues.domain.types import Instrument, InstrumentKind

ZERO, ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True, slots=True)
class CopyFacts:
    """What the copy and its account have in the market now. Entries on their way count in full,
    also those of unknown outcome; exits on their way count not at all until they are filled."""

    invested: Decimal | None = None
    """Margin of this copy: held by its entry price, working by the price that was expected."""
    invested_here: Decimal = ZERO
    """Of it, what is held in the entry's symbol."""
    symbol_exposure: Decimal | None = None
    """Notional of the account in the symbol, of all copies and of the client's own."""
    account_exposure: Decimal | None = None
    """The same over all symbols."""
    open_positions: int | None = None
    """Symbols in which this copy holds something or enters."""
    is_in_symbol: bool = False
    """Whether the entry's symbol is one of these."""
    unpriced_symbol: str = ""
    """Something is held in it, and its value cannot be told."""
    waiting_entries: int | None = None
    """Entries of this copy that rest on the book, or are on their way there."""
    recent_orders: int | None = None
    """Orders of this copy in the last minute."""
    stops: tuple[datetime, ...] | None = None
    """When stops of this copy closed positions, newest first."""


@dataclass(frozen=True, slots=True)
class EquityFacts:
    """The account's whole value as the venue gives it, in dollars, which are taken for the quote
    currency. Start and peak are corrected for what was moved in or out since."""

    now: Decimal | None = None
    day_start: Decimal | None = None
    peak: Decimal | None = None


@dataclass(frozen=True, slots=True)
class MarketFacts:
    """What the venue said of the symbol when the signal was planned: for all followers the same."""

    book: OrderBook | None = None
    demand: Decimal | None = None
    """What all followers on the venue are about to order, before any rule; unsigned."""
    funding_rate: Decimal | None = None
    """Of the next time it is paid; positive: who is long pays."""
    funding_at: datetime | None = None


NO_COPY_FACTS = CopyFacts()
NO_EQUITY_FACTS = EquityFacts()
NO_MARKET_FACTS = MarketFacts()


@dataclass(frozen=True, slots=True)
class HeldTerms:
    """At what another copy of the account holds, or enters, the same symbol."""

    leverage: Decimal | None
    margin_mode: str


@dataclass(frozen=True)  # no slots: `sized`
class EntryFacts:
    """One entry. `quantity` is unsigned, `direction` +1 for a purchase and −1 for a sale."""

    now: datetime
    expires_at: datetime
    symbol: str
    strategy_active: bool
    subscription_active: bool
    account_active: bool
    account_checked: bool
    account_healthy: bool
    customer_active: bool
    instrument: Instrument
    quantity: Decimal
    price: Decimal
    """The last one, or the worst that the order takes if it says so; 0 when it is not known."""
    leverage: Decimal
    available: Decimal | None
    currency: str
    leader_symbol: str = ""
    """Where it is another one."""
    settings: CopySettings = DEFAULTS
    settings_doubt: Reason | None = None
    """What is stored for them is no value."""
    is_limit: bool = False
    rests: bool = False
    """It waits on the book for its price."""
    venue: str = ""
    takes_contracts: bool = True
    """Its account mode at the exchange is not for spot alone."""
    account_reconciled: bool = True
    """Its books agreed with the exchange not long ago (docs/reconciliation.md)."""
    account_doubt: Reason | None = None
    """What the venue says of the account cannot be read."""
    market_doubt: Reason | None = None
    """The same of the market."""
    direction: int = 1
    signal_at: datetime | None = None
    """When it was sent, or received if its clock is ahead."""
    local_now: datetime | None = None
    """`now` in the firm's time zone."""
    leader_price: Decimal | None = None
    """In the same symbol; None when the signal does not say it."""
    last_price: Decimal | None = None
    """Beside the limit of an order that takes what is there up to it."""
    later_exit: bool = False
    """A later signal of the source, by which the copy was to get out, is planned already."""
    margin_mode: str = "cross"
    others: tuple[HeldTerms, ...] = ()
    """Of the account's other copies in the symbol."""
    equity: Decimal | None = None
    """In the settlement currency, as is `available`; both at their value in the quote currency."""
    freed: Decimal = ZERO
    """What becomes available when the copy closes what it holds in the symbol; as `available`."""
    copy: CopyFacts = NO_COPY_FACTS
    account: EquityFacts = NO_EQUITY_FACTS
    market: MarketFacts = NO_MARKET_FACTS

    @property
    def is_spot(self) -> bool:
        return self.instrument.kind is InstrumentKind.SPOT

    @property
    def notional(self) -> Decimal:
        return self.instrument.notional(self.quantity, self.price)

    @property
    def margin(self) -> Decimal:
        """Notional ÷ leverage; spot is paid in full."""
        if self.is_spot or self.leverage < ONE:
            return self.notional
        return self.notional / self.leverage

    @property
    def enters_until(self) -> datetime:
        """By the signal's own expiry, and by the client's limit of its age."""
        lifetime = self.settings.signal_lifetime_seconds
        if lifetime is None or self.signal_at is None:
            return self.expires_at
        return min(self.expires_at, self.signal_at + timedelta(seconds=lifetime))

    @property
    def expected_price(self) -> Decimal:
        """What the first of it will cost: of a market order the best price of the other side,
        where the order book was asked for."""
        book = self.market.book
        if self.is_limit or book is None:
            return self.last_price or self.price
        return book.best(self.direction) or self.price

    @property
    def slippage_limit_percent(self) -> Decimal:
        """How much worse than the leader's its price may be."""
        stated = self.settings.max_entry_slippage_percent
        if stated is not None:
            return stated
        return MAIN_COINS_SLIPPAGE if self.instrument.base in MAIN_COINS else OTHERS_SLIPPAGE

    def sized(self, quantity: Decimal, direction: int) -> EntryFacts:
        """The same entry in another size. As `replace`, which for so many facts takes a tenth of
        the time of planning a follower."""
        facts = object.__new__(EntryFacts)
        facts.__dict__.update(self.__dict__, quantity=quantity, direction=direction)
        return facts

    def after_close(self, held: Decimal) -> EntryFacts:
        """For an entry that leaves only when the copy's position, of this size, has been closed."""
        worth = self.instrument.notional(abs(held), self.price)
        copy = replace(
            self.copy,
            invested=_without(self.copy.invested, self.copy.invested_here),
            symbol_exposure=_without(self.copy.symbol_exposure, worth),
            account_exposure=_without(self.copy.account_exposure, worth),
        )
        available = None if self.available is None else self.available + self.freed
        return replace(self, available=available, copy=copy)

    def quantity_worth(self, notional: Decimal) -> Decimal:
        """The quantity of that value, not rounded; 0 of nothing, or at no price."""
        if notional <= ZERO or self.price <= ZERO:
            return ZERO
        return self.instrument.quantity_of_notional(notional, self.price)


def _without(amount: Decimal | None, part: Decimal) -> Decimal | None:
    return None if amount is None else max(amount - part, ZERO)


MAIN_COINS = frozenset({"BTC", "ETH"})
MAIN_COINS_SLIPPAGE = Decimal("0.5")
OTHERS_SLIPPAGE = Decimal("1.5")
