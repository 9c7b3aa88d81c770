"""Periodic work of this app; settings merge it into beat's schedule."""

SCHEDULE = {
    "trading: sweep": {"task": "trading.tasks.sweep", "schedule": 2.0},
    "trading: accounts": {"task": "trading.tasks.accounts_sweep", "schedule": 20.0},
}
