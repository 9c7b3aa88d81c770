"""An exchange's account in memory, and the steps by which its books hear of it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from customers.models import ExchangeAccount
from strategies.models import Subscription
from tests.factories import (
    AccountFactory,
    CopiedPositionFactory,
    IntentFactory,
    OrderFactory,
    SourceFactory,
    StrategyFactory,
    SubscriptionFactory,
)
from tests.trading.plans import BTC
from trading.models import CopiedPosition, Fill, Order, UnattributedPosition
from trading.services.order_updates import OrderUpdate, order_updates_apply
from trading.services.reconciliation.books import Outcome, books_compare
from trading.services.reconciliation.readings import AccountReading
from venues.domain.types import (
    FillSnapshot,
    OrderSnapshot,
    PositionSide,
    PositionSnapshot,
    Readings,
    Side,
    VenueOrderState,
)

PRICE = Decimal(50_000)
SYMBOL = BTC.symbol


@dataclass
class Exchange:
    """`listed`: what its list of fills shows; what is not there moved the position all the same."""

    account: ExchangeAccount
    subscriptions: list[Subscription]
    positions: dict[PositionSide, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    listed: list[FillSnapshot] = field(default_factory=list)
    of_order: dict[str, list[FillSnapshot]] = field(default_factory=lambda: defaultdict(list))
    trades: int = 0

    @property
    def is_hedged(self) -> bool:
        return self.account.position_mode == ExchangeAccount.PositionMode.LONG_SHORT

    # --- what happens there -----------------------------------------------------------------

    def trade(
        self,
        side: Side,
        quantity: Decimal,
        position_side: PositionSide = "net",
        *,
        order_id: str = "",
        cause: str = "",
        is_listed: bool = True,
    ) -> FillSnapshot:
        self.trades += 1
        fill = FillSnapshot(
            trade_id=str(self.trades),
            venue_order_id=f"v{order_id or self.trades}",
            client_order_id=order_id,
            symbol=SYMBOL,
            side=side,
            quantity=quantity,
            price=PRICE + self.trades,
            fee=quantity / 100,
            fee_currency="USDT",
            is_maker=False,
            filled_at_ms=int(timezone.now().timestamp() * 1000),
            position_side=position_side,
            cause=cause,  # type: ignore[arg-type]
        )
        self.positions[position_side] += quantity if side == "buy" else -quantity
        if is_listed:
            self.listed.append(fill)
        if order_id:
            self.of_order[order_id].append(fill)
        return fill

    def order(
        self, subscription: Subscription, side: Side, quantity: Decimal, *, is_entry: bool
    ) -> Order:
        """One of ours, accepted there; nothing of it has filled."""
        intent = IntentFactory(
            subscription=subscription, signal=None, symbol=SYMBOL, side=side, quantity=quantity
        )
        position_side: PositionSide = "net"
        if self.is_hedged:
            position_side = "long" if (side == "buy") == is_entry else "short"
        order = OrderFactory(
            intent=intent,
            side=side,
            quantity=quantity,
            is_entry=is_entry,
            position_side=position_side,
            state=Order.State.ACCEPTED,
        )
        copy = self.copy(subscription)
        copy.target += quantity if side == "buy" else -quantity
        copy.save(update_fields=["target"])
        return order

    def fill_order(self, order: Order, quantity: Decimal) -> None:
        self.trade(order.side, quantity, order.position_side, order_id=order.pk)

    # --- how we hear of it ------------------------------------------------------------------

    def tell_of_order(self, order: Order, fills: list[FillSnapshot], *, ended: bool) -> None:
        """A look-up or a push: the order as it is, and some of its fills."""
        filled = sum((fill.quantity for fill in self.of_order[order.pk]), Decimal(0))
        state = VenueOrderState.PARTIALLY_FILLED if filled else VenueOrderState.WORKING
        if filled == order.quantity:
            state = VenueOrderState.FILLED
        elif ended:
            state = VenueOrderState.CANCELLED
        order_updates_apply(
            tenant_id=self.account.tenant_id,
            updates=[OrderUpdate(order.pk, snapshot=self.shown(order, state), fills=tuple(fills))],
            instruments={self.account.venue: {SYMBOL: BTC}},
        )

    def shown(self, order: Order, state: VenueOrderState) -> OrderSnapshot:
        filled = sum((fill.quantity for fill in self.of_order[order.pk]), Decimal(0))
        return OrderSnapshot(
            venue_order_id=f"v{order.pk}",
            client_order_id=order.pk,
            symbol=SYMBOL,
            state=state,
            quantity=order.quantity,
            filled_quantity=filled,
            average_price=None,
        )

    def push_fill(self, fill: FillSnapshot) -> None:
        """A stream stores what is of no order of ours as it comes, maybe again."""
        Fill.objects.bulk_create(
            [
                Fill(
                    tenant_id=self.account.tenant_id,
                    account_id=self.account.pk,
                    symbol=fill.symbol,
                    trade_id=fill.trade_id,
                    venue_order_id=fill.venue_order_id,
                    side=fill.side,
                    quantity=fill.quantity,
                    price=fill.price,
                    fee=fill.fee,
                    fee_currency=fill.fee_currency,
                    filled_at=timezone.now(),
                    created_at=timezone.now(),
                )
            ],
            ignore_conflicts=True,
        )

    def reconcile(self, *, fills: list[FillSnapshot] | None = None) -> Outcome:
        """One pass, some seconds after what happened before it."""
        self.let_time_pass()
        now = timezone.now()
        live = [order for order in self.orders() if order.state in ("accepted", "partially_filled")]
        reading = AccountReading(
            account=self.account,
            asked_at=now,
            # The venue tells whole milliseconds.
            asked_at_venue=now.replace(microsecond=now.microsecond // 1000 * 1000),
            positions=Readings(
                PositionSnapshot(
                    symbol=SYMBOL,
                    position_side=side,
                    quantity=quantity,
                    average_price=PRICE,
                    mark_price=PRICE,
                    unrealised_pnl=None,
                    leverage=None,
                    margin_mode="cross",
                    liquidation_price=None,
                )
                for side, quantity in self.positions.items()
                if quantity
            ),
            open_orders=Readings(self.shown(order, VenueOrderState.WORKING) for order in live),
            fills=Readings(self.listed if fills is None else fills),
        )
        return books_compare(
            tenant_id=self.account.tenant_id, reading=reading, instruments={SYMBOL: BTC}
        )

    def let_time_pass(self) -> None:
        for row in UnattributedPosition.objects.exclude(suspected_at=None):
            row.suspected_at -= timedelta(seconds=5)
            row.save(update_fields=["suspected_at"])

    # --- the books --------------------------------------------------------------------------

    def copy(self, subscription: Subscription) -> CopiedPosition:
        return CopiedPosition.objects.get(subscription=subscription, symbol=SYMBOL)

    def orders(self) -> list[Order]:
        return list(Order.objects.filter(account=self.account).order_by("pk"))

    def copies(self) -> Decimal:
        return sum((row.filled for row in CopiedPosition.objects.all()), Decimal(0))

    def unattributed(self, side: PositionSide | None = None) -> Decimal:
        rows = UnattributedPosition.objects.all()
        if side is not None:
            rows = rows.filter(position_side=side)
        return sum((row.quantity for row in rows), Decimal(0))

    def held(self) -> Decimal:
        return sum(self.positions.values(), Decimal(0))

    def unbooked(self) -> Decimal:
        """What of the listed and pushed fills the books have not heard of, or not booked."""
        booked = set(Fill.objects.exclude(attribution="").values_list("trade_id", flat=True))
        return sum(
            (
                fill.quantity if fill.side == "buy" else -fill.quantity
                for fill in self.listed
                if fill.trade_id not in booked
            ),
            Decimal(0),
        )


def make_exchange(copies: int = 2, *, position_mode: str = "net") -> Exchange:
    """In a tenant's scope of its own, which the caller opens."""
    account = AccountFactory(position_mode=position_mode)
    tenant = account.tenant
    subscriptions = [
        SubscriptionFactory(
            tenant=tenant,
            strategy=StrategyFactory(tenant=tenant, source=SourceFactory(tenant=tenant)),
            account=account,
            customer=account.customer,
        )
        for _ in range(copies)
    ]
    for subscription in subscriptions:
        CopiedPositionFactory(
            subscription=subscription,
            target=Decimal(0),
            filled=Decimal(0),
            average_entry_price=None,
        )
    return Exchange(account, subscriptions)
