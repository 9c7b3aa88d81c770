"""Garbage gives a problem: never an exception, never a signal."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals_app.domain.parsers.problems import ParseProblem
from signals_app.domain.parsers.registry import parsers
from signals_app.problem_texts import problem_text
from tests.signals_app.parsers.conftest import parse
from tests.signals_app.parsers.test_channel_messages import MESSAGES
from tests.signals_app.parsers.test_mapped import MAPPING, event
from tests.signals_app.parsers.test_three_commas import THREE_COMMAS
from tests.signals_app.parsers.test_tradingview import TRADINGVIEW

SETTINGS = {"mapped": MAPPING}
NAMES = sorted(parsers())
REAL = {
    "tradingview": [
        body if isinstance(body, str) else json.dumps(body) for body, _ in TRADINGVIEW.values()
    ],
    "channel_text": list(MESSAGES),
    "three_commas": [json.dumps(body) for body, _ in THREE_COMMAS.values()],
    "mapped": [event(**fields) for fields in ({}, {"kind": "OUT"}, {"px": 64000.5, "at": 1})],
}
"""By format; another format's are garbage, too."""
OTHERS = [bodies[0] for bodies in REAL.values()]
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
        text = problem_text(problem.code, problem.params)
        assert text not in ("", problem.code)
        assert "%(" not in text
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
    data=st.data(),
    position=st.integers(0, 300),
    cut=st.integers(0, 40),
    put=st.text(max_size=6) | st.sampled_from(["9" * 400, "1e999", "-", "\ud800", "[", "%", "{{"]),
)
def test_damaged_real_payloads_raise_nothing_else(
    name: str, data: st.DataObject, position: int, cut: int, put: str
) -> None:
    body = data.draw(st.sampled_from(REAL[name] + OTHERS))
    damaged = body[:position] + put + body[position + cut :]
    verdict(name, damaged.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", NAMES)
def test_damage_reaches_the_inside_of_every_format(name: str) -> None:
    """Some of it is still a signal, and what is not is refused for many reasons."""
    random = Random(name)
    verdicts = set()
    for _ in range(600):
        body = random.choice(REAL[name])
        position = random.randrange(len(body))
        put = random.choice(["", "0", "-", "x", "BTC", "ETHUSDT", "1e999", "short", "null"])
        damaged = body[:position] + put + body[position + random.randrange(12) :]
        verdicts.add(verdict(name, damaged.encode()))
    assert None in verdicts
    assert len(verdicts - {None, "invalid_json"}) >= 4, verdicts


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
