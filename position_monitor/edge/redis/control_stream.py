"""Reading `P:control`, and writing a request to it (DESIGN 5).

The stream may hold anything, and a key of another kind may stand there: what is read at a time is bounded in number and
in size by the server itself, and what cannot be read is handed on as such. Nothing is ever removed from it here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import RedisError

from position_monitor.core.model.control import ControlRequest
from position_monitor.edge.background import stop_if_cancelled
from position_monitor.edge.clock import Clock
from position_monitor.edge.redis.connection import OPERATION_TIMEOUT_S, ScriptLine, address_of, connect
from position_monitor.edge.redis.control_documents import request_document
from position_monitor.edge.redis.documents import Keys
from position_monitor.edge.redis.fault_words import conduct
from position_monitor.edge.redis.json_text import json_text
from position_monitor.edge.redis.lease import REDIS_FAILURES
from position_monitor.edge.redis.published_text import parsed
from position_monitor.edge.redis.reader import RedisUnreachable
from position_monitor.edge.redis.scripts import READ_ANSWERS, READ_CONTROL

ENTRIES_AT_START_MAX: Final = 1_000
"""Entries looked through for what is in force: a stream is trimmed to about as many by who writes to it."""
ENTRIES_PER_READ_MAX: Final = 50
READS_PER_CHECK: Final = 10
"""Readings without an entry, of which one looks whether the stream was taken away and begun anew."""
DATA_LENGTH_MAX: Final = 4_096
"""Bytes of one request."""
EVENTS_LOOKED_THROUGH: Final = 1_000
STREAM_LENGTH: Final = 1_000
ANSWER_LOOK_S: Final = 0.2
"""How often who asked looks for the answer."""
ANSWERS: Final = ("ControlAccepted", "ControlRefused")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the stream."""

    entry_id: str
    value: object
    """The JSON value of its `data`, every text in it harmless; None where there is none that can be read."""

    @property
    def arrived_ms(self) -> int:
        """When Redis took it, by its own clock, ms UTC; 0 where its id does not say."""
        digits = self.entry_id.partition("-")[0]
        return int(digits) if digits.isdigit() and len(digits) < 16 else 0


class ControlStream:
    """What operators ask for, read in turn. A method raises one of `REDIS_FAILURES` within a few seconds."""

    def __init__(self, url: str, *, prefix: str, account: str) -> None:
        """Raises `ConfigError` for a bad URL; nothing is sent yet."""
        client, self._keys = connect(url), Keys(prefix, account)
        self._client = client
        self._requests, self._answers = ScriptLine(client, READ_CONTROL), ScriptLine(client, READ_ANSWERS)
        self._last, self._length = "", 0
        self._idle = 0
        """Readings since the last one that brought something."""

    async def read(self) -> Sequence[Entry]:
        """The entries that came since the last reading, oldest first; at first the newest ones of all.

        Where the stream was taken away and begun anew, all of it is read again.
        """
        most = ENTRIES_PER_READ_MAX if self._last else ENTRIES_AT_START_MAX
        self._idle += 1
        checks = self._idle % READS_PER_CHECK == 0
        args: list[str | int] = [self._last, most, DATA_LENGTH_MAX, self._length, int(checks)]
        async with asyncio.timeout(OPERATION_TIMEOUT_S):
            answer = await self._requests.run([self._keys.control], args)
        stop_if_cancelled()
        self._length, newest = int(answer[0]), str(answer[1])
        entries = [Entry(str(i), _value(_text(data))) for i, data in zip(answer[2::2], answer[3::2], strict=True)]
        if entries:
            self._last, self._idle = entries[-1].entry_id, 0
        elif not self._length or (newest and _order(newest) < _order(self._last)):
            self._last = ""
        return entries

    async def answered(self) -> frozenset[str]:
        """The ids of the requests that were answered lately, by whichever daemon."""
        async with asyncio.timeout(OPERATION_TIMEOUT_S):
            answer = await self._answers.run([self._keys.events], [EVENTS_LOOKED_THROUGH, DATA_LENGTH_MAX])
        stop_if_cancelled()
        return frozenset(reply[0] for data in answer if (reply := _answer(_text(data))) is not None)

    async def aclose(self) -> None:
        """Disconnect; a Redis that does not answer is left without a word."""
        try:
            async with asyncio.timeout(OPERATION_TIMEOUT_S):
                await self._requests.aclose()
                await self._answers.aclose()
                await self._client.aclose()
        except REDIS_FAILURES:
            pass


def _order(entry_id: str) -> tuple[int, int]:
    first, _, second = entry_id.partition("-")
    return (int(first or 0), int(second or 0))


def _text(digits: object) -> str:
    """Data of any kind as text; what is not UTF-8 is marked as such."""
    return bytes.fromhex(str(digits)).decode("utf-8", "replace")


def _value(data: str) -> object:
    try:
        value: object = parsed(data)
    except ValueError:
        return None
    return value


def _answer(data: str) -> tuple[str, bool, str] | None:
    """Request id, whether it was accepted, and the word for it; None for what is no answer."""
    try:
        event = parsed(data)
        if event["type"] not in ANSWERS:
            return None
        return str(event["request_id"]), event["type"] == ANSWERS[0], str(event.get("text", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a daemon answered."""

    accepted: bool
    text: str


async def ask(
    url: str, request: ControlRequest, *, prefix: str, account: str, within_s: float, clock: Clock
) -> Reply | None:
    """Write a request and wait for the answer of the daemon that owns the account; None where none came.

    Raises `ConfigError` for a bad URL and `RedisUnreachable` where Redis does not take the request.
    """
    client: Any = connect(url)
    keys = Keys(prefix, account)
    try:
        try:
            async with asyncio.timeout(OPERATION_TIMEOUT_S):
                newest = await client.xrevrange(keys.events, count=1)
                data = json_text(request_document(request))
                await client.xadd(keys.control, {"data": data}, maxlen=STREAM_LENGTH, approximate=True)
        except (RedisError, *REDIS_FAILURES) as fault:
            words = f"Redis at {address_of(url)} did not take the request: it {conduct(fault)}"
            raise RedisUnreachable(words) from None
        after = newest[0][0] if newest else "0-0"
        return await _reply(client, key=keys.events, after=after, request_id=request.id, within_s=within_s, clock=clock)
    finally:
        await client.aclose()


async def _reply(
    client: Any,  # noqa: ANN401  redis-py types every answer as str or bytes; ours are str
    key: str,
    after: str,
    request_id: str,
    within_s: float,
    clock: Clock,
) -> Reply | None:
    """The answer among the events that come after an entry. A Redis that fails meanwhile is asked again."""
    until_s = clock.monotonic_s() + within_s
    while clock.monotonic_s() < until_s:
        try:
            async with asyncio.timeout(OPERATION_TIMEOUT_S):
                entries = await client.xrange(key, min=f"({after}", count=100)
        except REDIS_FAILURES:
            entries = []
        for entry_id, fields in entries:
            after = entry_id
            answer = _answer(str(fields.get("data", "")))
            if answer is not None and answer[0] == request_id:
                return Reply(answer[1], answer[2])
        if not entries:
            await clock.sleep(ANSWER_LOOK_S)
    return None
