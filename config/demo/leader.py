"""The demo's leaders: each strategy trades its symbols in turn.

Most post a signal for each trade; one trades on an account of the exchange, where Tandem hears it.

A program of its own that knows nothing of Tandem but its webhooks. Run as
`python -m config.demo.leader --hooks URL --venue URL --sources FILE`.
"""

import argparse
import json
import random
import secrets
import sys
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from config.demo.cast import LEADER_EQUITY, STRATEGIES, DemoStrategy
from config.demo.hands import ExchangeRefusedError, Hands, inst_id_of
from config.demo.webhook import post_signal

LARGEST_ENTRIES = Decimal(3)  # a position grows to at most this many first entries


@dataclass(slots=True)
class LeaderBook:
    """What one strategy's leader holds, in coins, signed; decides its next trade at random."""

    terms: DemoStrategy
    chance: random.Random
    positions: dict[str, Decimal] = field(default_factory=dict)
    turn: int = 0

    def next_trade(self) -> dict[str, str]:
        """The next signal without its price and time, the book already changed by it."""
        symbol, entry = self.terms.entries[self.turn % len(self.terms.entries)]
        self.turn += 1
        held = self.positions.get(symbol, Decimal(0))
        if held == 0:
            side = self.chance.choice(("long", "short"))
            return self._enter("open", symbol, side, entry)
        side = "long" if held > 0 else "short"
        full = abs(held) >= entry * LARGEST_ENTRIES
        small = abs(held) < entry / 2
        weights = {
            "increase": 0 if full else 4,
            "reduce": 0 if small else 3,
            "close": 2,
            "flip": 1,
        }
        action = self.chance.choices(list(weights), list(weights.values()))[0]
        if action == "increase":
            return self._enter("increase", symbol, side, entry / 2)
        if action == "flip":
            self.positions[symbol] = Decimal(0)
            return self._enter("flip", symbol, "short" if side == "long" else "long", entry)
        if action == "reduce":
            self.positions[symbol] = held / 2
            return {
                "action": "reduce",
                "symbol": symbol,
                "size": "0.5",
                "size_basis": "position_fraction",
            }
        self.positions[symbol] = Decimal(0)
        return {"action": "close", "symbol": symbol}

    def _enter(self, action: str, symbol: str, side: str, coins: Decimal) -> dict[str, str]:
        signed = coins if side == "long" else -coins
        self.positions[symbol] = self.positions.get(symbol, Decimal(0)) + signed
        return {
            "action": action,
            "symbol": symbol,
            "side": side,
            "size": format(coins, "f"),
            "size_basis": "base",
            "leader_equity": format(LEADER_EQUITY, "f"),
            "leverage": format(self.terms.leverage, "f"),
        }


def last_price(venue: str, symbol: str) -> str:
    """The venue's last price of a linear swap."""
    query = urllib.parse.urlencode({"instId": inst_id_of(symbol)})
    url = f"{venue}/api/v5/market/ticker?{query}"
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (the demo's own exchange)
        return str(json.load(answer)["data"][0]["last"])


def stamped(trade: dict[str, str], price: str) -> dict[str, str]:
    """The trade as a signal of now at the leader's price."""
    return {**trade, "price": price, "emitted_at": datetime.now(UTC).isoformat()}


def hands_of(venue: str, keys: dict[str, str]) -> Hands:
    return Hands(venue, keys["apiKey"], keys["secretKey"], keys["passphrase"])


def run(*, hooks: str, venue: str, sources: Path) -> None:
    known = {terms.name: terms for terms in STRATEGIES}
    chance = random.Random()  # noqa: S311  (the demo's trades need not be unpredictable)
    desks = [
        (LeaderBook(known[row["strategy"]], chance), row)
        for row in json.loads(sources.read_text(encoding="utf-8"))
    ]
    due = {id(book): time.monotonic() + 2 * n for n, (book, _) in enumerate(desks)}
    while True:
        book, source = min(desks, key=lambda desk: due[id(desk[0])])
        time.sleep(max(0.0, due[id(book)] - time.monotonic()))
        due[id(book)] = time.monotonic() + book.terms.every_seconds * chance.uniform(0.7, 1.3)
        before = dict(book.positions)
        trade = book.next_trade()
        symbol = trade["symbol"]
        try:
            if "keys" in source:
                change = book.positions[symbol] - before.get(symbol, Decimal(0))
                order_id = hands_of(venue, source["keys"]).trade(symbol, change)
                print(f"{book.terms.name}: {trade['action']} {change} {symbol} → order {order_id}")
                continue
            signal = stamped(trade, last_price(venue, trade["symbol"]))
            answer = post_signal(
                url=f"{hooks}{source['source_id']}/",
                secret=source["secret"],
                message_id=f"demo-{secrets.token_hex(12)}",
                signal=signal,
            )
        except ExchangeRefusedError as refused:
            book.positions = before
            print(f"{book.terms.name}: the exchange refused: {refused}", file=sys.stderr)
            continue
        except OSError as error:
            print(f"{book.terms.name}: nobody answers: {error}", file=sys.stderr)
            continue
        print(
            f"{book.terms.name}: {trade['action']} {trade.get('side', '')} "
            f"{trade.get('size', '')} {trade['symbol']} → {answer.status} {answer.body[:200]}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hooks", required=True, help="URL up to and with /hooks/")
    parser.add_argument("--venue", required=True, help="the paper exchange's URL")
    parser.add_argument("--sources", required=True, type=Path, help="JSON: source ids and secrets")
    arguments = parser.parse_args()
    run(hooks=arguments.hooks, venue=arguments.venue, sources=arguments.sources)


if __name__ == "__main__":
    main()
