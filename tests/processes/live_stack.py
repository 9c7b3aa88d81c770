"""The whole stack as real processes on this run's database, with servers that a test can take away.

Web, relay, workers and two schedulers are started by the supervisor's own command lines. They reach
Redis, and MariaDB if it is that, through proxies; the test itself goes past them.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import secrets
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis
from django.conf import settings
from django.db import connection
from django.utils import timezone

from config.demo.reconcile import (
    BookedFill,
    BookedOrder,
    BookedPosition,
    Reconciliation,
    reconcile,
)
from config.demo.webhook import post_signal
from config.supervisor.child import ChildSpec
from config.supervisor.ports import LOOPBACK, free_port
from config.supervisor.stack import StackOptions, stack
from customers.tenancy import system_scope, tenant_scope
from signals_app.models import Signal
from tests.bench.population import SYMBOL, Population, invent_accounts, populate
from tests.processes.live import LiveProcess, LiveProcesses, database_url, wait_for
from tests.processes.proxy import Proxy, target_of
from trading.domain.order_states import LIVE_STATES
from trading.models import CopiedPosition, Fill, InstrumentSetting, Intent, Order, SignalShard

RETRY_SECONDS = 0.3
"""After an answer that was no 2xx a sender delivers again."""
OPEN_INTENTS = (Intent.Status.WORKING, Intent.Status.UNKNOWN)


class Sender:
    """Delivers signals at a rate, each until it is answered with 202, as a proper sender does."""

    def __init__(self, stack: LiveStack, population: Population, *, per_second: float) -> None:
        self.stack = stack
        self.population = population
        self.pause = 1 / per_second
        self.taken: list[str] = []
        self.retries = 0
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._main = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sender:
        self._main.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._main.join(10)
        for thread in self._threads:
            thread.join(90)
        assert not self.failures, self.failures[:3]

    def _run(self) -> None:
        for number in itertools.count():
            if self._stop.is_set():
                return
            thread = threading.Thread(target=self._deliver, args=(number,), daemon=True)
            thread.start()
            self._threads.append(thread)
            self._stop.wait(self.pause)

    def _deliver(self, number: int) -> None:
        # Rising and falling positions: a lost or doubled order would show in what is held.
        action = ("open", "increase", "reduce", "open", "close")[number % 5]
        body = signal_body(action)
        message_id = f"load-{secrets.token_hex(8)}"
        deadline = time.monotonic() + 80
        while time.monotonic() < deadline:
            try:
                answer = self.stack.post(self.population, body, message_id=message_id)
            except OSError:
                answer = None
            if answer is not None and answer.status == 202:
                self.taken.append(answer.body)
                return
            if answer is not None and answer.status < 500:
                self.failures.append(f"{answer.status} {answer.body}")
                return
            self.retries += 1
            time.sleep(RETRY_SECONDS)
        self.failures.append(f"{message_id} was never taken")


def signal_body(action: str, *, size: str = "0.01") -> dict[str, str]:
    body = {
        "action": action,
        "symbol": SYMBOL,
        "emitted_at": timezone.now().isoformat(),
    }
    if action in ("open", "increase"):
        body |= {"side": "long", "size": size, "size_basis": "base", "leverage": "5"}
    if action == "reduce":
        body |= {"size": "0.5", "size_basis": "position_fraction"}
    return body


@dataclass
class LiveStack:
    """`with live_stack(…) as stack:`; processes are found by the supervisor's names."""

    processes: LiveProcesses
    paper: Any
    database: Proxy | None
    broker: Proxy
    port: int = field(default_factory=free_port)
    specs: dict[str, ChildSpec] = field(default_factory=dict)
    running: dict[str, LiveProcess] = field(default_factory=dict)

    @property
    def redis(self) -> redis.Redis[bytes]:
        """Past the proxy."""
        return redis.Redis.from_url(settings.REDIS_URL)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    # --- processes --------------------------------------------------------------------------

    def start(self, name: str, *, beside: str = "") -> LiveProcess:
        """Start one process of the stack, `beside` under another name; does not wait for it."""
        spec = self.specs[name]
        live = self.processes.start(beside or name, spec.argv, env=spec.env)
        self.running[beside or name] = live
        return live

    def is_ready(self, name: str) -> bool:
        self.assert_all_run()
        live = self.running[name]
        if name.startswith("worker"):
            return " ready." in live.log()
        ready = self.specs[name].ready if name in self.specs else None
        return ready is None or ready()

    def wait_ready(self, *names: str) -> None:
        wait_for(
            lambda: all(self.is_ready(name) for name in names or self.running),
            seconds=90,
            what="the stack is up",
        )

    def replace(self, *names: str) -> None:
        """New processes beside the old ones, then SIGTERM to those: how a deployment rolls."""
        for name in names:
            self.start(name, beside=f"{name}-next")
        self.wait_ready(*(f"{name}-next" for name in names))
        for name in names:
            code = self.running.pop(name).stop()
            self.running[name] = self.running.pop(f"{name}-next")
            assert code == 0, f"{name} ended with {code}"

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """A worker whose processes get no time."""
        pids = [self.running[name].pid, *self.pool(name)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def pool(self, name: str) -> list[int]:
        """The worker's forked processes."""
        pid = self.running[name].pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in children.split()]

    def assert_all_run(self) -> None:
        for name, live in self.running.items():
            code = live.process.poll()
            assert code is None, f"{name} ended with {code}:\n{live.log()[-3000:]}"

    def health(self, kind: str) -> tuple[int, dict[str, Any]]:
        """What /health/<kind> says."""
        with contextlib.closing(http.client.HTTPConnection(LOOPBACK, self.port, timeout=20)) as web:
            web.request("GET", f"/health/{kind}")
            answer = web.getresponse()
            return answer.status, json.loads(answer.read())

    def problems(self) -> set[str]:
        """The parts that do not work, by the web process, which itself lives."""
        assert self.health("live")[0] == 200
        status, body = self.health("ready")
        assert status == (503 if body["problems"] else 200)
        return set(body["problems"])

    # --- work -------------------------------------------------------------------------------

    def populate(self, followers: int, *, leverage_confirmed: bool = True) -> Population:
        """A tenant of its own whose one strategy so many accounts follow."""
        accounts = invent_accounts(followers)
        self.paper.control.add_accounts(*accounts)
        population = populate(accounts)
        if not leverage_confirmed:
            with tenant_scope(population.tenant.pk):
                InstrumentSetting.objects.all().delete()
        return population

    def post(self, population: Population, body: dict[str, str], *, message_id: str = "") -> Any:
        return post_signal(
            url=f"{self.url}/hooks/{population.source.pk}/",
            secret=population.secret,
            message_id=message_id or f"one-{secrets.token_hex(8)}",
            signal=body,
        )

    def load(self, population: Population, *, per_second: float) -> Sender:
        return Sender(self, population, per_second=per_second)

    def is_settled(self, population: Population) -> bool:
        """Every signal is planned for every follower and every order has come to its end."""
        with system_scope("test"):
            tenant = population.tenant.pk
            if Signal.objects.filter(tenant_id=tenant).exclude(status="done").exists():
                return False
            if Intent.objects.filter(tenant_id=tenant, status__in=OPEN_INTENTS).exists():
                return False
            live = [str(state) for state in LIVE_STATES]
            return not Order.objects.filter(tenant_id=tenant, state__in=live).exists()

    def settle(self, population: Population, *, seconds: float) -> float:
        """Wait until it is settled; how long that took."""
        began = time.monotonic()
        while not self.is_settled(population):
            self.assert_all_run()
            took = time.monotonic() - began
            assert took < seconds, f"not settled: {self.what_is_open(population)}"
            time.sleep(0.05)
        return time.monotonic() - began

    def what_is_open(self, population: Population) -> dict[str, list[tuple[Any, ...]]]:
        tenant = population.tenant.pk
        with system_scope("test"):
            signals = Signal.objects.filter(tenant_id=tenant).exclude(status="done")
            shards = SignalShard.objects.filter(tenant_id=tenant).exclude(status="planned")
            intents = Intent.objects.filter(tenant_id=tenant, status__in=OPEN_INTENTS)
            live = [str(state) for state in LIVE_STATES]
            orders = Order.objects.filter(tenant_id=tenant, state__in=live)
            return {
                "signals": list(signals.values_list("pk", "action", "status", "claimed_until")),
                "shards": list(shards.values_list("signal_id", "status", "claimed_until")),
                "intents": list(intents.values_list("signal_id", "leg", "status")),
                "orders": list(orders.values_list("pk", "state", "check_at", "claimed_until")),
            }

    def states(self, population: Population) -> set[str]:
        with system_scope("test"):
            orders = Order.objects.filter(tenant_id=population.tenant.pk)
            return set(orders.values_list("state", flat=True))

    @contextmanager
    def database_away(self) -> Iterator[None]:
        """MariaDB's connections are cut; SQLite's file is locked, the nearest that it has."""
        with away(self.database) if self.database else _database_locked():
            yield

    def keys(self, population: Population) -> list[str]:
        return [account.api_key for account in population.accounts]

    def ledger(self, population: Population) -> dict[str, list[dict[str, Any]]]:
        keys = set(self.keys(population))
        rows = self.paper.control.ledger()
        return {name: [row for row in rows[name] if row["apiKey"] in keys] for name in rows}

    def books(self, population: Population) -> Reconciliation:
        return books(population, self.ledger(population))

    def check(self, population: Population, sender: Sender) -> None:
        """Nothing lost: each taken signal has one intent per follower. Nothing doubled: books."""
        with system_scope("test"):
            tenant = population.tenant.pk
            assert Signal.objects.filter(tenant_id=tenant).count() == len(sender.taken)
            by_signal = Intent.objects.filter(tenant_id=tenant, cause="signal")
            by_signal = by_signal.values_list("signal_id", "subscription_id")
            assert len(set(by_signal)) == len(sender.taken) * len(population.accounts)
        found = self.books(population)
        assert found.agrees, found


