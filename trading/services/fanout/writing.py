"""A chunk's decisions as rows, each kind in one statement."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields as dataclass_fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from customers.bulk_rows import rows_insert, rows_update
from customers.domain.ids import new_id
from customers.fields import rounded
from customers.models import ExchangeAccount
from customers.services.events import EventDraft, customer_audience, events_record, staff_audience
from signals_app.models import Signal, SignalSource
from strategies.domain.settings import settings_to_json
from trading.domain.going_on import SENT_WITHIN
from trading.domain.order_states import OrderState
from trading.domain.planning import AT_MARKET, Follower, Leg, Plan, Style
from trading.domain.stops.terms import asks_for_stops, leader_stops, may_be_given_stops, terms_of
from trading.models import CopiedPosition, EffectiveSettings, Intent, Order
from trading.services.cancelling import entries_cancel, lost_entries_give_up
from trading.services.fanout.context import Market, ShardContext
from trading.services.fanout.follower_settings import settings_of
from trading.services.fanout.loading import FollowerRow, PositionRow
from trading.services.outgoing import CLAIM_LIFETIME, OutgoingOrder
from venues.domain.types import InstrumentKind

_SIDES = {1: "buy", -1: "sell", 0: ""}
_EXITS = (Signal.Action.REDUCE, Signal.Action.CLOSE)
_SAME_COLUMNS = ("tenant_id", "signal_id", "strategy_id", "symbol")
"""Of an order: alike for all that one signal asks of one strategy's followers."""
_NEW_COLUMNS = ("attempt", "withdrawn_by")
"""Of an order that nobody has touched yet, as the row's own defaults are."""
_OWN_COLUMNS = tuple(
    field.name
    for field in dataclass_fields(OutgoingOrder)
    if field.name not in ("venue", "cancel_requested", *_NEW_COLUMNS, *_SAME_COLUMNS)
)


ASIDE = 1000
"""Added to the legs of what a follower leaves beside the symbol that it is planned in."""


def planned_already(context: ShardContext, subscription_ids: Sequence[str]) -> set[str]:
    """Who of them has an intent for the signal: aside, one in the symbol."""
    intents = Intent.objects.for_tenant(context.shard.tenant_id).filter(
        signal=context.signal, subscription_id__id_in=subscription_ids
    )
    if context.is_aside:
        intents = intents.filter(symbol=context.symbol)
    elif context.is_mapped:
        intents = intents.filter(leg__lt=ASIDE)
    return set(intents.values_list("subscription_id", flat=True))


