"""The life of a stop order: one table (state, trigger) → next state. Pure."""

from __future__ import annotations

from enum import StrEnum


class StopState(StrEnum):
    SENDING = "sending"
    UNKNOWN = "unknown"
    WAITING = "waiting"
    TRIGGERED = "triggered"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    FAILED = "failed"
    NOT_PLACED = "not_placed"


class StopTrigger(StrEnum):
    ACCEPT = "accept"
    REJECT = "reject"
    LOSE = "lose"
    FIND_ABSENT = "find_absent"
    AMEND = "amend"
    GO_OFF = "go_off"
    CANCEL = "cancel"
    FAIL = "fail"


class InvalidStopTransitionError(ValueError):
    """The table has no such step."""

    def __init__(self, state: StopState, trigger: StopTrigger) -> None:
        super().__init__(f"a stop order that is {state} cannot {trigger}")


_S, _T = StopState, StopTrigger

TRANSITIONS: dict[tuple[StopState, StopTrigger], StopState] = {
    # the one send and its answer
    (_S.SENDING, _T.ACCEPT): _S.WAITING,
    (_S.SENDING, _T.REJECT): _S.REJECTED,
    (_S.SENDING, _T.LOSE): _S.UNKNOWN,
    # It may go off before its acknowledgement is written.
    (_S.SENDING, _T.GO_OFF): _S.TRIGGERED,
    # Its sender died before it wrote down the answer, and it is gone already.
    (_S.SENDING, _T.CANCEL): _S.CANCELLED,
    (_S.SENDING, _T.FAIL): _S.FAILED,
    # looked up
    (_S.UNKNOWN, _T.LOSE): _S.UNKNOWN,
    (_S.UNKNOWN, _T.ACCEPT): _S.WAITING,
    (_S.UNKNOWN, _T.REJECT): _S.REJECTED,  # the answer was only late
    (_S.UNKNOWN, _T.FIND_ABSENT): _S.NOT_PLACED,
    (_S.UNKNOWN, _T.GO_OFF): _S.TRIGGERED,
    (_S.UNKNOWN, _T.CANCEL): _S.CANCELLED,
    (_S.UNKNOWN, _T.FAIL): _S.FAILED,
    # A twin that shows up late: it is real, whatever we had concluded.
    (_S.NOT_PLACED, _T.FIND_ABSENT): _S.NOT_PLACED,
    (_S.NOT_PLACED, _T.LOSE): _S.NOT_PLACED,
    (_S.NOT_PLACED, _T.ACCEPT): _S.WAITING,
    (_S.NOT_PLACED, _T.GO_OFF): _S.TRIGGERED,
    (_S.NOT_PLACED, _T.CANCEL): _S.CANCELLED,
    (_S.NOT_PLACED, _T.FAIL): _S.FAILED,
    # at the venue
    (_S.WAITING, _T.ACCEPT): _S.WAITING,
    (_S.WAITING, _T.AMEND): _S.WAITING,
    (_S.WAITING, _T.LOSE): _S.WAITING,  # a look-up that proved nothing
    (_S.WAITING, _T.GO_OFF): _S.TRIGGERED,
    (_S.WAITING, _T.CANCEL): _S.CANCELLED,
    (_S.WAITING, _T.FAIL): _S.FAILED,
    # The order that it became may be told of again, and after the venue had forgotten the stop.
    (_S.TRIGGERED, _T.GO_OFF): _S.TRIGGERED,
    (_S.TRIGGERED, _T.ACCEPT): _S.TRIGGERED,
    (_S.TRIGGERED, _T.REJECT): _S.TRIGGERED,
    (_S.TRIGGERED, _T.LOSE): _S.TRIGGERED,
    (_S.TRIGGERED, _T.CANCEL): _S.TRIGGERED,
    (_S.CANCELLED, _T.GO_OFF): _S.TRIGGERED,
    (_S.CANCELLED, _T.FAIL): _S.FAILED,
    (_S.REJECTED, _T.GO_OFF): _S.TRIGGERED,
    (_S.REJECTED, _T.CANCEL): _S.CANCELLED,
    (_S.REJECTED, _T.FAIL): _S.FAILED,
    # What the venue shows as waiting waits, whatever it had said of it before.
    (_S.CANCELLED, _T.ACCEPT): _S.WAITING,
    (_S.REJECTED, _T.ACCEPT): _S.WAITING,
    (_S.FAILED, _T.ACCEPT): _S.WAITING,
    (_S.REJECTED, _T.LOSE): _S.REJECTED,
    (_S.CANCELLED, _T.CANCEL): _S.CANCELLED,
    (_S.CANCELLED, _T.LOSE): _S.CANCELLED,
    (_S.FAILED, _T.FAIL): _S.FAILED,
    (_S.FAILED, _T.LOSE): _S.FAILED,
}

LIVE_STATES = frozenset({_S.SENDING, _S.UNKNOWN, _S.WAITING})
"""In which it may go off."""


def advance(state: StopState, trigger: StopTrigger) -> StopState:
    """The next state. Raises InvalidStopTransitionError when the table has no such step."""
    try:
        return TRANSITIONS[state, trigger]
    except KeyError as error:
        raise InvalidStopTransitionError(state, trigger) from error
