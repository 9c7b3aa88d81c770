"""Faults on demand: what a venue does on a bad day, by rule, by count and by seeded chance."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import count as counter
from random import Random
from typing import Any

from venues.paper.server.garbage import UNSET

# What a request can suffer. `booked` in a rule says on which side of the booking it happens.
REQUEST_ACTIONS = frozenset(
    {
        "delay",
        "drop",
        "cut_body",
        "http_status",
        "error_code",
        "html",
        "empty_body",
        "empty_data",
        "freeze",
        "close",
        "hide_order",
        "partial_fill",
        "garbage",
    }
)
# What happens to open WebSockets the moment the rule is posted.
SOCKET_ACTIONS = frozenset({"close_sockets", "freeze_sockets", "notice"})
ACTIONS = REQUEST_ACTIONS | SOCKET_ACTIONS

HTML_PAGE = (
    b"<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n"
    b"<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
)


class FaultRuleError(ValueError):
    """A fault rule that does not say what it means."""


@dataclass(slots=True)
class FaultRule:
    """One rule. A request matches when every selector that is given matches."""

    id: str
    action: str
    endpoint: str = "*"
    method: str | None = None
    accounts: frozenset[str] | None = None  # API key, label or uid
    inst_id: str | None = None
    cl_ord_id: str | None = None
    probability: float = 1.0
    count: int | None = None
    skip: int = 0
    ms: int = 0
    jitter_ms: int = 0
    booked: bool = False
    status: int | None = None  # 502 for http_status, else what belongs to the code
    code: str = "50026"
    msg: str | None = None
    body: str | None = None
    retry_after: int | None = None  # seconds
    ratio: float = 0.5
    remainder: str = "rest"
    close_code: int | None = None
    field: str | None = None
    row: int | None = None
    value: Any = UNSET
    rng: Random = dataclasses.field(default_factory=Random)
    seed: int | None = None
    hits: int = 0
    seen: int = 0

    def applies(
        self, endpoint: str, method: str, account: Any, inst_ids: list[str], cl_ord_ids: list[str]
    ) -> bool:
        if self.count is not None and self.hits >= self.count:
            return False
        if self.endpoint != endpoint and not fnmatchcase(endpoint, self.endpoint):
            return False
        if self.method is not None and self.method != method:
            return False
        if self.accounts is not None and not matches_account(self.accounts, account):
            return False
        if self.inst_id is not None and not any(fnmatchcase(i, self.inst_id) for i in inst_ids):
            return False
        if self.cl_ord_id is not None and not any(
            fnmatchcase(c, self.cl_ord_id) for c in cl_ord_ids
        ):
            return False
        self.seen += 1
        if self.seen <= self.skip:
            return False
        if self.probability < 1.0 and self.rng.random() >= self.probability:
            return False
        self.hits += 1
        return True

    def delay_ms(self) -> int:
        return self.ms + (self.rng.randrange(self.jitter_ms + 1) if self.jitter_ms else 0)

    def describe(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "action": self.action,
            "endpoint": self.endpoint,
            "method": self.method,
            "account": sorted(self.accounts) if self.accounts is not None else None,
            "instId": self.inst_id,
            "clOrdId": self.cl_ord_id,
            "probability": self.probability,
            "count": self.count,
            "skip": self.skip,
            "seed": self.seed,
            "ms": self.ms,
            "jitterMs": self.jitter_ms,
            "booked": self.booked,
            "status": self.status,
            "code": self.code,
            "msg": self.msg,
            "body": self.body,
            "retryAfter": self.retry_after,
            "ratio": self.ratio,
            "remainder": self.remainder,
            "closeCode": self.close_code,
            "field": self.field,
            "row": self.row,
            "hits": self.hits,
        }


def matches_account(names: frozenset[str], account: Any) -> bool:
    if account is None:
        return False
    return (
        account.api_key in names
        or str(account.uid) in names
        or (bool(account.label) and account.label in names)
    )


_FIELDS: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "action": ("action", str),
    "endpoint": ("endpoint", str),
    "method": ("method", str),
    "instId": ("inst_id", str),
    "clOrdId": ("cl_ord_id", str),
    "probability": ("probability", (int, float)),
    "count": ("count", int),
    "skip": ("skip", int),
    "seed": ("seed", int),
    "ms": ("ms", int),
    "jitterMs": ("jitter_ms", int),
    "booked": ("booked", bool),
    "status": ("status", int),
    "code": ("code", str),
    "msg": ("msg", str),
    "body": ("body", str),
    "retryAfter": ("retry_after", int),
    "ratio": ("ratio", (int, float)),
    "remainder": ("remainder", str),
    "closeCode": ("close_code", int),
    "field": ("field", str),
    "row": ("row", int),
}


def _parse(spec: Any, rule_id: str, default_seed: int) -> FaultRule:
    if not isinstance(spec, dict):
        raise FaultRuleError("a fault rule is a JSON object")
    action = spec.get("action")
    if action not in ACTIONS:
        raise FaultRuleError(f"action must be one of {', '.join(sorted(ACTIONS))}")
    values: dict[str, Any] = {}
    for key, value in spec.items():
        if key == "account":
            names = [value] if isinstance(value, str) else value
            if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
                raise FaultRuleError("account must be a name or a list of names")
            values["accounts"] = frozenset(names)
            continue
        if key == "value":
            values["value"] = value  # any at all, null too
            continue
        if key not in _FIELDS:
            raise FaultRuleError(f"unknown field {key!r}")
        if value is None:
            continue
        name, kind = _FIELDS[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise FaultRuleError(f"field {key!r} has the wrong type")
        values[name] = value
    if not 0 <= values.get("probability", 1.0) <= 1:
        raise FaultRuleError("probability must be between 0 and 1")
    if not 0 <= values.get("ratio", 0.5) <= 1:
        raise FaultRuleError("ratio must be between 0 and 1")
    for name in ("count", "skip", "ms", "jitter_ms", "retry_after", "row"):
        if values.get(name, 0) < 0:
            raise FaultRuleError(f"{name} must not be negative")
    if values.get("remainder", "rest") not in ("rest", "cancel"):
        raise FaultRuleError("remainder is rest or cancel")
    if not 100 <= values.get("status", 502) <= 599:
        raise FaultRuleError("status must be an HTTP status")
    if "method" in values:
        values["method"] = values["method"].upper()
    endpoint = values.get("endpoint", "*")
    values["endpoint"] = endpoint.removeprefix("/api/v5/").removeprefix("/")
    seed = values.setdefault("seed", default_seed)
    return FaultRule(id=rule_id, rng=Random(seed), **values)  # noqa: S311 - repeatable on purpose


class FaultBook:
    """The rules in force."""

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        self._ids = counter(1)
        self.rules: dict[str, FaultRule] = {}

    def add(self, specs: Any) -> list[FaultRule]:
        """All of them or, when one is bad, none."""
        items = specs if isinstance(specs, list) else [specs]
        if not items:
            raise FaultRuleError("no fault rule given")
        rules = []
        for item in items:
            number = next(self._ids)
            rules.append(_parse(item, str(number), self._seed + number))
        for rule in rules:
            if rule.action in REQUEST_ACTIONS:
                self.rules[rule.id] = rule
        return rules

    def remove(self, rule_id: str) -> bool:
        return self.rules.pop(rule_id, None) is not None

    def clear(self) -> int:
        removed = len(self.rules)
        self.rules.clear()
        return removed

    def hits(
        self,
        endpoint: str,
        method: str,
        account: Any = None,
        inst_ids: list[str] | None = None,
        cl_ord_ids: list[str] | None = None,
    ) -> list[FaultRule]:
        """The rules that strike this request, in the order in which they were posted."""
        if not self.rules:
            return []
        return [
            rule
            for rule in self.rules.values()
            if rule.applies(endpoint, method, account, inst_ids or [], cl_ord_ids or [])
        ]
