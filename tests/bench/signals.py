"""Small signals one after another, as fast as they are answered, until the last one is done.

What a signal costs whoever follows it: with few followers that is nearly all of it. One in five is
a close. Prints one JSON line.

    make bench-signals [N=3] [DATABASE_URL=mysql://…]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import time
from typing import Any

from tests.bench.process_figures import cpu_seconds, database_server
from tests.bench.stack import BenchStack, prepare, say

WARM_UP_SIGNALS = 20
PATIENCE_SECONDS = 300.0
CLOSE_EVERY = 5


class _Bench:
    def __init__(self, stack: BenchStack, options: argparse.Namespace) -> None:
        self.stack = stack
        self.options = options

    async def run(self) -> dict[str, Any]:
        await asyncio.to_thread(self.stack.populate)
        async with self.stack.running() as supervisor:
            await asyncio.to_thread(self._send_and_wait, WARM_UP_SIGNALS)
            await asyncio.sleep(self.options.pause)
            pids = {child.spec.name: child.pid for child in supervisor.children if child.pid}
            before = {name: cpu_seconds(pid) for name, pid in (pids | database_server()).items()}
            result = await asyncio.to_thread(self._send_and_wait, self.options.signals)
            after = {name: cpu_seconds(pid) for name, pid in (pids | database_server()).items()}
        cost = {
            name: round((after[name] - before[name]) / self.options.signals * 1000, 1)
            for name in before
        }
        return {**result, "cpu_ms_a_signal": cost}

    def _send_and_wait(self, count: int) -> dict[str, Any]:
        from tests.bench.signal_outcomes import outcomes

        started = time.monotonic()
        sent = [
            self.stack.send_signal("open" if number % CLOSE_EVERY else "close")
            for number in range(1, count + 1)
        ]
        say(f"{count} signals taken after {time.monotonic() - started:.1f} s")
        tenant_id = self.stack.population.tenant.pk
        while True:
            found = outcomes(tenant_id, sent)
            seconds = time.monotonic() - started
            if not found["unfinished"] or seconds > PATIENCE_SECONDS:
                break
            time.sleep(0.2)
        return {
            "followers": self.options.followers,
            "signals": count,
            "seconds": round(seconds, 1),
            "signals_per_second": round(count / seconds, 1),
            **found,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--followers", type=int, default=3)
    parser.add_argument("--signals", type=int, default=200)
    parser.add_argument("--pause", type=float, default=3.0, help="seconds after warming up")
    options = parser.parse_args()
    state, port = prepare()
    stack = BenchStack(followers=options.followers, state=state, paper_port=port, matching="full")
    result = asyncio.run(_Bench(stack, options).run())
    shutil.rmtree(state, ignore_errors=True)
    print(json.dumps(result))
    sys.exit(bool(result["unfinished"] or result["lost"]))


if __name__ == "__main__":
    main()
