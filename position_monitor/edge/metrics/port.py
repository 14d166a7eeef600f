"""A port on loopback that answers three pages to a few readers at a time. Whatever they do, the loop goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from loguru import logger

HOST: Final = "127.0.0.1"
READERS_MAX: Final = 8
REQUEST_BYTES_MAX: Final = 8 * 1024
REQUEST_WITHIN_S: Final = 5.0
"""From the connection to the last byte of the answer."""
AGAIN_S: Final = 30.0
"""How long to wait when the port is taken."""
TEXT: Final = "text/plain; charset=utf-8"
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


class Page(NamedTuple):
    """One answer."""

    status: int
    body: bytes
    content_type: str = TEXT


class Port:
    """Serves pages by their path until cancelled. A page is made when it is asked for."""

    def __init__(self, port: int, pages: Mapping[str, Callable[[], Page]]) -> None:
        self._port = port
        self._pages = pages
        self._readers = 0

    async def run(self) -> None:
        """Serve for ever; where the port cannot be had, try again now and then."""
        fault = ""
        while True:
            try:
                server = await asyncio.start_server(self._serve, HOST, self._port, limit=REQUEST_BYTES_MAX)
            except OSError as error:
                if str(error.strerror) != fault:
                    logger.warning("metrics.port {} on {} could not be opened: {}", self._port, HOST, error.strerror)
                fault = str(error.strerror)
                await asyncio.sleep(AGAIN_S)
                continue
            async with server:
                await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._readers >= READERS_MAX:
            writer.transport.abort()
            return
        self._readers += 1
        try:
            async with asyncio.timeout(REQUEST_WITHIN_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._readers -= 1
            with contextlib.suppress(OSError):
                writer.close()

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0].decode("ascii", "replace")
        page = self._page(method, path)
        lines = f"HTTP/1.1 {page.status} {_REASONS[page.status]}\r\nContent-Type: {page.content_type}\r\n"
        lines += f"Content-Length: {len(page.body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        return lines.encode() + (b"" if method == b"HEAD" else page.body)

    def _page(self, method: bytes, path: str) -> Page:
        if method not in (b"GET", b"HEAD"):
            return Page(405, b"only GET and HEAD\n")
        make = self._pages.get(path)
        if make is None:
            return Page(404, f"there is {', '.join(sorted(self._pages))}\n".encode())
        try:
            return make()
        except Exception:  # a defect of ours must not end the service of the others
            logger.exception("The page {} could not be made", path)
            return Page(503, b"this page could not be made\n")
