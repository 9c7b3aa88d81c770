"""Signed requests over kept connections, and the rows of their answers.

One ccxt client signs for all accounts with the credentials of the moment; nothing of an account
stays behind.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import ccxt

from venues.clock import VenueClock
from venues.domain.okx_outcomes import is_clock_code
from venues.domain.types import (
    NOT_SENT,
    Credentials,
    UnreadableError,
    VenueError,
    VenueErrorKind,
)
from venues.http_pool import HttpAnswer, HttpPool
from venues.okx import reading
from venues.okx.budgets import TOO_MANY_REQUESTS, NoTurnError, OkxBudgets, Permit
from venues.okx.parsing import venue_error
from venues.okx.reading import Row

READ_TIMEOUT_SECONDS = 10.0
TURN_SECONDS = 4.0
"""How long a request without a deadline of its own waits for its turn: two windows."""
CONNECTIONS = 400
LOOKUP_ATTEMPTS = 4
"""Of each read of a look-up: absence needs four answers in a row, and half of them may fail."""
LOOKUP_PAUSE_SECONDS = 0.25
LOOKUP_PATIENCE_SECONDS = 3.0
"""No further attempt after this: a venue that hangs is asked again by the next look-up."""

PAGE_ROWS = 100
MAX_PAGES = 20
SHORT_WINDOW_MS = 6 * 60 * 1000
"""Longer than the overlap with which anybody asks again, so that each reading gets further."""
MAX_WINDOW_PAGES = 150
"""Of such a time."""

Signed = dict[str, Any]


class OkxTransport:
    def __init__(self, signer: ccxt.okx, budgets: OkxBudgets, clock: VenueClock) -> None:
        self._signer = signer
        self._signer.nonce = clock.now_ms  # what it signs with; its own is our clock
        self.clock = clock
        self.budgets = budgets
        self._origin: str = self._signer.implode_hostname(self._signer.urls["api"]["rest"])
        self._pool: HttpPool | None = None

    async def aclose(self) -> None:
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None

    def sign(self, credentials: Credentials | None, method: str, path: str, params: Row) -> Signed:
        """ccxt's signed request. No await between setting and clearing the credentials."""
        signer = self._signer
        if credentials is None:
            return signer.sign(path, ["public"], method, params)
        signer.apiKey = credentials.api_key
        signer.secret = credentials.api_secret
        signer.password = credentials.passphrase
        try:
            return signer.sign(path, ["private"], method, params)
        finally:
            signer.apiKey = signer.secret = signer.password = ""

    async def send(
        self,
        signed: Signed,
        timeout_seconds: float,
        still_wanted: Callable[[], bool] | None = None,
    ) -> HttpAnswer:
        """One exchange. Raises OSError (ConnectError when nothing left), WithdrawnError (the same,
        by `still_wanted`) and ValueError."""
        if self._pool is None:
            self._pool = HttpPool(self._origin, limit=CONNECTIONS)
        url: str = signed["url"]
        if not url.startswith(self._origin):
            raise ValueError("A signed request points to another host.")
        body = signed["body"]
        return await self._pool.request(
            signed["method"],
            url[len(self._origin) :],  # as signed
            headers=signed["headers"] or {},
            body=body.encode() if body else b"",
            timeout_seconds=timeout_seconds,
            still_wanted=still_wanted,
        )

    async def read(
        self,
        credentials: Credentials | None,
        method: str,
        path: str,
        params: Row | None = None,
        *,
        is_exit: bool = False,
        turn_seconds: float | None = None,
    ) -> list[Any]:
        """The rows of an answer with code 0, whatever they are. Raises VenueError."""
        params = params or {}
        permit = await self.turn(
            f"{method} {path}",
            account=credentials.api_key if credentials is not None else "",
            instrument=params.get("instId", ""),
            is_exit=is_exit,
            seconds=TURN_SECONDS if turn_seconds is None else turn_seconds,
        )
        return await self.read_in_turn(permit, credentials, method, path, params)

    async def turn(
        self,
        endpoint: str,
        *,
        account: str = "",
        instrument: str = "",
        is_exit: bool,
        seconds: float = TURN_SECONDS,
    ) -> Permit:
        """Raises VenueError with NOT_SENT when none comes so soon."""
        try:
            return await self.budgets.permit(
                endpoint,
                account=account,
                instrument=instrument,
                is_exit=is_exit,
                wait_seconds=seconds,
            )
        except NoTurnError as error:
            raise VenueError(VenueErrorKind.RATE_LIMIT, NOT_SENT, str(error)) from error

    async def read_in_turn(
        self,
        permit: Permit,
        credentials: Credentials | None,
        method: str,
        path: str,
        params: Row,
    ) -> list[Any]:
        """`read` with a permit that was taken before."""
        answer: HttpAnswer | None = None
        code = ""
        try:
            signed = self.sign(credentials, method, path, params)
            answer = await self.send(signed, READ_TIMEOUT_SECONDS)
            return _rows(answer, method)
        except VenueError as error:
            code = error.code
            if is_clock_code(code):
                self.clock.recheck()
            raise
        except OSError as error:  # a time-out is one, too
            raise VenueError(VenueErrorKind.UNAVAILABLE, message=type(error).__name__) from error
        except ValueError as error:
            raise UnreadableError("answer") from error
        finally:
            self.budgets.settle(permit, answer, code)

    async def read_for_proof(
        self, credentials: Credentials, path: str, params: Row, *, is_exit: bool
    ) -> list[Any]:
        """`read` with further attempts when nothing was answered. Raises VenueError."""
        started = time.monotonic()
        for attempt in range(1, LOOKUP_ATTEMPTS + 1):
            try:
                return await self.read(credentials, "GET", path, params, is_exit=is_exit)
            except VenueError as error:
                spent = time.monotonic() - started
                last = attempt == LOOKUP_ATTEMPTS or spent > LOOKUP_PATIENCE_SECONDS
                if last or error.kind is not VenueErrorKind.UNAVAILABLE:
                    raise
            await asyncio.sleep(LOOKUP_PAUSE_SECONDS)
        raise AssertionError("the last attempt returns or raises")

    async def read_pages(
        self, credentials: Credentials, path: str, params: Row, key: str, *, is_exit: bool
    ) -> list[Any]:
        """All rows, newest first; `key` is what the venue pages by. Raises VenueError."""
        rows, is_all = await self._pages(credentials, path, params, key, MAX_PAGES, is_exit=is_exit)
        if not is_all:
            raise VenueError(VenueErrorKind.UNAVAILABLE, message=f"{path} has too many rows")
        return rows

    async def read_since(
        self,
        credentials: Credentials,
        path: str,
        params: Row,
        key: str,
        *,
        since_ms: int,
        now_ms: int,
    ) -> tuple[list[Any], int | None]:
        """The rows from this time on, newest first, and until when, if that is not now.

        What happened while nobody asked may be too much for one reading. Then it is cut at its
        newer end, so that who goes on from there gets through all of it. Raises VenueError.
        """
        begin_ms, until_ms = max(since_ms, 0), None
        while True:
            window = {**params, "begin": str(begin_ms)}
            if until_ms is not None:
                window["end"] = str(until_ms)
            width = (until_ms or now_ms) - begin_ms
            # A short time is read whole: lists are asked for again with some minutes of overlap.
            is_short = width <= SHORT_WINDOW_MS
            most = MAX_WINDOW_PAGES if is_short else MAX_PAGES
            rows, is_all = await self._pages(credentials, path, window, key, most, is_exit=False)
            if is_all:
                return rows, until_ms
            if is_short:
                raise VenueError(VenueErrorKind.UNAVAILABLE, message=f"{path} has too many rows")
            # What is older than these first; when that is too much again, half of it.
            older = reading.time_ms(reading.row_of(rows[-1]), "ts") - 1 - begin_ms
            width = older if until_ms is None and older < width else width // 2
            until_ms = begin_ms + max(width, SHORT_WINDOW_MS)

    async def _pages(
        self,
        credentials: Credentials,
        path: str,
        params: Row,
        key: str,
        most: int,
        *,
        is_exit: bool,
    ) -> tuple[list[Any], bool]:
        """The rows of so many pages at most, and whether these are all."""
        rows: list[Any] = []
        query = {**params, "limit": str(PAGE_ROWS)}
        for _ in range(most):
            found = await self.read_for_proof(credentials, path, query, is_exit=is_exit)
            rows += found
            if len(found) < PAGE_ROWS:
                return rows, True
            query["after"] = _last_id(found, key)
        return rows, False


def _last_id(rows: list[Any], key: str) -> str:
    """Where the next page begins. Raises UnreadableError."""
    return reading.number_id(reading.row_of(rows[-1]), key)


def _rows(answer: HttpAnswer, method: str) -> list[Any]:
    """Raises VenueError."""
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        if answer.status == TOO_MANY_REQUESTS:
            message = "the answer is not readable"
            raise VenueError(VenueErrorKind.RATE_LIMIT, message=message) from error
        raise UnreadableError("answer") from error
    if not isinstance(said, dict):
        raise UnreadableError("answer")
    code, rows = said.get("code"), said.get("data")
    if not isinstance(code, str) or not code:
        raise UnreadableError("code")
    if code == "0":
        if not isinstance(rows, list):
            raise UnreadableError("data")
        return rows
    if rows and method == "GET":
        # It has rows and says that it has none: neither proves anything.
        raise UnreadableError("code")
    raise venue_error(said, code)
