"""One connection: h11 reads the requests and writes the answers, and what either may cost is bounded.

h11 knows the protocol and touches no network, so every byte goes through here. A body is shared by whoever gets the
same one and leaves in pieces, each of which the kernel has to take before the next one is offered.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import h11

from position_monitor.dashboard.answers import Answer, Stream
from position_monitor.dashboard.requests import HEAD_BYTES_MAX, BadRequest, Request, request_of

WRITE_TIMEOUT_S: Final = 5.0
"""A viewer that takes nothing for so long is let go."""
ANSWER_WITHIN_S: Final = 30.0
"""A viewer that takes one answer, or one message of a stream, more slowly than this is let go."""
PIECE_BYTES: Final = 64 * 1024
SEND_BUFFER_BYTES: Final = 256 * 1024
"""What the kernel keeps for a viewer that does not read."""
COMPRESSED_FROM_BYTES: Final = 1_024
LINGER_S: Final = 1.0
LINGER_BYTES_MAX: Final = 2 * 1024 * 1024
"""What is still taken, and thrown away, of a request that was refused, so that its answer is not lost on the way."""

Headers = list[tuple[str, str]]


class Gone(Exception):
    """The other side closed before a whole request came."""


class Conversation:
    """Requests and answers by turns. `headers` are in every answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: Headers) -> None:
        self._reader, self._writer, self._headers = reader, writer, headers
        self._wire = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        writer.transport.set_write_buffer_limits(high=0)  # nothing waits in this process, and not much in the kernel
        connection: socket.socket | None = writer.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    async def request(self) -> Request:
        """The next one. Raises `BadRequest` for what is none, and `Gone`."""
        try:
            while (message := self._wire.next_event()) is h11.NEED_DATA:
                await self._more()
            if not isinstance(message, h11.Request):
                raise Gone
            request = request_of(message)
            if not request.has_body:
                self._wire.next_event()  # its end
        except h11.RemoteProtocolError as fault:
            status = HTTPStatus(fault.error_status_hint)
            raise BadRequest(status, f"{status.phrase}: HTTP/1.1 is spoken here") from None
        return request

    async def _more(self) -> None:
        piece = await self._reader.read(PIECE_BYTES)
        if not piece:
            raise Gone
        if not self._wire.trailing_data[0]:
            piece = piece.lstrip(b"\r\n")  # empty lines before a request are allowed (RFC 9112, 2.2)
        if piece:
            self._wire.receive_data(piece)

    def goes_on(self) -> bool:
        """Whether another request may follow now that one was answered."""
        if self._wire.our_state is not h11.DONE or self._wire.their_state is not h11.DONE:
            return False
        self._wire.start_next_cycle()
        return True

    def refuse(self, answer: Answer) -> None:
        """Leave a short answer to the kernel and close, whatever comes from the other side."""
        self._writer.write(b"".join(self._whole(answer, None)))
        self._writer.close()

    async def answer(self, answer: Answer, request: Request | None) -> None:
        """Send the whole of it. Without a request, or where a body would follow, it is the last."""
        await self._offer(self._whole(answer, request))

    def _whole(self, answer: Answer, request: Request | None) -> list[bytes]:
        body, headers = answer.body.plain, dict(answer.headers)
        if request is not None and request.takes_gzip and len(body) >= COMPRESSED_FROM_BYTES:
            body = answer.body.compressed
            headers["Content-Encoding"] = "gzip"
        headers |= {"Content-Length": str(len(body)), "Vary": "Accept-Encoding"}
        if request is None or request.has_body:
            headers["Connection"] = "close"
        contents = self._written(self._head(answer.status, answer.content_type, headers))
        if request is None or request.method != "HEAD":
            contents += self._written(h11.Data(body))
        return contents + self._written(h11.EndOfMessage())

    async def stream(self, stream: Stream, request: Request) -> None:
        """Send its pieces as they come; the connection is closed with it. It is not ended here."""
        head = self._written(self._head(200, stream.content_type, {"Connection": "close"}))
        if request.method != "HEAD":
            async for piece in stream.pieces:
                await self._offer(head + self._written(h11.Data(piece)))
                head = []
        await self._offer(head + self._written(h11.EndOfMessage()))

    def _head(self, status: int, content_type: str, headers: dict[str, str]) -> h11.Response:
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        named = [("Content-Type", content_type), ("Date", date), *headers.items(), *self._headers]
        return h11.Response(status_code=status, reason=HTTPStatus(status).phrase, headers=named)

    def _written(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> list[bytes]:
        """An event as bytes; those of a body are the very same ones, not a copy."""
        return self._wire.send_with_data_passthrough(event) or []

    async def _offer(self, contents: Iterable[bytes]) -> None:
        """Send it in pieces. Raises `TimeoutError` where the viewer does not take them."""
        async with asyncio.timeout(ANSWER_WITHIN_S):
            for content in contents:
                rest = memoryview(content)
                for begin in range(0, len(rest), PIECE_BYTES):
                    if self._writer.is_closing():
                        raise ConnectionResetError
                    self._writer.write(rest[begin : begin + PIECE_BYTES])
                    async with asyncio.timeout(WRITE_TIMEOUT_S):
                        await self._writer.drain()

    async def linger(self) -> None:
        """Say that nothing more comes, and take what the other side still sends, for a moment."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        left = LINGER_BYTES_MAX
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while left > 0 and (piece := await self._reader.read(PIECE_BYTES)):
                    left -= len(piece)
