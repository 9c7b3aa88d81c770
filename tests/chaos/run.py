"""One run: start the stack, send and harm until enough intents are there, settle, compare."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from config.demo.paper_control import PaperControl
from config.supervisor.ports import free_port
from config.supervisor.stack import PaperOptions, StackOptions, stack
from config.supervisor.supervisor import Supervisor
from tests.bench.population import write_accounts_file
from tests.chaos import books
from tests.chaos.population import (
    Leader,
    Population,
    accounts_check,
    invent_members,
    populate,
)
from tests.chaos.storm import Storm
from tests.chaos.traffic import Desk, Sent
from tests.chaos.verdict import Verdict, find_naked, judge
from tests.chaos.wreckage import Wrecker, armed, failpoints_reached, stack_with_more_workers

T = TypeVar("T")

STORM_SECONDS = 2.5
BACKLOG = 12
"""So many signals may wait to be planned before the leaders pause."""
SETTLE_SECONDS = 240.0
INTENTS_PER_KILL = 500
LONGEST_SECONDS = 1500.0
STABLE_SECONDS = 4.0
"""The books agree twice, this far apart: nothing is on its way that they do not show."""


@dataclass(frozen=True, slots=True)
class Options:
    intents: int
    seed: int
    strength: float = 1.0
    quiet: bool = False


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """In a thread whose database connection ends with its work."""

    def call() -> T:
        try:
            return work(*arguments)
        finally:
            connection.close()

    return await asyncio.to_thread(call)


class Run:
    def __init__(self, options: Options, *, state_dir: Path, paper_port: int) -> None:
        self.options = options
        self.state_dir = state_dir
        self.chance = Random(options.seed)
        self.short = options.intents < 1000
        self.web_port = free_port()
        self.paper_url = f"http://127.0.0.1:{paper_port}"
        token = f"chaos-{options.seed}"
        self.control = PaperControl(self.paper_url, token)
        self.members = invent_members(options.intents, self.chance)
        accounts_file = state_dir / "accounts.json"
        write_accounts_file([member.keys for member in self.members], accounts_file)
        self.paper = PaperOptions(
            paper_port,
            accounts_file,
            token,
            state_file=state_dir / "exchange.journal",
            seed=options.seed,
        )
        self.sent = Sent()
        self.storm = Storm(
            self.control,
            seed=f"{options.seed}:storm",
            strength=options.strength,
            longest_hiding_ms=12_000 if self.short else 100_000,
        )
        self.said = 0.0
        self.naked: list[str] = []
        """Seen in the calm, before the last close."""

    async def __call__(self) -> tuple[dict[str, Any], Verdict]:
        started = time.monotonic()
        self.population: Population = await in_thread(self._populate)
        probability = (0.03 if self.short else 0.012) * self.options.strength
        specs = stack(StackOptions(port=self.web_port, paper=self.paper))
        specs = [
            armed(spec, probability=probability, seed=str(self.options.seed))
            for spec in stack_with_more_workers(specs)
        ]
        supervisor = Supervisor(specs, state_dir=self.state_dir, say=self._say)
        self.wrecker = Wrecker(
            supervisor, redis_url=settings.REDIS_URL, seed=f"{self.options.seed}:wreckage"
        )
        await supervisor.start()
        try:
            await in_thread(
                accounts_check, {leader.tenant_id for leader in self.population.leaders}
            )
            desks = self._desks()
            await self._rage(desks)
            raged = time.monotonic()
            self._say(f"{await in_thread(books.intents_so_far)} intents; calm from here on")
            await asyncio.to_thread(self.storm.calm)
            await self.wrecker.disarm()
            await self._wait(books.unsettled, SETTLE_SECONDS, "everything settles")
            await self._wait(books.stops_not_in_line, SETTLE_SECONDS, "all stops are in line")
            self.naked += await in_thread(self._naked)
            await in_thread(self._close_all, desks)
            await self._wait(books.live_orders, SETTLE_SECONDS, "the closes end")
            verdict = await self._compare_until_it_agrees()
            ended = time.monotonic()
        finally:
            await supervisor.stop()
        figures = await in_thread(self._figures, verdict)
        figures |= {
            "seconds_of_faults": round(raged - started),
            "seconds": round(ended - started),
        }
        return figures, verdict

    def _populate(self) -> Population:
        call_command("migrate", verbosity=0, interactive=False)
        return populate(self.members, self.chance)

    def _desks(self) -> list[Desk]:
        def desk(number: int, leader: Leader) -> Desk:
            return Desk(
                leader,
                hooks=f"http://127.0.0.1:{self.web_port}/hooks/",
                venue=self.paper_url,
                seed=f"{self.options.seed}:{number}",
                sent=self.sent,
            )

        return [desk(number, leader) for number, leader in enumerate(self.population.leaders)]

    # --- while it rages -------------------------------------------------------------------------

    async def _rage(self, desks: list[Desk]) -> None:
        tasks = [
            asyncio.create_task(self._keep_storming()),
            asyncio.create_task(self._keep_wrecking()),
            *(asyncio.create_task(self._keep_trading(desk)) for desk in desks),
        ]
        deadline = time.monotonic() + LONGEST_SECONDS
        try:
            while await in_thread(books.intents_so_far) < self.options.intents or not self._worn():
                for task in tasks:
                    if task.done():
                        task.result()
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not enough intents in {LONGEST_SECONDS:.0f} s")
                await asyncio.sleep(0.5)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _worn(self) -> bool:
        """Whether enough was killed for so many intents."""
        return sum(self.wrecker.kills.values()) >= self.options.intents // INTENTS_PER_KILL

    async def _keep_storming(self) -> None:
        while True:
            await asyncio.to_thread(self.storm.change)
            await asyncio.sleep(STORM_SECONDS)

    async def _keep_wrecking(self) -> None:
        chance = Random(f"{self.options.seed}:pauses")
        while True:
            await asyncio.sleep(chance.uniform(2, 6))
            await self.wrecker.strike()

    async def _keep_trading(self, desk: Desk) -> None:
        chance = Random(f"{self.options.seed}:{desk.leader.source_id}")
        while True:
            if await in_thread(books.unplanned_signals) < BACKLOG:
                await asyncio.to_thread(desk.post_next)
            await asyncio.sleep(chance.uniform(0.1, 2.0))

    # --- afterwards -----------------------------------------------------------------------------

    def _close_all(self, desks: list[Desk]) -> None:
        for desk in desks:
            for symbol in books.symbols_in_use(desk.leader.source_id):
                desk.post_close(symbol)

    async def _compare_until_it_agrees(self) -> Verdict:
        """An order that the exchange still hides is found when it shows up; that is waited for."""
        deadline = max(time.monotonic() + SETTLE_SECONDS / 2, self.storm.hidden_until + 90)
        agreed_at = 0.0
        while True:
            verdict = await in_thread(self._verdict)
            now = time.monotonic()
            if not verdict.passed:
                agreed_at = 0.0
                self._say_sometimes(f"{len(verdict.sentences())} differences still")
            elif agreed_at and now - agreed_at > STABLE_SECONDS and now > self.storm.hidden_until:
                return verdict
            agreed_at = agreed_at or (now if verdict.passed else 0.0)
            if now > deadline and not agreed_at:
                return verdict
            await asyncio.sleep(1.0)

    def _verdict(self) -> Verdict:
        # The ledger first: what happens in between is then ours to know already.
        ledger = self.control.ledger()
        return judge(
            books.read_books(self.population.keys),
            ledger,
            taken=list(self.sent.taken.values()),
            flat=True,
        )

    def _naked(self) -> list[str]:
        before = set(self._naked_now())
        # What was decided in between is no nakedness: only what is so twice.
        time.sleep(2.0)
        return [sentence for sentence in self._naked_now() if sentence in before]

    def _naked_now(self) -> list[str]:
        ledger = self.control.ledger()
        return find_naked(books.read_books(self.population.keys), ledger)

    def _figures(self, verdict: Verdict) -> dict[str, Any]:
        resolutions = books.read_resolutions()
        reached = failpoints_reached(self.state_dir / "log")
        wrecker, hits = self.wrecker, self.storm.hits
        verdict.lost += self.sent.failures
        verdict.naked += self.naked
        return {
            "intents": books.intents_so_far(),
            "signals": len(self.sent.taken),
            "faults": sum(hits.values()) + sum(reached.values()) + sum(wrecker.harms.values()),
            "kills": sum(wrecker.kills.values()),
            "duplicates": len(verdict.duplicates),
            "lost": len(verdict.lost),
            "wrong_size": len(verdict.wrong_size),
            "unresolved": len(verdict.unresolved),
            "naked_5s_without_alert": len(verdict.naked),
            "orphaned_stops": len(verdict.orphaned),
            "p99_resolve_s": books.percentile(resolutions.all, 0.99),
            "unknown": {
                "adopted": len(resolutions.adopted),
                "adopted_p50_s": books.percentile(resolutions.adopted, 0.5),
                "adopted_p99_s": books.percentile(resolutions.adopted, 0.99),
                "not_placed": len(resolutions.not_placed),
                "not_placed_p50_s": books.percentile(resolutions.not_placed, 0.5),
                "not_placed_p99_s": books.percentile(resolutions.not_placed, 0.99),
                "late_twins": resolutions.late_twins,
            },
            "deliveries_repeated": self.sent.retries,
            "order_states": books.order_states(),
            "stop_states": books.stop_states(),
            "skips": books.skip_reasons(),
            "fault_kinds": dict(sorted(hits.items())),
            "failpoints": dict(sorted(reached.items())),
            "killed": dict(sorted(wrecker.kills.items())),
            "harms": dict(sorted(wrecker.harms.items())),
            "seed": self.options.seed,
        }

    async def _wait(self, left: Callable[[], int], seconds: float, what: str) -> None:
        """Until nothing is left; when time is over the comparison says what is missing."""
        deadline = time.monotonic() + seconds
        while count := await in_thread(left):
            if time.monotonic() > deadline:
                self._say(f"not within {seconds:.0f} s: {what} ({count} left)")
                return
            self._say_sometimes(f"waiting until {what}: {count} left")
            await asyncio.sleep(0.5)

    def _say_sometimes(self, text: str) -> None:
        if time.monotonic() > self.said + 5:
            self.said = time.monotonic()
            self._say(text)

    def _say(self, text: str) -> None:
        if not self.options.quiet:
            print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)
