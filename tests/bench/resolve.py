"""How long orders of unclear outcome stay so while half of all look-ups fail.

One webhook to N accounts of a paper exchange that drops every answer, for one half of the accounts
after booking the order, for the other half before. Prints one JSON line.

    make bench-resolve N=200 [DATABASE_URL=mysql://…]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import time
from typing import Any

from tests.bench.stack import BenchStack, prepare, say

LOOK_UPS = ("trade/order", "trade/orders-pending", "trade/orders-history*", "trade/fills*")
PATIENCE_SECONDS = 120.0


async def _run(stack: BenchStack) -> dict[str, Any]:
    await asyncio.to_thread(stack.populate)
    async with stack.running():
        await asyncio.to_thread(_break_the_exchange, stack)
        signal_id = await asyncio.to_thread(stack.send_signal)
        return await asyncio.to_thread(_wait_until_resolved, stack, signal_id)


def _break_the_exchange(stack: BenchStack) -> None:
    keys = [account.api_key for account in stack.accounts]
    for booked, accounts in ((True, keys[::2]), (False, keys[1::2])):
        stack.control.add_fault(
            "drop", endpoint="trade/order", method="POST", account=accounts, booked=booked
        )
    for endpoint in LOOK_UPS:
        stack.control.add_fault(
            "http_status", endpoint=endpoint, method="GET", status=503, probability=0.5
        )


def _wait_until_resolved(stack: BenchStack, signal_id: str) -> dict[str, Any]:
    from django.db import connection

    from customers.tenancy import tenant_scope
    from trading.models import Order

    booked_ids = {row["clOrdId"] for row in stack.control.ledger()["orders"]}
    until = time.monotonic() + PATIENCE_SECONDS
    with tenant_scope(stack.population.tenant.pk):
        orders = Order.objects.filter(signal_id=signal_id)
        open_states = ["ready", "claimed", "sending", "unknown"]
        while (
            orders.count() < stack.followers or orders.filter(state__in=open_states).exists()
        ) and time.monotonic() < until:
            time.sleep(0.2)
        booked_ids |= {row["clOrdId"] for row in stack.control.ledger()["orders"]}
        adopted: list[float] = []
        not_placed: list[float] = []
        wrong = unresolved = 0
        for order in orders:
            if order.state in open_states or order.sent_at is None:
                unresolved += 1
            elif order.state == "not_placed" and order.finished_at is not None:
                wrong += order.pk in booked_ids
                not_placed.append((order.finished_at - order.sent_at).total_seconds())
            elif order.acknowledged_at is not None:
                wrong += order.pk not in booked_ids
                adopted.append((order.acknowledged_at - order.sent_at).total_seconds())
            else:
                wrong += 1
    connection.close()
    return {
        "orders": stack.followers,
        "adopted": len(adopted),
        "adopted_p50_s": _quantile(adopted, 0.5),
        "adopted_p99_s": _quantile(adopted, 0.99),
        "not_placed": len(not_placed),
        "not_placed_p50_s": _quantile(not_placed, 0.5),
        "not_placed_max_s": _quantile(not_placed, 1.0),
        "wrong": wrong,
        "unresolved": unresolved,
    }


def _quantile(values: list[float], part: float) -> float | None:
    if not values:
        return None
    return round(sorted(values)[min(len(values) - 1, int(len(values) * part))], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--followers", type=int, default=200)
    options = parser.parse_args()
    state, port = prepare()
    stack = BenchStack(followers=options.followers, state=state, paper_port=port, matching="full")
    result = asyncio.run(_run(stack))
    shutil.rmtree(state, ignore_errors=True)
    say("times are from the request to what the database says of it")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
