"""One signed webhook to N accounts through the real stack, and the same orders sent more barely.

Starts web, relay, workers, beat and a paper exchange (`--matching ack`) on this machine, on the
database of DATABASE_URL (an empty one; SQLite by default), and prints one JSON line. See
docs/performance.md for what the figures mean.

    make bench-fanout N=1000 [DATABASE_URL=mysql://…]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

from tests.bench.process_figures import cpu_seconds, database_server, rss_megabytes
from tests.bench.stack import ORDER_WORKERS, ROOT, BenchStack, prepare, say

PATIENCE_SECONDS = 120.0


class _Bench:
    def __init__(self, options: argparse.Namespace, stack: BenchStack) -> None:
        self.options = options
        self.stack = stack

    async def run(self) -> dict[str, Any]:
        await asyncio.to_thread(self.stack.populate)
        async with self.stack.running() as supervisor:
            if self.options.round_trip_ms:
                await asyncio.to_thread(self._slow_down)
            rounds = []
            for number in range(self.options.rounds + 1):
                rounds.append(await asyncio.to_thread(self._fan_out, supervisor))
                say(f"round {number}: {rounds[-1]}")
            result = sorted(rounds[1:], key=lambda row: row["seconds_signal_to_last_ack"])
            return {**result[len(result) // 2], "rounds": len(result)}

    def _slow_down(self) -> None:
        self.stack.control.add_fault(
            "delay", endpoint="trade/order", method="POST", ms=self.options.round_trip_ms
        )

    def _fan_out(self, supervisor: Any) -> dict[str, Any]:
        from django.db import connection

        from customers.tenancy import tenant_scope
        from trading.models import Order, SignalShard

        pids = {child.spec.name: child.pid for child in supervisor.children if child.pid}
        pids |= database_server() if connection.vendor == "mysql" else {}
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        signal_id = self.stack.send_signal()
        taken_at = time.time()
        deadline = time.monotonic() + PATIENCE_SECONDS
        with tenant_scope(self.stack.population.tenant.pk):
            orders = Order.objects.filter(signal_id=signal_id)
            unplanned = SignalShard.objects.exclude(status=SignalShard.Status.PLANNED)
            # Seen from another connection, an acknowledgement is committed. Asking takes time of
            # the same two cores: the shards first, and then one order that is still open.
            while (
                not SignalShard.objects.filter(signal_id=signal_id).exists()
                or unplanned.filter(signal_id=signal_id).exists()
                or orders.filter(acknowledged_at=None).exists()
            ):
                if time.monotonic() > deadline:
                    raise SystemExit(f"not all orders were acknowledged: {_by_state(orders)}")
                time.sleep(0.02)
            seconds = time.time() - taken_at
            if orders.count() != self.options.followers:
                raise SystemExit(f"{orders.count()} orders for {self.options.followers} followers")
            times = sorted(
                (at.timestamp() - taken_at) * 1000
                for at in orders.values_list("acknowledged_at", flat=True)
            )
        connection.close()
        after = {name: cpu_seconds(pid) for name, pid in pids.items()}
        time.sleep(self.options.pause)  # fills are followed up; the next round starts in peace
        count = self.options.followers
        return {
            "followers": count,
            "seconds_signal_to_last_ack": round(seconds, 3),
            "p50_ms": round(times[count // 2]),
            "p99_ms": round(times[min(count - 1, count * 99 // 100)]),
            "orders_per_second": round(count / seconds),
            "worker_rss_mb": round(rss_megabytes(supervisor.child("worker-orders").pid)),
            "cpu_seconds": {name: round(after[name] - before[name], 2) for name in pids},
        }

    def queries(self) -> int:
        """SQL statements of one fan-out, dispatch and shards; needs the exchange."""
        from django.db import connection
        from django.test.utils import CaptureQueriesContext
        from django.utils import timezone

        from customers.tenancy import tenant_scope
        from signals_app.models import Signal
        from trading import tasks
        from trading.models import Order, SignalShard
        from trading.services.fanout.signals import signal_dispatch

        tenant_id = self.stack.population.tenant.pk
        with tenant_scope(tenant_id):
            last = Signal.objects.order_by("-pk")[0]
            now = timezone.now()
            signal = Signal(
                tenant_id=tenant_id,
                source_id=last.source_id,
                external_id="queries",
                external_id_hash="queries",
                emitted_at=now,
                received_at=now,
                expires_at=now + timedelta(seconds=60),
                **{
                    name: getattr(last, name)
                    for name in ("action", "symbol", "side", "size", "size_basis", "leverage")
                },
            )
            signal.save(force_insert=True)
            with CaptureQueriesContext(connection) as statements:
                signal_dispatch(signal_id=signal.pk, tenant_id=tenant_id)
                for shard_id in SignalShard.objects.filter(signal_id=signal.pk).values_list(
                    "pk", flat=True
                ):
                    tasks.shard_run(shard_id=shard_id, tenant_id=tenant_id)
            sent = Order.objects.filter(signal_id=signal.pk).exclude(acknowledged_at=None).count()
            if sent != self.options.followers:
                raise SystemExit(f"{sent} orders were sent while counting queries")
        connection.close()
        return len(statements)

    # --- rivals -----------------------------------------------------------------------------

    def rivals(self, tandem: float) -> dict[str, Any]:
        """The same orders sent more barely, against an exchange of their own."""
        from config.supervisor.launch import launched
        from config.supervisor.ports import http_answers
        from tests.bench.rivals_race import bare_loop, task_per_order

        stack = self.stack
        exchange = subprocess.Popen(
            launched(
                [
                    *(sys.executable, "-m", "venues.paper", "--port", str(stack.paper_port)),
                    *("--feed", "static", "--matching", "ack"),
                    *("--accounts", str(stack.accounts_file), "--control-token", stack.token),
                ]
            ),
            stdout=subprocess.DEVNULL,
            cwd=ROOT,
        )
        try:
            while not http_answers(f"{stack.paper_url}/api/v5/public/time"):
                time.sleep(0.1)
            queries = self.queries()
            rates = {
                kind: bare_loop(
                    kind,
                    url=stack.paper_url,
                    accounts_file=stack.accounts_file,
                    processes=ORDER_WORKERS,
                )
                for kind in ("raw", "limit")
            }
            naive = task_per_order(
                url=stack.paper_url,
                control=stack.control,
                accounts=stack.accounts,
                state=stack.state,
                workers=ORDER_WORKERS,
            )
        finally:
            exchange.terminate()
            exchange.wait(10)
        raw, limit = rates["raw"], rates["limit"]
        return {
            "raw_orders_per_second": round(raw),
            "ratio": round(tandem / raw, 2),
            "limit_orders_per_second": round(limit),
            "ratio_to_limit": round(tandem / limit, 2),
            "naive_orders_per_second": round(naive),
            "ratio_to_naive": round(tandem / naive, 1),
            "queries": queries,
        }


def _by_state(orders: Any) -> dict[str, int]:
    """How many there are of each state and reason."""
    from django.db.models import Count

    counts = orders.values_list("state", "reason_code").annotate(count=Count("pk"))
    return {f"{state} {reason}".strip(): count for state, reason, count in counts.order_by("state")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--followers", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3, help="after one that warms up")
    parser.add_argument("--round-trip-ms", type=int, default=0)
    parser.add_argument("--pause", type=float, default=3.0, help="seconds between rounds")
    parser.add_argument("--no-rivals", action="store_true")
    options = parser.parse_args()

    state, port = prepare()
    stack = BenchStack(followers=options.followers, state=state, paper_port=port)
    bench = _Bench(options, stack)
    result = asyncio.run(bench.run())
    if not options.no_rivals:
        result |= bench.rivals(result["orders_per_second"])
    shutil.rmtree(state, ignore_errors=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
