"""The circuit breaker: docs/breaker.md.

`departures` bounds what leaves by what entered; `answers` counts what venues answer; both stop
entries through `switching`, and senders see it in their copy of the controls.
"""

from trading.services.breaker.answers import AnswerTally
from trading.services.breaker.departures import Departures, FanoutExceededError

__all__ = ["AnswerTally", "Departures", "FanoutExceededError"]
