"""What crosses the exchange boundary: plain values, venue-neutral, amounts as Decimal.

Quantities are in the venue's native unit (contracts; coins for spot), unsigned unless said.
Times are milliseconds since the epoch, UTC, by the venue's clock unless said.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Literal

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

    def quantity_down(self, quantity: Decimal) -> Decimal:
        """The largest multiple of the lot that is not larger than `quantity` (≥ 0)."""
        return (quantity / self.lot).to_integral_value(ROUND_DOWN) * self.lot

    def price_to_tick(self, price: Decimal) -> Decimal:
        """The nearest multiple of the tick, halves up."""
        return (price / self.tick).to_integral_value(ROUND_HALF_UP) * self.tick

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
    order_type: Literal["market", "limit"]
    quantity: Decimal
    price: Decimal | None
    position_side: PositionSide
    reduce_only: bool
    is_exit: bool
    margin_mode: MarginMode
    deadline_ms: int


class PlacementResult(StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class RejectKind(StrEnum):
    """What a definite refusal means for the next step."""

    ORDER = "order"
    ACCOUNT = "account"
    """Its funds, its mode, what it holds: no other account's order would be refused for it."""
    CLOSED = "closed"
    """The instrument cannot be traded now: suspended, being settled. It passes, or it is over."""
    CREDENTIALS = "credentials"
    RATE_LIMIT = "rate_limit"
    LATE = "late"
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
    """An order as the venue shows it now. `filled_quantity` is cumulative."""

    venue_order_id: str
    client_order_id: str
    symbol: str
    state: VenueOrderState
    quantity: Decimal
    filled_quantity: Decimal
    average_price: Decimal | None
    cancel_source: str = ""


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


@dataclass(frozen=True, slots=True)
class PositionSnapshot:
    """Signed quantity: long positive, short negative, in both position modes."""

    symbol: str
    position_side: PositionSide
    quantity: Decimal
    average_price: Decimal | None
    mark_price: Decimal | None
    unrealised_pnl: Decimal | None
    leverage: Decimal | None
    margin_mode: str
    liquidation_price: Decimal | None


@dataclass(frozen=True, slots=True)
class BalanceSnapshot:
    currency: str
    equity: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """What the venue says of the account and of the key that asked."""

    uid: str
    position_mode: Literal["net", "long_short"]
    permissions: frozenset[str]
    ip_restricted: bool


class LookupResult(StrEnum):
    FOUND = "found"
    ABSENT = "absent"
    NO_EVIDENCE = "no_evidence"


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a targeted look-up of one order proved. A failed or odd answer proves nothing."""

    result: LookupResult
    order: OrderSnapshot | None = None
    detail: str = ""


class VenueErrorKind(StrEnum):
    CREDENTIALS = "credentials"
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
