"""What the leaders do: random signals of every kind, delivered until they are taken."""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from random import Random
from typing import Any

from config.demo.reconcile import inst_id
from config.demo.webhook import post_signal
from tests.chaos.population import Leader

LINEAR, OTHER_LINEAR = "BTC/USDT:USDT", "ETH/USDT:USDT"
INVERSE, SPOT = "BTC/USD:BTC", "ETH/USDT"
SYMBOLS = (LINEAR, OTHER_LINEAR, INVERSE, SPOT)
_WEIGHTS = {LINEAR: 6, OTHER_LINEAR: 4, INVERSE: 2, SPOT: 2}
_ACTIONS = {"open": 5, "increase": 4, "reduce": 4, "close": 3, "flip": 3, "set_target": 2}
_SENSIBLE = {
    False: {"open": 8, "set_target": 1, "flip": 1},
    True: {"increase": 4, "reduce": 4, "close": 2, "flip": 2, "set_target": 1},
}
"""By whether the leader holds something."""
SENSELESS_SHARE = 0.15
_CONTRACT_COINS = {LINEAR: 0.01, OTHER_LINEAR: 0.1}
LEADER_EQUITY = 200_000
LIMIT_SHARE = 0.3
STOPS_SHARE = 0.4
TWICE_SHARE = 0.15
"""Delivered twice at once, as senders do whose connection was slow."""
SANE_FACTOR = 3.0
DELIVERY_SECONDS = 90.0
RETRY_SECONDS = 0.5


