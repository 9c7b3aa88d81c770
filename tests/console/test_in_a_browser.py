"""The console in a real browser, in front of a real web process and relay."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings
from django.db import connections, transaction
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect, sync_playwright

from config.supervisor.ports import LOOPBACK, free_port, http_answers
from customers.services.events import EventDraft, events_record, staff_audience
from customers.tenancy import tenant_scope
from signals_app.models import Signal
from tests import factories as make
from tests.console.conftest import Firm, make_firm
from tests.processes.live import LiveProcesses, database_url
from trading.models import Intent, Order
from trading.services.controls import control_set

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.browser,
    pytest.mark.timeout(300),
]
PATIENCE_MS = 30_000

Aside = Callable[..., Any]


@pytest.fixture
def aside() -> Iterator[Aside]:
    """Calls in a thread: Playwright keeps an event loop in ours, where Django does not query."""
    with ThreadPoolExecutor(1) as executor:
        yield lambda work, *args: executor.submit(work, *args).result()
        executor.submit(connections.close_all).result()


@pytest.fixture
def origin(live: LiveProcesses) -> str:
    port = free_port()
    address = f"http://{LOOPBACK}:{port}"
    live.start(
        "web",
        (
            *(sys.executable, "-m", "uvicorn", "config.asgi:application"),
            *("--port", str(port), "--ws", "websockets-sansio"),
        ),
        env={"DATABASE_URL": database_url(), "PAPER_EXCHANGE_URL": f"http://{LOOPBACK}:9"},
        ready=lambda _: http_answers(f"{address}/login/"),
    )
    live.manage("relay")
    return address


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console complained of, a broken content policy above all."""
    return []


@pytest.fixture
def page(complaints: list[str]) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(locale="en-GB", viewport={"width": 1500, "height": 950})
        page.set_default_timeout(PATIENCE_MS)
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        browser.close()


def _owner_session(firm: Firm) -> str:
    client = Client()
    client.force_login(firm.membership.user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def _enter(page: Page, origin: str, session: str) -> None:
    page.context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": origin}]
    )


def _fresh_signal(firm: Firm) -> tuple[Signal, Order]:
    """Planned for one of two followers, whose order is working."""
    signal = make.SignalFactory(source=firm.source, followers=2, status="dispatched")
    intent = make.IntentFactory(subscription=firm.subscription, signal=signal)
    return signal, make.OrderFactory(intent=intent, state="accepted")


def _fills(firm: Firm, signal: Signal, order: Order) -> None:
    with tenant_scope(firm.tenant.pk), transaction.atomic():
        Intent.objects.filter(pk=order.intent_id).update(status="filled")
        Order.objects.filter(pk=order.pk).update(
            state="filled", filled_quantity=order.quantity, average_price=50_010
        )
        _tell(firm, signal, order.intent)


def _second_follower(firm: Firm, signal: Signal) -> Intent:
    with tenant_scope(firm.tenant.pk), transaction.atomic():
        intent = make.IntentFactory(
            subscription=make.SubscriptionFactory(strategy=firm.strategy),
            signal=signal,
            status="skipped",
            reason_code="balance_unknown",
        )
        _tell(firm, signal, intent)
    return intent


def _tell(firm: Firm, signal: Signal, intent: Intent) -> None:
    rows = [{"intent": intent.pk, "order": "", "account": intent.account_id, "status": "x"}]
    payload = {"signal": signal.pk, "rows": rows}
    audience = staff_audience(firm.tenant.pk)
    events_record([EventDraft(firm.tenant.pk, audience, "signal.rows", payload)])


def _ends(firm: Firm, signal: Signal) -> None:
    payload = {"signal": signal.pk, "counts": {}}
    audience = staff_audience(firm.tenant.pk)
    with tenant_scope(firm.tenant.pk), transaction.atomic():
        Signal.objects.filter(pk=signal.pk).update(status="done", done_at=timezone.now())
        events_record([EventDraft(firm.tenant.pk, audience, "signal.done", payload)])


