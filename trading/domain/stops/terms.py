"""What a position's stops go by: the client's settings and the leader's prices. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from strategies.domain.settings import CopySettings, LeaderEvent, StopsMode, TradeDirection

ONE = Decimal(1)
_FINEST = Decimal("1e-18")
Share = tuple[Decimal, Decimal]
"""A price, or a distance from the entry in percent, and the share of the position."""


@dataclass(frozen=True, slots=True)
class LeaderStops:
    """Prices that the leader named. Shares are of the whole position, together at most 1."""

    stop_loss: Decimal | None = None
    targets: tuple[Share, ...] = ()

    @property
    def is_empty(self) -> bool:
        return self.stop_loss is None and not self.targets


@dataclass(frozen=True, slots=True)
class StopTerms:
    """What was agreed when the position was entered. Distances are in percent of the entry price.

    `is_reversed`: the copy holds the other side, so that the leader's stop is its target.
    """

    mode: StopsMode = StopsMode.NONE
    stop_loss_percent: Decimal | None = None
    targets: tuple[Share, ...] = ()
    trailing_percent: Decimal | None = None
    break_even_after_target: bool = False
    on_change: LeaderEvent = LeaderEvent.FOLLOW
    is_reversed: bool = False
    leader: LeaderStops = LeaderStops()


def leader_stops(
    stop_loss: Decimal | None,
    take_profit: Decimal | None,
    targets: Sequence[Mapping[str, str]] = (),
) -> LeaderStops:
    """From a signal's fields; `targets` as it stores them."""
    shares = tuple((Decimal(each["price"]), Decimal(each["fraction"])) for each in targets)
    if not shares and take_profit is not None:
        shares = ((take_profit, ONE),)
    return LeaderStops(stop_loss, shares)


def at_ratio(leader: LeaderStops, ratio: Decimal | None) -> LeaderStops:
    """In another symbol: as far from the price there, in per cent, as the leader's are from the
    price in its own. `ratio`: of both prices; without it they mean nothing."""
    if ratio is None:
        return LeaderStops()
    return LeaderStops(
        None if leader.stop_loss is None else _plain(leader.stop_loss * ratio),
        tuple((_plain(price * ratio), share) for price, share in leader.targets),
    )


def _plain(price: Decimal) -> Decimal:
    """More digits than any tick has, and not more than are stored."""
    return price.quantize(_FINEST)


def still_ahead(leader: LeaderStops, price: Decimal, *, long: bool) -> LeaderStops:
    """Of what a leader who is long, or short, has set, what a price has not reached: what is behind
    it has gone off, or was of the leader's last position."""
    sign = 1 if long else -1
    stop = leader.stop_loss
    return LeaderStops(
        stop if stop is not None and (price - stop) * sign > 0 else None,
        tuple(each for each in leader.targets if (each[0] - price) * sign > 0),
    )


def terms_of(settings: CopySettings, leader: LeaderStops) -> StopTerms:
    """`leader`: empty where its prices mean nothing, as in another symbol."""
    mode = settings.stops_mode
    if mode is StopsMode.NONE:
        return StopTerms()
    own = mode is StopsMode.OWN
    return StopTerms(
        mode=mode,
        stop_loss_percent=settings.stop_loss_percent if own else None,
        targets=_own_targets(settings) if own else (),
        trailing_percent=settings.trailing_percent,
        break_even_after_target=settings.break_even_after_target,
        on_change=settings.on_stops_change,
        is_reversed=settings.direction is TradeDirection.REVERSED,
        leader=LeaderStops() if own else leader,
    )


def _own_targets(settings: CopySettings) -> tuple[Share, ...]:
    """The single take profit takes what the targets before it leave."""
    targets = tuple(settings.take_profit_targets)
    last = settings.take_profit_percent
    rest = ONE - sum((share for _, share in targets), Decimal(0))
    if last is not None and rest > 0 and all(percent < last for percent, _ in targets):
        targets = (*targets, (last, rest))
    return targets


def asks_for_stops(terms: StopTerms) -> bool:
    """Whether a position on these terms is to have any now."""
    own = terms.stop_loss_percent is not None or terms.targets or terms.trailing_percent
    return terms.mode is not StopsMode.NONE and bool(own or not terms.leader.is_empty)


def may_be_given_stops(terms: StopTerms) -> bool:
    """Whether it has them, or the leader may name some yet."""
    return terms.mode is StopsMode.AS_LEADER or asks_for_stops(terms)


def with_leader(terms: StopTerms, leader: LeaderStops) -> StopTerms:
    """After the leader moved, added or removed its stops."""
    return replace(terms, leader=leader)


# --- as stored --------------------------------------------------------------------------------


def terms_to_json(terms: StopTerms) -> dict[str, Any]:
    return {
        "mode": str(terms.mode),
        "stop_loss_percent": _text(terms.stop_loss_percent),
        "targets": _shares_to_json(terms.targets),
        "trailing_percent": _text(terms.trailing_percent),
        "break_even_after_target": terms.break_even_after_target,
        "on_change": str(terms.on_change),
        "is_reversed": terms.is_reversed,
        "leader_stop_loss": _text(terms.leader.stop_loss),
        "leader_targets": _shares_to_json(terms.leader.targets),
    }


def terms_from_json(stored: Mapping[str, Any]) -> StopTerms:
    return StopTerms(
        mode=StopsMode(stored["mode"]),
        stop_loss_percent=_amount(stored["stop_loss_percent"]),
        targets=_shares_from_json(stored["targets"]),
        trailing_percent=_amount(stored["trailing_percent"]),
        break_even_after_target=stored["break_even_after_target"],
        on_change=LeaderEvent(stored["on_change"]),
        is_reversed=stored["is_reversed"],
        leader=LeaderStops(
            _amount(stored["leader_stop_loss"]), _shares_from_json(stored["leader_targets"])
        ),
    )


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _shares_to_json(shares: Sequence[Share]) -> list[list[str]]:
    return [[format(part, "f") for part in share] for share in shares]


def _shares_from_json(stored: Sequence[Sequence[str]]) -> tuple[Share, ...]:
    return tuple((Decimal(first), Decimal(share)) for first, share in stored)
