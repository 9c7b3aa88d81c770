"""static/js/live.js in a real browser: connects, survives a restart without a gap, ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from playwright.sync_api import Page, sync_playwright

from config.supervisor.ports import LOOPBACK
from tests.factories import CustomerUserFactory
from tests.notifications.conftest import WebStarter
from tests.notifications.sockets import publish, session_for

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.browser,
    pytest.mark.timeout(240),
]

LOAD = """
() => {
  window.seen = []; window.states = [];
  document.addEventListener("tandem:event", (e) => window.seen.push(e.detail.sequence));
  document.addEventListener("tandem:reset", () => window.seen.push("reset"));
  document.addEventListener("tandem:state", (e) => window.states.push(e.detail));
  const script = document.createElement("script");
  script.src = "/static/js/live.js";
  script.dataset.as = "client";
  script.dataset.since = "1";
  document.head.append(script);
}
"""


@pytest.fixture
def aside() -> Iterator[Callable[..., Any]]:
    """Calls in a thread: Playwright keeps an event loop in ours, where Django does not query."""
    with ThreadPoolExecutor(1) as executor:
        yield lambda work, *args: executor.submit(work, *args).result()
        executor.submit(connections.close_all).result()


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser.new_page()
        browser.close()


@pytest.mark.slow
def test_a_page_hears_all_events_once_through_a_restart_until_logout(
    start_web: WebStarter, page: Page, aside: Callable[..., Any]
) -> None:
    login = aside(CustomerUserFactory)
    session = aside(session_for, login.user)
    audience = f"customer:{login.customer.pk}"
    web = start_web()
    origin = f"http://{LOOPBACK}:{web.port}"
    aside(publish, login.tenant, audience, 3)

    page.context.add_cookies(
        [{"name": "sessionid", "value": session.session_key or "", "url": origin}]
    )
    page.goto(f"{origin}/no-such-page")  # any page of the site, with its content security policy
    page.evaluate(LOAD)

    def seen(*expected: Any) -> None:
        page.wait_for_function(
            "expected => JSON.stringify(window.seen) === JSON.stringify(expected)",
            arg=list(expected),
            timeout=30_000,
        )

    seen(2, 3)  # the page was rendered at 1
    aside(publish, login.tenant, audience, 1)
    seen(2, 3, 4)
    assert page.evaluate("document.documentElement.dataset.live") == "live"

    web.process.kill()
    page.wait_for_function(
        "() => document.documentElement.dataset.live === 'waiting'", timeout=10_000
    )
    aside(publish, login.tenant, audience, 2)
    start_web(port=web.port)
    seen(2, 3, 4, 5, 6)

    aside(session.flush)
    page.wait_for_function(
        "() => document.documentElement.dataset.live === 'signed-out'", timeout=30_000
    )
    states = page.evaluate("window.states")
    assert states[:2] == ["connecting", "live"]
    assert states[-1] == "signed-out"
