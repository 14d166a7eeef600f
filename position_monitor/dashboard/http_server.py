"""HTTP/1.1 for few routes that only read: what a connection may cost is bounded before anything is answered.

A library's server bounds what is sent to it, and trusts its own handlers with what they send. Here the other side is
what matters: a viewer that does not read must hold neither a page of its own nor a place for long. So a body is shared
by whoever gets the same one and leaves in pieces, each of which the kernel has to take before the next one is offered.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
import traceback
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Final, NamedTuple

from loguru import logger

from position_monitor.dashboard.requests import HEAD_BYTES_MAX, BadRequest, Request, read_head

CONNECTIONS_MAX: Final = 256
FIRST_REQUEST_S: Final = 10.0
"""A connection without a whole request by then is closed."""
NEXT_REQUEST_S: Final = 30.0
WRITE_TIMEOUT_S: Final = 5.0
"""A viewer that takes nothing for so long is let go."""
ANSWER_WITHIN_S: Final = 30.0
"""A viewer that takes one answer, or one message of a stream, more slowly than this is let go."""
PIECE_BYTES: Final = 64 * 1024
SEND_BUFFER_BYTES: Final = 256 * 1024
"""What the kernel keeps for a viewer that does not read."""
COMPRESSED_FROM_BYTES: Final = 1_024
EMPTY_BYTES_MAX: Final = 8
REPORT_EVERY_S: Final = 60.0
LINGER_S: Final = 1.0
LINGER_BYTES_MAX: Final = 2 * 1024 * 1024
"""What is still taken, and thrown away, of a request that was refused, so that its answer is not lost on the way."""
TEXT: Final = "text/plain; charset=utf-8"


class Body:
    """The bytes of an answer, and the same compressed when somebody wants that; made once, however many take it."""

    __slots__ = ("_compressed", "plain")

    def __init__(self, plain: bytes) -> None:
        self.plain = plain
        self._compressed: bytes | None = None

    @property
    def compressed(self) -> bytes:
        """As gzip."""
        if self._compressed is None:
            packing = zlib.compressobj(level=1, wbits=31)
            self._compressed = packing.compress(self.plain) + packing.flush()
        return self._compressed


class Answer(NamedTuple):
    """One answer with its length."""

    body: Body
    content_type: str = TEXT
    status: int = 200
    headers: Mapping[str, str] = {}


class Stream(NamedTuple):
    """An answer without an end; the connection is closed with it."""

    pieces: AsyncGenerator[bytes]
    content_type: str


Handler = Callable[[Request], Awaitable[Answer | Stream]]


def said(status: int, words: str, **headers: str) -> Answer:
    """An answer in one line of words; an underscore in the name of a header is a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(Body(f"{words}\n".encode()), status=status, headers=named)


TOO_MANY: Final = said(503, "too many connections", Retry_After="30")


