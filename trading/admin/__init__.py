"""The console's pages of this app, the signal's page among them."""

from trading.admin import controls, holdings, manual_signal, orders, overview, signals

__all__ = ["controls", "holdings", "manual_signal", "orders", "overview", "signals"]
