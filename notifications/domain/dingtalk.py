"""DingTalk's custom robot: how a request is signed and what an answer means.

https://open.dingtalk.com/document/robots/customize-robot-security-settings
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit


class RobotRefusedError(Exception):
    """The robot did not take the message; the text says why and holds no token."""


def robot_signature(*, timestamp_ms: int, secret: str) -> str:
    """Base64 of HMAC-SHA256, keyed by the secret, over "timestamp, newline, secret"."""
    message = f"{timestamp_ms}\n{secret}".encode()
    return base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()


def robot_url(url: str, *, timestamp_ms: int, secret: str) -> str:
    """The robot's URL with timestamp and signature, percent-encoded once. As is without secret."""
    if not secret:
        return url
    parts = urlsplit(url)
    query = [
        *parse_qsl(parts.query, keep_blank_values=True),
        ("timestamp", str(timestamp_ms)),
        ("sign", robot_signature(timestamp_ms=timestamp_ms, secret=secret)),
    ]
    return urlunsplit(parts._replace(query=urlencode(query)))


def robot_answer_check(status: int, body: bytes) -> None:
    """HTTP 200 alone means nothing: only errcode 0 does. Raises RobotRefusedError."""
    if status != 200:
        raise RobotRefusedError(f"DingTalk answered HTTP {status}.")
    try:
        answer = json.loads(body)
        code = answer["errcode"]
    except (ValueError, KeyError, TypeError):
        raise RobotRefusedError("DingTalk answered something that is not its JSON.") from None
    if code != 0:
        raise RobotRefusedError(f"DingTalk refused: {answer.get('errmsg', '')} ({code})")
