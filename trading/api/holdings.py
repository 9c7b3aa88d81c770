"""Positions on the exchange, the copied ones, and finished trades."""

from customers.api.filters import RowFilterSet, before_filter, id_filter, since_filter, word_filter
from customers.api.views import RowSerializer, TenantReadViewSet
from trading.models import CopiedPosition, Position, Trade


class PositionOutput(RowSerializer):
    class Meta:
        model = Position
        fields = [
            "id",
            "account",
            "symbol",
            "position_side",
            "quantity",
            "average_price",
            "mark_price",
            "unrealised_pnl",
            "leverage",
            "margin_mode",
            "liquidation_price",
            "updated_at",
        ]
        read_only_fields = fields


class PositionFilters(RowFilterSet):
    customer = id_filter("account__customer_id")
    account = id_filter("account_id")
    symbol = word_filter("symbol")

    class Meta:
        model = Position
        fields: list[str] = []


class PositionViewSet(TenantReadViewSet):
    """What the exchange says that an account holds. Quantities: long positive, short negative."""

    queryset = Position.objects.none()
    serializer_class = PositionOutput
    filterset_class = PositionFilters


class CopiedPositionOutput(RowSerializer):
    class Meta:
        model = CopiedPosition
        fields = [
            "id",
            "subscription",
            "account",
            "customer",
            "symbol",
            "leader_symbol",
            "target",
            "filled",
            "average_entry_price",
            "realised_pnl",
            "fees",
            "leverage",
            "opened_at",
            "changed_at",
        ]
        read_only_fields = fields


class CopiedPositionFilters(RowFilterSet):
    customer = id_filter("customer_id")
    account = id_filter("account_id")
    subscription = id_filter("subscription_id")
    strategy = id_filter("subscription__strategy_id")
    symbol = word_filter("symbol")

    class Meta:
        model = CopiedPosition
        fields: list[str] = []


class CopiedPositionViewSet(TenantReadViewSet):
    """What one subscription holds, and should hold, in one symbol."""

    queryset = CopiedPosition.objects.none()
    serializer_class = CopiedPositionOutput
    filterset_class = CopiedPositionFilters


class TradeOutput(RowSerializer):
    class Meta:
        model = Trade
        fields = [
            "id",
            "subscription",
            "account",
            "customer",
            "symbol",
            "direction",
            "quantity",
            "entry_price",
            "exit_price",
            "realised_pnl",
            "fees",
            "opened_at",
            "closed_at",
        ]
        read_only_fields = fields


class TradeFilters(RowFilterSet):
    customer = id_filter("customer_id")
    account = id_filter("account_id")
    subscription = id_filter("subscription_id")
    strategy = id_filter("subscription__strategy_id")
    symbol = word_filter("symbol")
    closed_since = since_filter("closed_at")
    closed_before = before_filter("closed_at")

    class Meta:
        model = Trade
        fields: list[str] = []


class TradeViewSet(TenantReadViewSet):
    """Round trips from flat to flat. realised_pnl is before fees."""

    queryset = Trade.objects.none()
    serializer_class = TradeOutput
    filterset_class = TradeFilters
