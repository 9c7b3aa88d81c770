"""Amounts are exact on every database: what goes in comes out, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models import F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customers.fields import amount_to_db, plain, rounded
from customers.tenancy import tenant_scope
from tests.factories import BalanceFactory
from trading.models import Balance

pytestmark = pytest.mark.django_db

LARGEST = "99999999999999999999.999999999999999999"  # 20 + 18 digits


@pytest.fixture
def row() -> Any:
    made = BalanceFactory()
    with tenant_scope(made.tenant_id):
        yield made


def by_save(row: Balance, value: Any) -> None:
    row.equity = value
    row.save()


def by_update(row: Balance, value: Any) -> None:
    Balance.objects.filter(pk=row.pk).update(equity=value)


def by_bulk_create(row: Balance, value: Any) -> None:
    pk, tenant_id, account_id = row.pk, row.tenant_id, row.account_id
    Balance.objects.filter(pk=pk).delete()
    Balance.objects.bulk_create(
        [
            Balance(
                pk=pk,
                tenant_id=tenant_id,
                account_id=account_id,
                currency="USDT",
                equity=value,
                available=0,
                updated_at=row.updated_at,
            )
        ]
    )


WAYS = [by_save, by_update, by_bulk_create]


def equity(row: Balance) -> Decimal:
    return Balance.objects.values_list("equity", flat=True).get(pk=row.pk)


@pytest.mark.parametrize("write", WAYS)
@pytest.mark.parametrize(
    "text",
    [
        "0",
        "1",
        "-1",
        LARGEST,
        f"-{LARGEST}",
        "0.000000000000000001",
        "-0.000000000000000001",
        "12345678901234567890.123456789012345678",
        "0.1",
        "0.30000000000000004",
        "9007199254740993",
        "100000000000000000",
        "1.500000000000000000",
    ],
)
def test_every_digit_comes_back(
    row: Balance, write: Callable[[Balance, Any], None], text: str
) -> None:
    write(row, Decimal(text))
    found = equity(row)
    assert found == Decimal(text)
    assert format(found, "f") == format(plain(Decimal(text)), "f")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Decimal("1E+3"), "1000"),
        (Decimal("1e19"), "10000000000000000000"),
        (Decimal("25E-1"), "2.5"),
        (Decimal("1E-18"), "0.000000000000000001"),
        (Decimal("0E+5"), "0"),
        (Decimal("0E-30"), "0"),
        (Decimal("-0"), "0"),
        (Decimal("-0.000"), "0"),
        (Decimal("1.50"), "1.5"),
        (7, "7"),
        ("2.50", "2.5"),
        ("1e2", "100"),
    ],
)
def test_one_amount_has_one_form(row: Balance, value: Any, shown: str) -> None:
    by_save(row, value)
    found = equity(row)
    assert format(found, "f") == shown
    assert Balance.objects.filter(equity=value).count() == 1
    assert Balance.objects.filter(equity=Decimal(shown)).count() == 1


@pytest.mark.parametrize("write", WAYS)
@pytest.mark.parametrize(
    "value",
    [
        Decimal("0.0000000000000000001"),  # 19 decimals
        Decimal("1E-19"),
        Decimal("1.0000000000000000005"),
        Decimal(1) / 3,
        Decimal("1E+20"),
        Decimal("100000000000000000000"),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("-Infinity"),
        "NaN",
        "abc",
        "",
        0.1,
        1.5,
        float("nan"),
    ],
    ids=str,
)
def test_what_would_not_be_exact_is_refused(
    row: Balance, write: Callable[[Balance, Any], None], value: Any
) -> None:
    with pytest.raises(ValidationError):
        write(row, value)


def test_nothing_may_be_nothing(row: Balance) -> None:
    account = row.account
    account.initial_balance = None
    account.save()
    account.refresh_from_db()
    assert account.initial_balance is None


def test_a_filter_finds_the_exact_amount_only(row: Balance) -> None:
    by_save(row, Decimal("12345678901234567890.123456789012345678"))
    near = Decimal("12345678901234567890.123456789012345679")
    assert not Balance.objects.filter(equity=near).exists()
    assert Balance.objects.filter(
        equity__in=[near, Decimal("12345678901234567890.123456789012345678")]
    ).exists()


@pytest.mark.parametrize(("last", "greater"), [("7", False), ("8", False), ("9", True)])
def test_a_comparison_in_the_database_does_not_lose_digits(
    row: Balance, last: str, greater: bool
) -> None:
    """Of amounts with equally many digits: SQLite compares their text."""
    by_save(row, Decimal("12345678901234567890.12345678901234567" + last))
    limit = Decimal("12345678901234567890.123456789012345678")
    assert Balance.objects.filter(equity__gt=limit).exists() == greater


def test_columns_copy_exactly(row: Balance) -> None:
    by_save(row, Decimal(LARGEST))
    Balance.objects.filter(pk=row.pk).update(available=F("equity"))
    row.refresh_from_db()
    assert row.available == Decimal(LARGEST)


AMOUNTS = st.decimals(
    min_value=-Decimal(LARGEST), max_value=Decimal(LARGEST), places=18, allow_nan=False
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(amount=AMOUNTS)
def test_any_amount_that_fits_comes_back(row: Balance, amount: Decimal) -> None:
    by_update(row, amount)
    assert equity(row) == amount


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_an_amount_is_stored_exactly_or_not_at_all(amount: Decimal) -> None:
    try:
        text = amount_to_db(amount)
    except ValidationError:
        return
    assert Decimal(text) == amount
    assert "e" not in text.lower()
    assert text != "-0"


@given(AMOUNTS)
def test_a_share_is_rounded_half_to_even_at_the_last_stored_digit(amount: Decimal) -> None:
    third = rounded(amount / 3)
    assert amount_to_db(third)
    assert abs(third - amount / 3) <= Decimal("5e-19")
    assert rounded(Decimal("0.0000000000000000005")) == 0
    assert rounded(Decimal("0.0000000000000000015")) == Decimal("2e-18")
    assert third == (amount / 3).quantize(Decimal("1e-18"), ROUND_HALF_EVEN)
