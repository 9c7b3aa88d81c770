"""Runs the rivals of tests.bench.rivals and tests.bench.naive against a running paper exchange."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from config.demo.paper_control import PaperAccount, PaperControl
from config.supervisor.launch import launched
from config.supervisor.valkey import answers, valkey_argv
from customers.domain.ids import new_id

ROOT = Path(__file__).resolve().parents[2]
NAIVE_ORDERS = 300
PATIENCE_SECONDS = 120.0


def bare_loop(kind: str, *, url: str, accounts_file: Path, processes: int) -> float:
    """Orders a second of `raw` or `limit` in as many processes as Tandem has order workers."""
    running = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.bench.rivals", kind),
                *("--url", url, "--accounts", str(accounts_file)),
                *("--part", f"{number}/{processes}"),
            ],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        for number in range(processes)
    ]
    results = [json.loads(process.communicate(timeout=300)[0]) for process in running]
    return float(sum(r["orders"] for r in results) / max(r["seconds"] for r in results))


def task_per_order(
    *, url: str, control: PaperControl, accounts: Sequence[PaperAccount], state: Path, workers: int
) -> float:
    """Orders a second of one Celery task per order; clients are cached before the clock runs."""
    with _broker(state) as broker:
        os.environ["NAIVE_BROKER"] = broker
        from tests.bench.naive import app, order

        worker = subprocess.Popen(
            launched(
                [
                    *(sys.executable, "-W", "ignore"),
                    *("-m", "celery", "-A", "tests.bench.naive", "worker"),
                    *("--concurrency", str(workers), "--queues", "naive", "-l", "ERROR"),
                    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
                ]
            ),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        chosen = accounts[:NAIVE_ORDERS]

        def send_all() -> float:
            ids = {new_id(): account for account in chosen}
            started = time.perf_counter()
            for client_order_id, account in ids.items():
                order.apply_async(
                    kwargs={
                        "url": url,
                        "key": account.api_key,
                        "secret": account.secret_key,
                        "passphrase": account.passphrase,
                        "client_order_id": client_order_id,
                    },
                    queue="naive",
                )
            until = time.monotonic() + PATIENCE_SECONDS
            last = chosen[-1].api_key
            while time.monotonic() < until:
                # Cheap until the account that was asked last has its order, then all of them.
                if any(row["clOrdId"] in ids for row in control.ledger(last)["orders"]):
                    booked = {row["clOrdId"] for row in control.ledger()["orders"]}
                    if ids.keys() <= booked:
                        return len(ids) / (time.perf_counter() - started)
                time.sleep(0.02)
            raise SystemExit("the naive worker did not finish")

        try:
            send_all()
            return send_all()
        finally:
            worker.terminate()
            worker.wait(20)
            app.close()


@contextmanager
def _broker(state: Path) -> Iterator[str]:
    socket = state / "naive.sock"
    argv = valkey_argv(socket_path=socket, directory=state / "naive", durable=False)
    process = subprocess.Popen(launched(argv), stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while not answers(socket):
            if time.monotonic() > until:
                raise SystemExit("the naive worker's broker does not answer")
            time.sleep(0.05)
        yield f"redis+socket://{socket}"
    finally:
        process.terminate()
        process.wait(10)
