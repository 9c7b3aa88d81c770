"""Garbage gives a problem: never an exception, never a signal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals_app.domain.parsers.problems import ParseProblem
from signals_app.domain.parsers.registry import parsers
from signals_app.problem_texts import problem_text
from tests.signals_app.parsers.conftest import parse
from tests.signals_app.parsers.test_channel_messages import MESSAGES
from tests.signals_app.parsers.test_mapped import MAPPING, event
from tests.signals_app.parsers.test_three_commas import bot
from tests.signals_app.parsers.test_tradingview import TRADINGVIEW

SETTINGS = {"mapped": MAPPING}
NAMES = sorted(parsers())
REAL = [
    *(body if isinstance(body, str) else json.dumps(body) for body, _ in TRADINGVIEW.values()),
    *MESSAGES,
    json.dumps(bot("enter_long")),
    event(amount="1"),
]
json_documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(["action", "symbol", "ticker", "event", "order", "text", "timestamp"])
            | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


def verdict(name: str, body: bytes) -> str | None:
    """The problem's code; None for a signal."""
    try:
        parse(name, body, SETTINGS.get(name))
    except ParseProblem as problem:
        assert problem_text(problem.code, problem.params) not in ("", problem.code)
        return problem.code
    return None


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=400))
def test_bytes(name: str, body: bytes) -> None:
    assert verdict(name, body) is not None


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=300, deadline=None)
@given(document=json_documents)
def test_documents(name: str, document: object) -> None:
    assert verdict(name, json.dumps(document).encode()) is not None


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=300, deadline=None)
@given(
    body=st.sampled_from(REAL),
    position=st.integers(0, 300),
    cut=st.integers(0, 40),
    put=st.text(max_size=6) | st.sampled_from(["9" * 400, "1e999", "-", "\ud800", "[", "%", "{{"]),
)
def test_damaged_real_payloads_raise_nothing_else(
    name: str, body: str, position: int, cut: int, put: str
) -> None:
    damaged = body[:position] + put + body[position + cut :]
    verdict(name, damaged.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 50_000, b"9" * 60_000, b"TP1 " * 15_000,
     b"LONG BTC " + b"1-" * 30_000, "止盈".encode() * 10_000,
     b'{"event": {"px": 1e99999999}}', b'"' + b"\\u0000" * 1000 + b'"'],
    ids=range(8),
)  # fmt: skip
def test_large_and_deep_bodies_end(name: str, body: bytes) -> None:
    assert verdict(name, body) is not None
