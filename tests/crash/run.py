"""One run: start the stack, let everybody enter, let the price fall, wait for the end, compare."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db.models import Min

from config.demo.paper_control import PaperControl
from config.demo.webhook import post_signal
from config.supervisor.ports import free_port
from config.supervisor.stack import PaperOptions, StackOptions, stack
from config.supervisor.supervisor import Supervisor
from customers.tenancy import system_scope
from strategies.models import Subscription
from tests.bench.population import write_accounts_file
from tests.chaos.books import stops_not_in_line, unsettled
from tests.chaos.population import accounts_check
from tests.chaos.run import in_thread
from tests.crash.population import SECRET, Population, invent_members, populate
from tests.crash.verdict import Excess, Fill, Kind, Outcome, Verdict, is_as_set, judge
from tests.storm.books import live_streams
from trading.models import CopiedPosition, Intent, RiskAction, TradingControl

INST, SYMBOL = "BTC-USDT-SWAP", "BTC/USDT:USDT"
CONTRACT_COINS = Decimal("0.01")
START_PRICE = Decimal(60_000)
FALL = Decimal("0.4")
COINS = "0.1"
STEP_SECONDS = 0.25
START_SECONDS = 300.0
END_SECONDS = 60.0
STABLE_SECONDS = 8.0
"""Everything is as set twice, this far apart: nothing is done once more."""


@dataclass(frozen=True, slots=True)
class Options:
    accounts: int
    seconds: float
    quiet: bool = False


class Run:
    def __init__(self, options: Options, *, state_dir: Path, paper_port: int) -> None:
        self.options = options
        self.state_dir = state_dir
        self.web_port = free_port()
        token = secrets.token_hex(8)
        self.control = PaperControl(f"http://127.0.0.1:{paper_port}", token)
        self.members = invent_members(options.accounts)
        accounts_file = state_dir / "accounts.json"
        write_accounts_file([member.keys for member in self.members], accounts_file)
        self.paper = PaperOptions(
            paper_port,
            accounts_file,
            token,
            state_file=state_dir / "exchange.journal",
            feed="static",
        )
        self.path: list[tuple[int, Decimal]] = []

    async def __call__(self) -> tuple[dict[str, Any], Verdict]:
        self.population: Population = await in_thread(self._populate)
        specs = stack(StackOptions(port=self.web_port, paper=self.paper))
        supervisor = Supervisor(specs, state_dir=self.state_dir, say=self._say)
        await supervisor.start()
        try:
            await asyncio.to_thread(self.control.set_price, INST, str(START_PRICE))
            await in_thread(accounts_check, [self.population.tenant_id])
            await self._until(self._is_heard, "all streams are up")
            await self._until(self._has_bases, "the equity that limits go by is known")
            await asyncio.to_thread(self._enter)
            await self._until(self._has_entered, "everybody holds the position")
            self._say("everybody holds the position; the price falls")
            await self._fall()
            self._say("the price stays")
            outcomes = await self._end()
        finally:
            await supervisor.stop()
        verdict = judge(outcomes, self.path)
        return self._figures(outcomes, verdict), verdict

    def _populate(self) -> Population:
        call_command("migrate", verbosity=0, interactive=False)
        return populate(self.members)

    # --- before ---------------------------------------------------------------------------------

    def _is_heard(self) -> bool:
        return live_streams() == len(self.members)

    def _has_bases(self) -> bool:
        with system_scope("crash: is everybody watched"):
            return not Subscription.objects.filter(equity_base=None).exists()

    def _enter(self) -> None:
        answer = post_signal(
            url=f"http://127.0.0.1:{self.web_port}/hooks/{self.population.source_id}/",
            secret=SECRET,
            message_id=secrets.token_hex(8),
            signal={
                "action": "open", "symbol": SYMBOL, "side": "long", "size": COINS,
                "size_basis": "base", "leverage": "5",
                "emitted_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            },
        )  # fmt: skip
        if answer.status != 202:
            raise RuntimeError(f"the webhook answered {answer.status}: {answer.body}")

    def _has_entered(self) -> bool:
        with system_scope("crash: who holds something"):
            held = CopiedPosition.objects.filter(filled=Decimal(COINS) / CONTRACT_COINS).count()
        return held == len(self.members) and not unsettled() and not stops_not_in_line()

    # --- the crash ------------------------------------------------------------------------------

    async def _fall(self) -> None:
        seconds = self.options.seconds
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < seconds:
            await self._set(START_PRICE * (1 - FALL * Decimal(elapsed / seconds)))
            await asyncio.sleep(STEP_SECONDS)
        await self._set(START_PRICE * (1 - FALL))

    async def _set(self, price: Decimal) -> None:
        price = price.quantize(Decimal("0.1"))
        self.path.append((time.time_ns() // 1_000_000, price))
        await asyncio.to_thread(self.control.set_price, INST, str(price))

    # --- afterwards -----------------------------------------------------------------------------

    async def _end(self) -> list[Outcome]:
        deadline = time.monotonic() + END_SECONDS
        since = 0.0
        while True:
            outcomes = await in_thread(self._outcomes)
            now = time.monotonic()
            if not all(is_as_set(outcome) for outcome in outcomes):
                since = 0.0
            elif since and now - since > STABLE_SECONDS:
                return outcomes
            since = since or (now if all(map(is_as_set, outcomes)) else 0.0)
            if now > deadline and not since:
                return outcomes
            await asyncio.sleep(1.0)

    def _outcomes(self) -> list[Outcome]:
        fills = self._fills()
        with system_scope("crash: how it ended"):
            copies = list(Subscription.objects.all())
            decided = dict(
                Intent.objects.filter(cause=Intent.Cause.RISK)
                .values_list("subscription_id")
                .annotate(Min("created_at"))
            )
            actions = defaultdict(list)
            for account_id, action in RiskAction.objects.order_by("pk").values_list(
                "account_id", "action"
            ):
                actions[account_id].append(action)
        stopped = set(
            TradingControl.objects.filter(level="customer", mode="reducing").values_list(
                "subject_id", flat=True
            )
        )
        found = []
        for copy in copies:
            member = self.population.copies[copy.pk]
            at = decided.get(copy.pk)
            found.append(
                Outcome(
                    label=member.keys.label,
                    guard=member.guard,
                    fills=fills[member.keys.api_key],
                    status=copy.status,
                    end_code=copy.end_code,
                    decided_ms=None if at is None else int(at.timestamp() * 1000),
                    actions=actions[copy.account_id],
                    entries_stopped=copy.customer_id in stopped,
                )
            )
        return found

    def _fills(self) -> dict[str, list[Fill]]:
        """By the exchange's ledger."""
        found: dict[str, list[Fill]] = defaultdict(list)
        ledger = self.control.ledger()
        liquidations = {
            row["ordId"] for row in ledger["orders"] if "liquidation" in row.get("category", "")
        }
        for row in ledger["fills"]:
            found[row["apiKey"]].append(
                Fill(
                    at_ms=int(row["ts"]),
                    is_buy=row["side"] == "buy",
                    coins=Decimal(row["fillSz"]) * CONTRACT_COINS,
                    price=Decimal(row["fillPx"]),
                    fee=-Decimal(row["fee"]),
                    is_liquidation=row["ordId"] in liquidations,
                )
            )
        return found

    def _figures(self, outcomes: list[Outcome], verdict: Verdict) -> dict[str, Any]:
        (self.state_dir / "rows.jsonl").write_text(
            "".join(json.dumps(_row(row)) + "\n" for row in verdict.rows), encoding="utf-8"
        )
        kinds = {
            kind.value: _kind_figures(
                [outcome for outcome in outcomes if outcome.guard.kind is kind],
                [row for row in verdict.rows if row.kind is kind],
            )
            for kind in Kind
        }
        return {
            "accounts": len(outcomes),
            "seconds": round(self.options.seconds),
            "price_from": str(START_PRICE),
            "price_to": str(self.path[-1][1]),
            "as_set": sum(map(is_as_set, outcomes)),
            "wrong": len(verdict.wrong),
            "unexplained": len(verdict.unexplained),
            "kinds": {name: figures for name, figures in kinds.items() if figures["accounts"]},
        }

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not await in_thread(holds):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {START_SECONDS:.0f} s: {what}")
            await asyncio.sleep(0.5)

    def _say(self, text: str) -> None:
        if not self.options.quiet:
            print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def _kind_figures(outcomes: list[Outcome], rows: list[Excess]) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "accounts": len(outcomes),
        "as_set": sum(map(is_as_set, outcomes)),
    }
    if rows:
        count = len(rows)
        figures |= {
            "excess_mean": _dollars(sum((row.total for row in rows), Decimal(0)) / count),
            "excess_most": _dollars(max(row.total for row in rows)),
            "waited_s_most": round(max(row.waited_ms for row in rows) / 1000, 1),
            "sent_s_most": round(max(row.sent_ms for row in rows) / 1000, 1),
        }
        for part in ("waiting", "sending", "book", "fee"):
            mean = sum((getattr(row, part) for row in rows), Decimal(0)) / count
            figures[f"{part}_mean"] = _dollars(mean)
    return figures


def _row(row: Excess) -> dict[str, Any]:
    parts = ("total", "waiting", "sending", "book", "fee", "rest")
    amounts = {name: _dollars(getattr(row, name)) for name in parts}
    times = {"waited_ms": row.waited_ms, "sent_ms": row.sent_ms}
    return {"account": row.label, "kind": row.kind.value, **amounts, **times}


def _dollars(value: Decimal) -> float:
    return float(round(value, 2))
