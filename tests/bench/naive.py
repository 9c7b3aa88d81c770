"""The naive shape: one Celery task per order, a cached synchronous ccxt client per account."""

from __future__ import annotations

import os
from typing import Any

import ccxt
from celery import Celery

from tests.bench.rivals import SYMBOL, ccxt_config

# Not the process's own: Tandem's wake-ups would look for their broker here.
app = Celery("naive", broker=os.environ.get("NAIVE_BROKER", ""), set_as_current=False, fixups=[])
app.conf.task_ignore_result = True
app.conf.worker_prefetch_multiplier = 1
app.conf.task_acks_late = True

_markets: dict[str, Any] = {}
_clients: dict[str, ccxt.okx] = {}


@app.task(name="naive.order")
def order(*, url: str, key: str, secret: str, passphrase: str, client_order_id: str) -> None:
    client = _clients.get(key)
    if client is None:
        client = ccxt.okx(
            {**ccxt_config(url), "apiKey": key, "secret": secret, "password": passphrase}
        )
        if not _markets:
            _markets.update(client.load_markets())
        client.set_markets(_markets)
        _clients[key] = client
    client.create_order(SYMBOL, "market", "buy", 10, None, {"clientOrderId": client_order_id})