class HttpServer:
    """Serves connections with one handler. `headers` are in every answer."""

    def __init__(self, handler: Handler, headers: Mapping[str, str]) -> None:
        self._handler = handler
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._tasks: set[asyncio.Task[None]] = set()
        self._reported_s = float("-inf")
        self._waiting: dict[asyncio.StreamWriter, None] = {}
        """Connections that wait for a request, the longest first: the first ones to go when there are too many."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to its end; given to `asyncio.start_server`, with `limit=HEAD_BYTES_MAX`. Raises nothing."""
        task = asyncio.current_task()
        if task is None or not self._has_room():
            writer.write(self._head(TOO_MANY, is_last=True) + TOO_MANY.body.plain)
            writer.close()
            return
        self._tasks.add(task)
        try:
            _bounded(writer)
            await self._converse(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()  # cancelled only by `close`, and this is the whole task
        except Exception as fault:  # a defect of ours ends this connection and no other
            self._report(fault)
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            self._waiting.pop(writer, None)
            writer.close()

    def _has_room(self) -> bool:
        if len(self._tasks) < CONNECTIONS_MAX:
            return True
        if not self._waiting:
            return False
        longest = next(iter(self._waiting))
        del self._waiting[longest]
        longest.transport.abort()
        return True

    def _report(self, fault: Exception) -> None:
        """Where a defect is, once a minute at the most. What it says may hold what stands in Redis: only its kind."""
        if time.monotonic() - self._reported_s >= REPORT_EVERY_S:
            self._reported_s = time.monotonic()
            place = traceback.extract_tb(fault.__traceback__)[-1]
            logger.error("A page could not be made: {} at {}:{}", type(fault).__name__, place.name, place.lineno)

    async def close(self) -> None:
        """End every connection."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=WRITE_TIMEOUT_S)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        within_s = FIRST_REQUEST_S
        goes_on = True
        while goes_on:
            try:
                request = await self._next_request(reader, writer, within_s)
            except BadRequest as fault:
                await self._send(writer, said(fault.status, str(fault)), None, is_last=True)
                goes_on = False
            else:
                goes_on = await self._respond(writer, request)
            within_s = NEXT_REQUEST_S
        await _linger(reader, writer)

    async def _next_request(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, within_s: float
    ) -> Request:
        self._waiting[writer] = None
        try:
            async with asyncio.timeout(within_s):
                head = await _first_letter(reader) + await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise BadRequest(431, f"the head is longer than {HEAD_BYTES_MAX} bytes") from None
        finally:
            self._waiting.pop(writer, None)
        return read_head(head)

    async def _respond(self, writer: asyncio.StreamWriter, request: Request) -> bool:
        """Whether another request may follow."""
        try:
            answer = await self._handler(request)
        except Exception as fault:
            self._report(fault)
            answer = said(500, "this page could not be made")
        if isinstance(answer, Answer):
            await self._send(writer, answer, request, is_last=not request.keeps_alive)
            return request.keeps_alive
        async with aclosing(answer.pieces) as pieces:
            head = self._head(answer, is_last=True)
            if request.method == "HEAD":
                await _offer(writer, head)
                return False
            async for piece in pieces:
                if head:
                    writer.write(head)
                    head = b""
                await _offer(writer, piece)
        return False

    async def _send(
        self, writer: asyncio.StreamWriter, answer: Answer, request: Request | None, *, is_last: bool
    ) -> None:
        plain, compressed = answer.body.plain, False
        if request is not None and request.takes_gzip and len(plain) >= COMPRESSED_FROM_BYTES:
            plain, compressed = answer.body.compressed, True
        head = self._head(answer, is_last=is_last, length=len(plain), compressed=compressed)
        await _offer(writer, head)
        if request is None or request.method != "HEAD":
            await _offer(writer, plain)

    def _head(
        self, answer: Answer | Stream, *, is_last: bool, length: int | None = None, compressed: bool = False
    ) -> bytes:
        status = HTTPStatus(answer.status if isinstance(answer, Answer) else 200)
        lines = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {answer.content_type}\r\n"
        if isinstance(answer, Answer):
            size = len(answer.body.plain) if length is None else length
            lines += f"Content-Length: {size}\r\nVary: Accept-Encoding\r\n"
            lines += "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        lines += "Content-Encoding: gzip\r\n" if compressed else ""
        lines += f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime())}\r\n"
        lines += "Connection: close\r\n" if is_last else ""
        return f"{lines}{self._headers}\r\n".encode("latin-1")


def _bounded(writer: asyncio.StreamWriter) -> None:
    """Nothing waits in this process, and not much in the kernel."""
    writer.transport.set_write_buffer_limits(high=0)
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


async def _first_letter(reader: asyncio.StreamReader) -> bytes:
    """Of the method; empty lines before it are allowed. Whoever speaks something else is told so at once."""
    for _ in range(EMPTY_BYTES_MAX):
        if (first := await reader.readexactly(1)) not in (b"\r", b"\n"):
            break
    if not first.isalpha():
        raise BadRequest(400, "HTTP/1.1 is spoken here")
    return first


async def _offer(writer: asyncio.StreamWriter, content: bytes) -> None:
    """Send it in pieces. Raises `TimeoutError` where the viewer does not take them."""
    rest = memoryview(content)
    async with asyncio.timeout(ANSWER_WITHIN_S):
        for begin in range(0, len(rest), PIECE_BYTES):
            if writer.is_closing():
                raise ConnectionResetError
            writer.write(rest[begin : begin + PIECE_BYTES])
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await writer.drain()


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say that nothing more comes, and take what the other side still sends, for a moment."""
    if writer.can_write_eof():
        writer.write_eof()
    left = LINGER_BYTES_MAX
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while left > 0 and (piece := await reader.read(PIECE_BYTES)):
                left -= len(piece)
