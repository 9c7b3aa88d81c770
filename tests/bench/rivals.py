"""What Tandem's fan-out is measured against: the same orders, sent in barer and in plainer ways.

raw: ccxt's async `create_order`, markets and session shared, no database. limit: requests signed
by hand over aiohttp. naive: one Celery task per order with a cached synchronous ccxt client per
account. Each in as many processes as Tandem has order workers.

    python -m tests.bench.rivals raw|limit --url URL --accounts FILE --part 0/2
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import sys
import time
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import ccxt
import ccxt.async_support as ccxt_async
import orjson
import uvloop

from customers.domain.ids import new_id

SYMBOL, INST_ID = "BTC/USDT:USDT", "BTC-USDT-SWAP"
IN_FLIGHT = 100


def ccxt_config(url: str) -> dict[str, Any]:
    rest = {"rest": url}
    return {
        "enableRateLimit": False,
        "urls": {"api": rest, "test": rest},
        "options": {"fetchMarkets": {"types": ["spot", "swap"]}},
    }


async def _many(send: Any, accounts: list[dict[str, Any]]) -> list[float]:
    """Send one order per account over IN_FLIGHT workers; when each was answered, from the start."""
    waiting = list(reversed(accounts))
    answered: list[float] = []
    started = time.perf_counter()

    async def worker() -> None:
        while waiting:
            await send(waiting.pop())
            answered.append(time.perf_counter() - started)

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return answered


async def raw(url: str, accounts: list[dict[str, Any]]) -> list[float]:
    first = ccxt_async.okx(ccxt_config(url))
    markets = await first.load_markets()
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT))
    clients = {}
    for account in accounts:
        client = ccxt_async.okx(
            {
                **ccxt_config(url),
                "apiKey": account["apiKey"],
                "secret": account["secretKey"],
                "password": account["passphrase"],
                "session": session,
                "ssl_context": False,
            }
        )
        client.own_session = False
        client.set_markets(markets)
        clients[account["apiKey"]] = client

    async def send(account: dict[str, Any]) -> None:
        order = await clients[account["apiKey"]].create_order(
            SYMBOL, "market", "buy", 10, None, {"clientOrderId": new_id()}
        )
        assert order["id"]

    try:
        await _many(send, accounts[:IN_FLIGHT])  # connections are warm in a running stack, too
        return await _many(send, accounts)
    finally:
        for client in clients.values():
            client.session = None  # shared; else each client complains when it is collected
        await first.close()
        await session.close()


async def limit(url: str, accounts: list[dict[str, Any]]) -> list[float]:
    path = "/api/v5/trade/order"
    target = url + path
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=IN_FLIGHT), cookie_jar=aiohttp.DummyCookieJar()
    )

    async def send(account: dict[str, Any]) -> None:
        order = {"instId": INST_ID, "tdMode": "cross", "side": "buy", "ordType": "market"}
        body = orjson.dumps({**order, "sz": "10", "clOrdId": new_id()})
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        text = f"{now}POST{path}".encode() + body
        sign = hmac.new(account["secretKey"].encode(), text, "sha256").digest()
        headers = {
            "OK-ACCESS-KEY": account["apiKey"],
            "OK-ACCESS-PASSPHRASE": account["passphrase"],
            "OK-ACCESS-TIMESTAMP": now,
            "OK-ACCESS-SIGN": b64encode(sign).decode(),
            "Content-Type": "application/json",
        }
        async with session.post(target, data=body, headers=headers) as response:
            answer = orjson.loads(await response.read())
        assert answer["data"][0]["sCode"] == "0", answer

    try:
        await _many(send, accounts[:IN_FLIGHT])
        return await _many(send, accounts)
    finally:
        await session.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["raw", "limit"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--accounts", type=Path, required=True)
    parser.add_argument("--part", required=True, help="which of how many: 0/2")
    options = parser.parse_args()
    number, _, count = options.part.partition("/")
    accounts = json.loads(options.accounts.read_text(encoding="utf-8"))[int(number) :: int(count)]
    if options.kind == "raw" and ccxt.__version__ != ccxt_async.__version__:
        raise SystemExit("two versions of ccxt are installed")
    work = {"raw": raw, "limit": limit}[options.kind]
    started = time.time()
    answered = uvloop.run(work(options.url, accounts))
    json.dump({"seconds": max(answered), "orders": len(answered), "began": started}, sys.stdout)


if __name__ == "__main__":
    main()
