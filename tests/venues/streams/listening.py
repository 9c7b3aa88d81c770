"""A session's owner for tests: gives the key, loads no markets, keeps what it was told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from config.demo.paper_control import PaperAccount
from venues.domain.types import Credentials
from venues.okx.stream import OkxDialogue
from venues.streams.events import Connected, StreamEvent
from venues.streams.session import StreamSession

SYMBOLS = {"BTC-USDT-SWAP": "BTC/USDT:USDT", "ETH-USDT-SWAP": "ETH/USDT:USDT"}


class Listening:
    def __init__(self, paper: Any, account: PaperAccount, *, stops: bool = False) -> None:
        self.account = account
        self.events: list[StreamEvent] = []
        self.ends_soon = 0
        self.markets_wanted = 0
        self.missed = 0
        self.clock_refused = 0
        self.symbols = dict(SYMBOLS)
        self.now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
        entry = {"rest_url": paper.url}
        self.session = StreamSession(
            self, [OkxDialogue(entry, stops=apart) for apart in (False, True)[: 1 + stops]]
        )

    # --- what the session asks --------------------------------------------------------------

    def symbol_of(self, venue_symbol: str) -> str | None:
        return self.symbols.get(venue_symbol)

    def session_told(self, session: StreamSession, events: Sequence[StreamEvent]) -> None:
        self.events += events

    def session_wants_key(self, session: StreamSession) -> None:
        keys = Credentials(self.account.api_key, self.account.secret_key, self.account.passphrase)
        session.login(keys, self.now_ms())

    def session_ends_soon(self, session: StreamSession) -> None:
        self.ends_soon += 1

    def session_wants_markets(self, session: StreamSession) -> None:
        self.markets_wanted += 1

    def session_missed(self, session: StreamSession) -> None:
        self.missed += 1

    def session_clock_refused(self, session: StreamSession) -> None:
        self.clock_refused += 1

    # --- what tests ask ---------------------------------------------------------------------

    async def connect(self) -> Any:
        for number in range(self.session.lines):
            end = await self.session.connect(number)
            if end is not None:
                return end
        return None

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(
        self,
        kind: type,
        *,
        matching: Callable[[Any], bool] = lambda event: True,
        seconds: float = 8,
    ) -> Any:
        """The first event of this kind that matches; sees to time-outs meanwhile."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while loop.time() < deadline:
            found = next((event for event in self.of(kind) if matching(event)), None)
            if found is not None:
                return found
            self.session.check(loop.time())
            await asyncio.sleep(0.02)
        raise AssertionError(f"no {kind.__name__} in {seconds} s, but {self.events}")

    async def live(self) -> Any:
        assert await self.connect() is None
        return await self.until(Connected)
