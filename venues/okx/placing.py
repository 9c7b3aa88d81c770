"""The one request that may move money: what it carries, and that it leaves once or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypedDict

from venues.domain.okx_outcomes import classify_placement
from venues.domain.types import (
    NOT_SENT,
    Credentials,
    InstrumentKind,
    OrderRequest,
    Placement,
    PlacementResult,
    RejectKind,
)
from venues.http_pool import ConnectError, HttpAnswer, WithdrawnError
from venues.okx.budgets import NoTurnError, Permit
from venues.okx.transport import OkxTransport

PLACE = "POST trade/order"
PLACE_TIMEOUT_SECONDS = 10.0

MayLeave = Callable[[], Awaitable[bool]]


async def place(
    transport: OkxTransport,
    credentials: Credentials,
    request: OrderRequest,
    *,
    may_leave: MayLeave | None = None,
    still_wanted: Callable[[], bool] | None = None,
) -> Placement:
    budgets = transport.budgets
    permit = budgets.permit_now(PLACE, **_counted_as(credentials, request))
    if permit is None:
        turn = await _wait_for_turn(transport, credentials, request, may_leave)
        if isinstance(turn, Placement):
            return turn
        permit = turn
    answer: HttpAnswer | None = None
    placement = Placement(PlacementResult.UNKNOWN)
    try:
        signed = transport.sign(credentials, "POST", "trade/order", order_params(request))
        signed["headers"]["expTime"] = str(request.deadline_ms)
        answer = await transport.send(signed, PLACE_TIMEOUT_SECONDS, still_wanted)
        placement = classify_placement(answer.body, request.client_order_id)
    except WithdrawnError:
        placement = _withdrawn("withdrawn while it waited for a connection")
    except ConnectError as error:
        # No connection was made, so nothing left; the look-up confirms it all the same.
        placement = _unanswered("connect", error)
    except (OSError, ValueError) as error:  # a time-out is an OSError
        placement = _unanswered(type(error).__name__, error)
    finally:
        refused_seconds = budgets.settle(permit, answer, placement.code)
    if refused_seconds:
        return replace(placement, retry_after_ms=int(refused_seconds * 1000))
    return placement


class _Counted(TypedDict):
    """By what the budgets know an order."""

    account: str
    instrument: str
    is_spot: bool
    is_exit: bool


def _counted_as(credentials: Credentials, request: OrderRequest) -> _Counted:
    return {
        "account": credentials.api_key,
        "instrument": request.instrument.venue_symbol,
        "is_spot": request.instrument.kind is InstrumentKind.SPOT,
        "is_exit": request.is_exit,
    }


async def _wait_for_turn(
    transport: OkxTransport,
    credentials: Credentials,
    request: OrderRequest,
    may_leave: MayLeave | None,
) -> Permit | Placement:
    """A placement says why the order does not leave."""
    budgets = transport.budgets
    wait_seconds = (request.deadline_ms - transport.clock.now_ms()) / 1000
    try:
        permit = await budgets.permit(
            PLACE, **_counted_as(credentials, request), wait_seconds=wait_seconds
        )
    except NoTurnError as error:
        return Placement(
            PlacementResult.REJECTED,
            code=NOT_SENT,
            message=str(error),
            reject_kind=RejectKind.RATE_LIMIT,
            retry_after_ms=int(error.seconds * 1000),
        )
    leaves = False
    try:
        leaves = may_leave is None or await may_leave()
    finally:
        if not leaves:
            budgets.withdraw(permit)
    if leaves:
        return permit
    return _withdrawn("withdrawn while it waited for its turn")


def _withdrawn(message: str) -> Placement:
    return Placement(
        PlacementResult.REJECTED,
        code=NOT_SENT,
        message=message,
        reject_kind=RejectKind.WITHDRAWN,
    )


def _unanswered(code: str, error: Exception) -> Placement:
    return Placement(PlacementResult.UNKNOWN, code=code[:32], message=str(error)[:200])


def order_params(request: OrderRequest) -> dict[str, Any]:
    params: dict[str, Any] = {
        "instId": request.instrument.venue_symbol,
        "clOrdId": request.client_order_id,
        "side": request.side,
        "ordType": request.order_type,
        "sz": format(request.quantity, "f"),
    }
    if request.order_type in ("limit", "ioc"):
        assert request.price is not None
        params["px"] = format(request.price, "f")
    if request.instrument.kind is InstrumentKind.SPOT:
        # OKX's own default takes a market buy's size for quote currency.
        params["tdMode"] = "cash"
        params["tgtCcy"] = "base_ccy"
        # Otherwise a market order is silently shrunk to the balance.
        params["banAmend"] = True
        return params
    params["tdMode"] = request.margin_mode
    if request.position_side != "net":
        params["posSide"] = request.position_side
    elif request.reduce_only:
        params["reduceOnly"] = True
    return params
