"""Django signals that this app declares, so that downstream apps hear of what happened here."""

from django.dispatch import Signal

event_relayed = Signal()
"""Events got their numbers. Sent once per batch with `events`, a list of NumberedEvent of any
tenants, inside the transaction that stores the numbers: what a receiver writes is committed with
them, so an event is handed on exactly once. Receivers are quick, make no network call, open the
tenant's scope for what they write, and write inside an `atomic()` of their own."""
