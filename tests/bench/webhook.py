"""Signed webhooks at a steady rate while the exchange is down, then again while Redis is.

Each phase kills its part, posts RATE signals a second for SECONDS, brings the part back, and waits
until every signal that was answered 202 was processed or expired by its lifetime. A request has
its time: how late the answer of one is does not put off the next, and its latency counts from the
moment in which it was due. Prints one JSON line; fails when a signal was lost or does not end.

    make bench-webhook RATE=50 SECONDS=60 [DATABASE_URL=mysql://…]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from standardwebhooks.webhooks import Webhook

from tests.bench.stack import BenchStack, Outage, prepare, say

WARM_UP_SIGNALS = 20
PATIENCE_SECONDS = 400.0
REQUEST_TIMEOUT_SECONDS = 30.0
PARTS = {"exchange": "paper-exchange", "redis": "valkey"}
CLOSE_EVERY = 5


@dataclass
class Sent:
    """What became of one phase's requests."""

    latencies_ms: list[float] = field(default_factory=list)
    signal_ids: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


class _Sender:
    def __init__(self, stack: BenchStack) -> None:
        source = stack.population.source
        self.url = f"http://127.0.0.1:{stack.web_port}/hooks/{source.pk}/"
        self.signer = Webhook(stack.population.secret)

    async def send(self, *, rate: float, count: int) -> Sent:
        """One request each 1/rate seconds, whether or not the earlier ones were answered."""
        sent = Sent()
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=timeout
        ) as session:
            started = time.perf_counter()
            async with asyncio.TaskGroup() as requests:
                for number, action in zip(range(count), _actions(), strict=False):
                    due = started + number / rate
                    await asyncio.sleep(due - time.perf_counter())
                    requests.create_task(self._post(session, sent, action, due))
        return sent

    async def _post(
        self, session: aiohttp.ClientSession, sent: Sent, action: str, due: float
    ) -> None:
        now = datetime.now(UTC)
        message_id = f"bench-{secrets.token_hex(8)}"
        body = json.dumps(_signal(action, now))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self.signer.sign(message_id, now, body),
        }
        try:
            async with session.post(self.url, data=body, headers=headers) as answer:
                text = await answer.text()
                outcome = "" if answer.status == 202 else f"{answer.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            outcome = type(error).__name__
        sent.latencies_ms.append((time.perf_counter() - due) * 1000)
        if outcome:
            sent.refused[outcome] += 1
        else:
            sent.signal_ids.append(str(json.loads(text)["id"]))


def _actions() -> Iterator[str]:
    """Entries, and now and then the exit of what they opened."""
    while True:
        yield from ["open"] * (CLOSE_EVERY - 1)
        yield "close"


def _signal(action: str, now: datetime) -> dict[str, str]:
    signal = {"action": action, "symbol": "BTC/USDT:USDT", "emitted_at": now.isoformat()}
    if action == "open":
        signal |= {"side": "long", "size": "0.001", "size_basis": "base", "leverage": "5"}
    return signal


class _Bench:
    def __init__(self, stack: BenchStack, options: argparse.Namespace) -> None:
        self.stack = stack
        self.options = options

    async def run(self) -> dict[str, Any]:
        await asyncio.to_thread(self.stack.populate)
        outages = {
            phase: Outage(self.stack, PARTS[phase]) for phase in self.options.phases.split(",")
        }
        self.sender = _Sender(self.stack)
        async with self.stack.running(outages=list(outages.values())):
            await self._ended(await self._sent(rate=10, count=WARM_UP_SIGNALS))
            return {phase: await self._without(phase, outage) for phase, outage in outages.items()}

    async def _without(self, phase: str, outage: Outage) -> dict[str, Any]:
        await outage.begin()
        say(f"{phase} is down")
        sent = await self._sent(
            rate=self.options.rate, count=round(self.options.rate * self.options.seconds)
        )
        ranked = sorted(sent.latencies_ms)
        say(f"{phase} comes back; the slowest requests took {[round(ms) for ms in ranked[-5:]]} ms")
        await outage.end()
        back_at = time.monotonic()
        ended = await self._ended(sent)
        return {
            "sent": len(ranked),
            "accepted": len(sent.signal_ids),
            "p50_ms": round(ranked[len(ranked) // 2], 1),
            "p99_ms": round(ranked[min(len(ranked) - 1, len(ranked) * 99 // 100)], 1),
            "max_ms": round(ranked[-1], 1),
            "refused": dict(sent.refused),
            **ended,
            "seconds_until_ended": round(time.monotonic() - back_at),
        }

    async def _sent(self, *, rate: float, count: int) -> Sent:
        """From a thread with a loop of its own: watching the processes does not disturb it."""
        return await asyncio.to_thread(
            lambda: asyncio.run(self.sender.send(rate=rate, count=count))
        )

    async def _ended(self, sent: Sent) -> dict[str, Any]:
        """How the accepted signals ended, once they all did or patience is over."""
        from tests.bench.signal_outcomes import outcomes

        until = time.monotonic() + PATIENCE_SECONDS
        tenant_id = self.stack.population.tenant.pk
        while True:
            found = await asyncio.to_thread(outcomes, tenant_id, sent.signal_ids)
            if not found["unfinished"] or time.monotonic() > until:
                return found
            say(f"{found}")
            await asyncio.sleep(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--followers", type=int, default=2)
    parser.add_argument("--phases", default=",".join(PARTS))
    parser.add_argument("--keep", action="store_true", help="leave the state and logs there")
    options = parser.parse_args()
    state, port = prepare()
    stack = BenchStack(
        followers=options.followers,
        state=state,
        paper_port=port,
        matching="full",
        journal=Path(state) / "exchange.journal",
    )
    result = asyncio.run(_Bench(stack, options).run())
    if options.keep:
        say(f"state and logs: {state}")
    else:
        shutil.rmtree(state, ignore_errors=True)
    print(json.dumps(result))
    sys.exit(any(phase["unfinished"] or phase["lost"] for phase in result.values()))


if __name__ == "__main__":
    main()
