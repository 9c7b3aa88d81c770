"""One connection: one exchange at a time, and the doubt whether it can serve another."""

from __future__ import annotations

import asyncio
import select

import httptools

from venues.http_pool.answers import (
    ConnectError,
    DisconnectedError,
    HttpAnswer,
    MalformedAnswerError,
)

IDLE_SECONDS = 25.0
"""A connection that rested longer is not trusted: the server may be closing it right now."""
MAX_HEAD_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""On the wire. All instruments of a kind are one megabyte."""

_WITHOUT_BODY = frozenset([204, 304])


class Connection(asyncio.Protocol):
    """`usable` turns false for good with whatever could put an answer to the wrong request."""

    __slots__ = (
        "_answer",
        "_building",
        "_chunks",
        "_complete",
        "_has_length",
        "_parser",
        "_readable",
        "_received",
        "_surplus",
        "_transport",
        "idle_since",
        "usable",
    )

    def __init__(self) -> None:
        self.idle_since = 0.0
        self.usable = True
        self._transport: asyncio.Transport | None = None
        self._readable = select.poll()
        self._parser: httptools.HttpResponseParser | None = None
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self._forget_answer()

    def _forget_answer(self) -> None:
        self._building: HttpAnswer | None = None
        self._chunks: list[bytes] = []
        self._received = 0
        self._has_length = False
        self._complete = False
        self._surplus = False

    # --- for the pool -----------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return self.usable and self._transport is not None and not self._transport.is_closing()

    def is_fresh(self, now: float) -> bool:
        """Whether a request may be written to it after a rest.

        What the server sent meanwhile (its end, a "408 Request Timeout") may still wait in the
        kernel: the loop would read it after our write and take it for our answer.
        """
        return (
            self.is_open
            and now - self.idle_since < IDLE_SECONDS
            and not self._readable.poll(0)  # costs half a microsecond
        )

    async def exchange(self, payload: bytes, until: float) -> HttpAnswer:
        if self._transport is None or not self.is_open:
            self.usable = False
            raise ConnectError("closed before the request was written")
        loop = asyncio.get_running_loop()
        if loop.time() >= until:
            raise ConnectError("its time was over before the request was written")
        answer = self._answer = loop.create_future()
        self._forget_answer()
        self._parser = httptools.HttpResponseParser(self)
        timer = loop.call_at(until, self._time_out)
        try:
            self._transport.write(payload)
            return await answer
        except BaseException:
            self.usable = False  # an answer to come would be taken for the next one's
            if answer.done() and not answer.cancelled():
                answer.exception()  # seen, even when a cancellation came in between
            raise
        finally:
            timer.cancel()
            self._answer = None

    def close(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def _time_out(self) -> None:
        self._fail(TimeoutError("no answer in time"))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    def _succeed(self, answer: HttpAnswer) -> None:
        answer.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    # --- asyncio.Protocol -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's is a Transport
        self._readable.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done() or self._parser is None:
            self.close()  # bytes that nobody asked for: whatever they answer, it is not ours
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(MalformedAnswerError(f"not HTTP: {error}"))
            return
        if self._surplus:
            self._fail(MalformedAnswerError("more than one answer to one request"))
        elif self._complete and self._building is not None:
            self._succeed(self._building)
        elif self._received > (MAX_ANSWER_BYTES if self._in_body else MAX_HEAD_BYTES):
            self._fail(MalformedAnswerError("the answer is too large"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(DisconnectedError(str(exc) if exc else "closed before the answer's end"))
        self._parser = None  # it refers back to this object

    # --- httptools callbacks ----------------------------------------------------------------

    @property
    def _in_body(self) -> bool:
        return self._building is not None and self._building.status >= 200

    def on_message_begin(self) -> None:
        if self._complete:
            self._surplus = True
            return
        self._building = HttpAnswer()
        self._has_length = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._building is None or self._building.status or self._surplus:
            return  # a trailer: it may not change what the head said
        key = name.lower().decode("latin-1")
        self._building.headers[key] = value.decode("latin-1")
        if key in ("content-length", "transfer-encoding"):
            self._has_length = True

    def on_headers_complete(self) -> None:
        assert self._parser is not None and self._building is not None
        if self._surplus:
            return
        status = self._building.status = self._parser.get_status_code()
        if status >= 200 and not self._has_length and status not in _WITHOUT_BODY:
            # It would end with the connection, and nothing would tell the end from a cut.
            self._fail(MalformedAnswerError("the answer does not say where it ends"))

    def on_body(self, body: bytes) -> None:
        if not self._surplus:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        assert self._parser is not None and self._transport is not None
        if not self._in_body:
            return  # an interim answer; the real one follows
        self._complete = True
        if not self._parser.should_keep_alive() or self._transport.get_write_buffer_size():
            self.usable = False
