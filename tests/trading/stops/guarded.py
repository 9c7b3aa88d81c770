"""The trading world with stops: what workers and the sweeper do about them, run by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from customers.tenancy import tenant_scope
from strategies.models import Subscription
from tests.trading.world import SYMBOL, World
from trading import tasks
from trading.models import CopiedPosition, Order, PositionStops, StopOrder

BTC = "BTC-USDT-SWAP"
PLACE = {"endpoint": "trade/order-algo", "method": "POST", "count": 1}


@dataclass
class GuardedWorld:
    world: World

    def follower(self, settings: dict[str, Any] | None = None, **terms: Any) -> Subscription:
        return self.world.follower(settings={"values": settings or {}, "symbols": {}}, **terms)

    def run(self, signal: Any) -> None:
        """The flow until nothing is left to do, stops included."""
        self.world.run(signal)
        self.keep()

    def keep(self) -> None:
        """What a wake-up starts."""
        with tenant_scope(self.world.tenant.pk):
            due = PositionStops.objects.exclude(due_at=None)
            ids = list(due.values_list("copied_position_id", flat=True))
            if ids:
                tasks.stops_keep(position_ids=ids, tenant_id=self.world.tenant.pk)

    def check(self) -> None:
        """One round of all that sweepers would have done by now."""
        self.world.check()
        with tenant_scope(self.world.tenant.pk):
            stops = StopOrder.objects.exclude(check_at=None)
            stops.update(check_at=timezone.now())
            ids = list(stops.values_list("pk", flat=True))
            tasks.stops_check(stop_ids=ids, tenant_id=self.world.tenant.pk)
        self.keep()
        self.world.check()

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
            self.check()
            time.sleep(0.05)

    def price(self, price: str, inst_id: str = BTC) -> None:
        self.world.paper.control.set_price(inst_id, price)

    def position(self, subscription: Subscription, symbol: str = SYMBOL) -> CopiedPosition:
        return self.world.held(subscription, symbol)

    def state(self, subscription: Subscription) -> PositionStops:
        with tenant_scope(self.world.tenant.pk):
            return PositionStops.objects.get(copied_position__subscription=subscription)

    def rows(self, **filters: Any) -> list[StopOrder]:
        with tenant_scope(self.world.tenant.pk):
            return list(StopOrder.objects.filter(**filters).order_by("slot", "pk"))

    def exits(self) -> list[Order]:
        """What stops became."""
        with tenant_scope(self.world.tenant.pk):
            rows = Order.objects.filter(intent__cause="stop").select_related("intent")
            return list(rows.order_by("pk"))

    def at_venue(self, subscription: Subscription) -> list[tuple[Any, ...]]:
        """(size, stop loss, take profit) of what waits there, by its own record."""
        key = self.world.keys[subscription.account_id].api_key
        rows = self.world.paper.control.ledger(key)["algos"]
        live = [row for row in rows if row["state"] == "live"]
        found = (
            (Decimal(row["sz"]), _price(row["slTriggerPx"]), _price(row["tpTriggerPx"]))
            for row in live
        )
        return sorted(found, key=lambda row: (row[2] is None, row[2], row[0]))

    def let_pass(self, seconds: float) -> None:
        """As if all that is written about stops had been written earlier."""
        earlier = timedelta(seconds=seconds)
        with tenant_scope(self.world.tenant.pk):
            for row in StopOrder.objects.all():
                row.sent_at -= earlier
                row.deadline_at -= earlier
                row.save(update_fields=["sent_at", "deadline_at"])
            for stops in PositionStops.objects.exclude(open_since=None):
                stops.open_since -= earlier  # type: ignore[operator]
                stops.save(update_fields=["open_since"])


def _price(text: str) -> Decimal | None:
    return Decimal(text) if text else None
