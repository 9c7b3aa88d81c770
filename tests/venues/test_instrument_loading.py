"""A cold gateway that many callers need at once asks the venue for its instruments once."""

import asyncio

from venues.okx import OkxGateway


async def test_callers_of_a_cold_gateway_share_one_load(monkeypatch):
    gateway = OkxGateway("paper", {"rest_url": "http://127.0.0.1:1"})
    loads = 0

    async def load():
        nonlocal loads
        loads += 1
        await asyncio.sleep(0.01)
        gateway._instruments = {"BTC/USDT:USDT": object()}  # type: ignore[dict-item]
        return gateway._instruments

    monkeypatch.setattr(gateway, "_load_instruments", load)
    await asyncio.gather(*(gateway._instrument_of("BTC/USDT:USDT") for _ in range(60)))
    await gateway.aclose()
    assert loads == 1
