"""Compared numbers as the reasons carry them."""

from __future__ import annotations

from decimal import Decimal


def money(amount: Decimal) -> str:
    return f"{amount:.2f}"


def exact(value: Decimal) -> str:
    """All its digits, without the zeros that a database adds."""
    return format(value.normalize() + 0, "f")


def percent(value: Decimal) -> str:
    """Up to four decimals."""
    text = f"{value:.4f}"
    return text.rstrip("0").rstrip(".")


def size(quantity: Decimal) -> str:
    """Up to eight decimals."""
    text = f"{quantity:.8f}"
    return text.rstrip("0").rstrip(".")
