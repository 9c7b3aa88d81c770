"""On the venue loop: preparing and sending jobs. The loop itself asks no database."""

from __future__ import annotations

import asyncio
import logging
import queue
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from customers.failpoints import failpoint
from trading.domain.reasons import Reason
from trading.services.outgoing import OutgoingOrder
from trading.services.submission.denials import denial_after_waiting, denial_at_the_last
from venues.domain.types import (
    Credentials,
    Instrument,
    OrderRequest,
    Placement,
    PlacementResult,
    VenueError,
    VenueErrorKind,
)
from venues.runtime import gateway_for

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One order on its way out. Credentials live here only for the send."""

    order: OutgoingOrder
    instrument: Instrument
    credentials: Credentials
    set_leverage: bool
    deadline_ms: int = 0
    """By the venue's clock; set when the row says SENDING."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The leverage was set on the venue, or why not; the order has not left."""

    job: Job
    error: VenueError | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The order has left, and this came of it; with `denial` it was held back at the last."""

    job: Job
    placement: Placement
    denial: Reason | None = None


News = queue.SimpleQueue[Prepared | Answer]
Work = Callable[[str, Sequence[Job], News], Coroutine[Any, Any, None]]


def request_for(job: Job) -> OrderRequest:
    order = job.order
    return OrderRequest(
        client_order_id=order.id,
        instrument=job.instrument,
        side=order.side,  # type: ignore[arg-type]  # written by our own planning
        order_type=order.order_type,  # type: ignore[arg-type]
        quantity=order.quantity,
        price=order.price,
        position_side=order.position_side,  # type: ignore[arg-type]
        reduce_only=order.reduce_only,
        is_exit=not order.is_entry,
        margin_mode=order.margin_mode,  # type: ignore[arg-type]
        deadline_ms=job.deadline_ms,
    )


async def prepare_all(venue: str, jobs: Sequence[Job], news: News) -> None:
    await asyncio.gather(*(_prepare_one(venue, job, news) for job in jobs))


async def _prepare_one(venue: str, job: Job, news: News) -> None:
    """Always puts exactly one piece of news."""
    order = job.order
    assert order.leverage is not None
    try:
        await gateway_for(venue).set_leverage(
            job.credentials,
            symbol=order.symbol,
            leverage=order.leverage,
            margin_mode=order.margin_mode,
            # Both: what is confirmed is kept by account and symbol, the venue's is by side.
            position_sides=["net"] if order.position_side == "net" else ["long", "short"],
        )
    except VenueError as error:
        news.put(Prepared(job, error))
    except Exception as error:
        logger.exception("setting the leverage of order %s failed", order.id)
        news.put(Prepared(job, VenueError(VenueErrorKind.UNAVAILABLE, "", type(error).__name__)))
    else:
        news.put(Prepared(job))


async def send_all(venue: str, jobs: Sequence[Job], news: News) -> None:
    await asyncio.gather(*(_send_one(venue, job, news) for job in jobs))


async def _send_one(venue: str, job: Job, news: News) -> None:
    """Always puts exactly one answer: whatever fails here must not lose the order."""
    denial: Reason | None = None

    async def may_leave() -> bool:
        nonlocal denial
        denial = await asyncio.to_thread(denial_after_waiting, job.order)
        return denial is None

    def still_wanted() -> bool:
        nonlocal denial
        denial = denial_at_the_last(job.order)
        return denial is None

    try:
        failpoint("orders.leaving")
        placement = await gateway_for(venue).place_order(
            job.credentials, request_for(job), may_leave=may_leave, still_wanted=still_wanted
        )
    except Exception as error:
        # Unknown is the safe name for whatever it was: it will be looked up.
        logger.exception("sending order %s failed", job.order.id)
        placement = Placement(
            PlacementResult.UNKNOWN, code=type(error).__name__[:32], message="internal error"
        )
    news.put(Answer(job, placement, denial))
