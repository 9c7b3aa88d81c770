"""A leader trades by the exchange's official SDK; how soon, and how exactly, do N followers follow?

Starts the real stack with a streamer and a paper exchange on this machine, on the database of
DATABASE_URL (an empty one; SQLite by default), and prints one JSON line.

    make bench-leader FOLLOWERS=100        from the leader's fill to each follower's acknowledgement
    make leader-demo FOLLOWERS=500         a scripted day: the copies must equal what is computed
                                           here from the leader's own fills, to the lot
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import time
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.bench.stack import BenchStack, prepare, say

INST, SYMBOL = "BTC-USDT-SWAP", "BTC/USDT:USDT"
LOT = Fraction(1, 100)
PATIENCE_SECONDS = 120.0
LEADER_BALANCE = "5000000"


class LeaderStack(BenchStack):
    """The benchmark's followers, behind an account of the paper exchange instead of a webhook."""

    def __init__(self, **options: Any) -> None:
        from config.demo.paper_control import invented_account
        from tests.bench.population import write_accounts_file

        super().__init__(**options)
        self.leader_keys = invented_account("leader", usdt=LEADER_BALANCE)
        write_accounts_file([*self.accounts, self.leader_keys], self.accounts_file)

    def populate(self) -> None:
        from django.db import connection
        from django.utils import timezone

        from customers.tenancy import tenant_scope
        from signals_app.models import Leader, LeaderCredential, SignalSource

        super().populate()
        tenant = self.population.tenant
        with tenant_scope(tenant.pk):
            SignalSource.objects.filter(pk=self.population.source.pk).update(kind="leader")
            self.leader = Leader.objects.create(
                tenant=tenant, source=self.population.source, checked_at=timezone.now()
            )
            LeaderCredential.objects.create(
                tenant=tenant,
                leader=self.leader,
                status=LeaderCredential.Status.ACTIVE,
                api_key=self.leader_keys.api_key,
                api_secret=self.leader_keys.secret_key,
                passphrase=self.leader_keys.passphrase,
                permissions=["read_only", "trade"],
            )
        connection.close()

    def start_leader(self) -> Any:
        """The SDK, once the leader is heard by stream and its positions were taken over."""
        from okx import Trade

        from customers.models import StreamState
        from customers.tenancy import tenant_scope

        with tenant_scope(self.population.tenant.pk):

            def ready() -> bool:
                self.leader.refresh_from_db()
                stream = StreamState.objects.filter(kind="leader", subject_id=self.leader.pk)
                return self.leader.started_at is not None and stream.filter(state="live").exists()

            _wait(ready, "the leader is followed")
        keys = self.leader_keys
        return Trade.TradeAPI(
            keys.api_key, keys.secret_key, keys.passphrase, domain=self.paper_url, debug=False
        )


def _wait(condition: Any, what: str, seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"timed out: {what}")
        time.sleep(0.05)


@dataclass
class _Leader:
    """The leader's hands: an SDK that knows nothing of us."""

    sdk: Any

    def order(self, side: str, size: str, **fields: str) -> str:
        values = {"tdMode": "cross", "ordType": "market", **fields}
        answer = self.sdk.place_order(instId=INST, side=side, sz=size, **values)
        if answer["code"] != "0":
            raise SystemExit(f"the exchange refused the leader: {answer}")
        return str(answer["data"][0]["ordId"])

    def fills(self) -> list[dict[str, str]]:
        """Oldest first, as the exchange booked them."""
        return list(reversed(self.sdk.get_fills(instType="SWAP", limit="100")["data"]))


