"""Django signals that this app declares."""

from django.dispatch import Signal

subscription_changed = Signal()
"""A copy was paused, resumed or stopped. Sent with `subscription`, inside the transaction."""
