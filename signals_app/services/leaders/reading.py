"""What a venue is asked about a leader, and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from signals_app.models import Leader
from venues.domain.types import (
    BalanceSnapshot,
    Credentials,
    FillSnapshot,
    OrderSnapshot,
    PositionSnapshot,
    StopSnapshot,
    TransferSnapshot,
)
from venues.gateway import Gateway
from venues.runtime import gateway_for

OVERLAP_MS = 120_000
"""Trades are asked for from so long before the last known one: a venue may list one late."""
QUIET_MS = 400
"""Without a trade for so long before positions were asked for, trades and positions agree."""
QUIET_ATTEMPTS = 4
QUIET_PAUSE_SECONDS = 0.5
PAGE_ROWS = 100
DERIVATIVE = ":"
"""In the symbols of what has positions."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the venue said; `asked_ms` is its time when positions were asked for, `asked_at` ours
    before anything was.

    `stops` and `transfers` are None when they were not asked for: a public lead trader has none.
    """

    asked_at: datetime
    asked_ms: int
    positions: Sequence[PositionSnapshot]
    fills: Sequence[FillSnapshot] = ()
    fills_until_ms: int | None = None
    """There were more trades than one reading takes: these go until then."""
    orders: Sequence[OrderSnapshot] | None = None
    """All that rest; None when they were not asked for."""
    balances: Sequence[BalanceSnapshot] | None = None
    stops: Sequence[StopSnapshot] | None = None
    transfers: Sequence[TransferSnapshot] | None = None

    @property
    def is_cut(self) -> bool:
        return self.fills_until_ms is not None

    @property
    def is_quiet(self) -> bool:
        return not self.is_cut and all(
            fill.filled_at_ms < self.asked_ms - QUIET_MS for fill in self.fills
        )


async def read_account(credentials: Credentials, gateway: Gateway, leader: Leader) -> Reading:
    """Again and again until nothing was traded around it, or patience is over."""
    reading = await _read_once(credentials, gateway, leader)
    for _ in range(QUIET_ATTEMPTS - 1):
        if reading.is_quiet or reading.is_cut:
            break
        await asyncio.sleep(QUIET_PAUSE_SECONDS)
        reading = await _read_once(credentials, gateway, leader)
    return reading


async def _read_once(credentials: Credentials, gateway: Gateway, leader: Leader) -> Reading:
    asked_at = timezone.now()
    asked_ms = gateway.clock.now_ms()
    since_ms = (leader.cursor_ms or asked_ms) - OVERLAP_MS
    # A position or trade that cannot be read is not one that is not there: then nothing is known.
    positions = (await gateway.positions(credentials)).complete()
    # After the positions: what they include is listed, or was not traded yet.
    fills = (await gateway.fills_since(credentials, since_ms=since_ms)).complete()
    return Reading(
        asked_at=asked_at,
        asked_ms=asked_ms,
        positions=positions,
        fills=fills,
        fills_until_ms=fills.until_ms,
        orders=await _resting(credentials, gateway, leader),
        balances=(await gateway.balances(credentials)).complete(),
        stops=(await gateway.open_stops(credentials)).complete(),
        transfers=(await gateway.transfers_since(credentials, since_ms=since_ms)).complete(),
    )


async def _resting(
    credentials: Credentials, gateway: Gateway, leader: Leader
) -> list[OrderSnapshot] | None:
    if leader.follow_orders != Leader.Follow.WORKING:
        return None
    found = (await gateway.open_orders(credentials)).complete()
    # The list is cut at a page: whoever has more is not said to have cancelled the rest.
    return found if len(found) < PAGE_ROWS else None


async def read_lead_trader(leader: Leader) -> Reading:
    gateway = gateway_for(leader.source.venue)
    asked_at, asked_ms = timezone.now(), gateway.clock.now_ms()
    positions = (await gateway.lead_trader_positions(leader.lead_trader_code)).complete()
    return Reading(asked_at=asked_at, asked_ms=asked_ms, positions=positions)
