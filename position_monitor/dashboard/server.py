"""The HTTP server: a few routes that read, bounded connections, and a stream of changes for each page that is open.

There is no route that writes. A viewer that does not read is let go; one too many is told so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final

from aiohttp import hdrs, web

from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.dashboard.access import HEADERS, Access
from position_monitor.dashboard.board import NO_FRAME, Board
from position_monitor.dashboard.documents import events_document, risk_status, state_document
from position_monitor.dashboard.pages import HISTORY_EVENTS, PAGE_STYLE, overview, position_page
from position_monitor.dashboard.watching import AccountView, AccountWatch

CONNECTIONS_MAX: Final = 256
VIEWERS_MAX: Final = 100
"""Pages open at once that are kept up to date; one more is answered 503 and shows what a plain page does."""
WRITE_TIMEOUT_S: Final = 5.0
"""A viewer that takes nothing for so long is let go."""
SEND_BUFFER_BYTES: Final = 256 * 1024
FIRST_REQUEST_S: Final = 10.0
"""A connection without a request by then is closed."""
HISTORIES_MAX: Final = 4
"""Histories read at once."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Dashboard:
    """The routes over one board."""

    def __init__(self, board: Board, access: Access) -> None:
        self._board = board
        self._access = access
        self._viewers = 0
        self._histories = asyncio.Semaphore(HISTORIES_MAX)
        self._script = files(__package__).joinpath("static/dashboard.js").read_text(encoding="utf-8")
        self.asked: set[int] = set()
        """Transports on which a request came, by identity."""

    def application(self) -> web.Application:
        """The routes behind the door."""
        app = web.Application(middlewares=[self._door], client_max_size=1)
        app.router.add_get("/", self._overview)
        app.router.add_get("/position", self._position)
        app.router.add_get("/stream", self._stream)
        app.router.add_get("/api/state", self._state)
        app.router.add_get("/api/events", self._events)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/style.css", self._style)
        app.router.add_get("/dashboard.js", self._program)
        app.on_response_prepare.append(_with_headers)
        return app

    @web.middleware
    async def _door(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        self.asked.add(id(request.transport))
        if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
            return web.Response(status=405, text="read only\n", headers={"Allow": "GET, HEAD"})
        status = self._access.refusal(request.headers.get("Host", ""), request.headers.get("Authorization", ""))
        if status == 401:
            challenge = {"WWW-Authenticate": 'Basic realm="position monitor: the token is the password"'}
            return web.Response(status=401, text="a token is needed\n", headers=challenge)
        if status:
            return web.Response(status=status, text="this host name does not lead here\n")
        try:
            return await handler(request)
        except web.HTTPException as answer:
            return web.Response(status=answer.status, text=f"{answer.reason}\n")

    async def _overview(self, request: web.Request) -> web.Response:
        return _html(overview(self._board.views, self._board.frame, now_ms=_now_ms()))

    async def _position(self, request: web.Request) -> web.Response:
        asked = request.query
        pair = self._watched(asked.get("account", ""))
        side = asked.get("side", "")
        if pair is None or side not in tuple(Side) or not 0 < len(asked.get("symbol", "")) <= 100:
            return web.Response(status=404, text="no such account or position\n")
        watch, view = pair
        key = PositionKey(asked["symbol"], Side(side))
        async with self._histories:
            past = await watch.past(key, HISTORY_EVENTS)
        page = position_page(view, key, past, now_ms=_now_ms(), is_listed=key in view.positions)
        return _html(page)

    def _watched(self, account: str) -> tuple[AccountWatch, AccountView] | None:
        pairs = zip(self._board.watches, self._board.views, strict=True)
        return next(((watch, view) for watch, view in pairs if watch.account == account), None)

    async def _state(self, request: web.Request) -> web.Response:
        return _json(state_document(self._board.views, at_ms=_now_ms()))

    async def _events(self, request: web.Request) -> web.Response:
        return _json(events_document(self._board.views, at_ms=_now_ms()))

    async def _health(self, request: web.Request) -> web.Response:
        """200 while every Redis answers; what it says of the positions is in the body and never in the status."""
        views = self._board.views
        accounts = {view.account: risk_status(view).value for view in views}
        answers = bool(views) and all(view.redis_answers for view in views)
        document = {"redis_answers": answers, "accounts": accounts, "viewers": self._viewers}
        return _json(document, status=200 if answers else 503)

    async def _style(self, request: web.Request) -> web.Response:
        return web.Response(text=PAGE_STYLE, content_type="text/css", charset="utf-8")

    async def _program(self, request: web.Request) -> web.Response:
        return web.Response(text=self._script, content_type="text/javascript", charset="utf-8")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Changes as server-sent events, at most one message a second."""
        if self._viewers >= VIEWERS_MAX:
            return web.Response(status=503, text="too many viewers\n", headers={"Retry-After": "30"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        _bound_what_waits(request)
        if request.method == hdrs.METH_HEAD:
            return response
        self._viewers += 1
        try:
            await self._tell(request, response)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()  # what waits for a viewer that does not read is thrown away with it
        finally:
            self._viewers -= 1
        return response

    async def _tell(self, request: web.Request, response: web.StreamResponse) -> None:
        number = request.headers.get("Last-Event-ID") or request.query.get("frame", "")
        frame = self._board.frame
        shown = frame if number == str(frame.number) else NO_FRAME
        while request.transport is not None and not request.transport.is_closing():
            message, now = self._board.message(shown), self._board.frame
            shown = now
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await response.write(f"id: {now.number}\ndata: {message}\n\n".encode())
            await self._board.next_turn()


def _bound_what_waits(request: web.Request) -> None:
    """The kernel keeps no more than this for a viewer that does not read."""
    connection = None if request.transport is None else request.transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


async def _with_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers["Server"] = "position-monitor"


def _html(page: str) -> web.Response:
    return web.Response(text=page, content_type="text/html", charset="utf-8")


def _json(document: object, status: int = 200) -> web.Response:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return web.Response(text=text, content_type="application/json", charset="utf-8", status=status)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class _TooMany(asyncio.Protocol):
    """What a connection beyond the bound gets: its end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        if isinstance(transport, asyncio.Transport):
            transport.abort()


@asynccontextmanager
async def serving(board: Board, access: Access, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve while inside; gives the port. Raises `OSError` where it cannot listen."""
    dashboard = Dashboard(board, access)
    runner = web.AppRunner(
        dashboard.application(), access_log=None, keepalive_timeout=30, handle_signals=False, shutdown_timeout=1
    )
    await runner.setup()
    made = runner.server
    loop = asyncio.get_running_loop()

    def connection() -> asyncio.Protocol:
        if made is None or len(made.connections) >= CONNECTIONS_MAX:
            return _TooMany()
        protocol: Any = made()
        loop.call_later(FIRST_REQUEST_S, _close_if_silent, protocol, dashboard.asked)
        return protocol  # type: ignore[no-any-return]

    await board.look()
    looking = asyncio.create_task(board.run())
    server = await loop.create_server(connection, host, port, backlog=CONNECTIONS_MAX)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        board.end()
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
        await runner.cleanup()
        await board.close()


def _close_if_silent(protocol: Any, asked: set[int]) -> None:  # noqa: ANN401  aiohttp's own protocol
    """A connection on which no request came is closed."""
    transport = protocol.transport
    if transport is not None and id(transport) not in asked:
        transport.abort()
    asked.discard(id(transport))
