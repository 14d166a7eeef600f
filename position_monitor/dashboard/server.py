"""The routes of the page, and a stream of changes for each page that is open. There is no route that writes.

Whatever many viewers ask for is made once a look and shared; Redis is read by the board alone, whatever their number.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Final

from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.dashboard.access import HEADERS, Access
from position_monitor.dashboard.answers import Answer, Body, Stream, said
from position_monitor.dashboard.board import NO_FRAME, Board
from position_monitor.dashboard.documents import events_document, risk_status, state_document
from position_monitor.dashboard.http_server import HttpServer
from position_monitor.dashboard.pages import HISTORY_EVENTS, PAGE_STYLE, overview, position_page
from position_monitor.dashboard.requests import HEAD_BYTES_MAX, Request
from position_monitor.dashboard.watching import AccountView, AccountWatch

VIEWERS_MAX: Final = 100
"""Pages open at once that are kept up to date; one more is answered 503 and shows what a plain page does."""
HISTORIES_MAX: Final = 4
"""Pages of positions made at once."""
SYMBOL_LENGTH_MAX: Final = 100
BACKLOG: Final = 256
HTML, JSON = "text/html; charset=utf-8", "application/json; charset=utf-8"
CHALLENGE: Final = 'Basic realm="position monitor: the token is the password"'


class Dashboard:
    """The routes over one board."""

    def __init__(self, board: Board, access: Access) -> None:
        self._board = board
        self._access = access
        self._viewers = 0
        self._histories = asyncio.Semaphore(HISTORIES_MAX)
        self._style = Answer(Body(PAGE_STYLE.encode()), "text/css; charset=utf-8")
        script = files(__package__).joinpath("static/dashboard.js").read_bytes()
        self._script = Answer(Body(script), "text/javascript; charset=utf-8")
        self._made: tuple[object, dict[str, Answer]] = (None, {})
        """Answers made of the newest views, by their path."""
        self._routes: Mapping[str, Callable[[Request], Awaitable[Answer | Stream]]] = {
            "/": self._shared(self._overview),
            "/api/state": self._shared(self._state),
            "/api/events": self._shared(self._events),
            "/healthz": self._health,
            "/position": self._position,
            "/stream": self._stream,
            "/style.css": self._fixed(self._style),
            "/dashboard.js": self._fixed(self._script),
        }

    async def answer(self, request: Request) -> Answer | Stream:
        """The door, then the route."""
        if request.method not in ("GET", "HEAD"):
            return said(405, "read only", Allow="GET, HEAD")
        status = self._access.refusal(request.headers.get("host", ""), request.headers.get("authorization", ""))
        if status == 401:
            return said(401, "a token is needed", WWW_Authenticate=CHALLENGE)
        if status:
            return said(status, "this host name does not lead here")
        route = self._routes.get(request.path)
        return said(404, "there is no such page") if route is None else await route(request)

    def _shared(self, make: Callable[[], Answer]) -> Callable[[Request], Awaitable[Answer]]:
        """One answer for everybody who asks between two looks."""

        async def shared(request: Request) -> Answer:
            if self._made[0] is not self._board.views:
                self._made = (self._board.views, {})
            answers = self._made[1]
            if request.path not in answers:
                answers[request.path] = make()
            return answers[request.path]

        return shared

    @staticmethod
    def _fixed(answer: Answer) -> Callable[[Request], Awaitable[Answer]]:
        async def fixed(request: Request) -> Answer:
            return answer

        return fixed

    def _overview(self) -> Answer:
        return _html(overview(self._board.views, self._board.frame, now_ms=_now_ms()))

    def _state(self) -> Answer:
        return _json(state_document(self._board.views, at_ms=_now_ms()))

    def _events(self) -> Answer:
        return _json(events_document(self._board.views, at_ms=_now_ms()))

    async def _position(self, request: Request) -> Answer:
        asked = request.query
        pair = self._watched(asked.get("account", ""))
        side = asked.get("side", "")
        if pair is None or side not in tuple(Side) or not 0 < len(asked.get("symbol", "")) <= SYMBOL_LENGTH_MAX:
            return said(404, "no such account or position")
        watch, view = pair
        key = PositionKey(asked["symbol"], Side(side))
        async with self._histories:
            past = await watch.past(key, HISTORY_EVENTS)
            page = position_page(view, key, past, now_ms=_now_ms(), is_listed=key in view.positions)
        return _html(page.encode("utf-8", "replace"))

    def _watched(self, account: str) -> tuple[AccountWatch, AccountView] | None:
        pairs = zip(self._board.watches, self._board.views, strict=True)
        return next(((watch, view) for watch, view in pairs if watch.account == account), None)

    async def _health(self, request: Request) -> Answer:
        """200 while every Redis answers; what it says of the positions is in the body and never in the status."""
        views = self._board.views
        accounts = {view.account: risk_status(view).value for view in views}
        answers = bool(views) and all(view.redis_answers for view in views)
        document = {"redis_answers": answers, "accounts": accounts, "viewers": self._viewers}
        return _json(document, status=200 if answers else 503)

    async def _stream(self, request: Request) -> Answer | Stream:
        """Changes as server-sent events, at most one message a second."""
        if self._viewers >= VIEWERS_MAX:
            return said(503, "too many viewers", Retry_After="30")
        return Stream(self._changes(request), "text/event-stream; charset=utf-8")

    async def _changes(self, request: Request) -> AsyncGenerator[bytes]:
        number = request.headers.get("last-event-id") or request.query.get("frame", "")
        frame = self._board.frame
        shown = frame if number == str(frame.number) else NO_FRAME
        self._viewers += 1
        try:
            while not self._board.is_ended:
                message, shown = self._board.message(shown), self._board.frame
                yield message
                await self._board.next_turn()
        finally:
            self._viewers -= 1


def _html(page: bytes) -> Answer:
    return Answer(Body(page), HTML)


def _json(document: object, status: int = 200) -> Answer:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Answer(Body(text.encode("utf-8", "replace")), JSON, status)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def serving(board: Board, access: Access, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve while inside; gives the port. Raises `OSError` where it cannot listen."""
    server = HttpServer(Dashboard(board, access).answer, HEADERS | {"Server": "position-monitor"})
    await board.look()
    _ = board.frame  # drawn before anybody waits for it
    looking = asyncio.create_task(board.run())
    try:
        listening = await asyncio.start_server(server.serve, host, port, limit=HEAD_BYTES_MAX, backlog=BACKLOG)
        try:
            yield listening.sockets[0].getsockname()[1]
        finally:
            listening.close()
            board.end()
            await server.close()
    finally:
        board.end()
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
        await board.close()
