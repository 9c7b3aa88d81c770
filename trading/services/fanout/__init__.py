"""From an accepted signal to sent orders: shards, facts, plans, rows."""
