"""The DingTalk sender against a real HTTP server that checks the signature as DingTalk does."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from notifications.domain.dingtalk import RobotRefusedError, robot_signature, robot_url
from notifications.services.dingtalk import robot_send
from tests.notifications.robot import SECRET, TOKEN, Robot


def test_a_signed_message_arrives_as_written(robot: Robot) -> None:
    for number in range(20):  # signatures with +, / and = among them
        robot_send(url=robot.url, secret=SECRET, text=f"57 filled, 2 skipped\n跟单 {number}")
    assert len(robot.texts) == 20
    assert robot.texts[3] == "57 filled, 2 skipped\n跟单 3"


def test_the_signature_is_percent_encoded_exactly_once() -> None:
    stamp = next(
        stamp
        for stamp in range(1_700_000_000_000, 1_700_000_001_000)
        if {"+", "/"} <= set(robot_signature(timestamp_ms=stamp, secret=SECRET))
    )
    query = urlsplit(robot_url("https://x/send?a=b", timestamp_ms=stamp, secret=SECRET)).query
    assert "%2B" in query and "%2F" in query and "%3D" in query and "%25" not in query
    assert parse_qs(query)["sign"] == [robot_signature(timestamp_ms=stamp, secret=SECRET)]
    assert parse_qs(query)["a"] == ["b"]


def test_http_200_with_an_error_code_is_a_failure(robot: Robot) -> None:
    with pytest.raises(RobotRefusedError, match=r"sign not match \(310000\)"):
        robot_send(url=robot.url, secret="another", text="x")
    assert robot.texts == []


@pytest.mark.parametrize(
    ("status", "answer"),
    [(500, b"{}"), (200, b"<html>ok</html>"), (200, b"[]"), (200, b'{"msg":"ok"}')],
)
def test_whatever_is_not_a_clear_yes_is_a_failure(robot: Robot, status: int, answer: bytes) -> None:
    robot.status, robot.answer = status, answer
    with pytest.raises(RobotRefusedError):
        robot_send(url=robot.url, secret=SECRET, text="x")


def test_a_redirect_is_not_followed(robot: Robot) -> None:
    robot.status, robot.location, robot.answer = 307, robot.url.replace("robot", "other"), b""
    with pytest.raises(RobotRefusedError, match="HTTP 307"):
        robot_send(url=robot.url, secret=SECRET, text="x")
    assert len(robot.texts) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://oapi.dingtalk.com/robot/send?access_token=t",
        "https://oapi.dingtalk.com.evil.example/robot/send",
        "https://oapi.dingtalk.com@evil.example/robot/send",
        "https://u@oapi.dingtalk.com/robot/send",
        "https://127.0.0.1/robot/send",
        "https://oapi.dingtalk.com:8443/robot/send",
        "file:///etc/passwd",
        "",
    ],
)
def test_only_dingtalks_own_address_is_called(url: str) -> None:
    with pytest.raises(RobotRefusedError, match=r"must begin with https://oapi\.dingtalk\.com/"):
        robot_send(url=url, secret=SECRET, text="x")


def test_an_unreachable_robot_is_a_failure_without_the_token(settings: Any) -> None:
    settings.DINGTALK_ORIGINS = ["http://127.0.0.1:9"]
    with pytest.raises(RobotRefusedError) as caught:
        robot_send(url=f"http://127.0.0.1:9/send?access_token={TOKEN}", secret=SECRET, text="x")
    assert TOKEN not in str(caught.value)
