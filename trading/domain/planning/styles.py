"""How an entry goes to the exchange: at market, at once within a worst price, or resting. Pure.

By the copy's settings, for signals that leave it to the follower; exits are always at market.
Prices are rounded to the tick on the follower's side: a purchase down, a sale up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Literal

from strategies.domain.settings import Execution
from venues.domain.types import Instrument

if TYPE_CHECKING:
    from trading.domain.planning.shapes import Follower

OrderType = Literal["market", "limit", "ioc"]
ZERO, ONE = Decimal(0), Decimal(1)
LONGEST_REST = timedelta(days=1)
NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True)
class Style:
    """`price` is what a limit order asks for, or the worst that is taken at once.

    `chase_price`: when the order has rested for `rests_for`, what did not fill is entered at once,
    no worse than this; without it, it is given up.
    """

    order_type: OrderType = "market"
    price: Decimal | None = None
    rests_for: timedelta | None = None
    chase_price: Decimal | None = None
    slices: int = 1
    """The most orders, `interval` apart, in which an entry of more than `sliced_above` goes."""
    interval: timedelta = NO_TIME
    sliced_above: Decimal = ZERO
    """Notional in the quote currency."""

    @property
    def rests(self) -> bool:
        return self.order_type == "limit"


AT_MARKET = Style()


def in_style(follower: Follower, direction: int) -> Follower:
    """The follower with the style that its settings choose for an entry in `direction`, and with
    the price that the rules are to judge."""
    last = follower.price
    if not follower.chooses_style or not direction or last is None:
        return follower
    style = _chosen(follower, direction, last)
    if style.price is None:
        return follower
    entry = replace(
        follower.entry,
        price=style.price,
        is_limit=style.rests,
        rests=style.rests,
        last_price=None if style.rests else last,
    )
    return replace(follower, style=style, entry=entry)


def _chosen(follower: Follower, direction: int, last: Decimal) -> Style:
    settings, instrument = follower.settings, follower.instrument
    leader = follower.entry.leader_price or last
    slippage = follower.entry.slippage_limit_percent
    worst = _moved(leader, slippage * direction, direction, instrument)
    if settings.execution is Execution.IOC_LIMIT:
        return Style("ioc", worst)
    seconds = settings.limit_timeout_seconds
    rests_for = LONGEST_REST if seconds is None else timedelta(seconds=seconds)
    if settings.execution is Execution.LIMIT_FOLLOW:
        better = settings.limit_follow_percent or ZERO
        return Style("limit", _moved(leader, -better * direction, direction, instrument), rests_for)
    if settings.execution is Execution.LIMIT_THEN_MARKET:
        return Style("limit", _moved(leader, ZERO, direction, instrument), rests_for, worst)
    if settings.execution is Execution.SLICED:
        return Style(
            "ioc",
            worst,
            slices=settings.slice_count or 1,
            interval=timedelta(seconds=settings.slice_interval_seconds or 0),
            sliced_above=settings.sliced_above or ZERO,
        )
    return AT_MARKET


def _moved(price: Decimal, percent: Decimal, direction: int, instrument: Instrument) -> Decimal:
    return at_tick(price * (1 + percent / 100), direction, instrument)


def at_tick(price: Decimal, direction: int, instrument: Instrument) -> Decimal:
    """The tick that is no worse than the price for a purchase (+1) or sale (−1); at least one."""
    rounding = ROUND_FLOOR if direction > 0 else ROUND_CEILING
    ticks = (price / instrument.tick).to_integral_value(rounding)
    return max(ticks, ONE) * instrument.tick
