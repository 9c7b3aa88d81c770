"""Rows that are written past the ORM read back as what was given, on every database."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, transaction
from django.utils import timezone

from customers.bulk_rows import rows_insert, rows_update
from customers.models import Event
from customers.tenancy import ScopeError, tenant_scope
from tests.factories import AccountFactory, TenantFactory
from trading.models import Fill

pytestmark = pytest.mark.django_db

AWKWARD = [
    "100 %s",
    "%(name)s %%",
    'it\'s "quoted"',
    "back\\slash",
    "跟单 🚀",
    "",
    "line\nbreak\x00",
]


@pytest.mark.parametrize("text", AWKWARD)
def test_text_is_stored_as_it_is(text: str) -> None:
    """Whether a row has it by itself or all share it."""
    tenant = TenantFactory()
    now = timezone.now()
    shared = {"tenant_id": tenant.pk, "kind": text, "created_at": now, "payload": {"of all": text}}
    with tenant_scope(tenant.pk):
        rows_insert(Event, [{"audience": text + "1"}, {"audience": text + "2"}], same=shared)
        found = list(Event.objects.order_by("audience"))
    assert [row.audience for row in found] == [text + "1", text + "2"]
    assert {(row.kind, str(row.payload), row.created_at) for row in found} == {
        (text, str({"of all": text}), now)
    }
    assert {row.sequence for row in found} == {None}
    assert len({row.pk for row in found}) == 2


def fill_of(account: Any, number: int, **fields: Any) -> dict[str, Any]:
    now = timezone.now()
    return {
        "account_id": account.pk, "symbol": "BTC/USDT:USDT", "trade_id": str(number),
        "side": "buy", "quantity": Decimal("0.1"), "price": Decimal(60_000) + number,
        "fee": Decimal("-0.01"), "filled_at": now, "created_at": now, **fields,
    }  # fmt: skip


def test_many_rows_keep_their_own_values_and_get_defaults() -> None:
    account = AccountFactory()
    rows = [fill_of(account, number) for number in range(601)]
    with tenant_scope(account.tenant_id):
        rows_insert(Fill, rows, same={"tenant_id": account.tenant_id, "order_id": None})
        found = {row.trade_id: row for row in Fill.objects.all()}
    assert len(found) == 601
    for row in rows:
        stored = found[row["trade_id"]]
        assert {name: getattr(stored, name) for name in row} == row
        assert (stored.order_id, stored.is_maker, stored.fee_currency) == (None, False, "")


def test_what_a_column_must_have_is_not_left_out() -> None:
    tenant = TenantFactory()
    row = {"audience": "a", "kind": "k", "created_at": None}
    with (
        tenant_scope(tenant.pk),
        pytest.raises((IntegrityError, OperationalError)),
        transaction.atomic(),
    ):
        rows_insert(Event, [row], same={"tenant_id": tenant.pk})
    with (
        tenant_scope(tenant.pk),
        pytest.raises((IntegrityError, OperationalError)),
        transaction.atomic(),
    ):
        rows_insert(
            Event,
            [{"audience": "a"}],
            same={"tenant_id": tenant.pk, "kind": "k", "created_at": None},
        )


def test_rows_of_another_tenant_are_refused() -> None:
    mine, other = TenantFactory(), TenantFactory()
    row = {"audience": "a", "kind": "k", "created_at": timezone.now()}
    with tenant_scope(mine.pk), pytest.raises(ScopeError):
        rows_insert(Event, [row], same={"tenant_id": other.pk})


def test_an_update_changes_what_still_says_so() -> None:
    tenant = TenantFactory()
    now = timezone.now()
    with tenant_scope(tenant.pk):
        shared = {"tenant_id": tenant.pk, "kind": "before", "created_at": now}
        rows_insert(Event, [{"audience": str(number)} for number in range(3)], same=shared)
        first, second = Event.objects.order_by("audience")[:2]
        Event.objects.filter(pk=second.pk).update(kind="changed")
        written = rows_update(
            Event,
            {row.pk: {"payload": {"is": row.audience}} for row in (first, second)},
            ("payload",),
            same={"kind": "after %s", "created_at": now + timedelta(seconds=1)},
            only_if={"kind": "before", "sequence": None},
        )
        found = list(Event.objects.order_by("audience").values_list("kind", "payload"))
    assert written == 1
    assert found == [("after %s", {"is": "0"}), ("changed", {}), ("before", {})]
