"""Pushing numbered events to the channel layer: what the relay does after the commit.

A push is a courtesy: it may be lost or come twice. Consumers drop what they have by its sequence
number and read what is missing from the database. So while the channel layer is down, only the
names of the audiences that are behind are kept; when it is back, they are told to look.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import channel_layers
from channels_redis.core import RedisChannelLayer

from customers.domain.event_wire import PUSH, TICK, NumberedEvent, audience_group

logger = logging.getLogger(__name__)

FRAMES_PER_MESSAGE = 100
CHARACTERS_PER_MESSAGE = 200_000
SENDERS = 8
TIMEOUT_SECONDS = 2.0  # the layer's own sockets must have none (idle consumers), so it is here
RETRY_SECONDS = 1.0


class EventPusher:
    """Sends from a plain thread through one event loop of its own, so connections are kept."""

    def __init__(self) -> None:
        # A layer of its own: connections belong to an event loop, and so does closing them.
        self._layer = channel_layers.make_backend(DEFAULT_CHANNEL_LAYER)
        self._runner = asyncio.Runner()
        self._behind: dict[str, int] = {}
        self._retry_at = 0.0
        self._is_down = False

    def push(self, events: Sequence[NumberedEvent]) -> None:
        """Send to whoever listens. Never raises for a channel layer that is down."""
        by_audience: dict[str, list[NumberedEvent]] = {}
        for event in events:
            by_audience.setdefault(event.audience, []).append(event)
        last = {audience: members[-1].sequence for audience, members in by_audience.items()}
        if time.monotonic() < self._retry_at or not self._try(self._send_frames(by_audience)):
            self._behind.update(last)

    def announce(self, last_sequences: Mapping[str, int]) -> None:
        """Have these audiences told, soon, up to where there are events."""
        self._behind.update(last_sequences)

    def settle(self) -> None:
        """Tell audiences that are behind, when the channel layer may be back."""
        if not self._behind or time.monotonic() < self._retry_at:
            return
        behind = dict(self._behind)
        if self._try(self._send_ticks(behind)):
            self._behind.clear()

    def close(self) -> None:
        close_pools = getattr(self._layer, "close_pools", None)
        if close_pools is not None:
            self._try(close_pools())
        self._runner.close()

    def _try(self, work: Any) -> bool:
        try:
            self._runner.run(asyncio.wait_for(work, TIMEOUT_SECONDS))
        except Exception as error:  # whatever the layer's client raises while its server is away
            self._retry_at = time.monotonic() + RETRY_SECONDS
            if not self._is_down:
                logger.warning("events are not pushed, the channel layer failed: %r", error)
            self._is_down = True
            return False
        if self._is_down:
            logger.warning("events are pushed again")
        self._is_down = False
        return True

    async def _send_frames(self, by_audience: Mapping[str, Sequence[NumberedEvent]]) -> None:
        messages = []
        for audience in await self._listened(by_audience):
            for frames in _chunks(by_audience[audience]):
                messages.append({"type": PUSH, "audience": audience, "frames": frames})
        await self._send(messages)

    async def _send_ticks(self, last: Mapping[str, int]) -> None:
        await self._send(
            [
                {"type": TICK, "audience": audience, "sequence": last[audience]}
                for audience in await self._listened(last)
            ]
        )

    async def _send(self, messages: Iterable[dict[str, Any]]) -> None:
        """A few audiences side by side; one audience's messages stay in order."""
        queues: list[list[dict[str, Any]]] = [[] for _ in range(SENDERS)]
        lanes: dict[str, int] = {}
        for message in messages:
            lane = lanes.setdefault(message["audience"], len(lanes) % SENDERS)
            queues[lane].append(message)

        async def send_all(queue: Sequence[dict[str, Any]]) -> None:
            for message in queue:
                await self._layer.group_send(audience_group(message["audience"]), message)

        await asyncio.gather(*(send_all(queue) for queue in queues if queue))

    async def _listened(self, audiences: Collection[str]) -> list[str]:
        """Those with a consumer somewhere, in one round trip: in a fan-out to thousands of
        customers, few of them look at a page at this moment."""
        names = list(audiences)
        layer = self._layer
        if not isinstance(layer, RedisChannelLayer) or layer.ring_size != 1 or len(names) == 1:
            return names
        pipeline = layer.connection(0).pipeline(transaction=False)
        for name in names:
            pipeline.exists(layer._group_key(audience_group(name)))
        present = await pipeline.execute()
        return [name for name, exists in zip(names, present, strict=True) if exists]


def _chunks(events: Sequence[NumberedEvent]) -> list[list[tuple[int, str]]]:
    """Frames by the message, bounded in number and size."""
    chunks: list[list[tuple[int, str]]] = []
    room = 0
    for event in events:
        frame = event.frame()
        if not chunks or len(chunks[-1]) >= FRAMES_PER_MESSAGE or len(frame) > room:
            chunks.append([])
            room = CHARACTERS_PER_MESSAGE
        chunks[-1].append((event.sequence, frame))
        room -= len(frame)
    return chunks
