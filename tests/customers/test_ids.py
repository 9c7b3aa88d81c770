"""Ids are ULIDs: unique over threads and forks, increasing within a process."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from customers.domain import ids
from customers.domain.ids import ID_LENGTH, new_id

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def number_of(identifier: str) -> int:
    value = 0
    for letter in identifier:
        value = value * 32 + ALPHABET.index(letter)
    return value


def test_an_id_is_a_lower_case_ulid_of_now() -> None:
    before = time.time_ns() // 1_000_000
    identifier = new_id()
    after = time.time_ns() // 1_000_000
    assert len(identifier) == ID_LENGTH
    assert before <= number_of(identifier) >> 80 <= after
    assert number_of(identifier) < 1 << 128  # or other readers of ULIDs refuse it


def test_ids_of_a_process_strictly_increase() -> None:
    made = [new_id() for _ in range(20_000)]
    assert made == sorted(set(made))


def test_ids_increase_past_the_end_of_the_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    sequence = ids._Sequence()
    first = sequence.next()
    monkeypatch.setattr(sequence, "_counter", ids._COUNTER_END - 2)
    made = [first, *(sequence.next() for _ in range(4))]
    assert made == sorted(set(made))


def test_ids_increase_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    sequence = ids._Sequence()
    first = sequence.next()
    an_hour_ago = time.time_ns() - 3600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: an_hour_ago)
    assert sequence.next() > first


def test_threads_get_different_ids() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [
            identifier
            for batch in pool.map(lambda _: [new_id() for _ in range(2_000)], range(8))
            for identifier in batch
        ]
    assert len(set(made)) == len(made)


def test_a_forked_child_does_not_repeat_its_parents_ids() -> None:
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, ids._sequence._random_text.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100).decode() != ids._sequence._random_text


def test_two_processes_share_no_randomness() -> None:
    assert ids._Sequence()._random != ids._Sequence()._random
