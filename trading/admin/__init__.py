"""The console's pages of this app, the signal's page among them."""

from trading.admin import (
    breakers,
    cash,
    controls,
    copy_starts,
    followed_changes,
    holdings,
    keys,
    manual_signal,
    mass_close,
    orders,
    overview,
    reconciliation,
    risk,
    signals,
    stops,
    streams,
)

__all__ = [
    "breakers",
    "cash",
    "controls",
    "copy_starts",
    "followed_changes",
    "holdings",
    "keys",
    "manual_signal",
    "mass_close",
    "orders",
    "overview",
    "reconciliation",
    "risk",
    "signals",
    "stops",
    "streams",
]
