"""The portal in a real browser, in front of a real web process and relay."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections, transaction
from playwright.sync_api import Page, expect, sync_playwright

from config.supervisor.ports import LOOPBACK, free_port, http_answers
from customers.services.events import EventDraft, customer_audience, events_record
from customers.tenancy import tenant_scope
from tests.factories import PASSWORD, CustomerFactory, IntentFactory, OrderFactory
from tests.portal.conftest import Persona, make_persona
from tests.processes.live import LiveProcesses, database_url
from trading.models import Intent, Order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.browser,
    pytest.mark.timeout(240),
]
PATIENCE_MS = 30_000


@pytest.fixture
def aside() -> Iterator[Callable[..., Any]]:
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
        page = browser.new_page(locale="en-GB")
        page.set_default_timeout(PATIENCE_MS)
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        browser.close()


def _persona() -> Persona:
    return make_persona("owner", CustomerFactory().tenant)


def _log_in(page: Page, origin: str, persona: Persona) -> None:
    page.goto(f"{origin}/")
    expect(page).to_have_url(re.compile(r"/login/"))
    page.get_by_label("Email address").fill(persona.user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{origin}/")


def _order_accepted(persona: Persona) -> Order:
    intent = IntentFactory(subscription=persona.copy, symbol="SOL/USDT:USDT")
    return OrderFactory(intent=intent, state=Order.State.ACCEPTED)


def _order_fills(persona: Persona, order: Order) -> None:
    """What the fill service leaves: rows and an event in one transaction."""
    with tenant_scope(persona.tenant.pk), transaction.atomic():
        Intent.objects.filter(pk=order.intent_id).update(status=Intent.Status.FILLED)
        Order.objects.filter(pk=order.pk).update(
            state=Order.State.FILLED, filled_quantity=order.quantity, average_price=171
        )
        payload = {
            "order": order.pk,
            "intent": order.intent_id,
            "account": order.account_id,
            "symbol": order.symbol,
            "side": order.side,
            "status": "filled",
            "quantity": str(order.quantity),
            "filled": str(order.quantity),
            "average_price": "171",
            "reason_code": "",
            "reason_params": {},
        }
        audience = customer_audience(persona.customer.pk)
        events_record([EventDraft(persona.tenant.pk, audience, "order.changed", payload)])


def test_an_order_changes_live_on_the_page(
    origin: str, page: Page, complaints: list[str], aside: Callable[..., Any]
) -> None:
    persona = aside(_persona)
    order = aside(_order_accepted, persona)
    _log_in(page, origin, persona)
    row = page.locator("#orders tr", has_text="SOL/USDT")
    expect(row).to_contain_text("Working")
    expect(page.locator("#feed")).not_to_contain_text("SOL/USDT")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    page.evaluate("window.notReloaded = true")

    aside(_order_fills, persona, order)

    expect(row).to_contain_text("Filled", timeout=PATIENCE_MS)
    expect(row).to_contain_text("171")
    expect(page.locator("#feed")).to_contain_text("Open long SOL/USDT · filled")
    assert page.evaluate("window.notReloaded") is True
    assert complaints == []


def test_a_copy_is_paused_in_a_dialog_that_says_what_happens(
    origin: str, page: Page, complaints: list[str], aside: Callable[..., Any]
) -> None:
    persona = aside(_persona)
    _log_in(page, origin, persona)
    page.get_by_role("navigation", name="Main").first.get_by_text("Copies").click()
    page.get_by_role("link", name="Pause").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Exits are still followed")
    dialog.get_by_role("button", name="Back").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("link", name="Pause").click()
    dialog.get_by_role("button", name="Pause copying").click()
    expect(page.get_by_role("status")).to_contain_text("Copying is paused")
    expect(page.locator(".copy-card")).to_contain_text("Paused: exits only")
    assert complaints == []


def test_language_theme_and_filters_work_with_the_content_policy(
    origin: str, page: Page, complaints: list[str], aside: Callable[..., Any]
) -> None:
    persona = aside(_persona)
    _log_in(page, origin, persona)
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.goto(f"{origin}/orders/")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.get_by_text("Skipped").first.click()
    expect(page.locator("#order-list")).not_to_contain_text("BTC/USDT")
    expect(page.locator("#order-list")).to_contain_text("ETH/USDT")
    expect(page).to_have_url(re.compile(r"outcome=skipped"))
    page.get_by_role("button", name="Language").click()
    page.get_by_role("button", name="简体中文").click()
    expect(page.locator("h1")).to_have_text("订单")
    expect(page).to_have_url(re.compile(r"outcome=skipped"))
    assert complaints == []
