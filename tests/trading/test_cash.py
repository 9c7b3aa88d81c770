"""Bills that explain a balance, and funding fees that are shared out to the last digit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.cash import (
    CashChange,
    CashState,
    after_bills,
    funding_shares,
    unexplained,
)

D = Decimal


def bills(start: str, *changes: str) -> list[CashChange]:
    balance, found = D(start), []
    for number, change in enumerate(changes, 1):
        balance += D(change)
        found.append(CashChange(number, D(change), balance))
    return found


@pytest.mark.parametrize("shown", ["100", "97", "107", None])
def test_a_balance_told_before_between_or_after_its_bills_is_explained(shown: str | None) -> None:
    told = None if shown is None else D(shown)
    assert unexplained(CashState(D(100)), bills("100", "-3", "10"), told) == 0


@pytest.mark.parametrize(
    ("listed", "shown", "expected"),
    [
        ([], "95", "-5"),
        (bills("100", "-3", "10"), "90", "-17"),
        (bills("100", "-3", "10")[1:], "107", "-3"),  # the list lacks one
        (bills("100", "-3", "10")[:1], "107", "10"),
    ],
)
def test_what_no_bill_tells_of_is_left(listed: list[CashChange], shown: str, expected: str) -> None:
    assert unexplained(CashState(D(100)), listed, D(shown)) == D(expected)


def test_what_is_accepted_is_where_it_goes_on_from() -> None:
    state = after_bills(CashState(D(100)), bills("95", "-3"), unexplained_part=D(-5))
    assert state == CashState(D(92), 1)
    assert unexplained(state, [], D(92)) == 0


AMOUNTS = st.decimals(-(10**6), 10**6, places=8, allow_nan=False)


@given(AMOUNTS, st.dictionaries(st.text("abcdef", min_size=1, max_size=3), AMOUNTS, max_size=6))
def test_shares_of_a_fee_add_up_exactly_and_follow_what_was_held(
    amount: Decimal, held: dict[str, Decimal]
) -> None:
    shares = funding_shares(amount, held)
    if not sum(held.values()):
        assert shares == {}
        return
    assert sum(shares.values()) == amount
    assert shares.keys() == {key for key, quantity in held.items() if quantity}
    exact = {key: amount * held[key] / sum(held.values()) for key in shares}
    assert all(abs(shares[key] - exact[key]) < D("1e-6") for key in shares)


def test_a_fee_is_shared_out_by_what_each_holds() -> None:
    held = {"one": D(10), "two": D(5), "": D(-3)}
    assert funding_shares(D("-1.2"), held) == {"one": D(-1), "two": D("-0.5"), "": D("0.3")}
