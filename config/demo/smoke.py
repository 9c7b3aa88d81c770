"""One signal to all followers, from the webhook to the exchange's ledger and back."""

import asyncio
import json
import os
import secrets
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TypeVar

from django.db import connection
from django.utils import timezone

from config.demo.cast import AURORA, BTC, LEADER_EQUITY, MAJORS
from config.demo.leader import last_price, stamped
from config.demo.paper_control import PaperControl
from config.demo.reconcile import (
    BookedFill,
    BookedOrder,
    BookedPosition,
    Reconciliation,
    reconcile,
)
from config.demo.seed import DemoFiles, read_paper_accounts
from config.demo.webhook import post_signal
from config.supervisor.supervisor import Supervisor
from customers.models import ExchangeAccount, Tenant
from customers.tenancy import system_scope, tenant_scope
from signals_app.models import Signal
from trading.models import CopiedPosition, Fill, Order
from trading.selectors.coverage import Coverage, signal_coverage

T = TypeVar("T")

SETTLE_SECONDS = 150.0
HEALTH_SECONDS = 60.0
POLL_SECONDS = 0.1
KILLED_WORKER = "worker-orders"


class SmokeError(Exception):
    """The run could not be carried out; the message says at which step."""


@dataclass(frozen=True, slots=True)
class SmokeResult:
    coverage: Coverage
    books: Reconciliation
    seconds: float

    @property
    def line(self) -> str:
        return (
            f"followers={self.coverage.followers} filled={self.coverage.filled} "
            f"skipped={self.coverage.skipped} rejected={self.coverage.rejected} "
            f"unknown={self.coverage.unknown} duplicates={self.books.duplicates} "
            f"seconds={self.seconds:.1f}"
        )

    @property
    def problems(self) -> list[str]:
        """Why the run failed; empty when it passed."""
        found = list(self.books.differences)
        counted = self.coverage.filled + self.coverage.skipped + self.coverage.rejected
        if counted != self.coverage.followers:
            found.append(f"not every follower came to an end: {self.coverage}")
        if not self.coverage.filled:
            found.append("no follower was filled")
        return found


async def smoke(
    *, files: DemoFiles, control: PaperControl, url: str, supervisor: Supervisor, kill_worker: bool
) -> SmokeResult:
    """Send one signal into the running stack, wait for all followers, compare the books."""
    await asyncio.to_thread(_in_thread, lambda: _wait_for_health(HEALTH_SECONDS))
    if kill_worker:
        # Answers come spread over a second, so that the kill finds orders in every state.
        control.add_fault("delay", endpoint="trade/*", method="POST", ms=100, jitterMs=900)
    started = time.monotonic()
    signal_id = await asyncio.to_thread(_send, files, control.url, url)
    if kill_worker:
        await asyncio.to_thread(_wait_for_first_booking, control)
        child = supervisor.child(KILLED_WORKER)
        if child.pid is None:
            raise SmokeError(f"{KILLED_WORKER} does not run")
        os.kill(child.pid, signal.SIGKILL)
        control.clear_faults()
    return await asyncio.to_thread(
        _in_thread, lambda: _wait_for_books(signal_id, files, control, started)
    )


def _in_thread(work: Callable[[], T]) -> T:
    """The thread's database connection ends with its work."""
    try:
        return work()
    finally:
        connection.close()


def _wait_for_health(seconds: float) -> None:
    """Until each account's keys were checked: a follower without a verdict is not yet one."""
    deadline = time.monotonic() + seconds
    while True:
        with system_scope("smoke: are all accounts checked"):
            unchecked = ExchangeAccount.objects.filter(
                health=ExchangeAccount.Health.UNKNOWN
            ).count()
        if not unchecked:
            return
        if time.monotonic() > deadline:
            raise SmokeError(f"{unchecked} accounts were not checked within {seconds:.0f} s")
        time.sleep(POLL_SECONDS)


def _send(files: DemoFiles, venue: str, url: str) -> str:
    """Post the signal as the leader would; the stored signal's id."""
    sources = json.loads(files.leader.read_text(encoding="utf-8"))
    source = next(row for row in sources if row["strategy"] == MAJORS.name)
    trade = {
        "action": "open",
        "symbol": BTC,
        "side": "long",
        "size": "0.2",
        "size_basis": "base",
        "leader_equity": format(LEADER_EQUITY, "f"),
        "leverage": format(MAJORS.leverage, "f"),
    }
    answer = post_signal(
        url=f"{url}/hooks/{source['source_id']}/",
        secret=source["secret"],
        message_id=f"smoke-{secrets.token_hex(12)}",
        signal=stamped(trade, last_price(venue, BTC)),
    )
    if answer.status != HTTPStatus.ACCEPTED:
        raise SmokeError(f"the webhook answered {answer.status}: {answer.body[:500]}")
    return str(json.loads(answer.body)["id"])


def _wait_for_first_booking(control: PaperControl) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while not control.ledger()["orders"]:
        if time.monotonic() > deadline:
            raise SmokeError("no order reached the exchange")
        time.sleep(0.02)


def _wait_for_books(
    signal_id: str, files: DemoFiles, control: PaperControl, started: float
) -> SmokeResult:
    """Until every follower is settled and the books agree, or the time is over."""
    deadline = timezone.now() + timedelta(seconds=SETTLE_SECONDS)
    tenant_id = Tenant.objects.get(slug=AURORA.slug).pk
    keys = {label: account.api_key for label, account in read_paper_accounts(files).items()}
    while True:
        with tenant_scope(tenant_id):
            row = Signal.objects.get(pk=signal_id)
            coverage = signal_coverage(row)
            planned = row.status in (Signal.Status.DISPATCHED, Signal.Status.DONE)
            late = timezone.now() > deadline
            if (planned and coverage.is_settled) or late:
                seconds = time.monotonic() - started
                books = _compare(keys, control)
                if late or books.agrees:
                    return SmokeResult(coverage, books, seconds)
        time.sleep(POLL_SECONDS)


def _compare(keys: dict[str, str], control: PaperControl) -> Reconciliation:
    ledger = control.ledger()
    orders = [
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
        for order in Order.objects.select_related("account")
    ]
    fills = [
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
        for fill in Fill.objects.select_related("account")
    ]
    positions = [
        BookedPosition(keys[row.account.label], row.symbol, row.filled)
        for row in CopiedPosition.objects.select_related("account")
    ]
    return reconcile(orders=orders, fills=fills, positions=positions, ledger=ledger)
