"""Many ids in one condition, and a tenant condition that SQLite does not walk a table for."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from customers.domain.ids import new_id
from customers.models import Customer, ExchangeAccount, Tenant
from customers.tenancy import tenant_scope
from tests.factories import AccountFactory, CustomerFactory, TenantFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory()


def test_id_in_finds_exactly_the_rows_named(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        wanted = [CustomerFactory(tenant=tenant).pk for _ in range(3)]
        CustomerFactory(tenant=tenant)
        rows = Customer.objects.for_tenant(tenant)
        found = rows.filter(pk__id_in=[*wanted, new_id()])
        assert sorted(found.values_list("pk", flat=True)) == sorted(wanted)
        assert rows.exclude(pk__id_in=wanted).count() == 1


def test_id_in_follows_a_foreign_key(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        account = AccountFactory(tenant=tenant)
        AccountFactory(tenant=tenant)
        found = ExchangeAccount.objects.for_tenant(tenant).filter(
            customer_id__id_in={account.customer_id}
        )
        assert [row.pk for row in found] == [account.pk]


def test_no_ids_find_nothing_without_asking(tenant: Tenant, django_assert_num_queries: Any) -> None:
    with tenant_scope(tenant.pk), django_assert_num_queries(0):
        assert list(Customer.objects.for_tenant(tenant).filter(pk__id_in=[])) == []


def test_ids_are_parameters_and_no_sql(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        CustomerFactory(tenant=tenant)
        rows = Customer.objects.for_tenant(tenant).filter(pk__id_in=["') OR 1=1 --", "%s"])
        assert not rows.exists()


def test_sqlite_finds_ids_by_their_key_and_not_by_their_tenant(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        rows = ExchangeAccount.objects.for_tenant(tenant).filter(pk__id_in=[new_id()])
        on_sqlite = connection.vendor == "sqlite"
        # Other databases keep statistics of their own, and know no such hint.
        assert ("likelihood" in str(rows.query)) is on_sqlite
        plan = rows.explain()
    assert ("(id=?)" in plan and "tenant_id" not in plan) or not on_sqlite
