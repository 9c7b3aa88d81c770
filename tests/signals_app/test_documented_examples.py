"""The examples in docs/ run as they are written, against a real server."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import uvicorn
from django.conf import settings

from config.lanes import LaneHandler
from customers.tenancy import system_scope
from signals_app.domain.canonical import FIELD_NAMES
from signals_app.domain.errors import FormatCode
from signals_app.models import Signal, SignalSource
from tests.factories import WEBHOOK_SECRET, ApiKeyFactory, SourceFactory
from tests.signals_app.canonical.test_schema import schema_accepts

pytestmark = pytest.mark.django_db(transaction=True)

DOCS = settings.BASE_DIR / "docs"


def example(file: str, language: str) -> str:
    text = (DOCS / file).read_text(encoding="utf-8")
    (found,) = re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)
    return found


@pytest.fixture
def address():
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(LaneHandler(lanes=1), lifespan="off", log_level="warning", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def run(command: list[str], **environment: str) -> dict:
    finished = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return json.loads(finished.stdout)


def assert_stored(answer: dict, action: str) -> None:
    with system_scope("test"):
        assert Signal.objects.get(pk=answer["id"]).action == action


def test_curl_and_openssl(address):
    url = f"{address}/hooks/{SourceFactory().pk}/"
    answer = run(["sh", "-c", example("signals.md", "sh")], URL=url, SECRET=WEBHOOK_SECRET)
    assert_stored(answer, "open")


def test_python(address):
    url = f"{address}/hooks/{SourceFactory().pk}/"
    code = example("signals.md", "python")
    answer = run([sys.executable, "-c", code], URL=url, SECRET=WEBHOOK_SECRET)
    assert_stored(answer, "reduce")


def test_the_api_with_curl(address):
    source = SourceFactory(kind=SignalSource.Kind.MANUAL)
    ApiKeyFactory(tenant=source.tenant, token="documented")
    answer = run(
        ["sh", "-c", example("api.md", "sh")],
        API=f"{address}/api/v1",
        TOKEN="documented",
        SOURCE=source.pk,
    )
    assert_stored(answer, "open")


def test_every_code_and_field_is_documented():
    text = (DOCS / "signals.md").read_text(encoding="utf-8")
    modules = ["hooks.py", "services/signals.py", "domain/webhook_signature.py"]
    root = Path(sys.modules[Signal.__module__].__file__).parent.parent
    codes = {code.value for code in FormatCode}
    for module in modules:
        source = (root / module).read_text(encoding="utf-8")
        codes |= set(
            re.findall(r'Error\(\s*(?:\d{3},\s*)?"([a-z_]+)"', source)
            + re.findall(r'_error\(\d{3}, "([a-z_]+)"', source)
        )
    assert {"wrong_signature", "source_paused", "body_too_large", "method_not_allowed"} <= codes
    for word in codes | FIELD_NAMES:
        assert f"`{word}`" in text, word


def test_the_canonical_example_is_valid():
    assert schema_accepts(json.loads(example("signals.md", "json")))