@dataclass
class Sent:
    """What was delivered; shared by the senders' threads."""

    taken: dict[str, str] = field(default_factory=dict)
    """The id that a 202 named, by our message id."""
    failures: list[str] = field(default_factory=list)
    retries: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Desk:
    """One leader's random trading. Prices are asked of the venue."""

    def __init__(self, leader: Leader, *, hooks: str, venue: str, seed: str, sent: Sent) -> None:
        self.leader = leader
        self._url = f"{hooks}{leader.source_id}/"
        self._venue = venue
        self._chance = Random(seed)
        self._seed = seed
        self._count = 0
        self._prices: dict[str, float] = {}
        self._sides: dict[str, str] = {}
        self._sent = sent

    def post_next(self) -> None:
        symbol = self._chance.choices(SYMBOLS, [_WEIGHTS[name] for name in SYMBOLS])[0]
        self._deliver(self._random_signal(symbol), twice=self._chance.random() < TWICE_SHARE)

    def post_close(self, symbol: str) -> None:
        """The last signal in a symbol: whoever holds anything is to hold nothing."""
        self._deliver({"action": "close", "symbol": symbol}, twice=False)

    def _random_signal(self, symbol: str) -> dict[str, str]:
        """Mostly what a leader would do who knows his position; sometimes what makes no sense."""
        chance = self._chance
        held = self._sides.get(symbol)
        weights = _ACTIONS if chance.random() < SENSELESS_SHARE else _SENSIBLE[held is not None]
        action = chance.choices(list(weights), list(weights.values()))[0]
        signal = {"action": action, "symbol": symbol}
        if action == "close":
            self._sides.pop(symbol, None)
            return signal
        price = self._last_price(symbol)
        if action == "reduce":
            return {**signal, **self._reduction(symbol, price)}
        side = "long" if symbol == SPOT else chance.choice(["long", "short"])
        if held and weights is not _ACTIONS and action != "flip":
            side = held
        elif held and action == "flip" and symbol != SPOT:
            side = "short" if held == "long" else "long"
        self._sides[symbol] = signal["side"] = side
        leverage = chance.choice([1, 3, 5, 10])
        if chance.random() < 0.8:
            signal["leverage"] = str(leverage)
        signal |= self._entry_size(symbol, price, leverage)
        if chance.random() < STOPS_SHARE:
            away = 1 - chance.choice([0.003, 0.05]) * (1 if side == "long" else -1)
            signal["stop_loss"] = f"{price * away:.2f}"
        if chance.random() < LIMIT_SHARE:
            signal["order_type"] = "limit"
            # From well inside the market to far from it: some fill at once, some never.
            away = chance.uniform(-0.002, 0.002)
            signal["price"] = f"{price * (1 + away):.2f}"
        return signal

    def _reduction(self, symbol: str, price: float) -> dict[str, str]:
        if self._chance.random() < 0.3:
            return self._amount(symbol, price, self._chance.uniform(300, 3000))
        part = self._chance.choice(["0.25", "0.5", "0.333333333333333333", "1"])
        return {"size": part, "size_basis": "position_fraction"}

    def _entry_size(self, symbol: str, price: float, leverage: int) -> dict[str, str]:
        notional = self._chance.uniform(400, 6000)
        if self._chance.random() < 0.25:
            fraction = notional / leverage / LEADER_EQUITY
            size = {"size": f"{fraction:.8f}", "size_basis": "equity_fraction"}
        else:
            size = self._amount(symbol, price, notional)
        return {**size, "leader_equity": str(LEADER_EQUITY)}

    def _amount(self, symbol: str, price: float, notional: float) -> dict[str, str]:
        basis = self._chance.choice(["base", "contracts", "quote"])
        if basis == "contracts" and symbol in _CONTRACT_COINS:
            size = notional / price / _CONTRACT_COINS[symbol]
        elif basis == "quote":
            size = notional
        else:
            basis, size = "base", notional / price
        return {"size": f"{size:.6f}", "size_basis": basis}

    def _last_price(self, symbol: str) -> float:
        """The venue's price, or the last one that it gave when it fails just now."""
        query = urllib.parse.urlencode({"instId": inst_id(symbol)})
        known = self._prices.get(symbol, 60_000.0 if "BTC" in symbol else 3_000.0)
        try:
            with urllib.request.urlopen(
                f"{self._venue}/api/v5/market/ticker?{query}", timeout=2
            ) as answer:
                price = float(json.load(answer)["data"][0]["last"])
        except (OSError, HTTPException, ValueError, LookupError, TypeError, RecursionError):
            return known
        if not known / SANE_FACTOR < price < known * SANE_FACTOR:
            return known  # nonsense, which a leader would not trade by
        self._prices[symbol] = price
        return price

    # --- delivery -------------------------------------------------------------------------------

    def _deliver(self, signal: dict[str, str], *, twice: bool) -> None:
        self._count += 1
        message_id = f"chaos-{self._seed}-{self._count}".replace(":", "-")
        signal = {**signal, "emitted_at": datetime.now(UTC).isoformat()}
        if twice:
            second = threading.Thread(target=self._post, args=(message_id, signal))
            second.start()
            self._post(message_id, signal)
            second.join()
            return
        self._post(message_id, signal)

    def _post(self, message_id: str, signal: dict[str, Any]) -> None:
        """As a good sender does: the same delivery again until it is taken."""
        deadline = time.monotonic() + DELIVERY_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = post_signal(
                    url=self._url,
                    secret=self.leader.secret,
                    message_id=message_id,
                    signal=signal,
                )
            except (OSError, HTTPException):
                answer = None
            if answer is not None and answer.status == 202:
                taken = str(json.loads(answer.body)["id"])
                with self._sent.lock:
                    known = self._sent.taken.setdefault(message_id, taken)
                    if known != taken:
                        self._sent.failures.append(f"{message_id} became {known} and {taken}")
                return
            if answer is not None and answer.status < 500:
                with self._sent.lock:
                    self._sent.failures.append(
                        f"{message_id}: {answer.status} {answer.body[:200]} to {signal}"
                    )
                return
            with self._sent.lock:
                self._sent.retries += 1
            time.sleep(RETRY_SECONDS)
        with self._sent.lock:
            self._sent.failures.append(f"{message_id} was never taken")
