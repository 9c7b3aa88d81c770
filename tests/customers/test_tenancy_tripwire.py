"""The second wall between tenants: what has no scope fails loudly, whichever way it asks.

Each known hole of scoping libraries has its test here; the first wall and the matrix of routes
are tested elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import IntegrityError, NotSupportedError, connection, transaction

from customers.models import Customer, ExchangeAccount, Tenant
from customers.tenancy import (
    ScopeError,
    current_scope,
    same_tenant,
    system_scope,
    tenant_scope,
)
from tests.factories import AccountFactory, CustomerFactory, TenantFactory

pytestmark = pytest.mark.django_db

IMPORTED_EARLY = Customer.objects.order_by("name")
"""Built when this module is imported, with no scope, as class attributes of views are."""


@pytest.fixture
def ours() -> Tenant:
    return TenantFactory()


@pytest.fixture
def mine(ours: Tenant) -> Customer:
    return CustomerFactory(tenant=ours, name="Mine")


@pytest.fixture
def foreign() -> Customer:
    return CustomerFactory(name="Foreign")


async def _iterate() -> list[Customer]:
    return [row async for row in Customer.objects.all()]


async def _exists() -> bool:
    return await Customer.objects.aexists()


async def _count() -> int:
    return await Customer.objects.acount()


async def _get() -> Customer:
    return await Customer.objects.aget(name="Mine")


def _raw_cursor(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


WITHOUT_SCOPE: dict[str, Callable[[], Any]] = {
    "list": lambda: list(Customer.objects.all()),
    "get": lambda: Customer.objects.get(name="Mine"),
    "filter": lambda: list(Customer.objects.filter(name="Mine")),
    "for_tenant": lambda: list(Customer.objects.for_tenant("any")),
    "first": lambda: Customer.objects.first(),
    "exists": lambda: Customer.objects.exists(),
    "count": lambda: Customer.objects.count(),
    "len": lambda: len(Customer.objects.all()),
    "bool": lambda: bool(Customer.objects.all()),
    "in_bulk": lambda: Customer.objects.in_bulk(["x"]),
    "values_list": lambda: list(Customer.objects.values_list("pk", flat=True)),
    "iterator": lambda: list(Customer.objects.iterator()),
    "aggregate": lambda: Customer.objects.dates("created_at", "day").count(),
    "update": lambda: Customer.objects.update(name="x"),
    "filtered update": lambda: Customer.objects.filter(pk="x").update(name="x"),
    "delete": lambda: Customer.objects.all().delete(),
    "raw delete": lambda: Customer.objects.all()._raw_delete("default"),
    "get_or_create": lambda: Customer.objects.get_or_create(name="x"),
    "create": lambda: Customer.objects.create(tenant_id="t", name="x"),
    "save": lambda: Customer(tenant_id="t", name="x").save(),
    "bulk_create": lambda: Customer.objects.bulk_create([Customer(tenant_id="t", name="x")]),
    "base manager": lambda: list(Customer._base_manager.all()),
    "base manager's insert": lambda: Customer._base_manager.bulk_create(
        [Customer(tenant_id="t", name="x")]
    ),
    "union": lambda: list(Customer.objects.all().union(Customer.objects.all())),
    "raw()": lambda: list(Customer.objects.raw("SELECT * FROM customers_customer")),
    "raw SQL": lambda: _raw_cursor("SELECT COUNT(*) FROM customers_customer"),
    "raw SQL, quoted": lambda: _raw_cursor(
        f"SELECT COUNT(*) FROM {connection.ops.quote_name('customers_customer')}"
    ),
    "raw SQL, upper case": lambda: _raw_cursor("SELECT COUNT(*) FROM CUSTOMERS_CUSTOMER"),
    "raw SQL, joined": lambda: _raw_cursor(
        "SELECT 1 FROM customers_tenant t,customers_customer c WHERE c.tenant_id=t.id"
    ),
    "aexists": lambda: async_to_sync(_exists)(),
    "acount": lambda: async_to_sync(_count)(),
    "aget": lambda: async_to_sync(_get)(),
    "async iteration": lambda: async_to_sync(_iterate)(),
    "built at import": lambda: list(IMPORTED_EARLY.all()),
}


@pytest.mark.parametrize("way", WITHOUT_SCOPE)
def test_nothing_is_reached_without_a_scope(mine: Customer, way: str) -> None:
    assert current_scope() is None
    with pytest.raises(ScopeError), transaction.atomic():
        WITHOUT_SCOPE[way]()
    with system_scope("look at what the refused access left"):
        assert list(Customer.objects.values_list("name", flat=True)) == ["Mine"]


def test_a_foreign_key_is_not_followed_without_a_scope(mine: Customer) -> None:
    account = AccountFactory(customer=mine)
    with system_scope("load one row alone"):
        account = ExchangeAccount.objects.get(pk=account.pk)
    with pytest.raises(ScopeError):
        _ = account.customer


def test_a_reverse_relation_is_not_followed_without_a_scope(mine: Customer) -> None:
    with pytest.raises(ScopeError):
        list(mine.accounts.all())


def test_a_row_is_not_read_again_or_written_without_a_scope(mine: Customer) -> None:
    for access in (mine.refresh_from_db, mine.save, mine.delete):
        with pytest.raises(ScopeError):
            access()


def test_what_was_read_in_a_scope_may_be_looked_at_outside(mine: Customer) -> None:
    with tenant_scope(mine.tenant_id):
        account = AccountFactory(customer=mine)
        account = ExchangeAccount.objects.select_related("customer").get(pk=account.pk)
    assert account.customer.name == "Mine"


def test_a_scope_does_not_leak_into_other_threads(mine: Customer) -> None:
    raised: list[BaseException] = []

    def other_thread() -> None:
        try:
            Customer.objects.exists()
        except ScopeError as error:
            raised.append(error)
        finally:
            connection.close()

    with tenant_scope(mine.tenant_id):
        thread = threading.Thread(target=other_thread)
        thread.start()
        thread.join(10)
    assert raised


# --- inside a scope -------------------------------------------------------------------------


def test_a_scope_shows_its_tenant_only(mine: Customer, foreign: Customer) -> None:
    with tenant_scope(mine.tenant_id):
        assert list(Customer.objects.all()) == [mine]
        assert Customer.objects.count() == 1
        assert not Customer.objects.filter(pk=foreign.pk).exists()
        with pytest.raises(Customer.DoesNotExist):
            Customer.objects.get(pk=foreign.pk)
        assert Customer.objects.filter(pk=foreign.pk).update(name="Taken") == 0
        assert Customer.objects.filter(pk=foreign.pk).delete()[0] == 0
        assert list(Customer.objects.filter(pk__in=Customer.objects.values("pk"))) == [mine]
    with system_scope("see both"):
        assert {row.name for row in Customer.objects.all()} == {"Mine", "Foreign"}


def test_async_access_in_a_scope_sees_its_tenant_only(mine: Customer, foreign: Customer) -> None:
    with tenant_scope(mine.tenant_id):
        assert async_to_sync(_count)() == 1
        assert async_to_sync(_iterate)() == [mine]


def test_a_queryset_built_at_import_is_scoped_when_it_is_evaluated(
    mine: Customer, foreign: Customer
) -> None:
    with tenant_scope(mine.tenant_id):
        assert list(IMPORTED_EARLY.all()) == [mine]
    with tenant_scope(foreign.tenant_id):
        assert list(IMPORTED_EARLY.all()) == [foreign]
    with system_scope("both"):
        assert list(IMPORTED_EARLY.all()) == [foreign, mine]


def test_a_queryset_taken_out_of_its_scope_is_not_evaluated_there(
    mine: Customer, foreign: Customer
) -> None:
    with tenant_scope(mine.tenant_id):
        rows = Customer.objects.order_by("name")
    with pytest.raises(ScopeError):
        list(rows)
    with tenant_scope(foreign.tenant_id):
        assert list(rows) == [foreign]


def test_another_tenants_row_cannot_be_written(mine: Customer, foreign: Customer) -> None:
    with tenant_scope(mine.tenant_id):
        foreign.name = "Taken"
        for access in (foreign.save, foreign.delete):
            with pytest.raises(ScopeError):
                access()
        with pytest.raises(ScopeError):
            Customer(tenant_id=foreign.tenant_id, name="Planted").save()
        with pytest.raises(ScopeError):
            Customer.objects.create(tenant_id=foreign.tenant_id, name="Planted")
        with pytest.raises(ScopeError):
            Customer.objects.bulk_create(
                [
                    Customer(tenant_id=mine.tenant_id, name="Good"),
                    Customer(tenant_id=foreign.tenant_id, name="Planted"),
                ]
            )
    with system_scope("see both"):
        assert {row.name for row in Customer.objects.all()} == {"Mine", "Foreign"}


@pytest.mark.django_db(transaction=True)
def test_another_tenants_row_is_not_taken_over_by_its_id(mine: Customer, foreign: Customer) -> None:
    with tenant_scope(mine.tenant_id), pytest.raises(IntegrityError):
        Customer(pk=foreign.pk, tenant_id=mine.tenant_id, name="Taken").save()
    with system_scope("see it"):
        assert Customer.objects.get(pk=foreign.pk).name == "Foreign"


@pytest.mark.django_db(transaction=True)
def test_a_loaded_row_does_not_change_its_tenant(mine: Customer, foreign: Customer) -> None:
    foreign.tenant_id = mine.tenant_id
    with tenant_scope(mine.tenant_id):
        with pytest.raises((ScopeError, IntegrityError)):
            foreign.save()
        with pytest.raises(ScopeError):
            Customer.objects.filter(pk=mine.pk).update(tenant_id=foreign.tenant_id)
    with system_scope("see it"):
        assert Customer.objects.get(name="Foreign").tenant_id != mine.tenant_id


def test_bulk_update_is_refused(mine: Customer) -> None:
    with tenant_scope(mine.tenant_id), pytest.raises(NotSupportedError):
        Customer.objects.bulk_update([mine], ["name"])


# --- scopes themselves ----------------------------------------------------------------------


@pytest.mark.parametrize("nobody", [None, "", 0])
def test_a_scope_of_nobody_is_refused_and_is_not_everybody(nobody: Any) -> None:
    with pytest.raises(ScopeError), tenant_scope(nobody):
        pytest.fail("entered")
    with pytest.raises(ScopeError), system_scope(""):
        pytest.fail("entered")


def test_scopes_nest_and_end(mine: Customer, foreign: Customer) -> None:
    with tenant_scope(mine.tenant_id):
        with tenant_scope(foreign.tenant_id):
            assert list(Customer.objects.all()) == [foreign]
        assert list(Customer.objects.all()) == [mine]
        with pytest.raises(RuntimeError), system_scope("fails"):
            raise RuntimeError
        assert list(Customer.objects.all()) == [mine]
    assert current_scope() is None


def test_the_arguments_of_a_service_share_one_tenant(mine: Customer, foreign: Customer) -> None:
    assert same_tenant(mine, None, mine) == mine.tenant_id
    with pytest.raises(ScopeError):
        same_tenant(mine, foreign)
    with pytest.raises(ScopeError):
        same_tenant(None)


def test_tables_without_a_tenant_need_no_scope() -> None:
    assert Tenant.objects.count() >= 0
