"""Figures as text for a reader."""

from __future__ import annotations

from decimal import Decimal

from customers.fields import rounded
from trading.domain.portfolio.figures import Figures

_CENT = Decimal("0.01")


def nearest_params(figures: Figures) -> dict[str, str]:
    nearest = figures.nearest
    if nearest is None:
        return {}
    return {
        "symbol": nearest.symbol,
        "direction": "long" if nearest.direction > 0 else "short",
        "price": _significant(nearest.price),
        "distance": money_text(nearest.distance_percent),
    }


def money_text(value: Decimal) -> str:
    return format(value.quantize(_CENT), "f")


def plain_text(value: Decimal) -> str:
    return format(rounded(value).normalize(), "f")


def _significant(price: Decimal) -> str:
    """Six digits are enough to say where."""
    return format(Decimal(f"{price:.6g}").normalize(), "f")
