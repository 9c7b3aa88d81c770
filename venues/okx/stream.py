"""OKX's private lines: login, channels, and reading what they push (OKX_FACTS: WebSocket)."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from venues.domain.okx_outcomes import is_credential_code, printable
from venues.domain.types import Credentials, UnreadableError
from venues.okx import reading, rows
from venues.okx.leading import stop_snapshot
from venues.okx.reading import row_of
from venues.streams.dialogue import Heard, Said, SymbolOf, UnknownSymbolError
from venues.streams.events import (
    BalancesChanged,
    Change,
    OrderChanged,
    PositionsChanged,
    StopChanged,
)

REAL_URL = "wss://ws.okx.com:8443/ws/v5"

_ACCOUNT_CHANNELS: tuple[dict[str, str], ...] = (
    {"channel": "orders", "instType": "ANY"},
    {"channel": "positions", "instType": "ANY"},
    {"channel": "account"},
)
_STOP_CHANNELS: tuple[dict[str, str], ...] = ({"channel": "orders-algo", "instType": "ANY"},)

# The key, its passphrase or its signature is wrong, it does not exist, or not for this address.
_REFUSED_CODES = frozenset("60001 60002 60003 60005 60007 60024 60031 60032".split())
_CLOCK_CODES = frozenset("60004 60006".split())
_RATE_CODES = frozenset("60014".split())
_UPGRADE_CODE = "64008"


def stream_url(entry: Mapping[str, Any]) -> str:
    """Where a venue of the settings has its WebSockets: said, or beside its REST address."""
    if entry.get("stream_url"):
        return str(entry["stream_url"])
    if not entry["rest_url"]:
        return REAL_URL
    address = urlsplit(entry["rest_url"])
    scheme = "wss" if address.scheme == "https" else "ws"
    return f"{scheme}://{address.netloc}/ws/v5"


class OkxDialogue:
    __slots__ = ("_channels", "_unconfirmed", "headers", "ping", "url")

    def __init__(self, entry: Mapping[str, Any], *, stops: bool) -> None:
        """`stops`: the line of stop orders, which OKX has apart."""
        self.url = f"{stream_url(entry)}/{'business' if stops else 'private'}"
        self.headers: dict[str, str] = {}
        self.ping = b"ping"
        self._channels = _STOP_CHANNELS if stops else _ACCOUNT_CHANNELS
        self._unconfirmed = {channel["channel"] for channel in self._channels}

    def login(self, credentials: Credentials, now_ms: int) -> bytes:
        stamp = str(now_ms // 1000)
        message = f"{stamp}GET/users/self/verify".encode()
        digest = hmac.digest(credentials.api_secret.encode(), message, "sha256")
        login = {
            "apiKey": credentials.api_key,
            "passphrase": credentials.passphrase,
            "timestamp": stamp,
            "sign": b64encode(digest).decode(),
        }
        return orjson.dumps({"op": "login", "args": [login]})

    def subscribe(self) -> bytes:
        return orjson.dumps({"op": "subscribe", "args": self._channels})

    def hear(self, message: bytes, received_ms: int, symbol_of: SymbolOf) -> Heard:
        if message == b"pong":
            return _NOTHING
        try:
            said = orjson.loads(message)
        except orjson.JSONDecodeError:
            return _UNREADABLE
        if not isinstance(said, dict):
            return _UNREADABLE
        if "event" in said:
            return self._event(said)
        argument, told = said.get("arg"), said.get("data")
        if not isinstance(argument, dict) or not isinstance(told, list):
            return _UNREADABLE
        try:
            changes, unreadable = _changes(said, told, received_ms, symbol_of)
        except UnreadableError as error:
            return Heard(Said.UNREADABLE, message=error.field)
        said_what = Said.UNREADABLE if unreadable else Said.CHANGES
        return Heard(said_what, tuple(changes), message=", ".join(unreadable)[:200])

    def _event(self, said: dict[str, Any]) -> Heard:
        event, code = said.get("event"), printable(said.get("code"), 16)
        words = printable(said.get("msg"), 200)
        if event == "login" and code in ("", "0"):
            return Heard(Said.LOGGED_IN, connection_id=printable(said.get("connId"), 64))
        if event == "subscribe":
            argument = said.get("arg")
            channel = argument.get("channel") if isinstance(argument, dict) else None
            self._unconfirmed.discard(str(channel))
            return _SUBSCRIBED if not self._unconfirmed else _NOTHING
        if event == "notice" and code == _UPGRADE_CODE:
            return Heard(Said.CLOSING, code=code, message=words)
        if event in ("error", "login"):
            return Heard(_meaning(code), code=code, message=words)
        if event == "channel-conn-count-error":
            return Heard(Said.SUBSCRIPTION_REFUSED, message="too many connections")
        return _NOTHING


_NOTHING = Heard(Said.NOTHING)
_SUBSCRIBED = Heard(Said.SUBSCRIBED)
_UNREADABLE = Heard(Said.UNREADABLE)


def _meaning(code: str) -> Said:
    """Of an error. 60009 (login failed) and 60011 (please log in) are said of wrong keys and on
    the venue's bad days alike, so they count as refused only when they are repeated."""
    if code in _REFUSED_CODES or is_credential_code(code):
        return Said.LOGIN_REFUSED
    if code in _CLOCK_CODES:
        return Said.LATE_CLOCK
    if code in _RATE_CODES:
        return Said.RATE_LIMITED
    if code in ("60009", "60011", "60022"):
        return Said.LOGIN_FAILED
    return Said.SUBSCRIPTION_REFUSED


