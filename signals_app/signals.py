"""Django signals that this app declares, so that downstream apps hear of what happened here."""

from django.dispatch import Signal

signal_accepted = Signal()
"""A trading signal was stored. Sent inside its transaction with `trading_signal` (Django keeps the
name `signal` for itself); receivers wake their work on commit and keep the request short."""
