"""What an answer, or a failed preparation, means for its order. Pure translation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from trading.domain.order_states import OrderTrigger
from trading.domain.reasons import Reason, ReasonCode
from trading.services.order_updates import OrderUpdate
from trading.services.outgoing import OutgoingOrder
from trading.services.submission.wire import Answer
from venues.domain.types import (
    Placement,
    PlacementResult,
    RejectKind,
    VenueError,
    VenueErrorKind,
)

_LASTING = (RejectKind.ORDER, RejectKind.ACCOUNT, RejectKind.MODE)


def update_for(answer: Answer, now: datetime) -> OrderUpdate:
    order, placement = answer.job.order, answer.placement
    if placement.result is PlacementResult.ACCEPTED:
        return OrderUpdate(
            order.id,
            OrderTrigger.ACCEPT,
            venue_order_id=placement.venue_order_id,
            check_at=now,
        )
    if answer.denial is not None:
        return OrderUpdate(order.id, OrderTrigger.REJECT, reason=answer.denial)
    words = {"code": placement.code, "message": placement.message}
    if placement.reject_kind is RejectKind.CLOSED:
        words["symbol"] = order.symbol
    if placement.result is PlacementResult.UNKNOWN:
        return OrderUpdate(
            order.id,
            OrderTrigger.LOSE,
            reason=Reason(ReasonCode.OUTCOME_UNKNOWN, words),
            check_at=now,
        )
    codes = {
        RejectKind.MODE: ReasonCode.ACCOUNT_MODE_OTHER,
        RejectKind.CREDENTIALS: ReasonCode.CREDENTIALS_REFUSED,
        RejectKind.RATE_LIMIT: ReasonCode.RATE_LIMITED,
        RejectKind.CLOCK: ReasonCode.CLOCK_REFUSED,
        RejectKind.CLOSED: ReasonCode.MARKET_CLOSED,
        RejectKind.POSITION: ReasonCode.LESS_IS_HELD,
        RejectKind.LATE: ReasonCode.TOO_LATE,
    }
    code = codes.get(placement.reject_kind, ReasonCode.VENUE_REJECTED)
    details = {
        # Whatever is no fault of the order or of the account's funds may pass; where less is held
        # than an exit was to close, the next attempt closes its part of that.
        "retry": placement.reject_kind
        not in (RejectKind.ORDER, RejectKind.ACCOUNT, RejectKind.MODE),
        "retry_after_ms": placement.retry_after_ms,
    }
    return OrderUpdate(order.id, OrderTrigger.REJECT, reason=Reason(code, words), details=details)


_STOP_THE_ACCOUNT = {
    RejectKind.CREDENTIALS: ReasonCode.CREDENTIALS_REFUSED,
    RejectKind.MODE: ReasonCode.ACCOUNT_MODE_OTHER,
}


def refusal_of_account(placement: Placement) -> Reason | None:
    """When the venue refused the key itself, or the account's mode: no other order of the account
    fares better until it has been checked."""
    if placement.result is not PlacementResult.REJECTED:
        return None
    code = _STOP_THE_ACCOUNT.get(placement.reject_kind)
    params = {"code": placement.code, "message": placement.message}
    return None if code is None else Reason(code, params)


def closed_markets(answers: Iterable[Answer]) -> set[str]:
    """The venues whose list of markets is not what they answer by."""
    return {
        answer.job.order.venue
        for answer in answers
        if answer.placement.reject_kind is RejectKind.CLOSED
    }


def leverage_reason(order: OutgoingOrder, error: VenueError) -> Reason:
    words = {"code": error.code or "-", "message": error.message}
    if error.kind is VenueErrorKind.CREDENTIALS:
        return Reason(ReasonCode.CREDENTIALS_REFUSED, words)
    if error.kind is VenueErrorKind.MODE:
        return Reason(ReasonCode.ACCOUNT_MODE_OTHER, words)
    if error.kind is VenueErrorKind.RATE_LIMIT:
        return Reason(ReasonCode.RATE_LIMITED, words)
    return Reason(
        ReasonCode.LEVERAGE_NOT_SET, {**words, "leverage": format(order.leverage or 0, "f")}
    )
