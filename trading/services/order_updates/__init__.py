"""The one place where orders, fills and copied positions change.

Everything learnt about orders (answers, look-ups, streams) comes in as OrderUpdates and is
applied in one transaction: rows locked, the state table asked, fills deduplicated by trade id,
the copied position's target and holding moved, trades closed, events recorded.

`work`: what one call holds in memory; `apply`: the transaction; `one_order`: an order's steps;
`holdings`: the copied position under fills and endings; `writing`: rows, events, wake-ups.
"""

from trading.services.order_updates.apply import order_updates_apply
from trading.services.order_updates.work import OrderUpdate

__all__ = ["OrderUpdate", "order_updates_apply"]
