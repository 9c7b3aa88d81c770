"""Decisions, orders and fills."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request

from customers.api.errors import ApiError
from customers.api.filters import RowFilterSet, before_filter, id_filter, since_filter, word_filter
from customers.api.idempotency import answer_once, idempotency_key
from customers.api.views import RowSerializer, TenantReadViewSet
from customers.fields import plain
from customers.models import ApiKey
from trading.models import Fill, Intent, Order
from trading.reason_texts import reason_text
from trading.services.changed_costs import change_terms
from trading.services.entry_changes import (
    Asker,
    EntryChangeError,
    EntryChangeRefusedError,
    entry_amend,
    entry_withdraw,
)


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
            "withdrawn_by",
            "amended_price",
            "amended_quantity",
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


class ChangeInput(serializers.Serializer):
    """A waiting entry's new price, and its new size with what is filled of it."""

    price = serializers.DecimalField(max_digits=38, decimal_places=18)
    quantity = serializers.DecimalField(max_digits=38, decimal_places=18)


_ONCE = OpenApiParameter(
    "Idempotency-Key", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True
)


class OrderViewSet(TenantReadViewSet):
    """Orders on exchange accounts, with the reason when one did not end as wished."""

    required_scopes = {"GET": ApiKey.Scope.READ, "POST": ApiKey.Scope.ORDERS_WRITE}

    queryset = Order.objects.none()
    serializer_class = OrderOutput
    filterset_class = OrderFilters

    @extend_schema(parameters=[_ONCE], request=None, responses={202: OrderOutput}, filters=False)
    @action(detail=True, methods=["post"], pagination_class=None)
    def cancel(self, request: Request, **kwargs: str) -> HttpResponse:
        """Have a waiting entry cancelled; of a slice also those that come after it. It counts as
        working until the exchange proves its end, and what it fills until then stays."""
        key, order = idempotency_key(request), self.get_object()
        return self._once(
            key, b"cancel", order, lambda: entry_withdraw(order=order, asker=self._asker())
        )

    @extend_schema(
        parameters=[_ONCE], request=ChangeInput, responses={202: OrderOutput}, filters=False
    )
    @action(detail=True, methods=["post"], pagination_class=None)
    def change(self, request: Request, **kwargs: str) -> HttpResponse:
        """Have a resting entry replaced by one at another price, or of a smaller size: the
        exchange cancels it first, the next order has the same `intent`."""
        key, order = idempotency_key(request), self.get_object()
        body = ChangeInput(data=request.data)
        body.is_valid(raise_exception=True)
        found = body.validated_data
        terms = change_terms(order)  # over the network: not within the answer's transaction
        if terms is None:
            raise _refused(EntryChangeRefusedError(EntryChangeError.MARKET_UNKNOWN))
        return self._once(
            key,
            b"change %(price)s %(quantity)s"
            % {name.encode(): str(plain(value)).encode() for name, value in found.items()},
            order,
            lambda: entry_amend(order=order, asker=self._asker(), terms=terms, **found),
        )

    def _once(self, key: str, what: bytes, order: Order, work: Callable[[], Order]) -> HttpResponse:
        def answer() -> dict[str, Any]:
            try:
                return dict(OrderOutput(work()).data)
            except EntryChangeRefusedError as refused:
                raise _refused(refused) from refused

        request = b"POST orders " + order.pk.encode() + b" " + what
        return answer_once(api_key=self.api_key, key=key, request=request, status=202, work=answer)

    def _asker(self) -> Asker:
        key = self.api_key
        by = Order.WithdrawnBy.PARTNER if key.partner_id else Order.WithdrawnBy.OPERATOR
        return Asker(
            None, by, self.request.META.get("REMOTE_ADDR") or None, f"API key {key.prefix}"
        )


def _refused(error: EntryChangeRefusedError) -> ApiError:
    is_state = error.code in set(EntryChangeError)
    return ApiError(409 if is_state else 422, error.code, error.message)


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
