"""Django signals that this app declares."""

from django.dispatch import Signal

subscription_changed = Signal()
"""A copy was paused, resumed or stopped. Sent with `subscription`, inside the transaction."""

account_worth_asked = Signal()
"""What an account is worth in dollars, as it was read lately. Sent with `account`; who knows
answers a Decimal, or None."""

subscription_started = Signal()
"""A copy began. Sent with `subscription`, inside the transaction that makes it."""
