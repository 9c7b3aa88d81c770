from customers.api.filters import RowFilterSet, id_filter, word_filter
from customers.api.views import RowSerializer, TenantReadViewSet
from customers.models import Customer, ExchangeAccount


class CustomerOutput(RowSerializer):
    class Meta:
        model = Customer
        fields = ["id", "partner", "name", "email", "external_reference", "status", "created_at"]
        read_only_fields = fields


class CustomerFilters(RowFilterSet):
    status = word_filter("status")
    external_reference = word_filter("external_reference")

    class Meta:
        model = Customer
        fields: list[str] = []


class CustomerViewSet(TenantReadViewSet):
    """Customers of the tenant; for a partner's key those of the partner."""

    queryset = Customer.objects.none()
    serializer_class = CustomerOutput
    filterset_class = CustomerFilters


class AccountOutput(RowSerializer):
    """An exchange account with its health. Its keys are never part of any answer."""

    class Meta:
        model = ExchangeAccount
        fields = [
            "id",
            "customer",
            "venue",
            "label",
            "venue_uid",
            "position_mode",
            "margin_mode",
            "status",
            "health",
            "health_code",
            "health_params",
            "health_checked_at",
            "initial_balance",
            "balance_currency",
            "max_leverage",
            "synced_at",
            "created_at",
        ]
        read_only_fields = fields


class AccountFilters(RowFilterSet):
    customer = id_filter("customer_id")
    venue = word_filter("venue")
    status = word_filter("status")
    health = word_filter("health")

    class Meta:
        model = ExchangeAccount
        fields: list[str] = []


class AccountViewSet(TenantReadViewSet):
    """Exchange accounts and their health."""

    queryset = ExchangeAccount.objects.none()
    serializer_class = AccountOutput
    filterset_class = AccountFilters
