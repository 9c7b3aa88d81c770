"""The kill switch pressed in the middle of a fan-out, judged by the exchange's own ledger.

All N followers hold a position; while a second entry goes out to them, the strategy is set to
REDUCING. What the exchange booked later than a second after that is late. Then the position is
closed, still under REDUCING. Prints one JSON line; fails when an entry was late or an exit missing.

    make bench-kill-switch N=2000 [DATABASE_URL=mysql://…]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.bench.stack import BenchStack, prepare, say

PATIENCE_SECONDS = 180.0
ALLOWED_MS = 1000
PRESSED_AT_PART = 0.05


class _Bench:
    def __init__(self, stack: BenchStack) -> None:
        self.stack = stack

    async def run(self) -> dict[str, Any]:
        await asyncio.to_thread(self.stack.populate)
        async with self.stack.running():
            return await asyncio.to_thread(self._measure)

    def _measure(self) -> dict[str, Any]:
        self._finished(self.stack.send_signal())
        say("all followers hold a position")
        signal_id = self.stack.send_signal()
        self._wait(
            lambda: self._sent(signal_id) >= self.stack.followers * PRESSED_AT_PART,
            "the second entry goes out",
        )
        pressed_ms = self._press()
        say("pressed")
        entries = self._finished(signal_id)
        booked = self._booked(signal_id)
        late = [at for at in booked if at > pressed_ms + ALLOWED_MS]

        holders = self._holders()
        closed = self._finished(self.stack.send_signal("close"))
        return {
            "followers": self.stack.followers,
            "left_before_press": sum(at <= pressed_ms for at in booked),
            "left_within_1s": sum(pressed_ms < at <= pressed_ms + ALLOWED_MS for at in booked),
            "left_later": len(late),
            "last_left_ms_after_press": max(booked) - pressed_ms if booked else None,
            "entries": entries,
            "held_before_close": holders,
            "exits": closed,
            "held_after_close": self._holders(),
        }

    def _press(self) -> int:
        """As the console's button does; the time at which it was committed, in milliseconds."""
        from customers.tenancy import tenant_scope
        from strategies.models import Strategy
        from trading.services.controls import control_set

        with tenant_scope(self.stack.population.tenant.pk):
            control_set(
                level="strategy",
                subject_id=Strategy.objects.get(source=self.stack.population.source).pk,
                mode="reducing",
                reason="benchmark",
                actor=None,
            )
        return time.time_ns() // 1_000_000

    def _sent(self, signal_id: str) -> int:
        from customers.tenancy import tenant_scope
        from trading.models import Order

        with tenant_scope(self.stack.population.tenant.pk):
            return int(Order.objects.filter(signal_id=signal_id, sent_at__isnull=False).count())

    def _booked(self, signal_id: str) -> list[int]:
        """When the exchange booked each order of the signal, by its own clock (milliseconds)."""
        from customers.tenancy import tenant_scope
        from trading.models import Order

        with tenant_scope(self.stack.population.tenant.pk):
            ours = set(Order.objects.filter(signal_id=signal_id).values_list("pk", flat=True))
        rows = self.stack.control.ledger()["orders"]
        return [int(row["cTime"]) for row in rows if row["clOrdId"] in ours]

    def _holders(self) -> int:
        """Accounts with a position at the exchange: what it filled, not what we say."""
        held: defaultdict[str, Decimal] = defaultdict(Decimal)
        for fill in self.stack.control.ledger()["fills"]:
            size = Decimal(fill["fillSz"])
            held[fill["apiKey"]] += size if fill["side"] == "buy" else -size
        return sum(size != 0 for size in held.values())

    def _finished(self, signal_id: str) -> dict[str, int]:
        """The signal's intents by outcome, when all have one."""
        from tests.bench.signal_outcomes import outcomes

        tenant_id = self.stack.population.tenant.pk
        found: dict[str, Any] = {}

        def is_over() -> bool:
            found.update(outcomes(tenant_id, [signal_id]))
            return not found["unfinished"]

        self._wait(is_over, f"the signal ends ({found})")
        return dict(found["intents"])

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        from django.db import connection

        until = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > until:
                raise SystemExit(f"not within {PATIENCE_SECONDS:.0f} s: {what}")
            time.sleep(0.01)
        connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--followers", type=int, default=2000)
    options = parser.parse_args()
    state, port = prepare()
    stack = BenchStack(followers=options.followers, state=state, paper_port=port, matching="full")
    result = asyncio.run(_Bench(stack).run())
    shutil.rmtree(state, ignore_errors=True)
    print(json.dumps(result))
    if not result["left_before_press"] or len(result["entries"]) < 2:
        raise SystemExit("the switch was not pressed in the middle of the fan-out")
    sys.exit(bool(result["left_later"] or result["held_after_close"]))


if __name__ == "__main__":
    main()
