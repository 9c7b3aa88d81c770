"""One holder at a time, whoever asks at once; free again by release or expiry."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from customers.models import Lease
from customers.services.leases import (
    LeaseLostError,
    lease_acquire,
    lease_release,
    lease_renew,
    leases_acquire,
    leases_renew,
)

TEN = timedelta(seconds=10)


@pytest.mark.django_db
def test_a_held_lease_is_refused_until_released() -> None:
    assert lease_acquire(name="job", holder="a", lifetime=TEN)
    assert not lease_acquire(name="job", holder="b", lifetime=TEN)
    assert lease_acquire(name="other", holder="b", lifetime=TEN)
    lease_release(name="job", holder="b")  # not his
    assert not lease_acquire(name="job", holder="b", lifetime=TEN)
    lease_release(name="job", holder="a")
    assert lease_acquire(name="job", holder="b", lifetime=TEN)


@pytest.mark.django_db
def test_an_expired_lease_is_taken_over_and_its_holder_learns_it() -> None:
    assert lease_acquire(name="job", holder="a", lifetime=TEN)
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    lease_renew(name="job", holder="a", lifetime=TEN)  # late, but nobody came
    assert not lease_acquire(name="job", holder="b", lifetime=TEN)
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert lease_acquire(name="job", holder="b", lifetime=TEN)
    with pytest.raises(LeaseLostError):
        lease_renew(name="job", holder="a", lifetime=TEN)


@pytest.mark.django_db(transaction=True)
def test_of_many_that_ask_at_once_one_wins() -> None:
    for name in ("fresh", "expired"):
        if name == "expired":
            Lease.objects.create(name=name, holder="old", expires_at=timezone.now())
        won: list[str] = []
        start = threading.Barrier(8)

        def ask(holder: str, *, name: str = name, won: list[str] = won) -> None:
            try:
                start.wait()  # noqa: B023
                if lease_acquire(name=name, holder=holder, lifetime=TEN):
                    won.append(holder)
            finally:
                connection.close()

        threads = [threading.Thread(target=ask, args=(f"h{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert Lease.objects.get(name=name).holder == won[0]


@pytest.mark.django_db
def test_of_many_leases_only_the_free_and_the_expired_are_taken() -> None:
    assert leases_acquire(names={"one", "two"}, holder="a", lifetime=TEN) == {"one", "two"}
    Lease.objects.filter(name="two").update(expires_at=timezone.now() - timedelta(seconds=1))
    wanted = {"one", "two", "three"}
    assert leases_acquire(names=wanted, holder="b", lifetime=TEN) == {"two", "three"}
    assert leases_renew(names={"one", "two"}, holder="a", lifetime=TEN) == {"one"}
