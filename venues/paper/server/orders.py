"""Placing, amending and cancelling: what REST and WebSocket have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from venues.paper.engine.types import OrderFault
from venues.paper.server.codes import RefusedError
from venues.paper.server.faults import FaultRule
from venues.paper.server.routing import Params

if TYPE_CHECKING:
    from venues.paper.server.app import PaperServer

Rows = list[dict[str, Any]]

MAX_BATCH = 20


def parse_exp_time(value: Any) -> int | None:
    if value is None or value == "" or value == b"":
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        raise RefusedError("51000", param="expTime") from None


def order_fault(rules: Sequence[FaultRule]) -> OrderFault | None:
    """What the fault rules do to the order itself rather than to the answer."""
    hide_ms = 0
    fraction: str | None = None
    remainder = "rest"
    for rule in rules:
        if rule.action == "hide_order":
            hide_ms = max(hide_ms, rule.ms)
        elif rule.action == "partial_fill":
            fraction, remainder = str(rule.ratio), rule.remainder
    if not hide_ms and fraction is None:
        return None
    return OrderFault(hide_ms=hide_ms, fill_fraction=fraction, remainder=remainder)


def _count(
    server: PaperServer, account: Any, kind: str, items: list[Params], *, new_or_amended: bool
) -> None:
    if not items:
        raise RefusedError("51000", param="args")
    if len(items) > MAX_BATCH:
        raise RefusedError("51000", f"Parameter args error: more than {MAX_BATCH} orders")
    limiter = server.limiter
    if not limiter.enabled:
        return
    inst_id_of = server.exchange.inst_id_of
    instruments = [inst_id_of(item) for item in items]
    limiter.orders(account.uid, kind, instruments)
    if new_or_amended:
        derivatives = sum(1 for inst in instruments if inst.count("-") > 1)
        limiter.sub_account(account.uid, derivatives)


def place(
    server: PaperServer,
    account: Any,
    items: list[Params],
    exp_time_ms: int | None,
    rules: Sequence[FaultRule] = (),
) -> Rows:
    _count(server, account, "place", items, new_or_amended=True)
    place_order = server.exchange.place_order
    fault = order_fault(rules) if rules else None
    return [place_order(account, item, exp_time_ms=exp_time_ms, fault=fault) for item in items]


def amend(server: PaperServer, account: Any, items: list[Params], exp_time_ms: int | None) -> Rows:
    _count(server, account, "amend", items, new_or_amended=True)
    return [server.exchange.amend_order(account, item, exp_time_ms=exp_time_ms) for item in items]


def cancel(server: PaperServer, account: Any, items: list[Params]) -> Rows:
    _count(server, account, "cancel", items, new_or_amended=False)
    return [server.exchange.cancel_order(account, item) for item in items]