def _halt(firm: Firm) -> None:
    with tenant_scope(firm.tenant.pk):
        control_set(
            level="strategy", subject_id=firm.strategy.pk, mode="halted", reason="odd fills",
            actor=None,
        )  # fmt: skip


def test_the_signal_page_fills_in_live_without_a_reload(
    origin: str, page: Page, complaints: list[str], aside: Aside
) -> None:
    firm = aside(make_firm)
    signal, order = aside(_fresh_signal, firm)
    _enter(page, origin, aside(_owner_session, firm))
    # The page also asks every few seconds, for a socket that is down; here only the push may help.
    page.add_init_script("window.setInterval = () => 0;")
    page.goto(f"{origin}/admin/signals_app/signal/{signal.pk}/change/")
    row = page.locator(f"#row-{order.intent_id}")
    expect(row).to_contain_text("working")
    expect(page.locator("html")).to_have_attribute("data-live", "live")
    page.evaluate("window.notReloaded = true")

    aside(_fills, firm, signal, order)
    expect(row.locator(".console-status")).to_have_text("filled")
    expect(row).to_contain_text("50,010")
    expect(row).to_contain_text("+2.0")
    expect(page.locator(".console-counter.is-filled b")).to_have_text("1")
    expect(page.locator(".console-counter.is-working b")).to_have_text("0")

    skipped = aside(_second_follower, firm, signal)
    expect(page.locator(f"#row-{skipped.pk}")).to_contain_text("balance is not known yet")
    expect(page.locator(".console-counter.is-all b")).to_have_text("2")

    page.locator(".console-counter.is-skipped").click()
    expect(page.locator("#signal-rows tbody tr")).to_have_count(1)
    expect(page).to_have_url(f"{page.url.split('?')[0]}?status=skipped&page=1")

    expect(page.locator("#signal-state")).to_have_text("sent out")
    expect(page.locator("#signal-done")).to_have_text("–")
    aside(_ends, firm, signal)
    expect(page.locator("#signal-state")).to_have_text("done")
    expect(page.locator("#signal-done")).to_contain_text(":")
    assert page.evaluate("window.notReloaded") is True
    assert complaints == []


def test_a_halt_appears_on_an_open_page(
    origin: str, page: Page, complaints: list[str], aside: Aside
) -> None:
    firm = aside(make_firm)
    _enter(page, origin, aside(_owner_session, firm))
    page.goto(f"{origin}/admin/customers/customer/")
    expect(page.locator("html")).to_have_attribute("data-live", "live")
    aside(_halt, firm)
    expect(page.locator(".console-banner")).to_contain_text("odd fills")
    assert complaints == []


def test_the_pages_keep_to_the_content_policy(
    origin: str, page: Page, complaints: list[str], aside: Aside
) -> None:
    firm = aside(make_firm)
    _enter(page, origin, aside(_owner_session, firm))
    paths = [
        "",
        "signals_app/signal/",
        f"signals_app/signal/{firm.signal.pk}/change/",
        "trading/order/",
        f"trading/order/{firm.order.pk}/change/",
        f"customers/exchangeaccount/{firm.account.pk}/change/",
        "strategies/subscription/add/",
        "customers/apikey/add/",
        "send-signal/",
        "trading/tradingcontrol/",
    ]
    for path in paths:
        answer = page.goto(f"{origin}/admin/{path}")
        assert answer is not None
        assert answer.status == 200
        policy = answer.headers["content-security-policy"]
        scripts = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
        assert "unsafe-inline" not in scripts
        page.wait_for_load_state("networkidle")
    assert complaints == []
    page.context.clear_cookies()
    outside = page.goto(f"{origin}/login/")
    assert outside is not None
    assert "unsafe" not in outside.headers["content-security-policy"]
