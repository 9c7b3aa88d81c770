"""A leader's own hands at the exchange: signed orders over plain HTTP, as any trader's program.

Knows nothing of Tandem.
"""

import base64
import hashlib
import hmac
import json
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any


class ExchangeRefusedError(Exception):
    """The exchange did not take an order; the message is its own."""


@dataclass(frozen=True, slots=True)
class Hands:
    venue: str
    api_key: str
    secret_key: str
    passphrase: str

    def trade(self, symbol: str, coins: Decimal) -> str:
        """Buy so many coins' worth of a linear swap at the market, or sell with a negative number,
        rounded down to the lot; the order's id. Raises ExchangeRefusedError and OSError."""
        inst_id = inst_id_of(symbol)
        size = self._contracts(inst_id, abs(coins))
        answer = self._signed(
            "POST",
            "/api/v5/trade/order",
            {
                "instId": inst_id,
                "tdMode": "cross",
                "side": "buy" if coins > 0 else "sell",
                "ordType": "market",
                "sz": format(size, "f"),
            },
        )
        row = (answer.get("data") or [{}])[0]
        if answer.get("code") != "0":
            raise ExchangeRefusedError(row.get("sMsg") or answer.get("msg") or "no reason given")
        return str(row["ordId"])

    def _contracts(self, inst_id: str, coins: Decimal) -> Decimal:
        query = urllib.parse.urlencode({"instType": "SWAP", "instId": inst_id})
        url = f"{self.venue}/api/v5/public/instruments?{query}"
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (the demo's own)
            row = json.load(answer)["data"][0]
        lot = Decimal(row["lotSz"])
        return coins / Decimal(row["ctVal"]) // lot * lot

    def _signed(self, method: str, path: str, body: Mapping[str, str]) -> dict[str, Any]:
        text = json.dumps(body)
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        digest = hmac.new(
            self.secret_key.encode(), f"{now}{method}{path}{text}".encode(), hashlib.sha256
        ).digest()
        request = urllib.request.Request(  # noqa: S310  (the demo's own exchange)
            self.venue + path,
            data=text.encode(),
            method=method,
            headers={
                "Content-Type": "application/json",
                "OK-ACCESS-KEY": self.api_key,
                "OK-ACCESS-SIGN": base64.b64encode(digest).decode(),
                "OK-ACCESS-TIMESTAMP": now,
                "OK-ACCESS-PASSPHRASE": self.passphrase,
            },
        )
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
            return found


def inst_id_of(symbol: str) -> str:
    """The venue's name of a linear swap."""
    base, rest = symbol.split("/")
    return f"{base}-{rest.split(':')[0]}-SWAP"
