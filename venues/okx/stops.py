"""Stop orders that wait at the venue: OKX's algo orders of the kinds conditional and oco."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from venues.domain.okx_outcomes import classify_placement
from venues.domain.types import (
    NOT_SENT,
    Credentials,
    Instrument,
    LookupResult,
    Placement,
    PlacementResult,
    RejectKind,
    StopLookup,
    StopRequest,
    StopSnapshot,
    UnreadableError,
    VenueError,
)
from venues.http_pool import ConnectError, HttpAnswer
from venues.okx import reading
from venues.okx.budgets import NoTurnError
from venues.okx.instruments import InstrumentList
from venues.okx.leading import stop_snapshot
from venues.okx.transport import OkxTransport

PLACE = "POST trade/order-algo"
PLACE_TIMEOUT_SECONDS = 8.0
TURN_SECONDS = 4.0
_NAMES = ("algoId", "algoClOrdId")
_UNKNOWN_CODES = frozenset(["51603"])
_MARKET = "-1"
"""As an order price."""


async def place(
    transport: OkxTransport, credentials: Credentials, request: StopRequest
) -> Placement:
    """Sent once, or not at all. OKX has no expiry for these: what is not answered may be taken
    for as long as its signature is good."""
    budgets = transport.budgets
    try:
        permit = await budgets.permit(
            PLACE, account=credentials.api_key, is_exit=True, wait_seconds=TURN_SECONDS
        )
    except NoTurnError as error:
        return Placement(
            PlacementResult.REJECTED,
            code=NOT_SENT,
            message=str(error),
            reject_kind=RejectKind.RATE_LIMIT,
            retry_after_ms=int(error.seconds * 1000),
        )
    answer: HttpAnswer | None = None
    placement = Placement(PlacementResult.UNKNOWN)
    try:
        signed = transport.sign(credentials, "POST", "trade/order-algo", stop_params(request))
        answer = await transport.send(signed, PLACE_TIMEOUT_SECONDS)
        placement = classify_placement(answer.body, request.client_stop_id, names=_NAMES)
    except ConnectError as error:
        # Nothing left, and a position is unguarded: unlike an order it is not looked up first.
        placement = Placement(
            PlacementResult.REJECTED,
            code=NOT_SENT,
            message=str(error)[:200],
        )
    except (OSError, ValueError) as error:  # a time-out is an OSError
        name = type(error).__name__[:32]
        placement = Placement(PlacementResult.UNKNOWN, code=name, message=str(error)[:200])
    finally:
        budgets.settle(permit, answer, placement.code)
    return placement


def stop_params(request: StopRequest) -> dict[str, Any]:
    both = request.stop_loss is not None and request.take_profit is not None
    params: dict[str, Any] = {
        "instId": request.instrument.venue_symbol,
        "algoClOrdId": request.client_stop_id,
        "tdMode": request.margin_mode,
        "side": request.side,
        "ordType": "oco" if both else "conditional",
        "sz": format(request.quantity, "f"),
        "reduceOnly": True,
        "cxlOnClosePos": True,
    }
    if request.position_side != "net":
        params["posSide"] = request.position_side
    for kind, trigger in _triggers(request).items():
        params[f"{kind}TriggerPx"] = format(trigger, "f")
        params[f"{kind}OrdPx"] = _MARKET
        params[f"{kind}TriggerPxType"] = "last"
    return params


def _triggers(request: StopRequest) -> dict[str, Decimal]:
    found = {"sl": request.stop_loss, "tp": request.take_profit}
    return {kind: trigger for kind, trigger in found.items() if trigger is not None}


async def amend(transport: OkxTransport, credentials: Credentials, request: StopRequest) -> None:
    """Raises VenueError."""
    params: dict[str, Any] = {
        "instId": request.instrument.venue_symbol,
        "algoClOrdId": request.client_stop_id,
        "newSz": format(request.quantity, "f"),
    }
    for kind, trigger in _triggers(request).items():
        name = kind.capitalize()
        params[f"new{name}TriggerPx"] = format(trigger, "f")
        params[f"new{name}OrdPx"] = _MARKET
    rows = await transport.read(credentials, "POST", "trade/amend-algos", params, is_exit=True)
    _confirm(rows, request.client_stop_id)


def _confirm(rows: list[Any], client_stop_id: str) -> None:
    """Raises UnreadableError unless the answer is about this stop, and says yes."""
    for row in map(reading.row_of, rows):
        if row.get("sCode") != "0" or row.get("algoClOrdId") not in ("", client_stop_id):
            raise UnreadableError("sCode")
    if not rows:
        raise UnreadableError("data")


async def cancel(
    transport: OkxTransport, credentials: Credentials, instrument: Instrument, client_stop_id: str
) -> None:
    """Raises VenueError."""
    permit = await transport.turn(
        "POST trade/cancel-algos", account=credentials.api_key, is_exit=True
    )
    params: Any = [{"instId": instrument.venue_symbol, "algoClOrdId": client_stop_id}]
    await transport.read_in_turn(permit, credentials, "POST", "trade/cancel-algos", params)


async def find(
    transport: OkxTransport,
    instruments: InstrumentList,
    credentials: Credentials,
    symbol: str,
    client_stop_id: str,
) -> StopLookup:
    query = {"algoClOrdId": client_stop_id}
    try:
        await instruments.of(symbol)
        try:
            rows = await transport.read_for_proof(
                credentials, "trade/order-algo", query, is_exit=True
            )
        except VenueError as error:
            if error.code not in _UNKNOWN_CODES:
                raise
            # Not among those that wait either, or it is only hidden from the direct question.
            waiting = {"ordType": "conditional,oco"}
            rows = await transport.read_pages(
                credentials, "trade/orders-algo-pending", waiting, "algoId", is_exit=True
            )
            if not any(_is_named(row, client_stop_id) for row in rows):
                return StopLookup(LookupResult.ABSENT)
        for row in rows:
            if _is_named(row, client_stop_id):
                stop: StopSnapshot = stop_snapshot(row, instruments.symbol)
                return StopLookup(LookupResult.FOUND, stop)
    except VenueError as error:
        return StopLookup(LookupResult.NO_EVIDENCE, detail=str(error))
    return StopLookup(LookupResult.NO_EVIDENCE, detail="an answer without the stop")


def _is_named(row: Any, client_stop_id: str) -> bool:
    return reading.identifier_or_none(reading.row_of(row), "algoClOrdId") == client_stop_id
