"""HTTP/1.1 for few routes that only read: what a connection may cost is bounded before anything is answered.

A library's server bounds what is sent to it, and trusts its own handlers with what they send. Here the other side is
what matters: a viewer that does not read must hold neither a page of its own nor a place for long. The protocol itself
is h11's (`conversation.py`).
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Final

from loguru import logger

from position_monitor.dashboard.answers import Answer, Stream, said
from position_monitor.dashboard.conversation import WRITE_TIMEOUT_S, Conversation, Gone
from position_monitor.dashboard.requests import BadRequest, Request

CONNECTIONS_MAX: Final = 256
FIRST_REQUEST_S: Final = 10.0
"""A connection without a whole request by then is closed."""
NEXT_REQUEST_S: Final = 30.0
REPORT_EVERY_S: Final = 60.0

Handler = Callable[[Request], Awaitable[Answer | Stream]]

TOO_MANY: Final = said(503, "too many connections", Retry_After="30")


class HttpServer:
    """Serves connections with one handler. `headers` are in every answer."""

    def __init__(self, handler: Handler, headers: Mapping[str, str]) -> None:
        self._handler = handler
        self._headers = list(headers.items())
        self._tasks: set[asyncio.Task[None]] = set()
        self._reported_s = float("-inf")
        self._waiting: dict[asyncio.StreamWriter, None] = {}
        """Connections that wait for a request, the longest first: the first ones to go when there are too many."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to its end; given to `asyncio.start_server`. Raises nothing."""
        task = asyncio.current_task()
        conversation = Conversation(reader, writer, self._headers)
        if task is None or not self._has_room():
            conversation.refuse(TOO_MANY)
            return
        self._tasks.add(task)
        try:
            await self._converse(conversation, writer)
        except (OSError, TimeoutError, Gone, asyncio.CancelledError):
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

    async def _converse(self, conversation: Conversation, writer: asyncio.StreamWriter) -> None:
        within_s = FIRST_REQUEST_S
        goes_on = True
        while goes_on:
            try:
                request = await self._next_request(conversation, writer, within_s)
            except BadRequest as fault:
                await conversation.answer(said(fault.status, str(fault)), None)
            else:
                await self._respond(conversation, request)
            goes_on = conversation.goes_on()
            within_s = NEXT_REQUEST_S
        await conversation.linger()

    async def _next_request(self, conversation: Conversation, writer: asyncio.StreamWriter, within_s: float) -> Request:
        self._waiting[writer] = None
        try:
            async with asyncio.timeout(within_s):
                return await conversation.request()
        finally:
            self._waiting.pop(writer, None)

    async def _respond(self, conversation: Conversation, request: Request) -> None:
        try:
            answer = await self._handler(request)
        except Exception as fault:
            self._report(fault)
            answer = said(500, "this page could not be made")
        if isinstance(answer, Answer):
            await conversation.answer(answer, request)
            return
        async with aclosing(answer.pieces):
            await conversation.stream(answer, request)
