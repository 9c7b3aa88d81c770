"""A plain signed client for tests: its own signature code, so that it checks the server's."""

from __future__ import annotations

import hmac
import http.client
import json
from base64 import b64encode
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

from config.demo.paper_control import PaperAccount


def timestamp(shift_seconds: float = 0.0) -> str:
    moment = datetime.now(UTC) + timedelta(seconds=shift_seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def sign(secret: str, message: str) -> str:
    return b64encode(hmac.digest(secret.encode(), message.encode(), "sha256")).decode()


@dataclass(frozen=True)
class Answer:
    status: int
    text: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        return self.json["code"]

    @property
    def data(self) -> list[Any]:
        return self.json["data"]

    @property
    def row(self) -> dict[str, Any]:
        assert len(self.data) == 1, self.text
        return self.data[0]


@dataclass
class PaperClient:
    url: str
    account: PaperAccount | None = None
    source_ip: str = "127.0.0.1"
    timeout: float = 10.0
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def headers(
        self, method: str, target: str, body: str, *, stamp: str | None = None
    ) -> dict[str, str]:
        assert self.account is not None
        stamp = stamp or timestamp()
        return {
            "OK-ACCESS-KEY": self.account.api_key,
            "OK-ACCESS-PASSPHRASE": self.account.passphrase,
            "OK-ACCESS-TIMESTAMP": stamp,
            "OK-ACCESS-SIGN": sign(self.account.secret_key, stamp + method + target + body),
            "Content-Type": "application/json",
        }

    def send(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> Answer:
        """One request on the kept connection; transport errors come through as they are."""
        target = path if path.startswith("/") else f"/api/v5/{path}"
        if headers is None:
            signed = self.account is not None
            headers = self.headers(method, target, body) if signed else {}
        if self._connection is None:
            address = urlsplit(self.url)
            self._connection = http.client.HTTPConnection(
                address.hostname or "",
                address.port,
                timeout=self.timeout,
                source_address=(self.source_ip, 0),
            )
        try:
            self._connection.request(method, target, body=body or None, headers=headers)
            answer = self._connection.getresponse()
            return Answer(answer.status, answer.read().decode(errors="replace"))
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        text = body if isinstance(body, str) else json.dumps(body)
        target = f"/api/v5/{path}"
        signed = self.headers("POST", target, text)
        return self.send("POST", path, text, {**signed, **headers})

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class PaperSocket:
    """A WebSocket that reads and writes JSON."""

    def __init__(self, url: str, kind: str, source_ip: str = "127.0.0.1") -> None:
        address = urlsplit(url)
        self._opened = ExitStack()
        self.ws: ClientConnection = self._opened.enter_context(
            connect(
                f"ws://{address.netloc}/ws/v5/{kind}",
                source_address=(source_ip, 0),
                ping_interval=None,
            )
        )

    def send(self, message: Any) -> None:
        self.ws.send(message if isinstance(message, str) else json.dumps(message))

    def receive(self, timeout: float = 5.0) -> Any:
        text = self.ws.recv(timeout)
        return text if text == "pong" else json.loads(text)

    def until(self, wanted: Any, timeout: float = 10.0) -> dict[str, Any]:
        """The first message for which `wanted(message)` is true; others are passed over."""
        deadline = datetime.now(UTC) + timedelta(seconds=timeout)
        while True:
            left = (deadline - datetime.now(UTC)).total_seconds()
            message = self.receive(max(left, 0.01))
            if isinstance(message, dict) and wanted(message):
                return message

    def login(self, account: PaperAccount, **changes: Any) -> dict[str, Any]:
        stamp = changes.pop("stamp", None) or str(int(datetime.now(UTC).timestamp()))
        argument = {
            "apiKey": account.api_key,
            "passphrase": account.passphrase,
            "timestamp": stamp,
            "sign": sign(account.secret_key, f"{stamp}GET/users/self/verify"),
            **changes,
        }
        self.send({"op": "login", "args": [argument]})
        return self.receive()

    def subscribe(self, *arguments: dict[str, str], **extra: Any) -> dict[str, Any]:
        self.send({"op": "subscribe", "args": list(arguments), **extra})
        return self.until(lambda m: m.get("event") in ("subscribe", "error"))

    def push(self, channel: str, timeout: float = 10.0) -> dict[str, Any]:
        return self.until(
            lambda m: m.get("arg", {}).get("channel") == channel and "data" in m, timeout
        )

    def close(self) -> None:
        self._opened.close()


def order(**changes: Any) -> dict[str, Any]:
    """A small market buy of the linear Bitcoin swap, unless told otherwise."""
    return {
        "instId": "BTC-USDT-SWAP",
        "tdMode": "cross",
        "side": "buy",
        "ordType": "market",
        "sz": "1",
        **changes,
    }
