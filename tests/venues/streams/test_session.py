"""A private stream over real sockets to the paper exchange: what it tells, and how it ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.paper.client import PaperClient, order
from tests.venues.streams.listening import Listening
from venues.domain.types import VenueOrderState
from venues.streams import session as session_module
from venues.streams.events import (
    BalancesChanged,
    Connected,
    Lost,
    OrderChanged,
    PositionsChanged,
    Refused,
    Stale,
    StopChanged,
    Trouble,
)
from venues.streams.line import LineEnd

SYMBOL = "BTC/USDT:USDT"


@pytest.fixture
def paper(paper_exchange: Any) -> Iterator[Any]:
    paper_exchange.control.call("POST", "limits", {"enabled": False})
    yield paper_exchange
    paper_exchange.control.call("POST", "limits", {"enabled": True})


@pytest.fixture
def listening(paper: Any) -> Iterator[Listening]:
    yield Listening(paper, paper.account())


async def trade(paper: Any, listening: Listening, **changes: Any) -> dict[str, Any]:
    client = PaperClient(paper.url, listening.account)
    try:
        answer = await asyncio.to_thread(client.post, "trade/order", order(**changes))
    finally:
        client.close()
    assert answer.code == "0", answer.text
    return answer.row


# --- what it tells ------------------------------------------------------------------------------


async def test_it_tells_the_state_of_the_account_after_connecting(
    paper: Any, listening: Listening
) -> None:
    await trade(paper, listening, sz="2")
    connected = await listening.live()
    positions = await listening.until(PositionsChanged)
    balances = await listening.until(BalancesChanged)
    assert listening.events[0] is connected
    assert connected.connection_id
    assert positions.is_complete
    assert [(p.symbol, p.quantity) for p in positions.positions] == [(SYMBOL, 2)]
    assert balances.is_complete
    assert balances.balances[0].currency == "USDT"
    assert balances.total_equity_usd is not None


async def test_an_order_is_told_with_its_execution(paper: Any, listening: Listening) -> None:
    await listening.live()
    placed = await trade(paper, listening, sz="3", clOrdId="abc1")
    told = await listening.until(
        OrderChanged, matching=lambda e: e.order.state is VenueOrderState.FILLED
    )
    fills = [event.fill for event in listening.of(OrderChanged) if event.fill is not None]
    assert (told.order.venue_order_id, told.order.client_order_id) == (placed["ordId"], "abc1")
    assert (told.order.side, told.order.order_type) == ("buy", "market")
    assert sum(fill.quantity for fill in fills) == 3
    rows = PaperClient(paper.url, listening.account).get("trade/fills").data
    booked = {row["tradeId"]: -Decimal(row["fee"]) for row in rows}
    assert {fill.trade_id: fill.fee for fill in fills} == booked
    assert all(fee > 0 for fee in booked.values())
    position = await listening.until(PositionsChanged, matching=lambda e: bool(e.positions))
    assert (position.positions[0].quantity, position.is_complete) == (3, False)


async def test_a_closed_position_is_told_as_zero(paper: Any, listening: Listening) -> None:
    await trade(paper, listening, sz="2")
    await listening.live()
    await trade(paper, listening, sz="2", side="sell", reduceOnly=True)
    closed = await listening.until(
        PositionsChanged, matching=lambda e: e.positions and not e.positions[0].quantity
    )
    assert closed.positions[0].symbol == SYMBOL


async def test_stop_orders_have_a_line_of_their_own(paper: Any) -> None:
    listening = Listening(paper, paper.account(), stops=True)
    await listening.live()
    await trade(paper, listening, sz="1")
    client = PaperClient(paper.url, listening.account)
    last = Decimal(client.get("market/ticker?instId=BTC-USDT-SWAP").row["last"])
    stop = {
        "instId": "BTC-USDT-SWAP",
        "tdMode": "cross",
        "side": "sell",
        "ordType": "conditional",
        "sz": "1",
        "slTriggerPx": str(int(last * Decimal("0.9"))),
        "slOrdPx": "-1",
        "reduceOnly": True,
    }
    placed = client.post("trade/order-algo", stop).row
    told = await listening.until(StopChanged)
    assert told.stop.venue_stop_id == placed["algoId"]
    assert (told.stop.state, told.stop.symbol, told.stop.side) == ("live", SYMBOL, "sell")
    assert told.stop.stop_loss_trigger == Decimal(stop["slTriggerPx"])
    assert len(listening.of(Connected)) == 1


async def test_what_names_an_unknown_market_waits_for_the_list_in_order(
    paper: Any, listening: Listening
) -> None:
    await listening.live()
    listening.symbols.pop("ETH-USDT-SWAP")
    await trade(paper, listening, instId="ETH-USDT-SWAP", clOrdId="first")
    await trade(paper, listening, clOrdId="second")
    await asyncio.sleep(0.3)
    assert not listening.of(OrderChanged)
    assert listening.markets_wanted == 1
    listening.symbols["ETH-USDT-SWAP"] = "ETH/USDT:USDT"
    listening.session.read_held()
    told = [event.order.client_order_id for event in listening.of(OrderChanged)]
    assert told == sorted(told)
    assert {"first", "second"} == set(told)
    assert listening.of(OrderChanged)[0].order.symbol == "ETH/USDT:USDT"


# --- how it ends --------------------------------------------------------------------------------


async def test_a_cut_line_is_lost_at_once(paper: Any, listening: Listening) -> None:
    await listening.live()
    paper.control.add_fault("close_sockets", account=listening.account.api_key)
    lost = await listening.until(Lost, seconds=2)
    assert lost.trouble is Trouble.CLOSED
    assert listening.session.ended


async def test_a_close_code_is_told(paper: Any, listening: Listening) -> None:
    await listening.live()
    paper.control.add_fault("close_sockets", account=listening.account.api_key, closeCode=4007)
    lost = await listening.until(Lost, seconds=2)
    assert "4007" in lost.detail


async def test_a_half_open_line_is_found_by_its_silence(
    paper: Any, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "PING_AFTER_SECONDS", 0.4)
    monkeypatch.setattr(session_module, "SILENT_SECONDS", 1.2)
    await listening.live()
    # Idle, but answering pings: it stays.
    with pytest.raises(AssertionError):
        await listening.until(Lost, seconds=3)
    paper.control.add_fault("freeze_sockets", account=listening.account.api_key)
    lost = await listening.until(Lost, seconds=3)
    assert lost.trouble is Trouble.SILENT
    assert len(listening.of(Stale)) == 1
    assert listening.of(Stale)[0].silent_since_ms <= lost.received_ms - 1200


async def test_time_in_which_this_process_stood_still_is_not_the_venues_silence(
    listening: Listening,
) -> None:
    await listening.live()
    now = asyncio.get_running_loop().time()
    listening.session.check(now + 60, excused_seconds=59)
    assert not listening.of(Lost)
    listening.session.check(now + 120)
    assert listening.of(Lost)[0].trouble is Trouble.SILENT


async def test_silence_is_found_within_thirty_seconds() -> None:
    assert session_module.SILENT_SECONDS + 2 < 30  # and the check comes every second


async def test_a_wrong_key_is_refused(paper: Any) -> None:
    listening = Listening(paper, paper.account())
    keys = {**listening.account.spec()}
    listening.account = type(listening.account)(
        api_key=keys["apiKey"], secret_key="wrong", passphrase=keys["passphrase"], balances={}
    )
    await listening.connect()
    refused = await listening.until(Refused)
    assert (refused.trouble, refused.code) == (Trouble.CREDENTIALS, "60007")
    assert not listening.of(Connected)


@pytest.mark.parametrize("code", ["60009", "60011"])
async def test_a_login_that_may_work_another_time_is_only_lost(
    paper: Any, listening: Listening, code: str
) -> None:
    paper.control.add_fault("error_code", endpoint="ws/login", code=code)
    await listening.connect()
    lost = await listening.until(Lost)
    assert lost.trouble is Trouble.LOGIN
    assert code in lost.detail


async def test_a_login_by_another_clock_asks_for_the_venues(
    paper: Any, listening: Listening
) -> None:
    listening.now_ms = lambda: 1_600_000_000_000
    await listening.connect()
    assert (await listening.until(Lost)).trouble is Trouble.CLOCK
    assert listening.clock_refused == 1


@pytest.mark.parametrize("endpoint", ["ws/login", "ws/subscribe"])
async def test_a_login_or_subscription_without_an_answer_is_given_up(
    paper: Any, listening: Listening, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "LOGIN_SECONDS", 0.5)
    monkeypatch.setattr(session_module, "SUBSCRIBE_SECONDS", 0.5)
    paper.control.add_fault("empty_body", endpoint=endpoint)
    await listening.connect()
    assert (await listening.until(Lost, seconds=3)).trouble is Trouble.UNREACHABLE


async def test_a_refused_subscription_is_lost(paper: Any, listening: Listening) -> None:
    paper.control.add_fault("error_code", endpoint="ws/subscribe", code="60018")
    await listening.connect()
    assert (await listening.until(Lost)).trouble is Trouble.SUBSCRIPTION


async def test_the_notice_of_an_upgrade_comes_before_the_end(
    paper: Any, listening: Listening
) -> None:
    await listening.live()
    paper.control.add_fault("notice", account=listening.account.api_key, ms=800)
    await trade(paper, listening, clOrdId="between")
    await listening.until(OrderChanged)
    assert listening.ends_soon == 1
    assert (await listening.until(Lost, seconds=4)).trouble is Trouble.CLOSED


async def test_nobody_listening_there_is_told(paper: Any, listening: Listening) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused
        unreachable = type("Paper", (), {"url": f"http://127.0.0.1:{taken.getsockname()[1]}"})
        session = Listening(unreachable, listening.account)
        end = await session.connect()
    assert isinstance(end, LineEnd)
    assert session.of(Lost)[0].trouble is Trouble.UNREACHABLE


async def test_a_server_that_answers_no_handshake_is_given_up(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "HANDSHAKE_SECONDS", 0.5)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        mute = Listening(type("Paper", (), {"url": f"http://127.0.0.1:{port}"}), listening.account)
        connecting = asyncio.create_task(mute.connect())
        assert (await mute.until(Lost, seconds=3)).trouble is Trouble.UNREACHABLE
        assert await connecting is not None


async def test_too_many_connections_are_told_with_their_status(
    paper: Any, listening: Listening
) -> None:
    paper.control.call("POST", "limits", {"enabled": True})
    others = [Listening(paper, listening.account) for _ in range(8)]
    ends = await asyncio.gather(*(other.connect() for other in others))
    refused = [end for end in ends if end is not None]
    assert refused
    assert {end.http_status for end in refused} == {429}
    troubles = {event.trouble for other in others for event in other.of(Lost)}
    assert troubles == {Trouble.RATE_LIMITED}


async def test_garbage_is_survived_and_much_of_it_ends_the_line(
    paper: Any, listening: Listening
) -> None:
    await listening.live()
    part = listening.session._parts[0]
    for message in (b"\xff\x00", b"[]", b'{"arg":{"channel":"orders"},"data":[1,null]}', b"{}"):
        listening.session.heard(part, message)
    assert not listening.of(Lost)
    assert listening.missed == 4
    for _ in range(30):
        listening.session.heard(part, b"nonsense")
    assert [event.trouble for event in listening.of(Lost)] == [Trouble.PROTOCOL]
