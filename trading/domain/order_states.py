"""The life of an order: one table (state, trigger) → next state. Pure.

`advance` is the only way a state changes. Facts from the venue may come late, twice or out of
order, so observing something again is legal where it changes nothing; what would contradict the
table raises.
"""

from __future__ import annotations

from enum import StrEnum


class OrderState(StrEnum):
    READY = "ready"
    CLAIMED = "claimed"
    SENDING = "sending"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    NOT_PLACED = "not_placed"
    EXPIRED = "expired"


class OrderTrigger(StrEnum):
    CLAIM = "claim"
    RELEASE = "release"
    EXPIRE = "expire"
    REFUSE = "refuse"
    SEND = "send"
    ACCEPT = "accept"
    REJECT = "reject"
    LOSE = "lose"
    FIND_ABSENT = "find_absent"
    PARTIAL_FILL = "partial_fill"
    FILL = "fill"
    CANCEL = "cancel"


class InvalidTransitionError(ValueError):
    """The table has no such step."""

    def __init__(self, state: OrderState, trigger: OrderTrigger) -> None:
        super().__init__(f"an order that is {state} cannot {trigger}")
        self.state = state
        self.trigger = trigger


_S, _T = OrderState, OrderTrigger

TRANSITIONS: dict[tuple[OrderState, OrderTrigger], OrderState] = {
    # before it leaves
    (_S.READY, _T.CLAIM): _S.CLAIMED,
    (_S.READY, _T.EXPIRE): _S.EXPIRED,
    (_S.READY, _T.REFUSE): _S.REJECTED,  # a last check before sending said no
    (_S.CLAIMED, _T.RELEASE): _S.READY,  # its sender died before sending
    (_S.CLAIMED, _T.SEND): _S.SENDING,
    (_S.CLAIMED, _T.EXPIRE): _S.EXPIRED,
    (_S.CLAIMED, _T.REFUSE): _S.REJECTED,
    # the one send and its answer
    (_S.SENDING, _T.ACCEPT): _S.ACCEPTED,
    (_S.SENDING, _T.REJECT): _S.REJECTED,
    (_S.SENDING, _T.LOSE): _S.UNKNOWN,
    # The fill can be seen before the acknowledgement is written.
    (_S.SENDING, _T.PARTIAL_FILL): _S.PARTIALLY_FILLED,
    (_S.SENDING, _T.FILL): _S.FILLED,
    (_S.SENDING, _T.CANCEL): _S.CANCELLED,
    # looked up
    (_S.UNKNOWN, _T.LOSE): _S.UNKNOWN,
    (_S.UNKNOWN, _T.ACCEPT): _S.ACCEPTED,
    (_S.UNKNOWN, _T.REJECT): _S.REJECTED,  # the answer was only late
    (_S.UNKNOWN, _T.FIND_ABSENT): _S.NOT_PLACED,
    (_S.UNKNOWN, _T.PARTIAL_FILL): _S.PARTIALLY_FILLED,
    (_S.UNKNOWN, _T.FILL): _S.FILLED,
    (_S.UNKNOWN, _T.CANCEL): _S.CANCELLED,
    # A twin that shows up late: it is real, whatever we had concluded.
    (_S.NOT_PLACED, _T.FIND_ABSENT): _S.NOT_PLACED,
    (_S.NOT_PLACED, _T.ACCEPT): _S.ACCEPTED,
    (_S.NOT_PLACED, _T.PARTIAL_FILL): _S.PARTIALLY_FILLED,
    (_S.NOT_PLACED, _T.FILL): _S.FILLED,
    (_S.NOT_PLACED, _T.CANCEL): _S.CANCELLED,
    # on the book
    (_S.ACCEPTED, _T.ACCEPT): _S.ACCEPTED,
    (_S.ACCEPTED, _T.PARTIAL_FILL): _S.PARTIALLY_FILLED,
    (_S.ACCEPTED, _T.FILL): _S.FILLED,
    (_S.ACCEPTED, _T.CANCEL): _S.CANCELLED,
    (_S.PARTIALLY_FILLED, _T.ACCEPT): _S.PARTIALLY_FILLED,
    (_S.PARTIALLY_FILLED, _T.PARTIAL_FILL): _S.PARTIALLY_FILLED,
    (_S.PARTIALLY_FILLED, _T.FILL): _S.FILLED,
    (_S.PARTIALLY_FILLED, _T.CANCEL): _S.CANCELLED,
    # Fills of before a cancel may be reported after it; the first terminal state wins.
    (_S.CANCELLED, _T.PARTIAL_FILL): _S.CANCELLED,
    (_S.CANCELLED, _T.FILL): _S.FILLED,
    (_S.CANCELLED, _T.CANCEL): _S.CANCELLED,
    (_S.CANCELLED, _T.ACCEPT): _S.CANCELLED,
    (_S.FILLED, _T.ACCEPT): _S.FILLED,
    (_S.FILLED, _T.FILL): _S.FILLED,
    (_S.FILLED, _T.CANCEL): _S.FILLED,
}

TERMINAL_STATES = frozenset({_S.FILLED, _S.CANCELLED, _S.REJECTED, _S.NOT_PLACED, _S.EXPIRED})
LIVE_STATES = frozenset(OrderState) - TERMINAL_STATES
"""States in which the unfilled rest still counts as working; UNKNOWN is one of them."""


def advance(state: OrderState, trigger: OrderTrigger) -> OrderState:
    """The next state. Raises InvalidTransitionError when the table has no such step."""
    try:
        return TRANSITIONS[state, trigger]
    except KeyError as error:
        raise InvalidTransitionError(state, trigger) from error
