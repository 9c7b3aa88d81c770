"""What N private streams cost one streamer in memory and processor time, idle and trading.

The streamer begins with an empty database, so that what it needs by itself can be told from what N
accounts add. Connections are not paced, or a thousand logins would take six minutes. Prints one
JSON line.

    make bench-streams N=1000 [ARGS=--trades=300]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import threading
import time
from typing import Any

from tests.bench.process_figures import cpu_seconds, rss_megabytes
from tests.bench.stack import BenchStack, prepare, say

PARTS = ("valkey", "paper-exchange", "streamer", "worker-general")
SETTLED_SECONDS = 8.0
IDLE_SECONDS = 30.0
LIVE_PATIENCE_SECONDS = 300.0


async def _run(stack: BenchStack, *, trades: int) -> dict[str, Any]:
    from django.core.management import call_command

    from config.supervisor.supervisor import Supervisor

    await asyncio.to_thread(call_command, "migrate", verbosity=0, interactive=False)
    specs = [spec for spec in stack.specs() if spec.name in PARTS]
    supervisor = Supervisor(specs, state_dir=stack.state, say=say)
    try:
        await supervisor.start()
        stack.control.call("POST", "limits", {"enabled": False})
        pid = supervisor.child("streamer").pid
        return await asyncio.to_thread(_measure, stack, pid, trades)
    finally:
        await supervisor.stop()


def _measure(stack: BenchStack, pid: int, trades: int) -> dict[str, Any]:
    from django.db import connection

    from customers.tenancy import system_scope

    with system_scope("bench"):
        _let_one_in(stack, pid)
        before_mb, before_cpu = rss_megabytes(pid), cpu_seconds(pid)
        began = time.monotonic()
        stack.populate()
        _wait_until_live(stack.followers)
        login_seconds = time.monotonic() - began
        login_cpu = cpu_seconds(pid) - before_cpu
        time.sleep(SETTLED_SECONDS)
        idle_mb = rss_megabytes(pid)
        _wait_until_read(stack)
        requests, cpu, began = _asked(stack), cpu_seconds(pid), time.monotonic()
        time.sleep(IDLE_SECONDS)
        idle_seconds = time.monotonic() - began
        idle_cpu = (cpu_seconds(pid) - cpu) / idle_seconds
        figures = {
            "accounts": stack.followers,
            "base_mb": round(before_mb, 1),
            "idle_mb": round(idle_mb, 1),
            "kib_per_account": round((idle_mb - before_mb) * 1024 / stack.followers, 1),
            "login_seconds": round(login_seconds, 1),
            "login_cpu_ms_per_account": round(login_cpu * 1000 / stack.followers, 2),
            "idle_cpu_percent": round(idle_cpu * 100, 2),
            "idle_cpu_us_per_account_second": round(idle_cpu * 1e6 / stack.followers, 1),
            "idle_rest_requests_per_second": round((_asked(stack) - requests) / idle_seconds, 2),
        }
        if trades:
            figures |= _trade(stack, pid, trades)
        figures["end_mb"] = round(rss_megabytes(pid), 1)
        connection.close()
        return figures


def _let_one_in(stack: BenchStack, pid: int) -> None:
    """What the first account loads (markets, libraries) is not what the others cost."""
    from tests.bench.population import invent_accounts, populate

    first = invent_accounts(1)
    stack.control.add_accounts(*first)
    populate(first)
    _wait_until_live(1)
    time.sleep(SETTLED_SECONDS)


def _wait_until_live(count: int) -> None:
    from customers.models import StreamState

    until = time.monotonic() + LIVE_PATIENCE_SECONDS
    while StreamState.objects.filter(state="live").count() < count:
        if time.monotonic() > until:
            raise SystemExit("the streams did not become live")
        time.sleep(0.2)


def _wait_until_read(stack: BenchStack) -> None:
    """The reconciliations that follow the logins are over."""
    before = -1
    while before != (now := _asked(stack)):
        before = now
        time.sleep(2)


def _asked(stack: BenchStack) -> int:
    """REST requests that the exchange was asked, as its fault book counts them."""
    faults = stack.control.call("GET", "faults")["faults"]
    if not faults:
        stack.control.add_fault("delay", endpoint="account/*", ms=0)
        return 0
    return int(faults[0]["hits"])


def _trade(stack: BenchStack, pid: int, trades: int) -> dict[str, Any]:
    """Accounts trade by hand; from the order's answer to the committed fill."""
    from tests.paper.client import PaperClient, order
    from trading.models import Fill

    answered: dict[str, float] = {}
    clients = [PaperClient(stack.paper_url, account) for account in stack.accounts]

    def send() -> None:
        for number in range(trades):
            answer = clients[number % len(clients)].post("trade/order", order())
            answered[answer.row["ordId"]] = time.time()
            time.sleep(0.01)

    requests, cpu, began = _asked(stack), cpu_seconds(pid), time.monotonic()
    sender = threading.Thread(target=send)
    sender.start()
    sender.join()
    until = time.monotonic() + 30
    while Fill.objects.filter(venue_order_id__in=list(answered)).count() < trades:
        if time.monotonic() > until:
            break
        time.sleep(0.1)
    seconds = time.monotonic() - began
    rows = Fill.objects.filter(venue_order_id__in=list(answered))
    delays = sorted(
        (created.timestamp() - answered[order_id]) * 1000
        for order_id, created in rows.values_list("venue_order_id", "created_at")
    )
    return {
        "trades": trades,
        "fills_stored": len(delays),
        "trade_seconds": round(seconds, 1),
        "trading_cpu_percent": round((cpu_seconds(pid) - cpu) / seconds * 100, 1),
        "fill_p50_ms": round(statistics.median(delays)) if delays else None,
        "fill_p99_ms": round(delays[int(len(delays) * 0.99)]) if delays else None,
        "trading_rest_requests_per_second": round((_asked(stack) - requests) / seconds, 1),
    }


def main() -> None:
    import os

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--trades", type=int, default=1000)
    options = parser.parse_args()
    os.environ["STREAM_CONNECTS_A_SECOND"] = "200"
    state, paper_port = prepare()
    stack = BenchStack(
        followers=options.accounts, state=state, paper_port=paper_port, matching="full"
    )
    try:
        print(json.dumps(asyncio.run(_run(stack, trades=options.trades))), flush=True)
    finally:
        shutil.rmtree(state, ignore_errors=True)


if __name__ == "__main__":
    main()
