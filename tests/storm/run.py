"""One run: start the stack, let leaders and clients trade in the storm, quiet, compare."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from django.core.management import call_command

from config.demo.paper_control import PaperControl
from config.supervisor.child import ChildSpec
from config.supervisor.ports import free_port
from config.supervisor.stack import PaperOptions, StackOptions, stack
from config.supervisor.supervisor import Supervisor
from tests.bench.population import write_accounts_file
from tests.chaos.books import order_states, skip_reasons
from tests.chaos.population import accounts_check
from tests.chaos.run import in_thread
from tests.storm import books
from tests.storm.hands import Client, Hands, LeaderHands
from tests.storm.population import Population, invent_cast, populate
from tests.storm.verdict import StormVerdict, judge_storm
from tests.storm.weather import Weather

STREAMERS = ("streamer", "streamer-2")
START_SECONDS = 120.0
SETTLE_SECONDS = 240.0
STABLE_SECONDS = 4.0
"""The books agree twice, this far apart: nothing is on its way that they do not show."""
LEADER_PAUSE = (0.4, 3.0)
HAND_PAUSE = (0.5, 2.5)
FAULT_PAUSE = (0.5, 2.5)
KILL_PAUSE = (20.0, 50.0)
SHORT_SECONDS = 60
KILL_PAUSE_SHORT = (8.0, 12.0)


@dataclass(frozen=True, slots=True)
class Options:
    seconds: float
    seed: int
    followers: int = 20
    quiet: bool = False


class Run:
    def __init__(self, options: Options, *, state_dir: Path, paper_port: int) -> None:
        self.options = options
        self.state_dir = state_dir
        self.chance = Random(options.seed)
        self.paper_url = f"http://127.0.0.1:{paper_port}"
        token = f"storm-{options.seed}"
        self.control = PaperControl(self.paper_url, token)
        self.cast = invent_cast(options.followers, self.chance)
        accounts_file = state_dir / "accounts.json"
        write_accounts_file(self.cast.all, accounts_file)
        self.paper = PaperOptions(
            paper_port,
            accounts_file,
            token,
            state_file=state_dir / "exchange.journal",
            seed=options.seed,
        )
        keys = [account.api_key for account in self.cast.all]
        self.weather = Weather(self.control, keys, f"{options.seed}:weather")
        self.said = 0.0

    async def __call__(self) -> tuple[dict[str, Any], StormVerdict]:
        self.population: Population = await in_thread(self._populate)
        supervisor = Supervisor(self._specs(), state_dir=self.state_dir, say=self._say)
        await supervisor.start()
        try:
            await in_thread(accounts_check, [self.population.tenant_id])
            await self._until(self._is_ready, START_SECONDS, "everybody is heard")
            self._make_hands()
            began = time.monotonic()
            await self._rage(supervisor)
            raged = time.monotonic() - began
            await asyncio.to_thread(self._calm)
            verdict = await self._compare_until_it_agrees()
            settled = time.monotonic() - began - raged
        finally:
            await supervisor.stop()
        figures = await in_thread(self._figures, verdict, raged)
        return figures | {"settled_s": round(settled, 1)}, verdict

    def _populate(self) -> Population:
        call_command("migrate", verbosity=0, interactive=False)
        return populate(self.cast, self.chance)

    def _specs(self) -> list[ChildSpec]:
        specs = stack(StackOptions(port=free_port(), paper=self.paper))
        first = next(spec for spec in specs if spec.name == STREAMERS[0])
        return [*specs, *(replace(first, name=name) for name in STREAMERS[1:])]

    def _is_ready(self) -> bool:
        return books.live_streams() == len(self.cast.all) and books.are_started(self.population)

    def _make_hands(self) -> None:
        seed = self.options.seed
        self.leaders = {
            leader.name: LeaderHands(
                self.paper_url, leader.keys, Random(f"{seed}:leader {leader.name}")
            )
            for leader in self.population.leaders
        }
        self.clients = [
            Client(self.paper_url, keys, Random(f"{seed}:{keys.label}"))
            for keys in self.population.clients.values()
        ]

    # --- while it rages -------------------------------------------------------------------------

    async def _rage(self, supervisor: Supervisor) -> None:
        is_short = self.options.seconds < SHORT_SECONDS
        kills = KILL_PAUSE_SHORT if is_short else KILL_PAUSE
        chance = Random(f"{self.options.seed}:clients")
        tasks = [
            asyncio.create_task(self._keep("faults", FAULT_PAUSE, self.weather.strike)),
            asyncio.create_task(
                self._keep("kills", kills, lambda: self.weather.kill(supervisor, STREAMERS))
            ),
            asyncio.create_task(
                self._keep("hands", HAND_PAUSE, lambda: chance.choice(self.clients).step())
            ),
            *(
                asyncio.create_task(self._keep(name, LEADER_PAUSE, hands.step))
                for name, hands in self.leaders.items()
            ),
        ]
        ending = asyncio.create_task(asyncio.sleep(self.options.seconds))
        try:
            done, _ = await asyncio.wait({ending, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (ending, *tasks):
                task.cancel()
            await asyncio.gather(ending, *tasks, return_exceptions=True)

    async def _keep(self, name: str, pauses: tuple[float, float], step: Callable[[], None]) -> None:
        chance = Random(f"{self.options.seed}:pauses of {name}")
        while True:
            await asyncio.sleep(chance.uniform(*pauses))
            # To its end, so that nobody is cut off between two requests of a step.
            await asyncio.shield(asyncio.to_thread(step))

    def _calm(self) -> None:
        """Lines hold again; no order of a leader rests, and whose resting orders were followed
        holds nothing, which takes back what followers still have of them."""
        self.control.clear_faults()
        for leader in self.population.leaders:
            self.leaders[leader.name].finish(flat=leader.follows_working)
        self._say("calm from here on")

    # --- afterwards -----------------------------------------------------------------------------

    async def _compare_until_it_agrees(self) -> StormVerdict:
        deadline = time.monotonic() + SETTLE_SECONDS
        agreed_at = 0.0
        while True:
            verdict = await in_thread(self._verdict)
            now = time.monotonic()
            if not verdict.passed:
                agreed_at = 0.0
                self._say_sometimes(f"{len(verdict.sentences())} differences still")
            elif agreed_at and now - agreed_at > STABLE_SECONDS:
                return verdict
            agreed_at = agreed_at or (now if verdict.passed else 0.0)
            if now > deadline and not agreed_at:
                return verdict
            await asyncio.sleep(1.0)

    def _verdict(self) -> StormVerdict:
        # The ledger first: what happens in between is then ours to know already.
        ledger = self.control.ledger()
        return judge_storm(books.read_storm_books(self.population), ledger)

    def _figures(self, verdict: StormVerdict, seconds: float) -> dict[str, Any]:
        hands: list[Hands] = [*self.leaders.values(), *self.clients]
        weather = self.weather
        return {
            "seconds": round(seconds),
            "leader_changes": sum(sum(each.done.values()) for each in self.leaders.values()),
            "hand_trades": sum(sum(each.done.values()) for each in self.clients),
            "faults": sum(weather.faults.values()),
            "kills": sum(weather.kills.values()),
            "doubled": len(verdict.doubled),
            "missed": len(verdict.missed),
            "book_differences": len(verdict.book_differences),
            **books.gap_figures(),
            "fault_kinds": dict(sorted(weather.faults.items())),
            "done": dict(sorted(sum((each.done for each in hands), Counter()).items())),
            "refused": dict(sorted(sum((each.refused for each in hands), Counter()).items())),
            "order_states": order_states(),
            "skips": skip_reasons(),
            "seed": self.options.seed,
        }

    async def _until(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not await in_thread(holds):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds:.0f} s: {what}")
            await asyncio.sleep(0.2)

    def _say_sometimes(self, text: str) -> None:
        if time.monotonic() > self.said + 5:
            self.said = time.monotonic()
            self._say(text)

    def _say(self, text: str) -> None:
        if not self.options.quiet:
            print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)
