"""What the client's pages show, in both languages, with which headers, at which cost."""

import re
from decimal import Decimal
from html import unescape

import pytest
from django.test import Client

from customers.models import Credential, ExchangeAccount
from customers.tenancy import tenant_scope
from tests.factories import (
    AccountFactory,
    CredentialFactory,
    EventFactory,
    FindingFactory,
    IntentFactory,
    OrderEventFactory,
    OrderFactory,
)
from tests.portal.conftest import Persona
from trading.models import CopiedPosition, Intent, OrderEvent

pytestmark = pytest.mark.django_db

PAGES = ["/", "/positions/", "/orders/", "/copies/", "/strategies/"]
PARTS = ["numbers", "positions", "orders", "feed"]


def _text(response) -> str:
    """The visible words, as a reader would run over them."""
    body = re.sub(r"<(script|svg).*?</\1>", "", response.content.decode(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_the_overview_shows_equity_positions_orders_and_what_happened(browser: Client):
    text = _text(browser.get("/"))
    assert "12,345.67 USDT" in text
    assert "owner account" in text
    assert "BTC/USDT Long 5×" in text
    assert "+20.00 USDT" in text  # 2 contracts of 0.01 BTC, 50,000 → 51,000
    assert "Open long BTC/USDT · filled" in text
    assert "2 @ 50,000.5" in text


def test_positions_show_target_held_entry_and_pnl(browser: Client):
    text = _text(browser.get("/positions/"))
    assert "2 / 3 contracts ≈ 0.02 BTC 50,000 51,000 +20.00 USDT +10.00%" in text


def test_a_rest_that_cannot_be_traded_is_no_position_and_no_adjustment(
    owner: Persona, browser: Client
):
    with tenant_scope(owner.tenant.pk):
        CopiedPosition.objects.update(filled=Decimal(2), target=Decimal("2.0099"))
        assert "2 contracts ≈ 0.02 BTC" in _text(browser.get("/positions/"))
        CopiedPosition.objects.update(filled=Decimal(0), target=Decimal("0.0099"))
        assert "No open positions" in _text(browser.get("/positions/"))
        CopiedPosition.objects.update(filled=Decimal(0), target=Decimal("0.01"))
        assert "0 / 0.01 contracts" in _text(browser.get("/positions/"))


def test_the_feed_leaves_out_what_other_lines_tell(owner: Persona, browser: Client):
    EventFactory(
        tenant=owner.tenant,
        audience=f"customer:{owner.customer.pk}",
        kind="position.changed",
        sequence=2,
        payload={"account": owner.account.pk},
    )
    html = browser.get("/parts/feed/").content.decode()
    assert html.count("<li>") == 1


def test_the_making_of_an_order_is_told_once(owner: Persona, browser: Client):
    address = f"/orders/{owner.filled.pk}/"
    assert _text(browser.get(address)).count("Decided and written down") == 1
    with tenant_scope(owner.tenant.pk):
        order = owner.filled.orders.get()
        OrderEvent.objects.filter(order=order).delete()
    OrderEventFactory(order=order, kind="create", from_state="", to_state="ready")
    assert _text(browser.get(address)).count("Decided and written down") == 1


def test_pnl_is_open_while_the_instrument_is_not_known(browser: Client, known_markets: dict):
    known_markets.pop("BTC/USDT:USDT")
    assert "50,000 51,000 –" in _text(browser.get("/positions/"))


def test_a_stopped_copys_position_stays_listed_while_it_is_held(owner: Persona, browser: Client):
    with tenant_scope(owner.tenant.pk):
        owner.copy.status = "stopped"
        owner.copy.save()
        assert "BTC/USDT" in _text(browser.get("/positions/"))
        CopiedPosition.objects.update(filled=Decimal(0))
        assert "BTC/USDT" not in _text(browser.get("/positions/"))


def test_an_unhealthy_account_says_why_in_words(owner: Persona, browser: Client):
    with tenant_scope(owner.tenant.pk):
        ExchangeAccount.objects.update(
            health="unhealthy",
            health_code="credentials_refused",
            health_params={"message": "wrong passphrase", "code": "50105"},
        )
    for page in ("/", f"/accounts/{owner.account.pk}/"):
        text = _text(browser.get(page))
        assert "Unhealthy" in text
        assert "The exchange refused the API key: wrong passphrase (50105)" in text
    assert "1 account needs attention" in _text(browser.get("/"))


def test_an_account_tells_what_is_wrong_with_its_keys(owner: Persona, browser: Client):
    CredentialFactory(account=owner.account, ip_restricted=False)
    CredentialFactory(
        account=owner.account,
        status="refused",
        api_key="",
        api_secret="",
        passphrase="",
        api_key_fingerprint=None,
        problem_code="key_can_withdraw",
    )
    for page in ("/", f"/accounts/{owner.account.pk}/"):
        text = _text(browser.get(page))
        assert "works from any address" in text
        assert "The new API key is not used: The API key may withdraw" in text

    with tenant_scope(owner.tenant.pk):
        Credential.objects.filter(account=owner.account).update(ip_restricted=True)
        Credential.objects.filter(account=owner.account, status="refused").delete()
        CredentialFactory(account=owner.account, status="unchecked")
    text = _text(browser.get("/"))
    assert "works from any address" not in text
    assert "A new API key is being checked" in text


def test_what_an_exchange_says_is_shown_as_text_never_as_markup(owner: Persona, browser: Client):
    with tenant_scope(owner.tenant.pk):
        Intent.objects.filter(pk=owner.skipped.pk).update(
            reason_code="venue_rejected",
            reason_params={"message": "<script>alert(1)</script>", "code": "1"},
        )
    for page in ("/", "/orders/", f"/orders/{owner.skipped.pk}/"):
        assert b"<script>alert" not in browser.get(page).content


def test_the_list_of_orders_has_what_was_skipped_with_its_reason(browser: Client):
    text = _text(browser.get("/orders/"))
    assert "Open long ETH/USDT" in text
    assert "below the exchange's minimum of 0.01" in text
    assert "Open long BTC/USDT" in text
    assert "2 / 2 50,000.5 Filled" in text


@pytest.mark.parametrize(
    ("query", "bitcoin", "ether"),
    [
        ("outcome=filled", True, False),
        ("outcome=skipped", False, True),
        ("outcome=working", False, False),
        ("symbol=eth", False, True),
        ("outcome=nonsense", True, True),
        ("account=nonsense", True, True),
        ("before=nonsense", True, True),
    ],
)
def test_orders_are_filtered(browser: Client, query: str, bitcoin: bool, ether: bool):
    text = _text(browser.get(f"/orders/?{query}"))
    assert ("Open long BTC/USDT" in text) is bitcoin
    assert ("Open long ETH/USDT" in text) is ether


def test_orders_of_one_account_only(owner: Persona, browser: Client):
    empty = AccountFactory(customer=owner.customer, label="second")
    assert "No order fits" in _text(browser.get(f"/orders/?account={empty.pk}"))
    assert "No order fits" not in _text(browser.get(f"/orders/?account={owner.account.pk}"))


def test_paging_reaches_every_order_once_and_keeps_the_filter(owner: Persona, browser: Client):
    moment = owner.filled.created_at  # many at the same moment, as a fan-out makes them
    for _ in range(60):
        IntentFactory(
            subscription=owner.copy, status=Intent.Status.FILLED, created_at=moment, quantity=1
        )
    seen: list[str] = []
    address = "/orders/?outcome=filled"
    for _ in range(10):
        page = browser.get(address).content.decode()
        seen += re.findall(r'class="main-line" href="/orders/(\w+)/"', page)
        older = re.search(r'id="older-orders"[^>]*href="(\?[^"]+)"', page)
        if not older:
            break
        address = "/orders/" + older.group(1).replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == 61


def test_an_orders_page_tells_its_story(owner: Persona, browser: Client):
    text = _text(browser.get(f"/orders/{owner.filled.pk}/"))
    steps = ["Decided and written down", "Sent to the exchange", "Completely filled"]
    assert [text.index(step) for step in steps] == sorted(text.index(step) for step in steps)
    assert "venue-owner" in text
    assert "50,000.5 0.25 USDT" in text


def test_a_skipped_orders_page_says_that_nothing_was_sent(owner: Persona, browser: Client):
    text = _text(browser.get(f"/orders/{owner.skipped.pk}/"))
    assert "No order was sent to the exchange" in text
    assert "is carried over to the next signal" in text


def test_two_attempts_are_told_apart_and_averaged(owner: Persona, browser: Client):
    intent = IntentFactory(
        subscription=owner.copy, status=Intent.Status.FILLED, quantity=Decimal(4), side="sell",
        is_entry=False,
    )  # fmt: skip
    for attempt, (filled, price) in enumerate([(1, 100), (3, 200)], start=1):
        OrderFactory(
            intent=intent, attempt=attempt, filled_quantity=filled, average_price=price,
            state="filled", side="sell",
        )  # fmt: skip
    text = _text(browser.get(f"/orders/{intent.pk}/"))
    assert "Close long BTC/USDT" in text
    assert "Average price 175" in text
    assert "Attempt 1" in text
    assert "Attempt 2" in text


def test_the_account_page_says_what_was_changed_by_hand(
    owner: Persona, stranger: Persona, browser: Client
):
    finding = FindingFactory(
        account=owner.account,
        subscription=owner.copy,
        kind="manual_reduction",
        params={"quantity": "3", "price": "50000", "left": "7"},
    )
    page = f"/accounts/{owner.account.pk}/"
    text = _text(browser.get(page))
    assert "BTC/USDT:USDT was reduced by hand at the exchange: 3 at 50000, 7 are left" in text
    assert owner.copy.strategy.name in text
    with tenant_scope(owner.tenant.pk):
        finding.delete()
    assert "by hand" not in _text(browser.get(page))
    FindingFactory(account=stranger.account)
    assert "by hand" not in _text(browser.get(page))


def test_the_account_page_shows_balances_exchange_positions_and_settings(
    owner: Persona, browser: Client
):
    text = _text(browser.get(f"/accounts/{owner.account.pk}/"))
    assert "USDT 12,345.67 9,000" in text
    assert "One-way (net)" in text
    assert "owner strategy" in text


def test_a_client_without_anything_gets_pages_that_explain(owner: Persona):
    from tests.factories import CustomerFactory, CustomerUserFactory

    customer = CustomerFactory(tenant=owner.tenant)
    client = Client()
    client.force_login(CustomerUserFactory(customer=customer).user)
    text = _text(client.get("/"))
    assert "No exchange account is connected yet" in text
    assert "No open positions" in text
    assert "No orders yet" in text
    assert "You copy no strategy yet" in _text(client.get("/copies/"))


@pytest.mark.parametrize("part", PARTS)
def test_parts_of_a_page_come_without_the_frame(browser: Client, part: str):
    response = browser.get(f"/parts/{part}/", headers={"HX-Request": "true"})
    assert response.status_code == 200
    assert b"<html" not in response.content
    assert browser.get("/parts/nonsense/").status_code == 404


# --- languages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_page_speaks_chinese(browser: Client, page: str):
    browser.cookies["django_language"] = "zh-hans"
    response = browser.get(page)
    assert '<html lang="zh-hans">' in response.content.decode()
    text = _text(response)
    assert "总览" in text
    assert "Overview" not in text


def test_reasons_and_trading_terms_are_chinese_too(browser: Client):
    browser.cookies["django_language"] = "zh-hans"
    text = _text(browser.get("/"))
    assert "开多 BTC/USDT" in text
    assert "未实现盈亏" in text
    assert "低于交易所最小下单量 0.01" in text


def test_the_language_is_kept_in_the_cookie_and_the_profile(owner: Persona, browser: Client):
    response = browser.post("/i18n/setlang/", {"language": "zh-hans", "next": "/orders/"})
    assert response["Location"] == "/orders/"
    assert response.cookies["django_language"].value == "zh-hans"
    owner.user.refresh_from_db()
    assert owner.user.language == "zh-hans"
    assert "订单" in _text(browser.get("/orders/"))


def test_another_browser_speaks_the_profiles_language_after_the_login(owner: Persona):
    from tests.factories import PASSWORD

    owner.user.language = "zh-hans"
    owner.user.save()
    client = Client()
    response = client.post("/login/", {"email": owner.user.email, "password": PASSWORD})
    assert response.cookies["django_language"].value == "zh-hans"
    assert "总览" in _text(client.get("/"))


def test_an_unknown_language_is_refused_and_a_foreign_address_not_followed(browser: Client):
    assert browser.post("/i18n/setlang/", {"language": "xx"}).status_code == 404
    response = browser.post("/i18n/setlang/", {"language": "en", "next": "https://evil.example"})
    assert response["Location"] == "/"


def test_the_login_page_follows_the_browsers_language(db):
    page = Client().get("/login/", headers={"Accept-Language": "zh-CN,zh;q=0.9"})
    assert "登录" in _text(page)


# --- headers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["/login/", *PAGES, "/nowhere/"])
def test_pages_allow_no_inline_script_or_style_and_use_none(browser: Client, page: str):
    client = Client() if page == "/login/" else browser
    response = client.get(page)
    policy = dict(
        part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";")
    )
    assert "unsafe" not in response["Content-Security-Policy"]
    assert policy["default-src"] == "'self'"
    assert policy["object-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    html = response.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_kept_in_no_cache(browser: Client, page: str):
    assert "no-store" in browser.get(page)["Cache-Control"]
    assert "HX-Request" in browser.get(page)["Vary"]


def test_every_static_file_that_a_page_names_exists(browser: Client):
    from django.contrib.staticfiles import finders

    html = browser.get("/").content.decode()
    names = set(re.findall(r'(?:src|href)="/static/([^"#]+)', html))
    assert "js/live.js" in names
    assert [name for name in names if finders.find(name) is None] == []


def test_every_icon_that_a_template_names_is_in_the_sprite():
    from django.conf import settings

    templates = (settings.BASE_DIR / "templates").rglob("*.html")
    used = {
        name
        for template in templates
        for name in re.findall(r'{% icon "([\w-]+)"', template.read_text(encoding="utf-8"))
    }
    code = (settings.BASE_DIR / "trading").rglob("portal*/*.py")
    used |= {name for file in code for name in re.findall(r'icon="([\w-]+)"', file.read_text())}
    sprite = settings.BASE_DIR / "static" / "vendor" / "bootstrap-icons" / "icons.svg"
    assert used - set(re.findall(r'id="([\w-]+)"', sprite.read_text())) == set()
    assert used


# --- cost ---------------------------------------------------------------------------------------

QUERIES = {
    # session, user, customers; for whole pages the sequence number; then the page's own
    "/": 18,
    "/positions/": 8,
    "/orders/": 7,
    "/copies/": 12,
    "/strategies/": 8,
    "/parts/numbers/": 12,
    "/parts/feed/": 6,
}


def _more_of_everything(owner: Persona) -> None:
    from tests.factories import CopiedPositionFactory, SubscriptionFactory

    for n in range(5):
        account = AccountFactory(customer=owner.customer)
        copy = SubscriptionFactory(strategy=owner.copy.strategy, account=account)
        CopiedPositionFactory(subscription=copy, symbol=f"C{n}/USDT:USDT")
        intent = IntentFactory(subscription=copy)
        OrderFactory(intent=intent)


@pytest.mark.parametrize("page", QUERIES)
def test_a_page_asks_no_more_when_there_is_more_to_show(
    owner: Persona, browser: Client, django_assert_max_num_queries, page: str
):
    part = {"HX-Request": "true"} if page.startswith("/parts/") else {}
    with django_assert_max_num_queries(QUERIES[page]):
        browser.get(page, headers=part)
    _more_of_everything(owner)
    with django_assert_max_num_queries(QUERIES[page]):
        browser.get(page, headers=part)
