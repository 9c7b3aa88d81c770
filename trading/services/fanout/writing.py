"""A chunk's decisions as rows, each kind in one statement."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from customers.domain.ids import new_id
from customers.fields import rounded
from customers.models import ExchangeAccount
from customers.services.events import (
    EventDraft,
    customer_audience,
    events_record,
    staff_audience,
)
from signals_app.models import Signal
from strategies.models import Subscription
from trading.domain.order_states import OrderState
from trading.domain.planning import Follower, Leg, Plan
from trading.models import CopiedPosition, EffectiveSettings, Intent, Order, OrderEvent
from trading.services.cancelling import entries_cancel
from trading.services.fanout.context import Market, ShardContext
from trading.services.row_updates import rows_update
from venues.domain.types import InstrumentKind

ORDER_LEASE = timedelta(seconds=10)


class ChunkWriter:
    """Collects a chunk's rows and writes each kind in one statement."""

    def __init__(self, context: ShardContext, now: datetime) -> None:
        self.context = context
        self.now = now
        self.intents: list[Intent] = []
        self.orders: list[Order] = []
        self.targets: dict[str, dict[str, Any]] = {}
        self.cancel_for: list[str] = []
        self.settings_ids: dict[str, str] = {}
        self.settings_rows: dict[str, tuple[str, dict[str, Any]]] = {}

    def add(
        self,
        subscription: Subscription,
        position: CopiedPosition,
        plan: Plan,
        market: Market,
        follower: Follower | None,
    ) -> None:
        settings_hash = self._settings(subscription, follower)
        for leg in plan.legs:
            intent = self._intent(subscription, leg, plan, position, market)
            intent.settings_id = settings_hash  # replaced by the row's id in store()
            self.intents.append(intent)
            if leg.is_order:
                assert follower is not None
                self.orders.append(self._order(subscription, leg, intent, follower))
        target = rounded(plan.target)
        if target != position.target:
            self.targets[position.pk] = {
                "target": target,
                "version": position.version + 1,
                "changed_at": self.now,
            }
        if plan.cancel_entries:
            self.cancel_for.append(subscription.pk)

    def _settings(self, subscription: Subscription, follower: Follower | None) -> str:
        """Content hash of the inherited settings in force for this follower."""
        strategy = self.context.strategy
        content = {
            "sizing_mode": subscription.sizing_mode,
            "fixed_amount": _text(subscription.fixed_amount),
            "ratio": _text(subscription.ratio),
            "follow_ratio": _text(strategy.follow_ratio),
            "symbols": sorted(strategy.symbols),
            "max_leverage": {
                "strategy": _text(strategy.max_leverage),
                "subscription": _text(subscription.max_leverage),
                "account": _text(subscription.account.max_leverage),
            },
            "leverage": None if follower is None else _text(follower.terms.leverage),
            "margin_mode": subscription.account.margin_mode,
            "position_mode": subscription.account.position_mode,
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        self.settings_rows.setdefault(digest, (new_id(), content))
        return digest

    def _intent(
        self,
        subscription: Subscription,
        leg: Leg,
        plan: Plan,
        position: CopiedPosition,
        market: Market,
    ) -> Intent:
        signal = self.context.signal
        return Intent(
            id=new_id(),
            tenant_id=signal.tenant_id,
            key=f"signal:{signal.pk}:{subscription.pk}:{leg.leg}",
            cause=Intent.Cause.SIGNAL,
            cause_id=signal.pk,
            signal_id=signal.pk,
            subscription_id=subscription.pk,
            account_id=subscription.account_id,
            customer_id=subscription.customer_id,
            leg=leg.leg,
            symbol=signal.symbol,
            is_entry=leg.is_entry,
            side={1: "buy", -1: "sell", 0: ""}[leg.direction],
            quantity=leg.quantity if leg.is_order else None,
            reference_price=signal.price or market.price,
            target_before=position.target,
            target_after=rounded(plan.target),
            status=Intent.Status.WORKING if leg.is_order else Intent.Status.SKIPPED,
            reason_code=leg.reason.code if leg.reason else "",
            reason_params=leg.reason.params if leg.reason else {},
            created_at=self.now,
            finished_at=None if leg.is_order else self.now,
        )

    def _order(
        self, subscription: Subscription, leg: Leg, intent: Intent, follower: Follower
    ) -> Order:
        signal, account = self.context.signal, subscription.account
        spot = follower.instrument.kind is InstrumentKind.SPOT
        hedged = account.position_mode == ExchangeAccount.PositionMode.LONG_SHORT and not spot
        opens_long = (leg.direction > 0) == leg.is_entry
        first_wave = leg.wave == 0
        order_type = signal.order_type if leg.is_entry else Signal.OrderType.MARKET
        price = signal.price if order_type == Signal.OrderType.LIMIT else None
        return Order(
            id=new_id(),
            tenant_id=signal.tenant_id,
            intent_id=intent.pk,
            account_id=account.pk,
            signal_id=signal.pk,
            subscription_id=subscription.pk,
            strategy_id=self.context.strategy.pk,
            customer_id=subscription.customer_id,
            wave=leg.wave,
            symbol=signal.symbol,
            side=intent.side,
            position_side=("long" if opens_long else "short") if hedged else "net",
            is_entry=leg.is_entry,
            reduce_only=not leg.is_entry and not spot,
            order_type=order_type,
            quantity=leg.quantity,
            price=None if price is None else follower.instrument.price_to_tick(price),
            leverage=follower.terms.leverage if leg.is_entry and not spot else None,
            margin_mode="cash" if spot else account.margin_mode,
            state=OrderState.CLAIMED if first_wave else OrderState.READY,
            claimed_by=self.context.claimed_by if first_wave else "",
            claimed_until=self.now + ORDER_LEASE if first_wave else None,
            expires_at=signal.expires_at if leg.is_entry else None,
            created_at=self.now,
        )

    def store(self) -> list[str]:
        """Write everything; returns the ids of the orders to send now, exits first."""
        self._store_settings()
        Intent.objects.bulk_create(self.intents, batch_size=500)
        Order.objects.bulk_create(self.orders, batch_size=500)
        OrderEvent.objects.bulk_create(
            [
                OrderEvent(
                    id=new_id(),
                    tenant_id=order.tenant_id,
                    order_id=order.pk,
                    kind="create",
                    from_state="",
                    to_state=order.state,
                    occurred_at=self.now,
                )
                for order in self.orders
            ],
            batch_size=500,
        )
        rows_update(CopiedPosition, self.targets, ("target", "version", "changed_at"))
        self._cancel_working_entries()
        events_record(self._event_drafts())
        sendable = [order for order in self.orders if order.wave == 0]
        sendable.sort(key=lambda order: order.is_entry)
        return [order.pk for order in sendable]

    def _store_settings(self) -> None:
        tenant_id = self.context.shard.tenant_id
        known = dict(
            EffectiveSettings.objects.for_tenant(tenant_id)
            .filter(content_hash__in=self.settings_rows)
            .values_list("content_hash", "pk")
        )
        missing = [
            EffectiveSettings(
                id=row_id,
                tenant_id=tenant_id,
                content_hash=digest,
                content=content,
                created_at=self.now,
            )
            for digest, (row_id, content) in self.settings_rows.items()
            if digest not in known
        ]
        if missing:
            EffectiveSettings.objects.bulk_create(missing, ignore_conflicts=True)
            known = dict(
                EffectiveSettings.objects.for_tenant(tenant_id)
                .filter(content_hash__in=self.settings_rows)
                .values_list("content_hash", "pk")
            )
        for intent in self.intents:
            intent.settings_id = known[str(intent.settings_id)]

    def _cancel_working_entries(self) -> None:
        """End the entries that an exit overtakes; what still fills is exited by the next look."""
        if not self.cancel_for:
            return
        tenant_id = self.context.shard.tenant_id
        entries_cancel(
            tenant_id=tenant_id,
            subscription_ids=self.cancel_for,
            symbol=self.context.signal.symbol,
            now=self.now,
        )

    def _event_drafts(self) -> list[EventDraft]:
        tenant_id = self.context.shard.tenant_id
        order_of = {order.intent_id: order.pk for order in self.orders}
        rows = [
            {
                "intent": intent.pk,
                "order": order_of.get(intent.pk, ""),
                "account": intent.account_id,
                "status": intent.status,
                "reason_code": intent.reason_code,
            }
            for intent in self.intents
        ]
        drafts = [
            EventDraft(
                tenant_id,
                customer_audience(intent.customer_id),
                "order.changed",
                {
                    "order": order_of.get(intent.pk, ""),
                    "intent": intent.pk,
                    "account": intent.account_id,
                    "symbol": intent.symbol,
                    "side": intent.side,
                    "status": intent.status,
                    "quantity": _text(intent.quantity),
                    "filled": "0",
                    "average_price": None,
                    "reason_code": intent.reason_code,
                    "reason_params": intent.reason_params,
                },
            )
            for intent in self.intents
        ]
        if rows:
            payload = {"signal": self.context.signal.pk, "rows": rows}
            drafts.append(EventDraft(tenant_id, staff_audience(tenant_id), "signal.rows", payload))
        return drafts


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")
