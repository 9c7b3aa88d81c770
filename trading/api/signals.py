"""Signals with their coverage, and what each follower's copy became."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.db.models import Prefetch, Q, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from customers.api.filters import RowFilterSet, before_filter, id_filter, since_filter, word_filter
from customers.api.views import RowSerializer, TenantReadViewSet, visible_to
from customers.models import ApiKey
from signals_app.api.intake import SignalIntake
from signals_app.domain import canonical
from signals_app.models import Signal
from trading.api.orders import IntentOutput
from trading.models import Intent, Order
from trading.selectors.coverage import Coverage, coverage_by_signal

_SIGNAL_SCHEMA = json.loads(
    Path(canonical.__file__).with_name("signal.schema.json").read_text(encoding="utf-8")
)


def _openapi_signal() -> dict[str, Any]:
    """The signal's schema without what OpenAPI has no room for: its own references inside."""
    text = json.dumps({key: value for key, value in _SIGNAL_SCHEMA.items() if key[0] != "$"})
    for name, definition in _SIGNAL_SCHEMA["$defs"].items():
        text = text.replace(f'"$ref": "#/$defs/{name}"', json.dumps(definition)[1:-1])
    # "positive" is itself made of "amount"
    amount = json.dumps(_SIGNAL_SCHEMA["$defs"]["amount"])[1:-1]
    document: dict[str, Any] = json.loads(text.replace('"$ref": "#/$defs/amount"', amount))
    return document


class AcceptedOutput(serializers.Serializer):
    id = serializers.CharField()


class CoverageOutput(serializers.Serializer):
    """Followers by what became of them. For a partner's key: of its own customers."""

    followers = serializers.IntegerField()
    planned = serializers.IntegerField()
    filled = serializers.IntegerField()
    partial = serializers.IntegerField()  # type: ignore[assignment]  # not the base's flag
    working = serializers.IntegerField()
    unknown = serializers.IntegerField()
    skipped = serializers.IntegerField()
    rejected = serializers.IntegerField()
    not_placed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    expired = serializers.IntegerField()


class SignalOutput(RowSerializer):
    coverage = serializers.SerializerMethodField()

    class Meta:
        model = Signal
        fields = [
            "id",
            "source",
            "external_id",
            "action",
            "symbol",
            "side",
            "order_type",
            "price",
            "size",
            "size_basis",
            "leader_equity",
            "leverage",
            "stop_loss",
            "take_profit",
            "emitted_at",
            "received_at",
            "expires_at",
            "status",
            "planned_at",
            "done_at",
            "coverage",
        ]
        read_only_fields = fields

    @extend_schema_field(CoverageOutput)
    def get_coverage(self, signal: Signal) -> dict[str, int]:
        return asdict(self.context["coverage"][signal.pk])


class SignalFilters(RowFilterSet):
    source = id_filter("source_id")
    status = word_filter("status")
    action = word_filter("action")
    symbol = word_filter("symbol")
    external_id = word_filter("external_id")
    received_since = since_filter("received_at")
    received_before = before_filter("received_at")

    class Meta:
        model = Signal
        fields: list[str] = []


class SignalViewSet(SignalIntake, TenantReadViewSet):
    """Signals. A partner's key sees those it sent and those that its customers followed."""

    required_scopes = {"GET": ApiKey.Scope.READ, "POST": ApiKey.Scope.SIGNALS_WRITE}
    queryset = Signal.objects.none()
    serializer_class = SignalOutput
    filterset_class = SignalFilters

    def get_queryset(self) -> QuerySet:
        if getattr(self, "swagger_fake_view", False):
            return Signal.objects.none()
        rows = Signal.objects.for_tenant(self.api_key.tenant_id)
        partner_id = self.api_key.partner_id
        if partner_id is None:
            return rows
        followed = visible_to(Intent.objects.all(), self.api_key).values("signal_id")
        return rows.filter(Q(source__partner_id=partner_id) | Q(pk__in=followed))

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        assert page is not None
        return self.get_paginated_response(self._with_coverage(page))

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self._with_coverage([self.get_object()])[0])

    def _with_coverage(self, signals: Sequence[Signal]) -> Any:
        coverage: dict[str, Coverage] = coverage_by_signal(
            signals, partner_id=self.api_key.partner_id
        )
        context = {**self.get_serializer_context(), "coverage": coverage}
        return SignalOutput(signals, many=True, context=context).data

    @extend_schema(
        request={
            "application/json": {
                "type": "object",
                "additionalProperties": False,
                "required": ["source", "signal"],
                "properties": {
                    "source": {"type": "string", "description": "A source that this key may use."},
                    "external_id": {
                        "type": "string",
                        "maxLength": 128,
                        "description": "Your own id; one signal per source and id.",
                    },
                    "signal": _openapi_signal(),
                },
            }
        },
        parameters=[
            OpenApiParameter(
                "Idempotency-Key", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True
            )
        ],
        responses={202: AcceptedOutput},
        examples=[
            OpenApiExample(
                "open a position",
                request_only=True,
                value={
                    "source": "01kmw2vbj5d0y2e0e7y9d3t6qa",
                    "signal": {
                        "action": "open",
                        "symbol": "BTC/USDT:USDT",
                        "side": "long",
                        "size": "0.25",
                        "size_basis": "base",
                        "emitted_at": "2030-01-31T12:00:00Z",
                    },
                },
            )
        ],
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        """Send a signal, once per Idempotency-Key. The answer comes when it is stored for good;
        what became of it with each follower is at its `orders/`."""
        return super().create(request)

    @extend_schema(responses=IntentOutput(many=True), filters=False)
    @action(detail=True, filterset_class=None)
    def orders(self, request: Request, pk: str | None = None) -> Response:
        """One row per follower and leg: its decision, with the orders that were made of it."""
        signal = self.get_object()
        rows = (
            visible_to(Intent.objects.all(), self.api_key)
            .filter(signal=signal)
            .prefetch_related(Prefetch("orders", queryset=Order.objects.order_by("id")))
        )
        page = self.paginate_queryset(rows)
        assert page is not None
        return self.get_paginated_response(IntentOutput(page, many=True).data)