class ChunkWriter:
    """Collects a chunk's rows and writes each kind in one statement."""

    def __init__(self, context: ShardContext, now: datetime) -> None:
        self.context = context
        self.now = now
        self.intents: list[dict[str, Any]] = []
        self.orders: list[OutgoingOrder] = []
        self.targets: dict[str, dict[str, Any]] = {}
        self.cancel_for: list[str] = []
        self.planned_for: list[str] = []
        self.following: dict[str, list[str]] = {}
        """By venue, the positions that follow the signal's symbol from now on."""
        self.settings: dict[tuple[Any, ...], str] = {}
        self.settings_rows: dict[str, dict[str, Any]] = {}
        signal = context.signal
        self._leader_stops = leader_stops(signal.stop_loss, signal.take_profit, signal.targets)

    def add(
        self,
        row: FollowerRow,
        position: PositionRow,
        plan: Plan,
        market: Market,
        follower: Follower | None,
    ) -> None:
        settings_hash = self._settings_hash(row, follower)
        target = rounded(plan.target)
        for leg in plan.legs:
            intent = self._intent(row, leg, target, position, market)
            intent["settings_id"] = settings_hash  # replaced by the row's id in store()
            self.intents.append(intent)
            if leg.is_order:
                assert follower is not None
                self.orders.append(self._order(row, leg, intent, follower))
        enters = any(leg.is_order and leg.is_entry for leg in plan.legs)
        if enters or target != position.target:
            terms = follower if enters else None
            self.targets[position.id] = {
                "target": target,
                "leverage": terms.terms.leverage if terms else position.leverage,
                "margin_mode": terms.entry.margin_mode if terms else position.margin_mode,
                "version": position.version + 1,
            }
            self._note_followed(row, position)
        if self._is_of_signal(position):
            self.planned_for.append(row.id)
        if plan.cancel_entries:
            self.cancel_for.append(row.id)

    def _is_of_signal(self, position: PositionRow) -> bool:
        followed = position.leader_symbol or self.context.symbol
        return followed == self.context.signal.symbol

    def _settings_hash(self, row: FollowerRow, follower: Follower | None) -> str:
        """Content hash of the inherited settings in force for this follower."""
        leverage = None if follower is None else follower.terms.leverage
        found = settings_of(self.context, row)
        margin_mode = row.margin_mode if follower is None else follower.entry.margin_mode
        key = (id(found), margin_mode, row.position_mode, leverage)
        known = self.settings.get(key)
        if known is not None:
            return known
        effective = found.effective
        content = {
            "settings": settings_to_json(effective.settings),
            "origins": {
                name: [[origin.level.name.lower(), origin.symbol] for origin in origins]
                for name, origins in sorted(effective.origins.items())
            },
            "leverage": _text(leverage),
            "margin_mode": margin_mode,
            "position_mode": row.position_mode,
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        self.settings[key] = digest
        self.settings_rows.setdefault(digest, content)
        return digest

    def _intent(
        self, row: FollowerRow, leg: Leg, target: Decimal, position: PositionRow, market: Market
    ) -> dict[str, Any]:
        """What differs between followers; the rest is in `_same_of_intents`."""
        return {
            "id": new_id(),
            "key": self._key(row, leg, position),
            "subscription_id": row.id,
            "account_id": row.account_id,
            "customer_id": row.customer_id,
            "leg": leg.leg + (ASIDE if self.context.is_aside else 0),
            "is_entry": leg.is_entry,
            "side": _SIDES[leg.direction],
            "quantity": leg.quantity if leg.is_order else None,
            "reference_price": self._reference_price(market),
            "target_before": position.target,
            "target_after": target,
            "status": Intent.Status.WORKING if leg.is_order else Intent.Status.SKIPPED,
            "reason_code": leg.reason.code if leg.reason else "",
            "reason_params": leg.reason.params if leg.reason else {},
            "finished_at": None if leg.is_order else self.now,
        }

    def _key(self, row: FollowerRow, leg: Leg, position: PositionRow) -> str:
        key = f"signal:{self.context.signal.pk}:{row.id}:{leg.leg}"
        return f"{key}:{position.id}" if self.context.is_aside else key

    def _reference_price(self, market: Market) -> Decimal | None:
        """The leader's."""
        context = self.context
        if not context.is_mapped:
            return context.signal.price or market.price
        theirs = context.price_here(context.signal.price, market)
        return market.price if theirs is None else rounded(theirs)

    def _same_of_intents(self) -> dict[str, Any]:
        signal = self.context.signal
        return {
            "tenant_id": signal.tenant_id,
            "cause": Intent.Cause.SIGNAL,
            "cause_id": signal.pk,
            "signal_id": signal.pk,
            "symbol": self.context.symbol,
            "created_at": self.now,
        }

    def _order(
        self, row: FollowerRow, leg: Leg, intent: dict[str, Any], follower: Follower
    ) -> OutgoingOrder:
        signal = self.context.signal
        spot = follower.instrument.kind is InstrumentKind.SPOT
        hedged = row.position_mode == ExchangeAccount.PositionMode.LONG_SHORT and not spot
        opens_long = (leg.direction > 0) == leg.is_entry
        style = self._style(leg, follower, self.context.markets[row.venue])
        send_at = self.now + leg.delay if leg.delay else None
        expires_at = follower.entry.enters_until if leg.is_entry else None
        if send_at is not None:
            expires_at = send_at + SENT_WITHIN
        return OutgoingOrder(
            id=new_id(),
            tenant_id=signal.tenant_id,
            intent_id=intent["id"],
            account_id=row.account_id,
            venue=row.venue,
            signal_id=signal.pk,
            subscription_id=row.id,
            strategy_id=self.context.strategy.pk,
            customer_id=row.customer_id,
            wave=leg.wave,
            symbol=self.context.symbol,
            side=intent["side"],
            position_side=("long" if opens_long else "short") if hedged else "net",
            is_entry=leg.is_entry,
            reduce_only=not leg.is_entry and not spot,
            order_type=style.order_type,
            quantity=leg.quantity,
            price=style.price,
            rests_until=None if style.rests_for is None else self.now + style.rests_for,
            chase_price=style.chase_price,
            leverage=follower.terms.leverage if leg.is_entry and not spot else None,
            margin_mode=follower.entry.margin_mode,
            expires_at=expires_at,
            send_at=send_at,
            wants_stops=leg.is_entry and self._wants_stops(row),
        )

    def _style(self, leg: Leg, follower: Follower, market: Market) -> Style:
        """As the signal says, or where it leaves it to the follower, as that one chose."""
        signal, to_tick = self.context.signal, follower.instrument.price_to_tick
        if not leg.is_entry:
            return AT_MARKET
        limit = self.context.price_here(signal.price, market)
        if signal.order_type == Signal.OrderType.LIMIT and limit is not None:
            return Style("limit", to_tick(limit))
        worst = self.context.price_here(signal.worst_price, market)
        if worst is not None:
            return Style("ioc", to_tick(worst))
        return leg.style

    def _wants_stops(self, row: FollowerRow) -> bool:
        """Of a leader's account also when the signal names none: it may have set some, or set
        them before the entry has filled."""
        settings = settings_of(self.context, row).effective.settings
        terms = terms_of(settings, self._leader_stops)
        if self.context.signal.source.kind == SignalSource.Kind.LEADER:
            return may_be_given_stops(terms)
        return asks_for_stops(terms)

    def store(self) -> list[OutgoingOrder]:
        """Write everything; returns the orders to send now, exits first."""
        self._store_settings()
        # Before the new orders are there: what overtakes is not overtaken.
        self._cancel_working_entries()
        self._give_up_lost_entries()
        rows_insert(Intent, self.intents, same=self._same_of_intents())
        sendable = [order for order in self.orders if _goes_now(order)]
        self._store_orders(sendable, state=OrderState.CLAIMED)
        later = [order for order in self.orders if not _goes_now(order)]
        self._store_orders(later, state=OrderState.READY)
        rows_update(
            CopiedPosition,
            self.targets,
            ("target", "leverage", "margin_mode", "version"),
            same={"changed_at": self.now},
        )
        self._store_followed()
        events_record(self._event_drafts())
        sendable.sort(key=lambda order: order.is_entry)
        return sendable

    def _note_followed(self, row: FollowerRow, position: PositionRow) -> None:
        """In another symbol each entry notes the ratio of both prices anew; a symbol's own book
        has something to note only where it followed another one before (`mapping.settled`)."""
        if position.leader_symbol and self.context.action not in _EXITS:
            self.following.setdefault(row.venue, []).append(position.id)

    def _store_followed(self) -> None:
        context = self.context
        for venue, ids in sorted(self.following.items()):
            ratio = context.markets[venue].ratio
            CopiedPosition.objects.for_tenant(context.shard.tenant_id).filter(pk__in=ids).update(
                leader_symbol=context.signal.symbol if context.is_mapped else "",
                price_ratio=None if ratio is None else rounded(ratio),
            )

    def _store_orders(self, orders: Sequence[OutgoingOrder], *, state: OrderState) -> None:
        """Orders of the first wave are claimed for the caller, later ones and later slices wait as
        READY.

        The row itself tells of its making; its events begin with the first change of its state.
        """
        same: dict[str, Any] = {"created_at": self.now, "state": state}
        if state is OrderState.CLAIMED:
            same |= {
                "claimed_by": self.context.claimed_by,
                "claimed_until": self.now + CLAIM_LIFETIME,
            }
        same |= {name: getattr(orders[0], name) for name in _SAME_COLUMNS} if orders else {}
        rows = [{name: getattr(order, name) for name in _OWN_COLUMNS} for order in orders]
        rows_insert(Order, rows, same=same)

    def _store_settings(self) -> None:
        """Snapshots are shared by content; each intent gets the id of its own."""
        tenant_id = self.context.shard.tenant_id
        stored = EffectiveSettings.objects.for_tenant(tenant_id).filter(
            content_hash__in=self.settings_rows
        )
        known = dict(stored.values_list("content_hash", "pk"))
        missing = [
            EffectiveSettings(
                tenant_id=tenant_id, content_hash=digest, content=content, created_at=self.now
            )
            for digest, content in self.settings_rows.items()
            if digest not in known
        ]
        if missing:
            EffectiveSettings.objects.bulk_create(missing, ignore_conflicts=True)
            known = dict(stored.values_list("content_hash", "pk"))
        for intent in self.intents:
            intent["settings_id"] = known[intent["settings_id"]]

    def _cancel_working_entries(self) -> None:
        """End the entries that an exit overtakes; what still fills is exited by the next look."""
        if not self.cancel_for:
            return
        entries_cancel(
            tenant_id=self.context.shard.tenant_id,
            subscription_ids=self.cancel_for,
            symbol=self.context.symbol,
            now=self.now,
        )

    def _give_up_lost_entries(self) -> None:
        """What this signal leaves no room for is not wanted should it show up late."""
        signal = self.context.signal
        side = ""
        if self.context.action in (Signal.Action.OPEN, Signal.Action.INCREASE):
            side = "sell" if signal.side == Signal.Side.LONG else "buy"
        lost_entries_give_up(
            tenant_id=self.context.shard.tenant_id,
            subscription_ids=self.planned_for,
            symbol=self.context.symbol,
            side=side,
            now=self.now,
        )

    def _event_drafts(self) -> list[EventDraft]:
        """Staff see every decision now; a client sees what was skipped now, and an order when its
        first answer is written: two events a follower in the sender's way would delay both."""
        if not self.intents:
            return []
        signal = self.context.signal
        tenant_id = self.context.shard.tenant_id
        order_of = {order.intent_id: order.id for order in self.orders}
        drafts = [
            EventDraft(
                tenant_id,
                customer_audience(intent["customer_id"]),
                "order.changed",
                {
                    "order": "",
                    "intent": intent["id"],
                    "account": intent["account_id"],
                    "symbol": self.context.symbol,
                    "side": intent["side"],
                    "status": intent["status"],
                    "quantity": _text(intent["quantity"]),
                    "filled": "0",
                    "average_price": None,
                    "reason_code": intent["reason_code"],
                    "reason_params": intent["reason_params"],
                },
            )
            for intent in self.intents
            if intent["id"] not in order_of
        ]
        rows = [
            {
                "intent": intent["id"],
                "order": order_of.get(intent["id"], ""),
                "account": intent["account_id"],
                "status": intent["status"],
                "reason_code": intent["reason_code"],
            }
            for intent in self.intents
        ]
        payload = {"signal": signal.pk, "rows": rows}
        drafts.append(EventDraft(tenant_id, staff_audience(tenant_id), "signal.rows", payload))
        return drafts


def _goes_now(order: OutgoingOrder) -> bool:
    return order.wave == 0 and order.send_at is None


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")
