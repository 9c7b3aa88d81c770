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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ORDER_WORKERS = 2
NAIVE_ORDERS = 300
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


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process and its living descendants."""
    total = 0.0
    for each in _family(pid):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def _rss_megabytes(pid: int) -> float:
    """The largest resident set among a process and its descendants."""
    sizes = [0.0]
    for each in _family(pid):
        try:
            status = Path(f"/proc/{each}/status").read_text()
        except FileNotFoundError:
            continue
        sizes += [
            int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:")
        ]
    return max(sizes)


def _family(pid: int) -> list[int]:
    family = [pid]
    for parent in family:
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        except FileNotFoundError:
            continue
        family += [int(child) for child in children]
    return family


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

        population = await asyncio.to_thread(self._populate)
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
        from trading.models import Order

        names = [spec.name for spec in self._running(supervisor)]
        before = {name: _cpu_seconds(supervisor.child(name).pid) for name in names}
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
            # Seen from another connection, an acknowledgement is committed.
            while orders.exclude(acknowledged_at=None).count() < self.options.followers:
                if time.monotonic() > deadline:
                    states = list(orders.values_list("state", "reason_code")[:5])
                    raise SystemExit(f"not all orders were acknowledged: {states}")
                time.sleep(0.005)
            seconds = time.time() - taken_at
            times = sorted(
                (at.timestamp() - taken_at) * 1000
                for at in orders.values_list("acknowledged_at", flat=True)
            )
        connection.close()
        after = {name: _cpu_seconds(supervisor.child(name).pid) for name in names}
        time.sleep(self.options.pause)  # fills are followed up; the next round starts in peace
        count = self.options.followers
        return {
            "followers": count,
            "seconds_signal_to_last_ack": round(seconds, 3),
            "p50_ms": round(times[count // 2]),
            "p99_ms": round(times[min(count - 1, count * 99 // 100)]),
            "orders_per_second": round(count / seconds),
            "worker_rss_mb": round(_rss_megabytes(supervisor.child("worker-orders").pid)),
            "cpu_seconds": {name: round(after[name] - before[name], 2) for name in names},
        }

    def _running(self, supervisor: Any) -> list[Any]:
        return [child.spec for child in supervisor.children if child.pid]

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    # --- rivals -----------------------------------------------------------------------------

    def rival(self, kind: str) -> float:
        """Orders a second of a bare loop in as many processes as Tandem has order workers."""
        processes = [
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.bench.rivals", kind),
                    *("--url", self.paper_url, "--accounts", str(self.accounts_file)),
                    *("--part", f"{number}/{ORDER_WORKERS}"),
                ],
                stdout=subprocess.PIPE,
                cwd=ROOT,
            )
            for number in range(ORDER_WORKERS)
        ]
        results = [json.loads(process.communicate(timeout=300)[0]) for process in processes]
        return sum(r["orders"] for r in results) / max(r["seconds"] for r in results)

    def naive(self, broker: str) -> float:
        """Orders a second of one Celery task per order."""
        from config.demo.paper_control import PaperControl
        from customers.domain.ids import new_id

        os.environ["NAIVE_BROKER"] = broker
        from tests.bench.naive import app, order

        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "tests.bench.naive", "worker"),
                *("--concurrency", str(ORDER_WORKERS), "--queues", "naive", "-l", "ERROR"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        control = PaperControl(self.paper_url, self.token)
        accounts = self.accounts[:NAIVE_ORDERS]

        def send_all() -> float:
            ids = {new_id(): account for account in accounts}
            started = time.perf_counter()
            for client_order_id, account in ids.items():
                order.apply_async(
                    kwargs={
                        "url": self.paper_url,
                        "key": account.api_key,
                        "secret": account.secret_key,
                        "passphrase": account.passphrase,
                        "client_order_id": client_order_id,
                    },
                    queue="naive",
                )
            deadline = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < deadline:
                booked = {row["clOrdId"] for row in control.ledger()["orders"]}
                if ids.keys() <= booked:
                    return len(ids) / (time.perf_counter() - started)
                time.sleep(0.2)
            raise SystemExit("the naive worker did not finish")

        try:
            send_all()  # clients are cached afterwards
            return send_all()
        finally:
            worker.terminate()
            worker.wait(20)
            app.close()


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
    from config.supervisor.launch import launched
    from config.supervisor.ports import http_answers

    bench = _Bench(options, state, port)
    result = asyncio.run(bench.run())
    if not options.no_rivals:
        exchange = subprocess.Popen(
            launched(
                [
                    *(sys.executable, "-m", "venues.paper", "--port", str(port)),
                    *("--feed", "static", "--matching", "ack"),
                    *("--accounts", str(bench.accounts_file), "--control-token", bench.token),
                ]
            ),
            stdout=subprocess.DEVNULL,
            cwd=ROOT,
        )
        try:
            while not http_answers(f"http://127.0.0.1:{port}/api/v5/public/time"):
                time.sleep(0.1)
            raw, limit = bench.rival("raw"), bench.rival("limit")
            result |= {
                "raw_orders_per_second": round(raw),
                "ratio": round(result["orders_per_second"] / raw, 2),
                "limit_orders_per_second": round(limit),
            }
        finally:
            exchange.terminate()
            exchange.wait(10)
    shutil.rmtree(state, ignore_errors=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
