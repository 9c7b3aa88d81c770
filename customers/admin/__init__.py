"""The console's pages of this app. The user, schedule and access pages replace Django's own."""

from customers.admin import access, accounts, internals, people, records, schedules

__all__ = ["access", "accounts", "internals", "people", "records", "schedules"]
