"""The one request that may move money: what it carries, and that it leaves once."""

from __future__ import annotations

from typing import Any

from venues.domain.okx_outcomes import classify_placement
from venues.domain.types import (
    Credentials,
    InstrumentKind,
    OrderRequest,
    Placement,
    PlacementResult,
)
from venues.http_pool import ConnectError
from venues.okx.transport import OkxTransport

PLACE_TIMEOUT_SECONDS = 10.0


async def place(
    transport: OkxTransport, credentials: Credentials, request: OrderRequest
) -> Placement:
    signed = transport.sign(credentials, "POST", "trade/order", order_params(request))
    signed["headers"]["expTime"] = str(request.deadline_ms)
    try:
        answer = await transport.send(signed, PLACE_TIMEOUT_SECONDS)
    except ConnectError as error:
        # No connection was made, so nothing left; the look-up confirms it all the same.
        return Placement(PlacementResult.UNKNOWN, code="connect", message=str(error)[:200])
    except (OSError, ValueError) as error:  # a time-out is an OSError
        return Placement(
            PlacementResult.UNKNOWN, code=type(error).__name__[:32], message=str(error)[:200]
        )
    return classify_placement(answer.body, request.client_order_id)


def order_params(request: OrderRequest) -> dict[str, Any]:
    params: dict[str, Any] = {
        "instId": request.instrument.venue_symbol,
        "clOrdId": request.client_order_id,
        "side": request.side,
        "ordType": request.order_type,
        "sz": format(request.quantity, "f"),
    }
    if request.order_type == "limit":
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
