"""Instruments are asked for once by all who need them, and an older list serves meanwhile."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from config.demo.paper_control import PaperAccount
from tests.conftest import PaperServer
from tests.processes.live import wait_for
from venues import markets, runtime
from venues.domain.types import Credentials, Instrument, VenueError

SYMBOL = "BTC/USDT:USDT"
LOADS = "public/instruments"
REQUESTS_A_LOAD = 2  # spot and swaps


@pytest.fixture
def exchange(paper_exchange: PaperServer) -> Iterator[PaperServer]:
    runtime.close_gateways()
    markets.forget_markets()
    paper_exchange.control.call("POST", "limits", {"enabled": False})
    yield paper_exchange
    paper_exchange.control.call("POST", "limits", {"enabled": True})
    runtime.close_gateways()
    markets.forget_markets()


def credentials_of(keys: PaperAccount) -> Credentials:
    return Credentials(keys.api_key, keys.secret_key, keys.passphrase)


def requests_of(exchange: PaperServer, rule: str) -> int:
    rules = exchange.control.call("GET", "faults")["faults"]
    return next(int(row["hits"]) for row in rules if row["id"] == rule)


def age_the_list() -> dict[str, Instrument]:
    known = markets.instruments("paper")
    markets._market("paper").loaded_at -= 2 * markets.REFRESH_SECONDS
    return known


def test_callers_of_a_cold_gateway_share_one_load(exchange: PaperServer) -> None:
    counted = exchange.control.add_fault("delay", ms=50, endpoint=LOADS)
    gateway = runtime.gateway_for("paper")
    keys = [exchange.account() for _ in range(40)]

    async def crowd() -> list[Any]:
        return await asyncio.gather(*(gateway.positions(credentials_of(key)) for key in keys))

    assert runtime.run(crowd()) == [[]] * 40
    assert requests_of(exchange, counted) == REQUESTS_A_LOAD


def test_a_process_loads_the_markets_once(exchange: PaperServer) -> None:
    counted = exchange.control.add_fault("delay", ms=1, endpoint=LOADS)
    credentials = credentials_of(exchange.account())
    runtime.run(runtime.gateway_for("paper").positions(credentials))
    assert SYMBOL in markets.instruments("paper")
    assert markets.instrument("paper", SYMBOL) is not None
    assert requests_of(exchange, counted) == REQUESTS_A_LOAD


def test_an_older_list_serves_everybody_while_it_is_reloaded(exchange: PaperServer) -> None:
    known = age_the_list()
    runtime.close_gateways()  # or its own list would be young enough
    exchange.control.add_fault("delay", ms=1500, endpoint=LOADS)
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        lists = list(pool.map(lambda _: markets.instruments("paper"), range(8)))
    assert all(found is known for found in lists)
    assert time.monotonic() - started < 1.5, "nobody waited for the venue"
    wait_for(lambda: markets.instruments("paper") is not known, seconds=20, what="the newer list")


def test_a_reload_that_fails_keeps_the_older_list(exchange: PaperServer) -> None:
    known = age_the_list()
    runtime.close_gateways()
    counted = exchange.control.add_fault("http_status", status=503, endpoint=LOADS)
    assert markets.instruments("paper") is known
    wait_for(lambda: markets._market("paper").failed_at > 0, seconds=20, what="the failed reload")
    assert markets.instrument("paper", "NOT/LISTED") is None
    assert markets.instruments("paper") is known
    assert requests_of(exchange, counted) == 1, "an unknown symbol asks not again at once"


def test_without_any_list_the_callers_hear_of_it_together(exchange: PaperServer) -> None:
    counted = exchange.control.add_fault("delay", ms=300, endpoint=LOADS)
    exchange.control.add_fault("http_status", status=503, endpoint=LOADS)

    def load(_: int) -> str:
        try:
            markets.instruments("paper")
        except VenueError as error:
            return error.kind
        return "loaded"

    with ThreadPoolExecutor(6) as pool:
        heard = list(pool.map(load, range(6)))
    assert set(heard) == {"unavailable"}
    assert requests_of(exchange, counted) == 1
    exchange.control.clear_faults()
    assert SYMBOL in markets.instruments("paper")


def test_a_row_of_nonsense_hides_no_other_instrument(exchange: PaperServer) -> None:
    body = """{"code":"0","msg":"","data":[null,7,{"instType":"SPOT"},{"instType":"SWAP",
        "instId":"X-Y-SWAP","uly":"X-Y","settleCcy":"Y","lotSz":"NaN","tickSz":"1","minSz":"1",
        "ctVal":"1"},{"instType":"SPOT","instId":"ETH-USDT","baseCcy":"ETH","quoteCcy":"USDT",
        "lotSz":"0.001","tickSz":"0.01","minSz":"0.001","lever":"10","state":"live"}]}"""
    exchange.control.add_fault("http_status", status=200, body=body, endpoint=LOADS)
    assert list(markets.instruments("paper")) == ["ETH/USDT"]


def test_an_answer_without_instruments_is_no_list(exchange: PaperServer) -> None:
    exchange.control.add_fault("empty_data", endpoint=LOADS)
    with pytest.raises(VenueError):
        markets.instruments("paper")
