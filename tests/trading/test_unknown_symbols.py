"""A symbol that the venue does not list is refused at intake, by the venue's own list."""

from datetime import timedelta

import pytest
from django.utils import timezone

from signals_app.domain.canonical import canonical_from_json
from signals_app.services.signals import SignalRefusedError, signal_accept
from signals_app.services.sources import sources_warm_up
from tests.processes.live import wait_for
from tests.trading.world import World
from venues import markets


def test_from_the_first_delivery_on_once_the_process_is_warm(world: World) -> None:
    assert markets.known_symbols("paper") is None or not markets.known_symbols("paper")
    sources_warm_up()
    wait_for(lambda: markets.known_symbols("paper") is not None, seconds=20, what="the markets")
    now = timezone.now()

    def accept(symbol: str) -> None:
        payload = {
            "action": "open",
            "symbol": symbol,
            "side": "long",
            "size": "1",
            "size_basis": "base",
            "emitted_at": (now - timedelta(seconds=1)).isoformat(),
        }
        signal_accept(
            source=world.source,
            canonical=canonical_from_json(payload, now),
            external_id=symbol,
            raw_payload=symbol,
            received_at=now,
        )

    accept("BTC/USDT:USDT")
    with pytest.raises(SignalRefusedError) as refused:
        accept("NOSUCH/USDT:USDT")
    assert refused.value.code == "unknown_symbol"
