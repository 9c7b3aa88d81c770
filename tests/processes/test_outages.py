"""What processes and servers may do while signals come: end, be killed, be away, forget.

Each scenario has followers of its own. After it every signal that was answered with 202 has one
intent for each follower, our books are the exchange's, and no process had to be started again.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from customers.tenancy import system_scope, tenant_scope
from tests.bench.population import Population
from tests.processes.live import LiveProcesses, wait_for
from tests.processes.live_stack import LiveStack, away, live_stack, signal_body
from trading.domain.order_states import OrderTrigger
from trading.models import Order, OrderEvent
from trading.services.controls import control_set

PATIENCE_SECONDS = 90
"""For a machine on which much else runs; what is measured on a quiet one is in docs/testing.md."""
SLOW_ORDERS = {"endpoint": "trade/order", "method": "POST"}
SLOW_LEVERAGE = {"endpoint": "account/set-leverage", "method": "POST"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_lost_or_doubled_whatever_ends_or_is_away(
    transactional_db: Any, valkey: Any, live: LiveProcesses, start_paper_exchange: Any
) -> None:
    """One test, for one running stack: starting it costs as much as the rest."""
    with live_stack(live, start_paper_exchange()) as stack:
        for scenario in SCENARIOS:
            began = time.monotonic()
            scenario(stack)
            stack.paper.control.clear_faults()
            stack.assert_all_run()
            print(f"{scenario.__name__}: {time.monotonic() - began:.1f} s")


def all_is_well(stack: LiveStack) -> None:
    wait_for(lambda: stack.problems() == set(), seconds=60, what="each queue has had a canary")


def a_worker_that_takes_nothing_is_seen(stack: LiveStack) -> None:
    with stack.frozen("worker-general"):
        queues = {"queue:accounts", "queue:notify", "queue:default"}
        wait_for(lambda: stack.problems() == queues, seconds=60, what="its queues are named")
    all_is_well(stack)


def workers_are_replaced_under_load(stack: LiveStack) -> None:
    population = stack.populate(5)
    stack.paper.control.add_fault("delay", ms=200, jitterMs=600, **SLOW_ORDERS)
    with stack.load(population, per_second=2) as sender:
        stack.replace("worker-orders", "worker-lookups")
    stack.settle(population, seconds=PATIENCE_SECONDS)
    stack.check(population, sender)


def an_ending_worker_finishes_what_it_sent_and_gives_back_the_rest(stack: LiveStack) -> None:
    sent, unsent = stack.populate(10), stack.populate(30, leverage_confirmed=False)
    control = stack.paper.control
    control.add_fault("delay", ms=3000, booked=True, account=stack.keys(sent), **SLOW_ORDERS)
    control.add_fault("delay", ms=6000, account=stack.keys(unsent), **SLOW_LEVERAGE)
    stack.post(unsent, signal_body("open"))
    wait_for(lambda: stack.states(unsent) == {"claimed"}, seconds=30, what="some are claimed")
    stack.post(sent, signal_body("open"))
    wait_for(lambda: len(stack.ledger(sent)["orders"]) == 10, seconds=30, what="some are sent")
    assert stack.states(sent) == {"sending"}
    assert stack.running["worker-orders"].stop() == 0
    assert "sending" not in stack.states(sent)
    assert stack.states(unsent) == {"ready"}
    assert stack.ledger(unsent)["orders"] == []

    stack.redis.flushdb()  # with the message that would have told the next one
    control.clear_faults()
    stack.start("worker-orders")
    for population in (sent, unsent):
        stack.settle(population, seconds=PATIENCE_SECONDS)
        assert stack.states(population) == {"filled"}
        assert stack.books(population).agrees


def the_order_worker_is_killed(stack: LiveStack) -> None:
    """Its pool goes with it; the supervisor starts another one."""
    population = _with_answers_outstanding(stack)
    worker = stack.running["worker-orders"]
    os.kill(worker.pid, signal.SIGKILL)
    worker.process.wait(10)
    stack.start("worker-orders")
    _recovers(stack, population)


def the_order_workers_pool_is_killed(stack: LiveStack) -> None:
    population = _with_answers_outstanding(stack)
    for pid in stack.pool("worker-orders"):
        os.kill(pid, signal.SIGKILL)
    _recovers(stack, population)


def _with_answers_outstanding(stack: LiveStack) -> Population:
    population = stack.populate(20)
    stack.paper.control.add_fault("delay", ms=1500, booked=True, **SLOW_ORDERS)
    stack.post(population, signal_body("open"))
    wait_for(lambda: stack.ledger(population)["orders"] != [], seconds=30, what="some are sent")
    return population


def _recovers(stack: LiveStack, population: Population) -> None:
    stack.paper.control.clear_faults()
    stack.settle(population, seconds=PATIENCE_SECONDS)
    assert stack.states(population) == {"filled"}
    assert stack.books(population).agrees


def a_database_that_is_away(stack: LiveStack) -> None:
    """Among the rest, answers come in that cannot be written."""
    population, waiting = stack.populate(5), stack.populate(5)
    stack.paper.control.add_fault(
        "delay", ms=3500, booked=True, account=stack.keys(waiting), **SLOW_ORDERS
    )
    stack.post(waiting, signal_body("open"))
    wait_for(lambda: len(stack.ledger(waiting)["orders"]) == 5, seconds=30, what="they are sent")
    with stack.load(population, per_second=2) as sender:
        with stack.database_away():
            time.sleep(6)
            # SQLite is only locked, and can be read.
            assert stack.problems() == {"database"} or stack.database is None
        time.sleep(1)
    stack.settle(population, seconds=PATIENCE_SECONDS)
    stack.settle(waiting, seconds=PATIENCE_SECONDS)
    stack.check(population, sender)
    assert stack.states(waiting) == {"filled"}
    assert stack.books(waiting).agrees
    with system_scope("test"):
        orders = Order.objects.filter(tenant_id=waiting.tenant.pk)
        lost = OrderEvent.objects.filter(order__in=orders, kind=OrderTrigger.LOSE)
        # SQLite is only locked: there the answers may still get their turn.
        assert lost.count() == 5 or stack.database is None


def redis_is_away(stack: LiveStack) -> None:
    population = stack.populate(5)
    with stack.load(population, per_second=2) as sender:
        time.sleep(1)
        with away(stack.broker):
            time.sleep(6)
            assert "redis" in stack.problems()
    assert sender.retries == 0, "the webhook needs no Redis"
    stack.settle(population, seconds=PATIENCE_SECONDS)
    stack.check(population, sender)


def the_kill_switch_is_pressed_in_the_middle_of_a_fan_out(stack: LiveStack) -> None:
    """Leverages are set over five seconds, so the entries would leave over as long."""
    population = stack.populate(60, leverage_confirmed=False)
    stack.paper.control.add_fault("delay", jitterMs=5000, **SLOW_LEVERAGE)
    stack.post(population, signal_body("open"))
    wait_for(lambda: len(stack.ledger(population)["orders"]) > 5, seconds=30, what="some are sent")
    with tenant_scope(population.tenant.pk):
        control_set(
            level="tenant", subject_id=population.tenant.pk, mode="reducing", reason="-", actor=None
        )
    pressed_ms = time.time() * 1000
    stack.settle(population, seconds=PATIENCE_SECONDS)
    entries = stack.ledger(population)["orders"]
    assert 5 < len(entries) < 60
    assert [row for row in entries if int(row["cTime"]) > pressed_ms + 1000] == []

    stack.post(population, signal_body("close"))
    stack.settle(population, seconds=PATIENCE_SECONDS)
    assert len(stack.ledger(population)["orders"]) == 2 * len(entries)
    assert stack.books(population).agrees


def redis_forgets_what_workers_have_not_taken_yet(stack: LiveStack) -> None:
    population = stack.populate(5)
    with stack.frozen("worker-orders"), stack.load(population, per_second=2) as sender:
        wait_for(lambda: len(sender.taken) == 5, seconds=30, what="signals wait in Redis")
        assert sum(stack.redis.llen(key) for key in stack.redis.keys("signals*")) >= 5
        stack.redis.flushdb()
    stack.settle(population, seconds=PATIENCE_SECONDS)
    stack.check(population, sender)


SCENARIOS = (
    all_is_well,
    a_worker_that_takes_nothing_is_seen,
    workers_are_replaced_under_load,
    an_ending_worker_finishes_what_it_sent_and_gives_back_the_rest,
    the_order_worker_is_killed,
    the_order_workers_pool_is_killed,
    a_database_that_is_away,
    redis_is_away,
    the_kill_switch_is_pressed_in_the_middle_of_a_fan_out,
    redis_forgets_what_workers_have_not_taken_yet,
)