class _Watch:
    """What became of the leader's signals, read from the database."""

    def __init__(self, stack: LeaderStack) -> None:
        self.stack = stack
        self.tenant_id = stack.population.tenant.pk

    def signals(self) -> list[Any]:
        from customers.tenancy import tenant_scope
        from signals_app.models import Signal

        with tenant_scope(self.tenant_id):
            return list(Signal.objects.order_by("pk"))

    def wait_for_signals(self, count: int) -> Any:
        _wait(lambda: len(self.signals()) >= count, f"signal {count}")
        return self.signals()[-1]

    def wait_until_followed(self, count: int) -> None:
        """All signals are settled, and nothing is on its way."""
        from customers.tenancy import tenant_scope
        from trading.domain.order_states import LIVE_STATES
        from trading.models import Order

        live = [str(state) for state in LIVE_STATES]

        def settled() -> bool:
            signals = self.signals()
            if len(signals) < count or any(each.status != "done" for each in signals):
                return False
            with tenant_scope(self.tenant_id):
                return not Order.objects.filter(state__in=live).exists()

        _wait(settled, f"{count} signals are followed")

    def acknowledged_ms(self, signal: Any, since_ms: int) -> list[float]:
        from customers.tenancy import tenant_scope
        from trading.models import Order

        with tenant_scope(self.tenant_id):
            orders = Order.objects.filter(signal_id=signal.pk)
            _wait(
                lambda: (
                    orders.count() == self.stack.followers
                    and not orders.filter(acknowledged_at=None).exists()
                ),
                "all orders are acknowledged",
            )
            times = orders.values_list("acknowledged_at", flat=True)
            return sorted(at.timestamp() * 1000 - since_ms for at in times)


# --- how soon -----------------------------------------------------------------------------------


