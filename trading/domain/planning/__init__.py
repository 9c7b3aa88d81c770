"""From a signal to one follower's orders: target → delta → size → risk. Pure.

A signal changes the target of a subscription in a symbol; an order is what is missing to it:
`target − (held + working)`. So running a step twice orders nothing new, partial closes are exact,
and what is below the minimum is carried in the target instead of being dropped or forced up.
Signed quantities: long positive, short negative. See docs/flow.md for worked examples.
"""

from trading.domain.planning.exits import plan_exit
from trading.domain.planning.planner import plan_follower
from trading.domain.planning.shapes import (
    CLOSE_LEG,
    FIRST_EXTRA_LEG,
    MAIN_LEG,
    Action,
    Book,
    Follower,
    Holder,
    Instruction,
    Leg,
    Plan,
)
from trading.domain.planning.styles import AT_MARKET, Style, at_tick, in_style

__all__ = [
    "AT_MARKET",
    "CLOSE_LEG",
    "FIRST_EXTRA_LEG",
    "MAIN_LEG",
    "Action",
    "Book",
    "Follower",
    "Holder",
    "Instruction",
    "Leg",
    "Plan",
    "Style",
    "at_tick",
    "in_style",
    "plan_exit",
    "plan_follower",
]
