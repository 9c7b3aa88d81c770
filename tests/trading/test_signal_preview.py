"""The preview of a signal against what the fan-out then decides: the same orders and reasons."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal as D
from typing import Any

from django.utils import timezone

from customers.tenancy import tenant_scope
from signals_app.domain.canonical import canonical_from_json
from signals_app.models import Signal
from signals_app.services.signals import signal_accept, signal_draft
from strategies.models import Subscription
from tests.trading.world import SYMBOL, World
from trading.selectors.signal_preview import signal_preview

BASE = {"symbol": SYMBOL, "side": "long", "leverage": "5"}
SIZED = {"size": "0.1", "size_basis": "base"}
_Legs = dict[str, list[tuple[str, D | None, bool, str]]]
"""(side, quantity, entry, reason) of each order or skip, by subscription."""


def previewed_and_done(world: World, **fields: str) -> tuple[_Legs, _Legs, Signal]:
    now = timezone.now()
    canonical = canonical_from_json({**BASE, **fields, "emitted_at": now.isoformat()}, now)
    with tenant_scope(world.tenant.pk):
        preview = signal_preview(signal_draft(world.source, canonical, "draft", "", now), now)
        signal, _ = signal_accept(
            source=world.source,
            canonical=canonical,
            external_id=f"manual-{now.isoformat()}",
            raw_payload="",
            received_at=timezone.now(),
        )
    shown: _Legs = {}
    for follower in preview.followers:
        shown.setdefault(follower.subscription_id, []).extend(
            (leg.side, leg.quantity, leg.is_entry, str(leg.reason_code)) for leg in follower.legs
        )
    world.run(signal)
    done: _Legs = {}
    for intent in world.intents(signal):
        quantity = None if intent.reason_code else intent.quantity
        done.setdefault(intent.subscription_id, []).append(
            (intent.side, quantity, intent.is_entry, intent.reason_code)
        )
    return (
        {pk: sorted(legs, key=str) for pk, legs in shown.items()},
        {pk: sorted(legs, key=str) for pk, legs in done.items()},
        signal,
    )


def settings(**values: Any) -> dict[str, Any]:
    return {"settings": {"values": values, "symbols": {}}}


FOLLOWERS: dict[str, Callable[[World], Subscription]] = {
    "ratio": lambda world: world.follower(ratio=D("0.5")),
    "fixed": lambda world: world.follower(sizing_mode="fixed_amount", fixed_amount=D(333)),
    "equity": lambda world: world.follower(sizing_mode="equity_proportional", ratio=D(2)),
    "poor": lambda world: world.follower(usdt="10"),
    "hedged": lambda world: world.follower(position_mode="long_short"),
    "reversed": lambda world: world.follower(**settings(direction="reversed")),
    "capped": lambda world: world.follower(**settings(per_order_cap="500")),
    "watching": lambda world: world.follower(**settings(monitor_only=True)),
    "in ETH": lambda world: world.follower(**settings(symbol_map={SYMBOL: "ETH/USDT:USDT"})),
    "sliced": lambda world: world.follower(
        **settings(execution="sliced", slice_count=3, slice_interval_seconds=1, sliced_above="1")
    ),
}
DAY = [
    {"action": "open", **SIZED, "leader_equity": "100000"},
    {"action": "increase", **SIZED, "leader_equity": "100000"},
    {"action": "reduce", "size": "0.333", "size_basis": "position_fraction"},
    {"action": "flip", "side": "short", **SIZED, "leader_equity": "100000"},
    {"action": "set_target", "side": "short", "size": "0.05", "size_basis": "base"},
    {"action": "close"},
    {"action": "close"},
]


def test_what_is_shown_before_is_what_is_done_then(world: World) -> None:
    followers = {name: made(world) for name, made in FOLLOWERS.items()}
    paused = world.follower()
    with tenant_scope(world.tenant.pk):
        Subscription.objects.filter(pk=paused.pk).update(status="paused")
    names = {row.pk: name for name, row in followers.items()} | {paused.pk: "paused"}
    for step in DAY:
        shown, done, _ = previewed_and_done(world, **step)
        for row in world.keys:
            world.refresh(row)
        assert {names[pk]: legs for pk, legs in shown.items()} == {
            names[pk]: legs for pk, legs in done.items()
        }, step
        if step is DAY[0]:
            ordering = {names[pk] for pk, legs in shown.items() if any(leg[1] for leg in legs)}
            assert ordering == set(FOLLOWERS) - {"poor", "watching"}
