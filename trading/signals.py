"""Django signals that this app declares."""

from django.dispatch import Signal

fanout_settled = Signal()
"""Every follower of a trading signal has an outcome, or time is up. Sent with `trading_signal`
(Django keeps the name `signal` for itself)."""

alert_raised = Signal()
"""A tenant's staff must know of something. Sent with `alert`, in the transaction that stores it."""
