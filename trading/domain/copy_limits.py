"""When a copy has lost so much that it ends: by its own net loss, or by its account's fall. Pure.

Amounts in the quote currency, percent as 0.5 for half a percent.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum

ZERO = Decimal(0)
HUNDRED = Decimal(100)
_CENT = Decimal("0.01")


class Limit(StrEnum):
    LOSS = "loss_limit"
    EQUITY_FALL = "equity_fall"


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What a copy has made so far. `funding` is signed, negative was paid; fees are paid.

    `unrealised` is None while the price of something that is held is not known.
    """

    realised: Decimal = ZERO
    unrealised: Decimal | None = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO

    @property
    def net(self) -> Decimal | None:
        if self.unrealised is None:
            return None
        return self.realised + self.unrealised - self.fees + self.funding


@dataclass(frozen=True, slots=True)
class EquitySince:
    """The account's value when the copy began, with what was moved in or out since then (signed),
    and its value now."""

    at_start: Decimal
    moved: Decimal
    now: Decimal

    @property
    def fall_percent(self) -> Decimal | None:
        """Below zero when it rose; None when nothing is left of the start to compare with."""
        start = self.at_start + self.moved
        return None if start <= 0 else (start - self.now) / start * HUNDRED


@dataclass(frozen=True, slots=True)
class Reached:
    limit: Limit
    params: dict[str, str]
    """The numbers that were compared, as text for a reader."""


def limit_reached(
    *,
    loss_limit: Decimal | None,
    fall_percent_limit: Decimal | None,
    result: CopyResult,
    equity: EquitySince | None,
    currency: str,
) -> Reached | None:
    """The first limit that is reached; to reach it exactly is enough.

    What is not known reaches nothing.
    """
    net = result.net
    if loss_limit is not None and net is not None and -net >= loss_limit:
        params = {"loss": _money(-net), "limit": _plain(loss_limit), "currency": currency}
        return Reached(Limit.LOSS, params)
    fall = None if equity is None else equity.fall_percent
    if fall_percent_limit is not None and fall is not None and fall >= fall_percent_limit:
        params = {"fall": _money(fall), "limit": _plain(fall_percent_limit)}
        return Reached(Limit.EQUITY_FALL, params)
    return None


def _money(value: Decimal) -> str:
    return format(value.quantize(_CENT, rounding=ROUND_DOWN), "f")


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")
