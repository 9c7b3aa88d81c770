"""The operator console's theme: its name, its navigation, what is on every page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.http import HttpRequest


def _console_css(request: HttpRequest) -> str:
    from django.templatetags.static import static

    return static("console/console.css")


def _favicon(request: HttpRequest) -> str:
    from django.templatetags.static import static

    return static("brand.svg")


def _superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_superuser)


def _trader(request: HttpRequest) -> bool:
    membership = getattr(request, "membership", None)
    return _superuser(request) or (
        membership is not None and membership.role in {"owner", "trader"}
    )


def _item(title: Any, icon: str, model: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{model}_changelist")}


def _platform(title: Any, icon: str, model: str) -> dict[str, Any]:
    return {**_item(title, icon, model), "permission": _superuser}


_NAVIGATION = [
    {
        "title": _("Overview"),
        "items": [
            {"title": _("Start"), "icon": "dashboard", "link": reverse_lazy("admin:index")},
            _item(_("Signals"), "bolt", "signals_app_signal"),
            {
                "title": _("Send a signal"),
                "icon": "send",
                "link": reverse_lazy("admin:send_signal"),
                "permission": _trader,
            },
            {
                "title": _("Close positions"),
                "icon": "cancel_presentation",
                "link": reverse_lazy("admin:mass_close"),
                "permission": _trader,
            },
            _item(_("Kill switches"), "emergency_home", "trading_tradingcontrol"),
            _item(_("Circuit breakers"), "electric_bolt", "trading_breaker"),
            _item(_("Alerts"), "notification_important", "trading_alert"),
            {"title": _("Risk"), "icon": "speed", "link": reverse_lazy("admin:risk")},
            _item(_("Risk thresholds"), "rule_settings", "trading_riskthreshold"),
            _item(_("Risk actions"), "history", "trading_riskaction"),
            _platform(_("Platform's thresholds"), "rule_settings", "trading_platformthreshold"),
            _platform(_("Platform's risk actions"), "history", "trading_platformaction"),
        ],
    },
    {
        "title": _("Trading"),
        "separator": True,
        "items": [
            _item(_("Orders"), "receipt_long", "trading_order"),
            _item(_("Intents"), "rule", "trading_intent"),
            _item(_("Fills"), "price_check", "trading_fill"),
            _item(_("Copied positions"), "stacks", "trading_copiedposition"),
            _item(_("Stop orders"), "shield", "trading_stoporder"),
            _item(_("Exchange positions"), "account_balance", "trading_position"),
            _item(_("Findings"), "difference", "trading_finding"),
            _item(_("Unattributed positions"), "help_center", "trading_unattributedposition"),
            _item(_("Starts of copies"), "flag", "trading_copystart"),
            _item(_("Followed changes"), "sync_alt", "trading_followedchange"),
            _item(_("Bills"), "receipt_long", "trading_accountbill"),
            _item(_("Shares of funding fees"), "pie_chart", "trading_fundingshare"),
            _item(_("Cash books"), "savings", "trading_cashbook"),
            _item(_("Values of accounts"), "monitoring", "trading_equityday"),
            _item(_("Reconciliation policies"), "rule_settings", "trading_reconciliationpolicy"),
            _item(_("Balances"), "savings", "trading_balance"),
            _item(_("Trades"), "swap_vert", "trading_trade"),
        ],
    },
    {
        "title": _("Customers"),
        "separator": True,
        "items": [
            _item(_("Customers"), "group", "customers_customer"),
            _item(_("Exchange accounts"), "account_balance_wallet", "customers_exchangeaccount"),
            _item(_("Customer logins"), "person_check", "customers_customeruser"),
            _item(_("Partners"), "handshake", "customers_partner"),
        ],
    },
    {
        "title": _("Strategies and signals"),
        "separator": True,
        "items": [
            _item(_("Strategies"), "insights", "strategies_strategy"),
            _item(_("Subscriptions"), "subscriptions", "strategies_subscription"),
            _item(_("Invitations"), "mail", "strategies_strategyinvitation"),
            _item(_("Firm's copy settings"), "tune", "strategies_tenantsettings"),
            _item(_("Customers' copy settings"), "tune", "strategies_customersettings"),
            _item(_("Versions of copy settings"), "history", "strategies_settingsversion"),
            _platform(_("Platform's copy settings"), "tune", "strategies_platformsettings"),
            _item(_("Signal sources"), "sensors", "signals_app_signalsource"),
            _item(_("Leaders"), "person_pin", "signals_app_leader"),
            _item(_("Leaders' positions"), "stacked_line_chart", "signals_app_leaderposition"),
            _item(_("Leaders' trades"), "history", "signals_app_leadertrade"),
            _item(_("Deliveries to webhooks"), "move_to_inbox", "signals_app_rawdelivery"),
            _item(_("Refused deliveries"), "block", "signals_app_webhookrejection"),
        ],
    },
    {
        "title": _("Notifications"),
        "separator": True,
        "items": [
            _item(_("Channels"), "campaign", "notifications_notificationchannel"),
            _item(_("Deliveries"), "outgoing_mail", "notifications_delivery"),
        ],
    },
    {
        "title": _("System"),
        "separator": True,
        "collapsible": True,
        "items": [
            _item(_("Tenants"), "domain", "customers_tenant"),
            _item(_("Memberships"), "badge", "customers_membership"),
            _item(_("API keys"), "vpn_key", "customers_apikey"),
            _item(_("Audit log"), "policy", "customers_auditentry"),
            _item(_("Events"), "rss_feed", "customers_event"),
            _item(_("Streams"), "stream", "customers_streamstate"),
            _item(_("Order events"), "timeline", "trading_orderevent"),
            _item(_("Fan-out shards"), "grid_view", "trading_signalshard"),
            _item(_("Effective settings"), "tune", "trading_effectivesettings"),
            _item(_("Instrument settings"), "straighten", "trading_instrumentsetting"),
            _item(_("Books of accounts"), "menu_book", "trading_accountbooks"),
            _platform(_("Users"), "manage_accounts", "customers_user"),
            _platform(_("Failed logins"), "lock_clock", "customers_loginfailure"),
            _platform(_("Leases"), "key_vertical", "customers_lease"),
            _platform(_("Idempotency records"), "repeat_one", "customers_idempotencyrecord"),
            _platform(_("Encryption canary"), "enhanced_encryption", "customers_encryptioncanary"),
            _platform(_("Periodic tasks"), "schedule", "django_celery_beat_periodictask"),
            _platform(_("Intervals"), "timelapse", "django_celery_beat_intervalschedule"),
            _platform(_("Crontabs"), "calendar_clock", "django_celery_beat_crontabschedule"),
        ],
    },
]


def _tenant_name(request: HttpRequest) -> str:
    tenant = getattr(request, "tenant", None)
    return tenant.name if tenant is not None else str(_("All tenants"))


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Tandem",
    "SITE_HEADER": "Tandem",
    "SITE_SUBHEADER": _tenant_name,
    "SITE_URL": None,
    "SITE_SYMBOL": "sync_alt",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "SHOW_BACK_BUTTON": True,
    "GLOBAL_CALLBACK": "trading.admin.overview.console_context",
    "DASHBOARD_CALLBACK": "trading.admin.overview.overview_context",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _favicon}],
    "STYLES": [_console_css],
    "SIDEBAR": {"show_search": False, "navigation": _NAVIGATION},
}
