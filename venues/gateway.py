"""The one interface to every venue. Adapters live beside it; `gateway_for` picks by settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from django.conf import settings

from venues.clock import VenueClock
from venues.domain.rate_windows import Processes
from venues.domain.types import (
    AccountConfig,
    BalanceSnapshot,
    BillSnapshot,
    BookSnapshot,
    Credentials,
    FillSnapshot,
    FundingSnapshot,
    Instrument,
    LeverageSnapshot,
    Lookup,
    OrderRequest,
    OrderSnapshot,
    Placement,
    PositionSide,
    PositionSnapshot,
    Readings,
    StopLookup,
    StopRequest,
    StopSnapshot,
    TransferSnapshot,
    WalletMove,
)
from venues.streams.dialogue import Dialogue

LEVERAGES_AT_ONCE = 20


class Gateway(Protocol):
    """Coroutines run on the process's venue loop (venues.runtime).

    What changes something at the venue is sent once; `find_order`, `search_order` and
    `order_fills` ask again when nothing was answered. Every method but `place_order`,
    `find_order` and `search_order` raises VenueError; those three report what they learnt,
    because for them an unclear answer is an answer. Nothing else leaves a gateway: a row that is
    not as the venue documents is left out and named in `Readings.unreadable`, an answer that is
    not is an UnreadableError.

    Each request waits for its turn within the venue's rate limits. `is_exit` puts it before
    entries, with room that they cannot use: for exits, and for what an exit depends on;
    cancellations always are. What gets no turn in time is not sent, with the code NOT_SENT.
    """

    clock: VenueClock
    """The venue's; what is signed and what expires goes by it."""

    async def measure_clock(self) -> None:
        """Ask for the venue's time now."""

    async def keep_clock(self) -> None:
        """Ask for it from time to time, until cancelled."""

    async def load_instruments(self, *, max_age_seconds: float = 0) -> dict[str, Instrument]:
        """All live and dead instruments by unified symbol; from memory when it is younger."""

    def unreadable_instruments(self) -> Mapping[str, str]:
        """Of the last list: symbols of which it said what could not be read, and the field."""

    def remember_instruments(self, instruments: Iterable[Instrument]) -> None:
        """What was traded once: its orders can be looked up although it is not listed any more,
        or the list cannot be had. From any thread."""

    async def last_prices(self, symbol: str) -> dict[str, Decimal]:
        """The last traded price of this symbol, and of what else came with it."""

    def day_range_percent(self, symbol: str) -> Decimal | None:
        """Between the highest and lowest price of 24 hours, of the last price: what came with the
        last answer of `last_prices`; None when it is not known. From any thread."""

    async def order_book(self, symbol: str) -> BookSnapshot:
        """As it is now, some hundred levels deep."""

    async def next_funding(self, symbol: str) -> FundingSnapshot:
        """Of a perpetual contract."""

    async def place_order(
        self,
        credentials: Credentials,
        request: OrderRequest,
        *,
        may_leave: Callable[[], Awaitable[bool]] | None = None,
        still_wanted: Callable[[], bool] | None = None,
    ) -> Placement:
        """Send once, or not at all. Never raises for what the venue or the network does.

        `may_leave` is asked when an order had to wait for its turn; `still_wanted` always, in the
        moment in which there is a connection for it and nothing else to wait for. When either says
        no, the outcome is WITHDRAWN.
        """

    async def cancel_order(
        self,
        credentials: Credentials,
        *,
        symbol: str,
        client_order_id: str,
        venue_order_id: str = "",
    ) -> None:
        """Ask for a cancellation; only the venue's later state proves it."""

    async def find_order(
        self,
        credentials: Credentials,
        *,
        symbol: str,
        client_order_id: str,
        venue_order_id: str = "",
        is_exit: bool = False,
    ) -> Lookup:
        """By client order id, or, of one that a stop order became, the venue's. ABSENT only when
        the venue says that it does not know it."""

    async def place_stop(self, credentials: Credentials, request: StopRequest) -> Placement:
        """As `place_order`, of a stop order; without a deadline, for venues have none for them."""

    async def amend_stop(self, credentials: Credentials, request: StopRequest) -> None:
        """Ask for this quantity and these triggers, of as many kinds as it has now."""

    async def cancel_stop(
        self, credentials: Credentials, *, symbol: str, client_stop_id: str
    ) -> None:
        """Ask for a cancellation; only a look-up proves it."""

    async def find_stop(
        self, credentials: Credentials, *, symbol: str, client_stop_id: str
    ) -> StopLookup:
        """As `find_order`. ABSENT also only if it is not in the list of what waits."""

    async def search_order(
        self,
        credentials: Credentials,
        *,
        symbol: str,
        client_order_id: str,
        since_ms: int | None = None,
        is_exit: bool = False,
    ) -> Lookup:
        """The thorough way: all working orders, and history and fills since it was sent. ABSENT
        only if all answered."""

    async def open_orders(
        self, credentials: Credentials, *, is_exit: bool = False
    ) -> Readings[OrderSnapshot]:
        """All of the account, in all instruments: one request for each hundred."""

    async def order_fills(
        self,
        credentials: Credentials,
        *,
        symbol: str,
        venue_order_id: str,
        since_ms: int | None = None,
        is_exit: bool = False,
    ) -> Readings[FillSnapshot]:
        """`since_ms`: when the order was sent; what is older is kept elsewhere."""

    async def positions(
        self, credentials: Credentials, *, is_exit: bool = False
    ) -> Readings[PositionSnapshot]:
        """Open positions only."""

    async def balances(
        self, credentials: Credentials, *, is_exit: bool = False
    ) -> Readings[BalanceSnapshot]: ...

    async def fills_since(
        self, credentials: Credentials, *, since_ms: int
    ) -> Readings[FillSnapshot]:
        """All executions of the account from this time of the venue's on, newest first. Of very
        many those until `until_ms` of the answer."""

    async def open_stops(self, credentials: Credentials) -> Readings[StopSnapshot]:
        """Stop losses and take profits that wait."""

    async def transfers_since(
        self, credentials: Credentials, *, since_ms: int
    ) -> Readings[TransferSnapshot]: ...

    async def bills_since(
        self, credentials: Credentials, *, since_ms: int
    ) -> Readings[BillSnapshot]:
        """Every change of a balance from this time of the venue's on, newest first. Of very many
        those until `until_ms` of the answer."""

    async def wallet_moves_since(
        self, credentials: Credentials, *, since_ms: int
    ) -> Readings[WalletMove]:
        """Deposits and withdrawals that are done, the newest hundred of each."""

    async def lead_trader_positions(self, code: str) -> Readings[PositionSnapshot]:
        """What the venue publishes of a lead trader, one row a symbol and side. Anybody may ask."""

    async def account_config(self, credentials: Credentials) -> AccountConfig: ...

    async def set_leverage(
        self,
        credentials: Credentials,
        *,
        symbol: str,
        leverage: Decimal,
        margin_mode: str,
        position_sides: Sequence[str],
    ) -> None: ...

    async def add_margin(
        self,
        credentials: Credentials,
        *,
        symbol: str,
        amount: Decimal,
        position_side: PositionSide,
    ) -> None:
        """To an isolated position, in settle currency. Twice adds twice; with an error of the kind
        UNAVAILABLE it may be done or not, with any other it is certain that it is not."""

    async def leverages(
        self, credentials: Credentials, *, symbols: Sequence[str], margin_mode: str
    ) -> Readings[LeverageSnapshot]:
        """In these symbols, of which there may be LEVERAGES_AT_ONCE; none of what is not listed."""

    def dialogues(self, *, stops: bool) -> list[Dialogue]:
        """What a private stream of this venue says, one for each line that it needs; with `stops`,
        of stop orders, too. From any thread."""

    def symbol_of(self, venue_symbol: str) -> str | None:
        """The unified symbol by the instruments as loaded; None of what is not among them. From
        any thread."""

    async def aclose(self) -> None: ...


class UnknownVenueError(LookupError):
    """The settings do not name this venue."""


def make_gateway(venue: str) -> Gateway:
    """A new gateway for a venue of settings.VENUES; use venues.runtime.gateway_for instead."""
    from venues.okx import OkxGateway  # ccxt takes a second to import; only callers pay

    adapters: dict[str, Callable[[str, Mapping, Processes], Gateway]] = {"okx": OkxGateway}
    try:
        entry = settings.VENUES[venue]
    except KeyError as error:
        raise UnknownVenueError(f"No venue is called {venue!r}.") from error
    if entry["simulated"] and not entry["rest_url"]:
        # An adapter without an address would go to the real venue.
        raise UnknownVenueError(f"The simulated venue {venue!r} has no address.")
    processes = Processes(
        senders=settings.FANOUT_WORKERS,
        lookups=settings.LOOKUP_WORKERS,
        accounts=settings.ACCOUNT_WORKERS,
    )
    return adapters[entry["adapter"]](venue, entry, processes)
