"""The API's page works in a browser under the site's content security policy."""

import asyncio
import socket
import threading

import pytest
import uvicorn
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from playwright.sync_api import sync_playwright

from config.lanes import LaneHandler


@pytest.fixture
def address():
    listener = socket.create_server(("127.0.0.1", 0))
    app = ASGIStaticFilesHandler(LaneHandler(lanes=2))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.mark.browser
def test_swagger_shows_every_operation_and_breaks_no_policy(address):
    complaints = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        answer = page.goto(f"{address}/api/docs/")
        assert "unsafe" not in answer.headers["content-security-policy"]
        page.wait_for_selector("#operations-signals-signals_create", timeout=30_000)
        assert page.locator(".opblock").count() == 27
        browser.close()
    assert complaints == []
