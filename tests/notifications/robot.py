"""A DingTalk robot of our own: a real HTTP server that checks the signature as DingTalk does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

SECRET = "SEC000000000000000000000000000000000000000000000000000000000000"
TOKEN = "token-that-is-nobodys-business"


@dataclass
class Robot:
    url: str
    status: int = 200
    answer: bytes | None = None
    location: str = ""
    texts: list[str] = field(default_factory=list)

    def errcode(self, path: str, body: bytes) -> tuple[int, str]:
        """What DingTalk says: the raw query is decoded once, then the signature must match."""
        query = parse_qs(urlsplit(path).query, strict_parsing=True)
        if query.get("access_token") != [TOKEN]:
            return 300001, "token is not exist"
        stamp = query["timestamp"][0]
        mac = hmac.new(SECRET.encode(), f"{stamp}\n{SECRET}".encode(), hashlib.sha256).digest()
        if query["sign"] != [base64.b64encode(mac).decode()]:
            return 310000, "sign not match"
        message = json.loads(body)
        assert message["msgtype"] == "text"
        self.texts.append(message["text"]["content"])
        return 0, "ok"


@pytest.fixture
def robot(settings: Any) -> Iterator[Robot]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            code, text = robot.errcode(self.path, body)
            answer = robot.answer
            if answer is None:
                answer = json.dumps({"errcode": code, "errmsg": text}).encode()
            self.send_response(robot.status)
            if robot.location:
                self.send_header("Location", robot.location)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    origin = f"http://127.0.0.1:{server.server_port}"
    robot = Robot(f"{origin}/robot/send?access_token={TOKEN}")
    settings.DINGTALK_ORIGINS = [origin]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield robot
    server.shutdown()
    server.server_close()
