"""Command line of the paper exchange, shared by `python -m venues.paper` and manage.py."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import signal
import sys
from pathlib import Path
from typing import Any

import orjson
import uvloop

from venues.paper.engine.exchange import Exchange
from venues.paper.server.app import PaperServer
from venues.paper.server.clock import PaperClock
from venues.paper.server.http import HttpConnection

BACKLOG = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=9100, help="0 picks a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--state", metavar="FILE", help="journal that survives a restart")
    parser.add_argument(
        "--feed", default="walk", metavar="walk|static|FILE.csv", help="where prices come from"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the walk and of fault chances")
    parser.add_argument("--accounts", metavar="FILE.json", help="list of accounts to open")
    parser.add_argument("--control-token", metavar="TOKEN", help="opens /control/ on loopback")
    parser.add_argument(
        "--matching",
        choices=("full", "ack"),
        default="full",
        help="ack: acknowledge, book and fill at once, without book and pushes",
    )


class StartError(Exception):
    """The exchange cannot start; the message says why."""


def read_accounts(path: str | None) -> list[dict[str, Any]]:
    if path is None:
        return []
    try:
        specs = orjson.loads(Path(path).read_bytes())
    except OSError as error:
        raise StartError(f"cannot read {path}: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise StartError(f"{path} is not JSON: {error}") from None
    if not isinstance(specs, list) or not all(isinstance(spec, dict) for spec in specs):
        raise StartError(f"{path} must hold a list of accounts")
    return specs


def build(options: Any) -> PaperServer:
    clock = PaperClock()
    try:
        exchange = Exchange(clock, feed=options.feed, seed=options.seed, matching=options.matching)
        if options.state:
            exchange.open_state(options.state)
        for number, spec in enumerate(read_accounts(options.accounts)):
            try:
                exchange.add_account(spec)
            except (ValueError, TypeError, KeyError) as error:
                raise StartError(f"account {number}: {error}") from None
    except (ValueError, OSError) as error:
        raise StartError(str(error)) from None
    return PaperServer(
        exchange,
        clock,
        control_token=options.control_token,
        seed=options.seed,
        durable=bool(options.state),
    )


async def serve(server: PaperServer, host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        listener = await loop.create_server(
            lambda: HttpConnection(server), host, port, backlog=BACKLOG
        )
    except OSError as error:
        raise StartError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    bound = listener.sockets[0].getsockname()
    # Instruments, history and accounts stay for good: keep them out of every full collection.
    gc.collect()
    gc.freeze()
    print(f"paper exchange on http://{bound[0]}:{bound[1]}", flush=True)
    feed = asyncio.create_task(server.run_feed())
    try:
        await stop.wait()
    finally:
        listener.close()
        feed.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await feed
        server.shut_down()
        await asyncio.sleep(0.05)  # let the close frames out
        server.exchange.close()


def run(options: Any) -> int:
    try:
        server = build(options)
        uvloop.run(serve(server, options.host, options.port))
    except StartError as error:
        print(f"paper exchange: {error}", file=sys.stderr)
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="paper_exchange", description="A local exchange that speaks OKX's v5 protocol."
    )
    add_arguments(parser)
    return run(parser.parse_args(argv))
