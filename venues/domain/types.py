"""What crosses the exchange boundary: plain values, venue-neutral, amounts as Decimal.

Quantities are in the venue's native unit (contracts; coins for spot), unsigned unless said.
Times are milliseconds since the epoch, UTC, by the venue's clock unless said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Decimal
from enum import StrEnum
from typing import Literal, TypeVar

T = TypeVar("T")
ONE = Decimal(1)

Side = Literal["buy", "sell"]
PositionSide = Literal["net", "long", "short"]
MarginMode = Literal["cross", "isolated", "cash"]


class InstrumentKind(StrEnum):
    SPOT = "spot"
    LINEAR = "linear"
    INVERSE = "inverse"


@dataclass(frozen=True, slots=True)
class Instrument:
    """A tradable symbol and its filters.

    `contract_size` is coins per contract for linear, quote currency per contract for inverse,
    and 1 for spot. `lot`, `tick`, sizes: the venue's steps and limits in its native unit.
    """

    symbol: str
    venue_symbol: str
    kind: InstrumentKind
    base: str
    quote: str
    settle: str
    contract_size: Decimal
    lot: Decimal
    tick: Decimal
    min_size: Decimal
    max_market_size: Decimal | None
    max_limit_size: Decimal | None
    max_leverage: Decimal
    is_live: bool
    min_notional: Decimal | None = None
    """The smallest value of an order, in quote currency, where the venue has such a filter."""
    max_market_value: Decimal | None = None
    max_limit_value: Decimal | None = None
    """The largest ones, where the venue states them in money."""

    def quantity_down(self, quantity: Decimal) -> Decimal:
        """The largest multiple of the lot that is not larger than `quantity` (≥ 0)."""
        return (quantity / self.lot).to_integral_value(ROUND_DOWN) * self.lot

    def quantity_up(self, quantity: Decimal) -> Decimal:
        """The smallest multiple of the lot that is not smaller than `quantity` (≥ 0)."""
        return (quantity / self.lot).to_integral_value(ROUND_UP) * self.lot

    def price_to_tick(self, price: Decimal) -> Decimal:
        """The nearest multiple of the tick, halves up, and at least one tick."""
        ticks = (price / self.tick).to_integral_value(ROUND_HALF_UP)
        return max(ticks, ONE) * self.tick

    def coins(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Base coins in a native quantity at a price."""
        if self.kind is InstrumentKind.INVERSE:
            return quantity * self.contract_size / price
        return quantity * self.contract_size

    def notional(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Value in quote currency of a native quantity at a price."""
        if self.kind is InstrumentKind.INVERSE:
            return quantity * self.contract_size
        return quantity * self.contract_size * price

    def quantity_of_notional(self, notional: Decimal, price: Decimal) -> Decimal:
        """The native quantity, not rounded, for a value in quote currency at a price."""
        if self.kind is InstrumentKind.INVERSE:
            return notional / self.contract_size
        return notional / (self.contract_size * price)

    def pnl(self, quantity: Decimal, entry_price: Decimal, exit_price: Decimal) -> Decimal:
        """Profit in settle currency of a signed native quantity (long positive), before fees."""
        if self.kind is InstrumentKind.INVERSE:
            return quantity * self.contract_size * (1 / entry_price - 1 / exit_price)
        return quantity * self.contract_size * (exit_price - entry_price)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys of one account, opened for signing. Never logged: repr hides them."""

    api_key: str
    api_secret: str
    passphrase: str

    def __repr__(self) -> str:
        return "<Credentials>"


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """One order as it will be sent. `deadline_ms`: the venue discards it when it comes later.

    `is_exit`: it only takes risk away, so it goes before entries. Not the same as `reduce_only`,
    which spot does not have.
    """

    client_order_id: str
    instrument: Instrument
    side: Side
    order_type: Literal["market", "limit", "ioc"]
    quantity: Decimal
    price: Decimal | None
    position_side: PositionSide
    reduce_only: bool
    is_exit: bool
    margin_mode: MarginMode
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class StopRequest:
    """A stop order that waits at the venue and closes a part of a position at the market.

    Triggers are prices on the tick; at least one of them is there, and with both the one that is
    reached ends the other. Reduce-only, and gone with the position.
    """

    client_stop_id: str
    instrument: Instrument
    side: Side
    quantity: Decimal
    stop_loss: Decimal | None
    take_profit: Decimal | None
    position_side: PositionSide
    margin_mode: MarginMode


class PlacementResult(StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class RejectKind(StrEnum):
    """What a definite refusal means for the next step."""

    ORDER = "order"
    ACCOUNT = "account"
    """Its funds, what it holds: no other account's order would be refused for it."""
    MODE = "mode"
    """The account's position or account mode is not the one that the order is for."""
    POSITION = "position"
    """Less is held than the order was to close."""
    CLOSED = "closed"
    """The instrument cannot be traded now: suspended, being settled. It passes, or it is over."""
    CREDENTIALS = "credentials"
    RATE_LIMIT = "rate_limit"
    LATE = "late"
    PASSED = "passed"
    """The price is beyond the trigger of a stop already."""
    WITHDRAWN = "withdrawn"
    """By the caller, before it left."""
    CLOCK = "clock"
    """The signature's time is not the venue's: no fault of the key."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The outcome of sending one order once. `code`/`message` are the venue's own words, or ours
    with NOT_SENT. `retry_after_ms`: sooner, a new attempt would meet the same refusal."""

    result: PlacementResult
    venue_order_id: str = ""
    code: str = ""
    message: str = ""
    reject_kind: RejectKind = RejectKind.ORDER
    retry_after_ms: int = 0


NOT_SENT = "not_sent"
"""The code of what never left: our own limiter had no turn for it, or it was withdrawn."""


class VenueOrderState(StrEnum):
    WORKING = "working"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class OrderSnapshot:
    """An order as the venue shows it now. `filled_quantity` is cumulative.

    `price` is None of a market order. What was not told has its default; times are then 0.
    """

    venue_order_id: str
    client_order_id: str
    symbol: str
    state: VenueOrderState
    quantity: Decimal
    filled_quantity: Decimal
    average_price: Decimal | None
    cancel_source: str = ""
    side: Side | None = None
    order_type: str = ""
    """In the venue's words: market, limit, post_only, fok, ioc, …"""
    price: Decimal | None = None
    position_side: PositionSide = "net"
    reduce_only: bool = False
    margin_mode: str = ""
    leverage: Decimal | None = None
    created_at_ms: int = 0
    updated_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class FillSnapshot:
    """One execution. `fee` positive means paid (the venue's sign is the opposite on OKX)."""

    trade_id: str
    venue_order_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    is_maker: bool
    filled_at_ms: int
    position_side: PositionSide = "net"
    cause: Literal["", "liquidation", "adl"] = ""
    """What the venue did by itself, if it said so."""


@dataclass(frozen=True, slots=True)
class PositionSnapshot:
    """Signed quantity: long positive, short negative, in both position modes.

    0 is a position that was closed; only streams tell of those. `margin` is what an isolated
    position has been given, `maintenance` what it must not fall below, in settle currency;
    `updated_at_ms` is 0 when it was not told.
    """

    symbol: str
    position_side: PositionSide
    quantity: Decimal
    average_price: Decimal | None
    mark_price: Decimal | None
    unrealised_pnl: Decimal | None
    leverage: Decimal | None
    margin_mode: str
    liquidation_price: Decimal | None
    margin: Decimal | None = None
    updated_at_ms: int = 0
    maintenance: Decimal | None = None


@dataclass(frozen=True, slots=True)
class LeverageSnapshot:
    """At which leverage the account would open a position now, whether it holds one or not."""

    symbol: str
    position_side: PositionSide
    margin_mode: str
    leverage: Decimal


@dataclass(frozen=True, slots=True)
class BalanceSnapshot:
    """`cash`: what bills add up to, without what open positions would bring; `equity_usd`: what
    the venue takes the equity to be worth in dollars. None: not told."""

    currency: str
    equity: Decimal
    available: Decimal
    cash: Decimal | None = None
    equity_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class StopSnapshot:
    """A stop order (stop loss, take profit or both) as the venue shows it.

    `state` in the venue's words: `live`, `pause`, `effective` (it went off), `canceled`,
    `order_failed`. `quantity` None: it closes whatever is held. Triggers are prices.
    """

    venue_stop_id: str
    client_stop_id: str
    symbol: str
    state: str
    side: Side | None
    position_side: PositionSide
    quantity: Decimal | None
    stop_loss_trigger: Decimal | None
    take_profit_trigger: Decimal | None
    reduce_only: bool
    updated_at_ms: int
    venue_order_id: str = ""
    """The order that it became."""
    triggered_by: Literal["", "sl", "tp"] = ""
    actual_quantity: Decimal | None = None
    """Of that order."""
    fail_code: str = ""
    """Why it became none."""


@dataclass(frozen=True, slots=True)
class TransferSnapshot:
    """Money moved into the account (positive) or out of it."""

    transfer_id: str
    currency: str
    amount: Decimal
    moved_at_ms: int


class BillKind(StrEnum):
    """Why a balance moved."""

    TRADE = "trade"
    """With its fee; liquidations, deleveraging and deliveries, too."""
    TRANSFER = "transfer"
    FUNDING = "funding"
    INTEREST = "interest"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class WalletMove:
    """Money that came from outside of the venue to the customer's wallet there (positive), or left
    it."""

    move_id: str
    currency: str
    amount: Decimal
    moved_at_ms: int


@dataclass(frozen=True, slots=True)
class BillSnapshot:
    """One change of one currency's balance, which is `balance` after it. Signed.

    `amount` is what was booked: the same as `change`, unless it went to an isolated position's
    margin. `size`: of the position it is about, unsigned, in the venue's native unit. Ids grow.
    """

    bill_id: str
    kind: BillKind
    venue_kind: str
    currency: str
    change: Decimal
    balance: Decimal
    amount: Decimal
    symbol: str
    size: Decimal | None
    occurred_at_ms: int


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """An order book: (price, quantity), each side best first, as deep as was asked for."""

    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]


@dataclass(frozen=True, slots=True)
class FundingSnapshot:
    """The funding fee that is due next. A positive rate is paid by who is long."""

    rate: Decimal
    due_at_ms: int


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """What the venue says of the account and of the key that asked."""

    uid: str
    position_mode: Literal["net", "long_short"]
    takes_contracts: bool
    """Its account mode is not for spot alone."""
    permissions: frozenset[str]
    ip_restricted: bool


class LookupResult(StrEnum):
    FOUND = "found"
    ABSENT = "absent"
    NO_EVIDENCE = "no_evidence"


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a targeted look-up of one order proved. A failed or odd answer proves nothing.

    `unreadable`: the field for which the venue's word on the order could not be read, if any.
    """

    result: LookupResult
    order: OrderSnapshot | None = None
    detail: str = ""
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class StopLookup:
    """As Lookup, of one stop order."""

    result: LookupResult
    stop: StopSnapshot | None = None
    detail: str = ""


class VenueErrorKind(StrEnum):
    CREDENTIALS = "credentials"
    MODE = "mode"
    """The account's position or account mode is not the one that the request is for."""
    RATE_LIMIT = "rate_limit"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


class VenueError(Exception):
    """A request other than a placement failed. `code`/`message` are the venue's, if any."""

    def __init__(self, kind: VenueErrorKind, code: str = "", message: str = "") -> None:
        super().__init__(f"{kind}: {code} {message}".strip())
        self.kind = kind
        self.code = code
        self.message = message


UNREADABLE = "unreadable"


class UnreadableError(VenueError):
    """An answer, or a field of it, cannot be what the venue documents.

    `field` is its name; nothing of its content is kept, because it may be anything.
    """

    def __init__(self, field: str) -> None:
        super().__init__(VenueErrorKind.UNAVAILABLE, UNREADABLE, f"{field} is not readable")
        self.field = field


class Readings(list[T]):
    """The rows of an answer that could be read; `unreadable`: what spoiled each of the others.

    `until_ms`: of a list that was too long for one reading, until when it goes; None: until now.
    """

    def __init__(
        self,
        rows: Iterable[T] = (),
        unreadable: Iterable[str] = (),
        until_ms: int | None = None,
    ) -> None:
        super().__init__(rows)
        self.unreadable = tuple(unreadable)
        self.until_ms = until_ms

    def complete(self) -> Readings[T]:
        """Itself. Raises UnreadableError when a row is missing from it."""
        if self.unreadable:
            raise UnreadableError(self.unreadable[0])
        return self
