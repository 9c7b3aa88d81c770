"""What the venue does to requests: fault rules that come and go, drawn from a menu of all kinds."""

from __future__ import annotations

import time
from collections import Counter
from random import Random
from typing import Any

from config.demo.paper_control import PaperControl

PLACING = {"endpoint": "trade/order", "method": "POST"}
LOOKING = {"endpoint": "trade/order", "method": "GET"}
READING = {"endpoint": "trade/*", "method": "GET"}
CANCELLING = {"endpoint": "trade/cancel-order", "method": "POST"}
STOPPING = {"endpoint": "trade/order-algo"}
AMENDING_STOPS = {"endpoint": "trade/*-algos", "method": "POST"}
ACCOUNTS = {"endpoint": "account/*"}
PRICES = {"endpoint": "market/*"}
READ = (
    LOOKING,
    READING,
    {"endpoint": "account/*", "method": "GET"},
    PRICES,
    {"endpoint": "public/*"},
)
"""Answers in which one field may be nonsense, all others as they are."""

SENSELESS = (
    "null",
    "[]",
    '{"code": 0, "data": {}}',
    '{"code": "0", "data": [{"sCode": "0", "ordId": ""}]}',
    '{"code": "0", "data": [{"sCode": 0, "ordId": 17, "clOrdId": []}]}',
    '{"code": "0", "data": [null]}',
    '{"code": "0", "data": [{"state": "no such", "sz": "NaN", "clOrdId": null}]}',
    '{"code": "\\ud800", "msg": "\\ud800"}',
    "[" * 3000,
)
SYSTEM_CODES = ("50001", "50004", "50013", "50026")
"""Of these the venue may have taken the order, so they come before and after booking."""


def menu(chance: Random, *, longest_hiding_ms: int) -> dict[str, Any]:
    """One random fault rule; its `probability` and `seed` are set by the caller."""
    booked = chance.random() < 0.5
    where = chance.choices(
        [PLACING, STOPPING, LOOKING, READING, AMENDING_STOPS, CANCELLING, ACCOUNTS, PRICES],
        [6, 3, 3, 2, 1, 1, 1, 1],
    )[0]
    rules: list[tuple[int, dict[str, Any]]] = [
        (4, {"action": "drop", "booked": booked, **where}),
        (3, {"action": "cut_body", "booked": booked, "ratio": chance.random(), **where}),
        (3, {"action": "http_status", "status": chance.choice([500, 502, 503, 504]),
             "booked": booked, **where}),
        (2, {"action": "http_status", "status": 429, "booked": False, **where}),
        (2, {"action": "html", "booked": booked, **where}),
        (2, {"action": "html", "body": chance.choice(SENSELESS), "booked": booked, **where}),
        (4, {"action": "garbage", **chance.choice(READ)}),
        (2, {"action": "empty_body", "booked": booked, **where}),
        (2, {"action": "empty_data", "booked": booked, **PLACING}),
        (2, {"action": "empty_data", **LOOKING}),
        (2, {"action": "error_code", "code": chance.choice(SYSTEM_CODES), "booked": booked,
             **where}),
        (2, {"action": "error_code", "code": "50011", "status": 429, **where}),
        (1, {"action": "error_code", "code": "50061", **PLACING}),
        (1, {"action": "error_code", "code": "51008", **PLACING}),
        (3, {"action": "delay", "ms": 200, "jitterMs": 2500, "booked": booked, **where}),
        (1, {"action": "delay", "ms": 3000, "jitterMs": 5000, "booked": booked, "count": 20,
             **where}),
        (1, {"action": "freeze", "ms": 12_000, "booked": booked, "count": 6, **where}),
        (3, {"action": "hide_order", "ms": chance.randrange(500, 8000), **PLACING}),
        (1, {"action": "hide_order", "ms": chance.randrange(8000, longest_hiding_ms), "count": 10,
             **PLACING}),
        (2, {"action": "partial_fill", "ratio": chance.uniform(0, 0.9), "remainder": "cancel",
             **PLACING}),
    ]  # fmt: skip
    return chance.choices([rule for _, rule in rules], [weight for weight, _ in rules])[0]


class Storm:
    """Keeps a few rules in force, changes them often, counts what they struck."""

    def __init__(
        self, control: PaperControl, *, seed: str, strength: float, longest_hiding_ms: int
    ) -> None:
        self._control = control
        self._chance = Random(seed)
        self._strength = strength
        self._longest_hiding_ms = longest_hiding_ms
        self.hits: Counter[str] = Counter()
        self.hidden_until = 0.0

    def change(self) -> None:
        """Take the rules back and post others."""
        self.calm()
        rules = [
            {
                "probability": round(self._chance.uniform(0.05, 0.5) * self._strength, 3),
                "seed": self._chance.randrange(1 << 30),
                **menu(self._chance, longest_hiding_ms=self._longest_hiding_ms),
            }
            for _ in range(self._chance.randrange(2, 6))
        ]
        self._control.call("POST", "faults", rules)
        longest = max((r["ms"] for r in rules if r["action"] == "hide_order"), default=0)
        if longest:
            self.hidden_until = max(self.hidden_until, time.monotonic() + longest / 1000 + 20)

    def calm(self) -> None:
        """No rule is in force any more."""
        for rule in self._control.call("GET", "faults")["faults"]:
            if rule["hits"]:
                self.hits[_kind(rule)] += rule["hits"]
        self._control.clear_faults()


def _kind(rule: dict[str, Any]) -> str:
    parts = [rule["action"]]
    if rule["action"] == "error_code":
        parts.append(str(rule["code"]))
    if rule["action"] == "http_status":
        parts.append(str(rule["status"]))
    if rule["action"] == "html" and rule["body"]:
        parts = ["senseless"]
    if rule["booked"]:
        parts.append("booked")
    return " ".join(parts)
