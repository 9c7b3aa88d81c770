"""Deliveries and readers that really work at the same time, each on its own connection."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from signals_app.models import RawDelivery, SignalSource
from signals_app.services.deliveries import delivery_replay
from tests.signals_app.deliveries import (
    BUY,
    deliveries_of,
    message_source,
    read,
    send,
    signals_of,
)
from tests.signals_app.test_webhook_concurrency import together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("timed", [False, True])
def test_the_same_alert_four_times_at_once_is_one_signal(timed: bool, wakes: list[Any]) -> None:
    source, token = message_source()
    message = {**BUY, "timenow": timezone.now().isoformat()} if timed else BUY
    body = json.dumps(message)

    def deliver(number: int) -> int:
        status = send(source, token, body).status_code
        read(source)
        return status

    assert together(deliver, 4) == [202] * 4
    read(source)
    assert len(signals_of(source)) == 1
    states = sorted(delivery.state for delivery in deliveries_of(source))
    assert states == ["duplicate", "duplicate", "duplicate", "parsed"]


def test_readers_at_once_keep_the_order_of_a_source(wakes: list[Any]) -> None:
    """An exit that overtook its entry would leave the entry open."""
    source, token = message_source("tradingview", repeat_seconds=0)
    actions = ["long", "close", "short", "close"] * 3
    for number, action in enumerate(actions):
        send(source, token, {"ticker": "BTCUSDT", "action": action, "n": number})
    together(lambda number: read(source), 6)
    read(source)
    assert {delivery.state for delivery in deliveries_of(source)} == {"parsed"}
    made = {signal.pk: signal.action for signal in signals_of(source)}
    by_arrival = [made[delivery.signal_ids[0]] for delivery in deliveries_of(source)]
    assert by_arrival == ["open", "close", "open", "close"] * 3
    assert list(made.values()) == by_arrival  # stored in this order as well


def test_replays_at_once_make_one_signal(wakes: list[Any]) -> None:
    source, token = message_source()
    send(source, token, {**BUY, "ticker": "GOLDEN"})
    read(source)
    with tenant_scope(source.tenant_id):
        SignalSource.objects.filter(pk=source.pk).update(
            parser_config={"symbols": {"GOLDEN": "ETH/USDT:USDT"}}
        )
    (delivery,) = deliveries_of(source)

    def replay(number: int) -> bool:
        won = delivery_replay(delivery=delivery, actor=None)
        read(source)
        return won

    assert sum(together(replay, 5)) == 1
    read(source)
    assert len(signals_of(source)) == 1
    (delivery,) = deliveries_of(source)
    assert (delivery.state, delivery.replays) == (RawDelivery.State.PARSED, 1)
