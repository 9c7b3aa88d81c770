"""The client portal's pages."""

from django.urls import path

from customers import portal as session_pages
from trading.portal import copies, home, offers, orders

app_name = "portal"

urlpatterns = [
    path("", home.home, name="home"),
    path("parts/<slug:name>/", home.part, name="part"),
    path("positions/", home.positions, name="positions"),
    path("accounts/<str:account_id>/", home.account, name="account"),
    path("orders/", orders.order_list, name="orders"),
    path("orders/<str:intent_id>/", orders.order_detail, name="order"),
    path("orders/<str:intent_id>/cancel/", orders.order_cancel, name="order_cancel"),
    path("orders/<str:intent_id>/change/", orders.order_change, name="order_change"),
    path("copies/", copies.copy_list, name="copies"),
    path("copies/<str:subscription_id>/settings/", copies.copy_settings, name="copy_settings"),
    path("copies/<str:subscription_id>/<slug:action>/", copies.copy_change, name="copy_change"),
    path("strategies/", offers.strategy_list, name="strategies"),
    path("strategies/<str:strategy_id>/start/", offers.copy_start, name="copy_start"),
    path("login/", session_pages.LoginView.as_view(), name="login"),
    path("logout/", session_pages.logout_view, name="logout"),
    path("choose/customer/", session_pages.choose_customer, name="choose_customer"),
    path("choose/tenant/", session_pages.choose_tenant, name="choose_tenant"),
]
