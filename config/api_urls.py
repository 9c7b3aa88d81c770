"""The partner API: /api/v1/, its OpenAPI document and its pages."""

from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from customers.api.customers import AccountViewSet, CustomerViewSet
from customers.api.openapi import ApiDocsView, ApiSchemaView
from customers.api.views import NotFoundView
from strategies.api.strategies import StrategyViewSet
from strategies.api.subscriptions import SubscriptionViewSet
from trading.api.holdings import CopiedPositionViewSet, PositionViewSet, TradeViewSet
from trading.api.orders import FillViewSet, OrderViewSet
from trading.api.signals import SignalViewSet

router = SimpleRouter()
router.register("customers", CustomerViewSet, basename="api-customer")
router.register("accounts", AccountViewSet, basename="api-account")
router.register("strategies", StrategyViewSet, basename="api-strategy")
router.register("subscriptions", SubscriptionViewSet, basename="api-subscription")
router.register("signals", SignalViewSet, basename="api-signal")
router.register("orders", OrderViewSet, basename="api-order")
router.register("fills", FillViewSet, basename="api-fill")
router.register("positions", PositionViewSet, basename="api-position")
router.register("copied-positions", CopiedPositionViewSet, basename="api-copied-position")
router.register("trades", TradeViewSet, basename="api-trade")

urlpatterns = [
    path("v1/", include(router.urls)),
    path("schema/", ApiSchemaView.as_view(), name="api-schema"),
    path("docs/", ApiDocsView.as_view(), name="api-docs"),
    # Also without a slash at the end: the API never redirects.
    re_path(r"^", NotFoundView.as_view(), name="api-not-found"),
]
