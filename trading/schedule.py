"""Periodic work of this app; settings merge it into beat's schedule."""

SCHEDULE = {
    "trading: sweep": {"task": "trading.tasks.sweep", "schedule": 2.0},
    "trading: stops": {"task": "trading.tasks.stops_sweep", "schedule": 2.0},
    "trading: leaders' changes": {
        "task": "trading.tasks.leader_changes_sweep",
        "schedule": 2.0,
    },
    "trading: accounts": {"task": "trading.tasks.accounts_sweep", "schedule": 10.0},
    "trading: open orders": {"task": "trading.tasks.accounts_orders_sweep", "schedule": 3.0},
    "trading: ending copies": {"task": "trading.tasks.copies_sweep", "schedule": 3.0},
    "trading: risk": {"task": "trading.tasks.risk_sweep", "schedule": 3.0},
    "trading: alerts": {"task": "trading.tasks.alerts_sweep", "schedule": 10.0},
    "trading: settings": {"task": "trading.tasks.settings_check", "schedule": 60.0},
    "trading: clocks": {"task": "trading.tasks.clocks_check", "schedule": 30.0},
    "trading: old answer counts": {
        "task": "trading.tasks.answer_counts_purge",
        "schedule": 600.0,
    },
    "trading: old readings of markets": {
        "task": "trading.tasks.signal_markets_purge",
        "schedule": 3600.0,
    },
}
