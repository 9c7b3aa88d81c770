"""Sending orders: each once, after its row says so.

claimed → last checks → marked SENDING in a committed UPDATE → one request → answer written in
bulk. A process that dies leaves rows that say how far it came: CLAIMED ones go back to READY,
SENDING ones are looked up, never sent again. No network inside a transaction.
"""

from trading.services.submission.claiming import claimant, orders_submit
from trading.services.submission.sender import OrderSender

__all__ = ["OrderSender", "claimant", "orders_submit"]
