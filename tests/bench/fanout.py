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
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.bench.process_figures import cpu_seconds, rss_megabytes

ROOT = Path(__file__).resolve().parents[2]
ORDER_WORKERS = 2
PATIENCE_SECONDS = 120.0


def _prepare_environment(state: Path, port: int, database_url: str) -> None:
    """Before Django reads its settings."""
    os.environ["VAR_DIR"] = str(state)
    os.environ["PAPER_EXCHANGE_URL"] = f"http://127.0.0.1:{port}"
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.local"
    os.environ["FANOUT_WORKERS"] = str(ORDER_WORKERS)
    if database_url:
        os.environ["DATABASE_URL"] = database_url
    else:
        os.environ.pop("DATABASE_URL", None)
    os.environ.pop("REDIS_URL", None)


class _Bench:
    """Imports Django's world only after the environment is set."""

    def __init__(self, options: argparse.Namespace, state: Path, paper_port: int) -> None:
        from tests.bench.population import invent_accounts, write_accounts_file

        self.options = options
        self.state = state
        self.paper_port = paper_port
        self.paper_url = f"http://127.0.0.1:{paper_port}"
        self.accounts = invent_accounts(options.followers)
        self.accounts_file = state / "accounts.json"
        write_accounts_file(self.accounts, self.accounts_file)

    async def run(self) -> dict[str, Any]:
        from config.supervisor.supervisor import Supervisor

        self.population = population = await asyncio.to_thread(self._populate)
        supervisor = Supervisor(self._specs(), state_dir=self.state, say=self._say)
        await supervisor.start()
        try:
            if self.options.round_trip_ms:
                await asyncio.to_thread(self._slow_down)
            rounds = []
            for number in range(self.options.rounds + 1):
                rounds.append(await asyncio.to_thread(self._fan_out, population, supervisor))
                self._say(f"round {number}: {rounds[-1]}")
            result = sorted(rounds[1:], key=lambda row: row["seconds_signal_to_last_ack"])
            return {**result[len(result) // 2], "rounds": len(result)}
        finally:
            await supervisor.stop()

    def _specs(self) -> list[Any]:
        from dataclasses import replace

        from config.supervisor.ports import free_port
        from config.supervisor.stack import PaperOptions, StackOptions, stack

        self.web_port = free_port()
        self.token = secrets.token_hex(8)
        paper = PaperOptions(self.paper_port, self.accounts_file, self.token, feed="static")
        specs = stack(StackOptions(port=self.web_port, paper=paper))
        changed = []
        for spec in specs:
            if spec.name == "paper-exchange":
                spec = replace(spec, argv=(*spec.argv, "--matching", "ack"))
            if spec.name == "beat":
                # Sweeps stay; reading every account again while measuring is another job.
                spec = replace(spec, env={**spec.env, "LOG_LEVEL": "WARNING"})
            changed.append(spec)
        return changed

    def _populate(self) -> Any:
        from django.core.management import call_command
        from django.db import connection

        from tests.bench.population import populate

        call_command("migrate", verbosity=0, interactive=False)
        try:
            return populate(self.accounts)
        finally:
            connection.close()

    def _slow_down(self) -> None:
        from config.demo.paper_control import PaperControl

        PaperControl(self.paper_url, self.token).add_fault(
            "delay", endpoint="trade/order", method="POST", ms=self.options.round_trip_ms
        )

    def _fan_out(self, population: Any, supervisor: Any) -> dict[str, Any]:
        from django.db import connection

        from config.demo.webhook import post_signal
        from customers.tenancy import tenant_scope
        from trading.models import Order, SignalShard

        names = [spec.name for spec in self._running(supervisor)]
        before = {name: cpu_seconds(supervisor.child(name).pid) for name in names}
        signal_body = {
            "action": "open",
            "symbol": "BTC/USDT:USDT",
            "side": "long",
            "size": "0.1",
            "size_basis": "base",
            "leverage": "5",
            "emitted_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        answer = post_signal(
            url=f"http://127.0.0.1:{self.web_port}/hooks/{population.source.pk}/",
            secret=population.secret,
            message_id=f"bench-{secrets.token_hex(8)}",
            signal=signal_body,
        )
        taken_at = time.time()
        if answer.status != 202:
            raise SystemExit(f"the webhook answered {answer.status}: {answer.body}")
        signal_id = json.loads(answer.body)["id"]
        deadline = time.monotonic() + PATIENCE_SECONDS
        with tenant_scope(population.tenant.pk):
            orders = Order.objects.filter(signal_id=signal_id)
            unplanned = SignalShard.objects.exclude(status=SignalShard.Status.PLANNED)
            # Seen from another connection, an acknowledgement is committed. Cheap questions: the
            # shards first, then one order that is still open.
            while (
                not SignalShard.objects.filter(signal_id=signal_id).exists()
                or unplanned.filter(signal_id=signal_id).exists()
                or orders.filter(acknowledged_at=None).exists()
            ):
                if time.monotonic() > deadline:
                    states = list(orders.values_list("state", "reason_code")[:5])
                    raise SystemExit(f"not all orders were acknowledged: {states}")
                time.sleep(0.01)
            seconds = time.time() - taken_at
            if orders.count() != self.options.followers:
                raise SystemExit(f"{orders.count()} orders for {self.options.followers} followers")
            times = sorted(
                (at.timestamp() - taken_at) * 1000
                for at in orders.values_list("acknowledged_at", flat=True)
            )
        connection.close()
        after = {name: cpu_seconds(supervisor.child(name).pid) for name in names}
        time.sleep(self.options.pause)  # fills are followed up; the next round starts in peace
        count = self.options.followers
        return {
            "followers": count,
            "seconds_signal_to_last_ack": round(seconds, 3),
            "p50_ms": round(times[count // 2]),
            "p99_ms": round(times[min(count - 1, count * 99 // 100)]),
            "orders_per_second": round(count / seconds),
            "worker_rss_mb": round(rss_megabytes(supervisor.child("worker-orders").pid)),
            "cpu_seconds": {name: round(after[name] - before[name], 2) for name in names},
        }

    def _running(self, supervisor: Any) -> list[Any]:
        return [child.spec for child in supervisor.children if child.pid]

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

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

        tenant_id = self.population.tenant.pk
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
        from config.demo.paper_control import PaperControl
        from config.supervisor.launch import launched
        from config.supervisor.ports import http_answers
        from tests.bench.rivals_race import bare_loop, task_per_order

        exchange = subprocess.Popen(
            launched(
                [
                    *(sys.executable, "-m", "venues.paper", "--port", str(self.paper_port)),
                    *("--feed", "static", "--matching", "ack"),
                    *("--accounts", str(self.accounts_file), "--control-token", self.token),
                ]
            ),
            stdout=subprocess.DEVNULL,
            cwd=ROOT,
        )
        try:
            while not http_answers(f"{self.paper_url}/api/v5/public/time"):
                time.sleep(0.1)
            where = {"url": self.paper_url, "accounts_file": self.accounts_file}
            queries = self.queries()
            raw = bare_loop("raw", **where, processes=ORDER_WORKERS)
            limit = bare_loop("limit", **where, processes=ORDER_WORKERS)
            naive = task_per_order(
                url=self.paper_url,
                control=PaperControl(self.paper_url, self.token),
                accounts=self.accounts,
                state=self.state,
                workers=ORDER_WORKERS,
            )
        finally:
            exchange.terminate()
            exchange.wait(10)
        return {
            "raw_orders_per_second": round(raw),
            "ratio": round(tandem / raw, 2),
            "limit_orders_per_second": round(limit),
            "ratio_to_limit": round(tandem / limit, 2),
            "naive_orders_per_second": round(naive),
            "ratio_to_naive": round(tandem / naive, 1),
            "queries": queries,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--followers", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3, help="after one that warms up")
    parser.add_argument("--round-trip-ms", type=int, default=0)
    parser.add_argument("--pause", type=float, default=3.0, help="seconds between rounds")
    parser.add_argument("--no-rivals", action="store_true")
    options = parser.parse_args()

    from config.supervisor.ports import free_port

    state = Path(tempfile.mkdtemp(prefix="tandem-bench-"))
    port = free_port()
    _prepare_environment(state, port, os.environ.get("DATABASE_URL", ""))
    import django

    django.setup()
    bench = _Bench(options, state, port)
    result = asyncio.run(bench.run())
    if not options.no_rivals:
        result |= bench.rivals(result["orders_per_second"])
    shutil.rmtree(state, ignore_errors=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