def books(population: Population, ledger: dict[str, list[dict[str, Any]]]) -> Reconciliation:
    """Our rows of one tenant against the exchange's, row by row."""
    keys = {account.label: account.api_key for account in population.accounts}
    with system_scope("test"):
        orders = Order.objects.filter(tenant_id=population.tenant.pk).select_related("account")
        fills = Fill.objects.filter(tenant_id=population.tenant.pk).select_related("account")
        held = CopiedPosition.objects.filter(tenant_id=population.tenant.pk)
        return reconcile(
            orders=[
                BookedOrder(
                    id=order.pk,
                    intent_id=order.intent_id,
                    api_key=keys[order.account.label],
                    symbol=order.symbol,
                    side=order.side,
                    state=order.state,
                    venue_order_id=order.venue_order_id,
                    quantity=order.quantity,
                    filled=order.filled_quantity,
                )
                for order in orders
            ],
            fills=[
                BookedFill(
                    api_key=keys[fill.account.label],
                    order_id=fill.order_id or "",
                    symbol=fill.symbol,
                    trade_id=fill.trade_id,
                    side=fill.side,
                    quantity=fill.quantity,
                    price=fill.price,
                    fee=fill.fee,
                    fee_currency=fill.fee_currency,
                )
                for fill in fills
            ],
            positions=[
                BookedPosition(keys[row.account.label], row.symbol, row.filled)
                for row in held.select_related("account")
            ],
            ledger=ledger,
        )


