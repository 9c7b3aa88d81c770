"""Sending to a DingTalk robot. An own small sender: it signs the URL encoded once, and believes
errcode, not HTTP 200."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from notifications.domain.dingtalk import RobotRefusedError, robot_answer_check, robot_url

TIMEOUT_SECONDS = 8
_ANSWER_BYTES = 64_000
_TEXT_CHARACTERS = 5_000  # the robot takes 20,000 bytes


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """A redirect would carry us to an address that nobody allowed."""
        return


_opener = urllib.request.build_opener(_NoRedirect)


def robot_send(*, url: str, secret: str, text: str) -> None:
    """Deliver a text. Raises RobotRefusedError; its message never contains the URL's token."""
    _check_origin(url)
    request = urllib.request.Request(  # noqa: S310  (the origin is checked above)
        robot_url(url, timestamp_ms=int(time.time() * 1000), secret=secret),
        data=json.dumps(
            {"msgtype": "text", "text": {"content": text[:_TEXT_CHARACTERS]}}, ensure_ascii=False
        ).encode(),
        headers={"Content-Type": "application/json; charset=utf-8"},
        method="POST",
    )
    try:
        with _opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            status, body = answer.status, answer.read(_ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        status, body = error.code, b""
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise RobotRefusedError(f"DingTalk was not reached: {type(reason).__name__}") from None
    robot_answer_check(status, body)


def _check_origin(url: str) -> None:
    """Only the addresses of settings.DINGTALK_ORIGINS: whoever may enter a robot's URL must not
    make this server call addresses of its own network."""
    parts = urlsplit(url)
    if (
        parts.username
        or f"{parts.scheme}://{parts.netloc}".lower() not in settings.DINGTALK_ORIGINS
    ):
        allowed = ", ".join(settings.DINGTALK_ORIGINS)
        raise RobotRefusedError(f"The robot URL must begin with {allowed}/")
