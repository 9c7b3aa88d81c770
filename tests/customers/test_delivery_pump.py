"""Between the loop that hears and the thread that writes nothing is lost without a word."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal

import pytest
from django.db import OperationalError

from customers.services.streaming import deliveries
from customers.services.streaming.deliveries import MOST_KEPT, TRIES_TOGETHER, DeliveryPump
from tests.processes.live import wait_for
from venues.streams.events import BalancesChanged, Connected, StreamEvent
from venues.streams.registry import Delivery, Subject


class Kind:
    """Takes what it is given, after so many failures of these kinds."""

    name = "account"
    poll_seconds = 20.0
    gather_seconds = 0.0

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.never: set[str] = set()
        self.attempts = 0
        self.taken: list[tuple[str, StreamEvent]] = []
        self.may_write = threading.Event()
        self.may_write.set()

    def deliver(self, tenant_id: str, batch: Sequence[Delivery]) -> None:
        self.attempts += 1
        self.may_write.wait(30)
        if self.failures:
            raise self.failures.pop(0)
        if any(delivery.subject.id in self.never for delivery in batch):
            raise ValueError("a defect")
        for delivery in batch:
            self.taken += [(delivery.subject.id, event) for event in delivery.events]

    def told(self, subject_id: str) -> list[int]:
        return [event.received_ms for pk, event in self.taken if pk == subject_id]


@pytest.fixture
def kind() -> Kind:
    return Kind()


@pytest.fixture
def gaps() -> list[str]:
    return []


@pytest.fixture
def pump(kind: Kind, gaps: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[DeliveryPump]:
    monkeypatch.setattr(deliveries, "FIRST_RETRY_SECONDS", 0.001)
    monkeypatch.setattr(deliveries, "LONGEST_RETRY_SECONDS", 0.001)
    made = DeliveryPump(kind, gaps.append)  # type: ignore[arg-type]
    yield made
    kind.may_write.set()
    made.stop(30)


def subject(name: str) -> Subject:
    return Subject(name, "01tenant", "paper", 1, "key")


def change(number: int) -> BalancesChanged:
    return BalancesChanged(number, (), Decimal(number))


def test_what_comes_while_the_database_is_away_is_written_in_its_order(
    pump: DeliveryPump, kind: Kind, gaps: list[str]
) -> None:
    kind.failures = [OperationalError("away")] * (3 * TRIES_TOGETHER)
    for number in range(50):
        pump.put(subject("a"), [change(number)])
    wait_for(lambda: len(kind.taken) == 50, seconds=30, what="all of it is written")
    assert kind.told("a") == list(range(50))
    assert gaps == []


def test_one_that_cannot_be_written_is_asked_for_and_holds_up_no_other(
    pump: DeliveryPump, kind: Kind, gaps: list[str]
) -> None:
    kind.never = {"bad"}
    kind.may_write.clear()
    for name in ("bad", "good"):
        pump.put(subject(name), [change(1)])
    kind.may_write.set()
    wait_for(lambda: gaps == ["bad"], seconds=30, what="the gap is told")
    wait_for(lambda: kind.told("good") == [1], seconds=30, what="the other one is written")
    assert kind.told("bad") == []
    kind.never = set()
    pump.put(subject("bad"), [change(2)])
    wait_for(lambda: kind.told("bad") == [2], seconds=30, what="it goes on")


def test_more_than_can_be_kept_is_a_gap_and_not_memory(
    pump: DeliveryPump, kind: Kind, gaps: list[str]
) -> None:
    kind.may_write.clear()
    pump.put(subject("other"), [change(0)])
    wait_for(lambda: kind.attempts == 1, seconds=30, what="a call that does not end")
    for number in range(MOST_KEPT):
        pump.put(subject("a"), [change(number)])
    assert gaps == []
    pump.put(subject("a"), [Connected(7, "c")])
    assert gaps == ["a"]
    kind.may_write.set()
    wait_for(lambda: kind.told("a") == [7], seconds=30, what="what became of the stream is kept")


def test_the_end_of_the_process_writes_what_is_there(pump: DeliveryPump, kind: Kind) -> None:
    pump.put(subject("a"), [change(1)])
    pump.stop(30)
    assert kind.told("a") == [1]
