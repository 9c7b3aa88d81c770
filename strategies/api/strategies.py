from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from customers.api.filters import RowFilterSet, word_filter
from customers.api.views import RowSerializer, TenantReadViewSet
from strategies.models import Strategy
from strategies.selectors.offers import offered_to_key, places_left, with_copiers


class StrategyOutput(RowSerializer):
    places_left = serializers.SerializerMethodField()

    class Meta:
        model = Strategy
        fields = [
            "id",
            "name",
            "description",
            "status",
            "visibility",
            "max_copiers",
            "places_left",
            "min_equity",
            "symbols",
            "max_leverage",
            "created_at",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_places_left(self, strategy: Strategy) -> int | None:
        """Empty where the number of copies is not limited."""
        return places_left(strategy)


class StrategyFilters(RowFilterSet):
    status = word_filter("status")
    visibility = word_filter("visibility")

    class Meta:
        model = Strategy
        fields: list[str] = []


class StrategyViewSet(TenantReadViewSet):
    """Strategies that customers may begin to copy: public ones, and those that a customer is
    invited to; for a partner's key one of its own. Private ones are begun by staff alone."""

    queryset = Strategy.objects.none()
    serializer_class = StrategyOutput
    filterset_class = StrategyFilters

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Strategy.objects.none()
        return with_copiers(offered_to_key(self.api_key))
