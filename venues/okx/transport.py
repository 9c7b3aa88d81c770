"""Signed requests over one pooled session, and the rows of their answers.

One ccxt client signs for all accounts with the credentials of the moment; nothing of an account
stays behind.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp
import ccxt
from yarl import URL

from venues.domain.types import Credentials, VenueError, VenueErrorKind
from venues.okx.parsing import venue_error

READ_TIMEOUT_SECONDS = 10.0
CONNECTIONS = 400
LOOKUP_ATTEMPTS = 3
"""Of each read of a look-up: absence needs four answers in a row, and half of them may fail."""
LOOKUP_PAUSE_SECONDS = 0.25
LOOKUP_PATIENCE_SECONDS = 3.0
"""No further attempt after this: a venue that hangs is asked again by the next look-up."""

PAGE_ROWS = 100
MAX_PAGES = 20

Row = dict[str, Any]
Signed = dict[str, Any]


class OkxTransport:
    def __init__(self, ccxt_config: dict[str, Any]) -> None:
        self._signer = ccxt.okx(ccxt_config)
        self._session: aiohttp.ClientSession | None = None

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=25),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
            )
        return self._session

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

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

    async def send(self, signed: Signed, timeout_seconds: float) -> bytes:
        """One exchange of bytes. Raises aiohttp.ClientError, TimeoutError, ValueError."""
        session = self._open_session()
        async with asyncio.timeout(timeout_seconds):
            async with session.request(
                signed["method"],
                # As signed: aiohttp must not normalise what the signature covers.
                URL(signed["url"], encoded=True),
                data=signed["body"],
                headers=signed["headers"],
                allow_redirects=False,
            ) as response:
                return await response.read()

    async def read(
        self, credentials: Credentials | None, method: str, path: str, params: Row | None = None
    ) -> list[Row]:
        """The rows of an answer with code 0. Raises VenueError."""
        try:
            signed = self.sign(credentials, method, path, params or {})
            body = await self.send(signed, READ_TIMEOUT_SECONDS)
            answer = json.loads(body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise VenueError(VenueErrorKind.UNAVAILABLE, message=type(error).__name__) from error
        except ValueError as error:
            raise VenueError(
                VenueErrorKind.UNAVAILABLE, message="the answer is not readable"
            ) from error
        code = answer.get("code") if isinstance(answer, dict) else None
        if code == "0" and isinstance(answer.get("data"), list):
            return answer["data"]
        raise venue_error(answer, code)

    async def read_for_proof(self, credentials: Credentials, path: str, params: Row) -> list[Row]:
        """`read` with a second and third attempt when nothing was answered. Raises VenueError."""
        started = time.monotonic()
        for attempt in range(1, LOOKUP_ATTEMPTS + 1):
            try:
                return await self.read(credentials, "GET", path, params)
            except VenueError as error:
                spent = time.monotonic() - started
                last = attempt == LOOKUP_ATTEMPTS or spent > LOOKUP_PATIENCE_SECONDS
                if last or error.kind is not VenueErrorKind.UNAVAILABLE:
                    raise
            await asyncio.sleep(LOOKUP_PAUSE_SECONDS)
        raise AssertionError("the last attempt returns or raises")

    async def read_pages(
        self, credentials: Credentials, path: str, params: Row, key: str
    ) -> list[Row]:
        """All rows, newest first; `key` is what the venue pages by. Raises VenueError."""
        rows: list[Row] = []
        query = {**params, "limit": str(PAGE_ROWS)}
        for _ in range(MAX_PAGES):
            found = await self.read_for_proof(credentials, path, query)
            rows += found
            if len(found) < PAGE_ROWS:
                return rows
            query["after"] = str(found[-1].get(key) or "")
        raise VenueError(VenueErrorKind.UNAVAILABLE, message=f"{path} has too many rows")
