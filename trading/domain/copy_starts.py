"""One position that a leader held when a copy of it began: what is known of it, step by step.
Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from trading.domain.reasons import Reason, ReasonCode

MOST_ATTEMPTS = 5


class Step(StrEnum):
    TO_DO = "to_do"
    SENT = "sent"
    """Its signal is accepted; whether it counts is seen when it was planned."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class StartPosition:
    step: Step = Step.TO_DO
    attempt: int = 0
    signal_id: str = ""
    planned: int = 0
    """Signals in the symbol that had been planned for the copy when the position was read: with
    one more of them, what was read is old."""
    code: str = ""
    params: Mapping[str, str] = field(default_factory=dict)

    def sent(self, signal_id: str, planned: int) -> StartPosition:
        return replace(self, step=Step.SENT, signal_id=signal_id, planned=planned)

    def ended(self, reason: Reason | None = None) -> StartPosition:
        if reason is None:
            return replace(self, step=Step.DONE)
        return replace(self, step=Step.DONE, code=str(reason.code), params=dict(reason.params))

    def after_planning(self, reason_code: str) -> StartPosition:
        """`reason_code` of its intent: one that was overtaken is read anew, not for ever."""
        if reason_code != ReasonCode.START_OVERTAKEN:
            return self.ended()
        if self.attempt + 1 >= MOST_ATTEMPTS:
            return self.ended(Reason(ReasonCode.START_OVERTAKEN))
        return StartPosition(attempt=self.attempt + 1)


def position_to_json(position: StartPosition) -> dict[str, Any]:
    return {
        "step": position.step.value,
        "attempt": position.attempt,
        "signal": position.signal_id,
        "planned": position.planned,
        "code": position.code,
        "params": dict(position.params),
    }


def position_from_json(stored: Mapping[str, Any]) -> StartPosition:
    return StartPosition(
        Step(stored["step"]),
        stored["attempt"],
        stored["signal"],
        stored["planned"],
        stored["code"],
        stored["params"],
    )
