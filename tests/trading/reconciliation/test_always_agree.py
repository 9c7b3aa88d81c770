"""Whatever is traded by whom, heard of late, twice or in another order: copies + unattributed =
exchange position, counting what has not been told yet; and in the end without that."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customers.tenancy import tenant_scope
from tests.trading.reconciliation.exchange import Exchange, make_exchange
from trading.models import Finding, Order
from trading.services.instruments import forget_noted

pytestmark = pytest.mark.django_db

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.integers(0, 2), st.integers(1, 9)),
        st.tuples(st.just("exit"), st.integers(0, 2), st.integers(1, 9)),
        st.tuples(st.just("fill"), st.integers(0, 9), st.integers(1, 9)),
        st.tuples(st.just("tell"), st.integers(0, 9), st.integers(0, 3)),
        st.tuples(st.just("by hand"), st.integers(0, 3), st.integers(1, 12)),
        st.tuples(st.just("push"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("liquidate"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("reconcile"), st.just(0), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
    ),
    max_size=14,
)


class _Rollback(Exception):
    pass


@pytest.mark.parametrize("position_mode", ["net", "long_short"])
def test_books_follow_whatever_happens(position_mode: str) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(steps=STEPS)
    def play(steps: list[tuple[str, int, int]]) -> None:
        try:
            with transaction.atomic():
                exchange = make_exchange(3, position_mode=position_mode)
                with tenant_scope(exchange.account.tenant_id):
                    _Play(exchange).run(steps)
                raise _Rollback
        except _Rollback:
            pass

    play()


class _Play:
    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def run(self, steps: list[tuple[str, int, int]]) -> None:
        exchange = self.exchange
        exchange.reconcile()  # from here on books are kept
        for name, which, amount in steps:
            getattr(self, name.replace(" ", "_"))(which, Decimal(amount))
            total = exchange.copies() + exchange.unattributed() + exchange.unbooked()
            assert total == exchange.held(), name
        self._settle()
        assert exchange.copies() + exchange.unattributed() == exchange.held()
        for side in ("net", "long", "short"):
            held = [exchange.copy(each).filled for each in exchange.subscriptions]
            sign = {"net": 0, "long": 1, "short": -1}[side]
            of_side = [each for each in held if not sign or each * sign > 0]
            if exchange.is_hedged != (side == "net"):
                rest = exchange.unattributed(side)
                assert sum(of_side, rest) == exchange.positions[side]
                assert all(each * rest >= 0 for each in of_side)
        # Everything was listed, so nothing had to be taken on trust.
        assert not Finding.objects.filter(kind__in=["missing_fill", "held_before"]).exists()

    def _settle(self) -> None:
        exchange = self.exchange
        for order in exchange.orders():
            if order.state not in ("filled", "cancelled"):
                exchange.tell_of_order(order, exchange.of_order[order.pk], ended=True)
        outcomes = [exchange.reconcile() for _ in range(3)]
        assert outcomes[-1].agrees

    # --- steps ------------------------------------------------------------------------------

    def enter(self, which: int, quantity: Decimal) -> None:
        exchange = self.exchange
        subscription = exchange.subscriptions[which]
        # As planning has it: a copy does not enter against what it holds.
        side = "sell" if exchange.copy(subscription).filled < 0 or which == 2 else "buy"
        if exchange.copy(subscription).filled > 0:
            side = "buy"
        exchange.order(subscription, side, quantity, is_entry=True)

    def exit(self, which: int, quantity: Decimal) -> None:
        exchange = self.exchange
        subscription = exchange.subscriptions[which]
        held = exchange.copy(subscription).filled
        working = [
            order
            for order in exchange.orders()
            if order.subscription_id == subscription.pk and order.state not in ("filled",)
        ]
        if held and not working:
            side = "sell" if held > 0 else "buy"
            exchange.order(subscription, side, min(quantity, abs(held)), is_entry=False)

    def _live(self, which: int) -> Order | None:
        live = [order for order in self.exchange.orders() if order.state != "filled"]
        return live[which % len(live)] if live else None

    def fill(self, which: int, quantity: Decimal) -> None:
        order = self._live(which)
        if order is None:
            return
        done = sum((fill.quantity for fill in self.exchange.of_order[order.pk]), Decimal(0))
        left = min(quantity, order.quantity - done)
        if not order.is_entry:  # reduce-only: the exchange closes what there is
            held = self.exchange.positions[order.position_side]
            against = -held if order.side == "buy" else held
            left = min(left, max(against, Decimal(0)))
        if left:
            self.exchange.fill_order(order, left)

    def tell(self, which: int, part: Decimal) -> None:
        """Some of its fills, in the wrong order; maybe told before."""
        order = self._live(which)
        if order is not None:
            fills = self.exchange.of_order[order.pk][::-1]
            self.exchange.tell_of_order(order, fills[: int(part)], ended=False)

    def by_hand(self, which: int, quantity: Decimal) -> None:
        exchange = self.exchange
        side: Any = "buy" if which % 2 else "sell"
        position_side: Any = "net"
        if exchange.is_hedged:
            position_side = "long" if which < 2 else "short"
            held = exchange.positions[position_side]
            opens = (side == "buy") == (position_side == "long")
            if not opens:
                quantity = min(quantity, abs(held))
        if quantity:
            exchange.trade(side, quantity, position_side)

    def push(self, which: int, _: Decimal) -> None:
        foreign = [fill for fill in self.exchange.listed if not fill.client_order_id]
        if foreign:
            self.exchange.push_fill(foreign[which % len(foreign)])

    def liquidate(self, which: int, _: Decimal) -> None:
        exchange = self.exchange
        position_side: Any = ("long", "short")[which] if exchange.is_hedged else "net"
        held = exchange.positions[position_side]
        if held:
            side: Any = "sell" if held > 0 else "buy"
            exchange.trade(side, abs(held), position_side, cause="liquidation")

    def reconcile(self, *_: Any) -> None:
        self.exchange.reconcile()

    def restart(self, *_: Any) -> None:
        forget_noted()
