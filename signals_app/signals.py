"""Django signals that this app declares, so that downstream apps hear of what happened here."""

from django.dispatch import Signal

signal_accepted = Signal()
"""A trading signal was stored. Sent inside its transaction with `trading_signal` (Django keeps the
name `signal` for itself); receivers wake their work on commit and keep the request short."""

sequence_gap_found = Signal()
"""Numbers of a source's signals are missing: `source`, `gap` (first, last). Inside the transaction
of the signal that showed it."""

leader_changed = Signal()
"""A leader changed something about its account without trading: `trading_signal` and its `facts`
(signals_app.event_texts). Inside the signal's transaction."""

source_status_changed = Signal()
"""A source was paused or resumed: `source` as it was before, `is_paused`, `code` and `params` when
the system paused it by itself. Inside its transaction."""