# --- pushes -------------------------------------------------------------------------------------


def _changes(
    said: dict[str, Any], told: list[Any], received_ms: int, symbol_of: SymbolOf
) -> tuple[list[Change], Sequence[str]]:
    """What the rows tell, and the fields that kept others from being read."""

    def known(venue_symbol: str) -> str:
        symbol = symbol_of(venue_symbol)
        if symbol is None:
            raise UnknownSymbolError(venue_symbol)
        return symbol

    channel = said["arg"].get("channel")
    is_complete = (
        said.get("eventType") == "snapshot"
        and said.get("curPage") == 1
        and said.get("lastPage") is True
    )
    if channel == "orders":
        orders = rows.readings("orders", told, lambda row: _order(row, received_ms, known))
        return list(orders), orders.unreadable
    if channel == "positions":
        positions = rows.readings("positions", told, lambda row: rows.position_told(row, known))
        whole = is_complete and not positions.unreadable
        return [PositionsChanged(received_ms, tuple(positions), whole)], positions.unreadable
    if channel == "account":
        return _balances(told, received_ms, is_complete)
    if channel == "orders-algo":
        stops = rows.readings("stops", told, lambda row: stop_snapshot(row, known))
        return [StopChanged(received_ms, stop) for stop in stops], stops.unreadable
    return [], []


def _order(row: Any, received_ms: int, symbol_of: rows.SymbolOf) -> OrderChanged:
    row = row_of(row)
    order = rows.order_snapshot(row, symbol_of)
    if reading.is_absent(row, "tradeId") or not reading.positive_or_none(row, "fillSz"):
        return OrderChanged(received_ms, order)
    # The execution that this push tells of; its fee has other names here.
    fill = {
        **row,
        "fee": row.get("fillFee"),
        "feeCcy": row.get("fillFeeCcy"),
        "ts": row.get("fillTime"),
    }
    return OrderChanged(received_ms, order, rows.fill_snapshot(fill, symbol_of))


def _balances(
    told: list[Any], received_ms: int, is_complete: bool
) -> tuple[list[Change], Sequence[str]]:
    balances = rows.balance_snapshots(told)
    row = rows.only_row(told)
    total = None if reading.is_absent(row, "totalEq") else reading.decimal_down(row, "totalEq")
    whole = is_complete and not balances.unreadable
    change = BalancesChanged(received_ms, tuple(balances), total, whole)
    return [change], balances.unreadable