def latency(stack: LeaderStack, rounds: int, pause: float) -> dict[str, Any]:
    leader, watch = _Leader(stack.start_leader()), _Watch(stack)
    samples: list[float] = []
    recognised: list[float] = []
    for number in range(rounds + 1):
        leader.order("sell" if number % 2 else "buy", "0.9")
        signal = watch.wait_for_signals(number + 1)
        fill_ms = int(leader.fills()[-1]["ts"])
        times = watch.acknowledged_ms(signal, fill_ms)
        watch.wait_until_followed(number + 1)
        say(f"round {number}: first {times[0]:.0f} ms, last {times[-1]:.0f} ms")
        if number:  # the first one warms up
            samples += times
            recognised.append(signal.received_at.timestamp() * 1000 - fill_ms)
        time.sleep(pause)
    samples.sort()
    return {
        "followers": stack.followers,
        "rounds": rounds,
        "fill_to_signal_p50_ms": round(sorted(recognised)[len(recognised) // 2]),
        "fill_to_ack_p50_ms": round(samples[len(samples) // 2]),
        "fill_to_ack_p99_ms": round(samples[min(len(samples) - 1, len(samples) * 99 // 100)]),
        "fill_to_ack_max_ms": round(samples[-1]),
    }


# --- how exactly --------------------------------------------------------------------------------


@dataclass
class _Copy:
    """A follower with the leader's size, computed again from documented rules and exact fractions:
    docs/flow.md and docs/leaders.md, none of our code."""

    target: Fraction = Fraction(0)
    filled: Fraction = Fraction(0)

    def follow(self, before: Fraction, after: Fraction) -> None:
        if before * after < 0:
            self.follow(before, Fraction(0))
            before = Fraction(0)
        if abs(after) > abs(before):
            self.target += after - before  # coin for coin, whatever it cost
        else:
            self.target *= after / before
        missing = self.target - self.filled
        lots = abs(missing) // LOT * LOT
        if after == 0:
            self.target = Fraction(0)
            lots = abs(self.filled)
        self.filled += lots if missing > 0 else -lots


def script(stack: LeaderStack) -> dict[str, Any]:
    """Open, add, close in thirds, flip, a limit order placed, amended and cancelled, close."""
    leader, watch = _Leader(stack.start_leader()), _Watch(stack)
    steps = (
        ("open", "buy", "0.60"), ("add", "buy", "0.30"), ("a third", "sell", "0.30"),
        ("another third", "sell", "0.30"), ("flip", "sell", "0.75"), ("add", "sell", "0.21"),
    )  # fmt: skip
    copy = _Copy()
    position, seen = Fraction(0), 0
    checked = 0
    for number, (name, side, size) in enumerate(steps, start=1):
        leader.order(side, size)
        watch.wait_until_followed(number)
        fills = leader.fills()
        mine, seen = fills[seen:], len(fills)
        position = _follow(copy, position, mine)
        checked += _compare(stack, copy, name)
    order_id = leader.order("sell", "0.50", ordType="limit", px=_far_away(stack))
    leader.sdk.amend_order(instId=INST, ordId=order_id, newSz="0.40")
    leader.sdk.cancel_order(instId=INST, ordId=order_id)
    checked += _compare(stack, copy, "a limit order that was not filled")
    leader.order("buy", "0.66")
    watch.wait_until_followed(len(steps) + 1)
    _follow(copy, position, leader.fills()[seen:])
    checked += _compare(stack, copy, "close")
    if copy.filled:
        raise SystemExit(f"the computed copy holds {copy.filled} at the end")
    return {
        "followers": stack.followers,
        "signals": len(watch.signals()),
        "copies_compared": checked,
        "differences": 0,
    }


def _follow(copy: _Copy, position: Fraction, fills: list[dict[str, str]]) -> Fraction:
    signed = sum(
        (Fraction(f["fillSz"]) * (1 if f["side"] == "buy" else -1) for f in fills), Fraction(0)
    )
    copy.follow(position, position + signed)
    return position + signed


def _far_away(stack: LeaderStack) -> str:
    return str((Decimal(stack.last_price()) * Decimal("1.02")).quantize(Decimal("0.1")))


def _compare(stack: LeaderStack, copy: _Copy, name: str) -> int:
    """Each follower's copied position, and what the exchange says his account holds."""
    from customers.tenancy import tenant_scope
    from trading.models import CopiedPosition

    with tenant_scope(stack.population.tenant.pk):
        rows = list(CopiedPosition.objects.filter(symbol=SYMBOL).values_list("filled", flat=True))
    wrong = [row for row in rows if Fraction(row) != copy.filled]
    if wrong or len(rows) != stack.followers:
        raise SystemExit(f"after {name}: {len(rows)} copies, expected {copy.filled}: {wrong[:5]}")
    held = stack.held_at_exchange()
    wrong_there = {amount for amount in held.values() if amount != copy.filled}
    if wrong_there:
        raise SystemExit(f"after {name}: the exchange says {wrong_there}, not {copy.filled}")
    say(f"after {name}: {len(rows)} copies hold {float(copy.filled)}")
    return len(rows)


# --- running ------------------------------------------------------------------------------------


class ScriptStack(LeaderStack):
    def last_price(self) -> str:
        from okx import MarketData

        market = MarketData.MarketAPI(domain=self.paper_url, debug=False)
        return str(market.get_ticker(INST)["data"][0]["last"])

    def held_at_exchange(self) -> dict[str, Fraction]:
        """Signed contracts by the followers' keys, summed from the exchange's own ledger."""
        held = {account.api_key: Fraction(0) for account in self.accounts}
        for fill in self.control.ledger()["fills"]:
            if fill["apiKey"] in held:
                sign = 1 if fill["side"] == "buy" else -1
                held[fill["apiKey"]] += sign * Fraction(fill["fillSz"])
        return held


async def _run(stack: LeaderStack, options: argparse.Namespace) -> dict[str, Any]:
    await asyncio.to_thread(stack.populate)
    async with stack.running():
        if isinstance(stack, ScriptStack):
            return await asyncio.to_thread(script, stack)
        return await asyncio.to_thread(latency, stack, options.rounds, options.pause)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--followers", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=10, help="after one that warms up")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between rounds")
    parser.add_argument("--script", action="store_true", help="the scripted day")
    options = parser.parse_args()

    state, port = prepare()
    made = ScriptStack if options.script else LeaderStack
    stack = made(followers=options.followers, state=state, paper_port=port, matching="full")
    result = asyncio.run(_run(stack, options))
    shutil.rmtree(state, ignore_errors=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
