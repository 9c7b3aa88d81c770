"""The console's pages of this app, the signal's page among them."""

from trading.admin import (
    breakers,
    controls,
    holdings,
    keys,
    manual_signal,
    orders,
    overview,
    signals,
)

__all__ = [
    "breakers",
    "controls",
    "holdings",
    "keys",
    "manual_signal",
    "orders",
    "overview",
    "signals",
]
