"""A cold gateway that many callers need at once asks the venue for its instruments once."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from venues.okx import instruments


async def test_callers_of_a_cold_gateway_share_one_load(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = 0

    async def ask(_: object) -> list[Any]:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0.01)
        return [SimpleNamespace(symbol="BTC/USDT:USDT", venue_symbol="BTC-USDT-SWAP")]

    monkeypatch.setattr(instruments, "_ask", ask)
    listed = instruments.InstrumentList({})
    await asyncio.gather(*(listed.of("BTC/USDT:USDT") for _ in range(60)))
    assert loads == 1