@contextmanager
def away(proxy: Proxy) -> Iterator[None]:
    """Connections are cut and new ones refused."""
    proxy.cut()
    try:
        yield
    finally:
        proxy.restore()


@contextmanager
def _database_locked() -> Iterator[None]:
    other = sqlite3.connect(str(connection.settings_dict["NAME"]), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def proxied(url: str, proxy: Proxy) -> str:
    """The same server by way of the proxy."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"redis://{LOOPBACK}:{proxy.port}/0"
    user = parts.netloc.rpartition("@")[0]
    host = f"{LOOPBACK}:{proxy.port}"
    return urlunsplit(parts._replace(netloc=f"{user}@{host}" if user else host))


@contextmanager
def live_stack(
    processes: LiveProcesses, paper: Any, *, env: dict[str, str] | None = None
) -> Iterator[LiveStack]:
    """Start everything, without a paper exchange of its own, and wait until it is ready."""
    url = database_url()
    with Proxy(target_of(settings.REDIS_URL, default_port=6379)) as broker:
        database = None
        if connection.vendor != "sqlite":
            database = Proxy(target_of(url, default_port=3306))
            database.__enter__()
            url = proxied(url, database)
        live = LiveStack(processes, paper, database, broker)
        live.redis.flushdb()
        processes.env |= {
            "DATABASE_URL": url,
            "REDIS_URL": proxied(settings.REDIS_URL, broker),
            "PAPER_EXCHANGE_URL": paper.url,
            # A queue that does not work is seen after five seconds instead of 25.
            "CANARY_SECONDS": "2",
            **(env or {}),
        }
        live.specs = {spec.name: spec for spec in stack(StackOptions(port=live.port))}
        try:
            for name in live.specs:
                live.start(name)
            # Two schedulers all the time: what both ask for must happen once.
            live.start("beat", beside="beat-2")
            live.wait_ready()
            yield live
        finally:
            processes.stop_all()
            if database is not None:
                database.__exit__()
