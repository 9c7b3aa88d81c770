"""Whether bills explain an account's money, and whose a funding fee is. Pure; signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, localcontext

ZERO = Decimal(0)
SMALLEST = Decimal("1e-18")
EXACT_DIGITS = 120


@dataclass(frozen=True, slots=True)
class CashChange:
    """One bill: the balance moved by `change` and is `balance` after it."""

    bill_id: int
    change: Decimal
    balance: Decimal


@dataclass(frozen=True, slots=True)
class CashState:
    """A currency's balance as of the last bill that was taken."""

    balance: Decimal
    last_bill_id: int = 0


def unexplained(before: CashState, bills: Sequence[CashChange], shown: Decimal | None) -> Decimal:
    """What the balance moved by that no bill tells of; 0 when everything is explained.

    `shown` is the balance as it was told some time between `before` and the last of these bills,
    so it has to be one of the states in between; None: it was not told. Bills must be newer than
    `before`, oldest first.
    """
    states = {before.balance}
    expected = before.balance
    for bill in bills:
        expected += bill.change
        states.add(expected)
    last = bills[-1].balance if bills else expected
    if last != expected:
        return last - expected
    if shown is None or shown in states:
        return ZERO
    return shown - expected


def after_bills(
    before: CashState, bills: Sequence[CashChange], *, unexplained_part: Decimal = ZERO
) -> CashState:
    """What to go on from; with what nobody explains when that is accepted."""
    balance = before.balance + sum((bill.change for bill in bills), ZERO) + unexplained_part
    return CashState(balance, bills[-1].bill_id if bills else before.last_bill_id)


def funding_shares(amount: Decimal, held: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """A funding fee over those who held the position, by what each held then (signed).

    Funding is proportional to the signed quantity, so who held the other side of a net position
    gets what the others pay. Each share is cut to 18 decimals, the rest goes to the largest
    holding (of equal ones the smaller id); the shares add up to `amount` exactly. Empty when
    nobody held anything, or nothing in sum.
    """
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        total = sum(held.values(), ZERO)
        if not total:
            return {}
        shares = {
            key: (amount * quantity / total).quantize(SMALLEST, rounding=ROUND_DOWN)
            for key, quantity in held.items()
            if quantity
        }
        largest = min(shares, key=lambda key: (-abs(held[key]), key))
        shares[largest] += amount - sum(shares.values(), ZERO)
        return shares
