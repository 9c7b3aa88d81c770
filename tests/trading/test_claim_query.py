"""Which orders may go now is asked in every sweep: it must not read all that a tenant ever did."""

from __future__ import annotations

from django.db import connection

from customers.tenancy import tenant_scope
from tests.trading.world import World
from trading.models import Order
from trading.services.submission.claiming import may_go_now


def test_what_an_order_waits_for_is_found_by_its_subscription(world: World) -> None:
    with tenant_scope(world.tenant.pk):
        query = may_go_now(Order.objects.filter(state="ready")).values_list("pk").query
        sql, params = query.sql_with_params()
    if connection.vendor != "sqlite":
        assert "likelihood" not in sql  # the hint is for SQLite, which keeps no statistics
        return
    with tenant_scope(world.tenant.pk), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        plan = [row[3] for row in cursor.fetchall()]
    assert any("order_sub_working (subscription_id=? AND symbol=?" in step for step in plan), plan
