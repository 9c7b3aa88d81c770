"""Bodies that are too large are refused by the real server before they are read."""

import asyncio
import json
import socket
import threading
import time

import pytest
import uvicorn
from django.core.signals import request_started

from config.body_limit import BodyLimit
from config.lanes import LaneHandler
from signals_app.domain.canonical import MAX_BODY_BYTES
from signals_app.models import WebhookRejection
from tests.factories import SourceFactory
from tests.signals_app.conftest import signal_json, signed

MEGABYTE = 1024 * 1024

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def port():
    """A uvicorn in a thread, on a free port, with the limits of the site."""
    app = BodyLimit(LaneHandler(lanes=2), limits={"/hooks/": MAX_BODY_BYTES}, otherwise=MEGABYTE)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


def read_answer(connection: socket.socket) -> tuple[int, dict]:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), json.loads(body)


def test_ten_megabytes_are_refused_before_they_are_sent(port):
    source = SourceFactory()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(
            f"POST /hooks/{source.pk}/ HTTP/1.1\r\nHost: x\r\n"
            f"Content-Length: {10 * MEGABYTE}\r\n\r\n".encode()
        )
        connection.sendall(b"x" * 1000)  # of ten million; the answer does not wait for the rest
        status, answer = read_answer(connection)
    assert (status, answer["error"]["code"]) == (413, "body_too_large")
    row = WebhookRejection.objects.get()
    assert (row.code, row.source_reference) == ("body_too_large", source.pk)
    assert row.body_bytes == 10 * MEGABYTE


def test_a_body_of_no_declared_length_is_refused_once_it_is_too_long(port):
    source = SourceFactory()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(
            f"POST /hooks/{source.pk}/ HTTP/1.1\r\nHost: x\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        for _ in range(5):  # 320 KiB of a body that never ends
            connection.sendall(chunk)
        status, answer = read_answer(connection)
    assert (status, answer["error"]["code"]) == (413, "body_too_large")
    assert MAX_BODY_BYTES < WebhookRejection.objects.get().body_bytes <= 5 * 0x10000


def test_a_sender_that_first_sends_all_of_it_still_sees_the_answer(port):
    source = SourceFactory()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(
            f"POST /hooks/{source.pk}/ HTTP/1.1\r\nHost: x\r\n"
            f"Content-Length: {10 * MEGABYTE}\r\n\r\n".encode()
        )
        for _ in range(10):
            connection.sendall(b"x" * MEGABYTE)
        status, answer = read_answer(connection)
    assert (status, answer["error"]["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_normal_delivery_passes(port, chunked):
    source = SourceFactory()
    raw = json.dumps(signal_json()).encode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed(raw).items())
    if chunked:
        half = len(raw) // 2
        parts = (raw[:half], raw[half:])
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        length = "Transfer-Encoding: chunked"
    else:
        body, length = raw, f"Content-Length: {len(raw)}"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(
            f"POST /hooks/{source.pk}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"{lines}{length}\r\n\r\n".encode()
            + body
        )
        status, answer = read_answer(connection)
    assert status == 202, answer
    assert WebhookRejection.objects.count() == 0


def test_requests_share_a_fixed_set_of_threads(port):
    """A thread of its own for each request would mean a new database connection each time."""
    source = SourceFactory()
    threads = set()

    def note_thread(**_):
        threads.add(threading.get_ident())

    request_started.connect(note_thread, sender=LaneHandler)
    try:
        for _ in range(6):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(
                    f"GET /hooks/{source.pk}/ HTTP/1.1\r\nHost: x\r\n"
                    "Connection: close\r\n\r\n".encode()
                )
                assert read_answer(connection)[0] == 405
    finally:
        request_started.disconnect(note_thread, sender=LaneHandler)
    assert 1 <= len(threads) <= 2


def test_slow_senders_occupy_no_thread(port):
    source = SourceFactory()
    started = f"POST /hooks/{source.pk}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{{"
    slow = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(5)]
    try:
        for connection in slow:
            connection.sendall(started.encode())
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(
                f"GET /hooks/{source.pk}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            )
            assert read_answer(connection)[0] == 405
    finally:
        for connection in slow:
            connection.close()


def test_a_sender_that_goes_away_in_the_middle_leaves_nothing_behind(port):
    source = SourceFactory()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(
            f"POST /hooks/{source.pk}/ HTTP/1.1\r\nHost: x\r\n"
            "Content-Length: 5000\r\n\r\n{".encode()
        )
    time.sleep(0.3)
    assert WebhookRejection.objects.count() == 0
