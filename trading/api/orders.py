"""Decisions, orders and fills."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from customers.api.filters import RowFilterSet, before_filter, id_filter, since_filter, word_filter
from customers.api.views import RowSerializer, TenantReadViewSet
from trading.models import Fill, Intent, Order
from trading.reason_texts import reason_text


class ReasonOutput(serializers.Serializer):
    """Why it ended as it did: a code, the numbers compared, and a sentence in your language."""

    code = serializers.CharField()
    params = serializers.DictField()
    text = serializers.CharField()

    def to_representation(self, row: Intent | Order) -> Any:
        if not row.reason_code:
            return None
        return {
            "code": row.reason_code,
            "params": row.reason_params,
            "text": reason_text(row.reason_code, row.reason_params),
        }


class OrderOutput(RowSerializer):
    customer = serializers.CharField(source="customer_id")
    signal = serializers.CharField(source="signal_id")
    subscription = serializers.CharField(source="subscription_id")
    strategy = serializers.CharField(source="strategy_id")
    reason = ReasonOutput(source="*", allow_null=True)

    class Meta:
        model = Order
        fields = [
            "id",
            "intent",
            "account",
            "customer",
            "signal",
            "subscription",
            "strategy",
            "attempt",
            "symbol",
            "side",
            "position_side",
            "is_entry",
            "reduce_only",
            "order_type",
            "quantity",
            "price",
            "rests_until",
            "chase_price",
            "leverage",
            "margin_mode",
            "state",
            "reason",
            "venue_order_id",
            "filled_quantity",
            "average_price",
            "created_at",
            "send_at",
            "sent_at",
            "acknowledged_at",
            "finished_at",
        ]
        read_only_fields = fields


class OrderFilters(RowFilterSet):
    customer = id_filter("customer_id")
    account = id_filter("account_id")
    signal = id_filter("signal_id")
    subscription = id_filter("subscription_id")
    strategy = id_filter("strategy_id")
    symbol = word_filter("symbol")
    state = word_filter("state")
    created_since = since_filter("created_at")
    created_before = before_filter("created_at")

    class Meta:
        model = Order
        fields: list[str] = []


class OrderViewSet(TenantReadViewSet):
    """Orders on exchange accounts, with the reason when one did not end as wished."""

    queryset = Order.objects.none()
    serializer_class = OrderOutput
    filterset_class = OrderFilters


class IntentOutput(RowSerializer):
    """One decision for a follower: an order to place, or a skip with its reason."""

    reason = ReasonOutput(source="*", allow_null=True)
    orders = OrderOutput(many=True)

    class Meta:
        model = Intent
        fields = [
            "id",
            "signal",
            "subscription",
            "account",
            "customer",
            "leg",
            "symbol",
            "is_entry",
            "side",
            "quantity",
            "reference_price",
            "status",
            "reason",
            "created_at",
            "finished_at",
            "orders",
        ]
        read_only_fields = fields


class FillOutput(RowSerializer):
    class Meta:
        model = Fill
        fields = [
            "id",
            "account",
            "order",
            "symbol",
            "trade_id",
            "venue_order_id",
            "side",
            "quantity",
            "price",
            "fee",
            "fee_currency",
            "is_maker",
            "filled_at",
        ]
        read_only_fields = fields


class FillFilters(RowFilterSet):
    customer = id_filter("account__customer_id")
    account = id_filter("account_id")
    order = id_filter("order_id")
    symbol = word_filter("symbol")
    filled_since = since_filter("filled_at")
    filled_before = before_filter("filled_at")

    class Meta:
        model = Fill
        fields: list[str] = []


class FillViewSet(TenantReadViewSet):
    """Executions. A positive fee was paid, a negative one received."""

    queryset = Fill.objects.none()
    serializer_class = FillOutput
    filterset_class = FillFilters
