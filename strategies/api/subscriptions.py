from customers.api.filters import RowFilterSet, id_filter, word_filter
from customers.api.views import RowSerializer, TenantReadViewSet
from strategies.models import Subscription


class SubscriptionOutput(RowSerializer):
    class Meta:
        model = Subscription
        fields = [
            "id",
            "strategy",
            "account",
            "customer",
            "sizing_mode",
            "fixed_amount",
            "ratio",
            "max_leverage",
            "status",
            "created_at",
            "changed_at",
        ]
        read_only_fields = fields


class SubscriptionFilters(RowFilterSet):
    customer = id_filter("customer_id")
    account = id_filter("account_id")
    strategy = id_filter("strategy_id")
    status = word_filter("status")

    class Meta:
        model = Subscription
        fields: list[str] = []


class SubscriptionViewSet(TenantReadViewSet):
    """Which account follows which strategy, with its copy settings."""

    queryset = Subscription.objects.none()
    serializer_class = SubscriptionOutput
    filterset_class = SubscriptionFilters
