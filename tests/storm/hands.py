"""What leaders and clients do by themselves at the exchange: signed requests of a client that knows
nothing of us."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

from config.demo.paper_control import PaperAccount
from tests.paper.client import Answer, PaperClient

INSTRUMENTS = {"BTC-USDT-SWAP": Decimal("0.1"), "ETH-USDT-SWAP": Decimal("0.01")}
"""With their ticks. Both have lots of 0.01."""
LOT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Held:
    """`quantity` signed; `side` net, long or short."""

    inst_id: str
    side: str
    quantity: Decimal

    @property
    def direction(self) -> int:
        return 1 if self.quantity > 0 else -1


@dataclass
class Hands:
    """One account's own trading."""

    url: str
    keys: PaperAccount
    chance: Random
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.client = PaperClient(self.url, self.keys)
        self.is_hedged = self.keys.position_mode == "long_short_mode"

    # --- what is there ----------------------------------------------------------------------

    def held(self) -> list[Held]:
        rows = self.client.get("account/positions").json["data"]
        return [
            Held(
                row["instId"],
                row["posSide"],
                Decimal(row["pos"]) * (-1 if row["posSide"] == "short" else 1),
            )
            for row in rows
            if Decimal(row["pos"] or 0) and row["instId"] in INSTRUMENTS
        ]

    def resting(self) -> list[dict[str, Any]]:
        rows = self.client.get("trade/orders-pending").json["data"]
        return [row for row in rows if not row["clOrdId"]]

    # --- steps ------------------------------------------------------------------------------

    def enter(self, kind: str, direction: int, size: Decimal, **fields: str) -> None:
        inst_id = fields.pop("instId", None) or self.chance.choice(list(INSTRUMENTS))
        self._place(kind, inst_id, direction, size, "long" if direction > 0 else "short", fields)

    def exit(self, kind: str, held: Held, size: Decimal, **fields: str) -> None:
        self._place(kind, held.inst_id, -held.direction, size, held.side, fields)

    def some(self, low: int, high: int) -> Decimal:
        """A size in lots."""
        return LOT * self.chance.randint(low, high)

    def part_of(self, held: Held) -> Decimal:
        share = Decimal(self.chance.randint(10, 90)) / 100
        return max(abs(held.quantity) * share // LOT * LOT, LOT)

    def _place(
        self,
        kind: str,
        inst_id: str,
        direction: int,
        size: Decimal,
        side: str,
        fields: dict[str, str],
    ) -> None:
        body = {
            "instId": inst_id,
            "tdMode": "cross",
            "side": "buy" if direction > 0 else "sell",
            "ordType": "market",
            "sz": format(size, "f"),
            **fields,
        }
        if self.is_hedged:
            body["posSide"] = side
        self.note(kind, self.client.post("trade/order", body))

    def note(self, kind: str, answer: Answer) -> None:
        if answer.code == "0":
            self.done[kind] += 1
        else:
            rows = answer.json["data"]
            code = rows[0].get("sCode", answer.code) if rows else answer.code
            self.refused[f"{kind} {code}"] += 1


class Client(Hands):
    """A follower who also trades himself: he opens, takes parts away, closes."""

    def step(self) -> None:
        held = self.held()
        kind = self.chance.choices(["open", "part", "close"], [4, 4, 2])[0]
        if kind == "open" or not held:
            self.enter("manual open", self.chance.choice([1, -1]), self.some(20, 400))
            return
        position = self.chance.choice(held)
        if kind == "part":
            self.exit("manual part", position, self.part_of(position))
        else:
            self.exit("manual close", position, abs(position.quantity))


class LeaderHands(Hands):
    """A leader: at the market, and with limit orders that are amended and cancelled."""

    def step(self) -> None:
        held = self.held()
        kind = self.chance.choices(
            ["add", "part", "close", "flip", "limit", "amend", "cancel"], [5, 4, 1, 2, 3, 2, 1]
        )[0]
        if kind in ("part", "close", "flip") and not held:
            kind = "add"
        if kind in ("amend", "cancel"):
            self._change_resting(kind)
        elif kind == "limit":
            self._place_limit()
        elif kind == "add":
            self._add(held)
        else:
            self._leave(kind, self.chance.choice(held))

    def finish(self, *, flat: bool) -> None:
        """No order rests any more; `flat`: nothing is held either."""
        for row in self.resting():
            self._cancel(row)
        for position in self.held() if flat else ():
            self.exit("close", position, abs(position.quantity))

    def _add(self, held: list[Held]) -> None:
        direction, inst_id = self.chance.choice([1, -1]), self.chance.choice(list(INSTRUMENTS))
        for position in held:
            if position.inst_id == inst_id and self.chance.random() < 0.8:
                direction = position.direction
        self.enter("market", direction, self.some(30, 400), instId=inst_id)

    def _leave(self, kind: str, position: Held) -> None:
        if kind == "part":
            self.exit("part", position, self.part_of(position))
        elif kind == "close" or self.is_hedged:
            self.exit(kind, position, abs(position.quantity))
            if kind == "flip":
                size, inst_id = self.some(30, 400), position.inst_id
                self.enter("market", -position.direction, size, instId=inst_id)
        else:
            self.exit("flip", position, abs(position.quantity) + self.some(30, 400))

    def _place_limit(self) -> None:
        inst_id, direction = self.chance.choice(list(INSTRUMENTS)), self.chance.choice([1, -1])
        price = self._price(inst_id, direction)
        if price is not None:
            kind = self.chance.choice(["limit", "limit", "post_only"])
            fields = {"ordType": kind, "px": price, "instId": inst_id}
            self.enter("limit", direction, self.some(30, 300), **fields)

    def _change_resting(self, kind: str) -> None:
        rows = self.resting()
        if not rows:
            self._place_limit()
            return
        row = self.chance.choice(rows)
        if kind == "cancel":
            self._cancel(row)
            return
        body = {"instId": row["instId"], "ordId": row["ordId"]}
        if self.chance.random() < 0.6:
            price = self._price(row["instId"], 1 if row["side"] == "buy" else -1)
            if price is not None:
                body["newPx"] = price
        if len(body) == 2 or self.chance.random() < 0.5:
            body["newSz"] = format(Decimal(row["accFillSz"] or 0) + self.some(30, 300), "f")
        self.note("amend", self.client.post("trade/amend-order", body))

    def _cancel(self, row: dict[str, Any]) -> None:
        body = {"instId": row["instId"], "ordId": row["ordId"]}
        self.note("cancel", self.client.post("trade/cancel-order", body))

    def _price(self, inst_id: str, direction: int) -> str | None:
        """From just through the market to some way behind it."""
        answer = self.client.get(f"market/ticker?instId={inst_id}")
        if answer.status != 200 or answer.code != "0":
            return None
        away = Decimal(self.chance.randint(-5, 20)) / 10_000
        price = Decimal(answer.row["last"]) * (1 - direction * away)
        tick = INSTRUMENTS[inst_id]
        return format((price / tick).quantize(Decimal(1), ROUND_HALF_UP) * tick, "f")
