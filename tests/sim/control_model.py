"""`P:control` in memory: what the two scripts that read it do. The code above them is the daemon's own."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from unittest import mock

from redis.exceptions import ConnectionError as RedisConnectionError

from position_monitor.edge.redis import control_stream
from position_monitor.edge.redis.scripts import READ_ANSWERS, READ_CONTROL
from tests.sim.virtual_time import sleep, true_ms

if TYPE_CHECKING:
    from tests.sim.redis_model import RedisModel

DIGESTS = {hashlib.sha1(script.encode()).hexdigest(): script for script in (READ_CONTROL, READ_ANSWERS)}


def _order(entry_id: str) -> tuple[int, int]:
    first, _, second = entry_id.partition("-")
    return int(first), int(second)


class _Line:
    """A connection of its own."""

    is_connected = True

    def __init__(self, model: RedisModel, owner: str) -> None:
        self._model, self._owner = model, owner
        self._sent: tuple[str, list[str]] = ("", [])

    async def can_read(self) -> bool:
        return False

    async def send_command(self, _evalsha: str, digest: str, count: int, *rest: Any) -> None:
        self._sent = (DIGESTS[digest], [str(one) for one in rest[count:]])

    async def read_response(self) -> list[Any]:
        model, (script, args) = self._model, self._sent
        if model.hung:
            await sleep(3_600)
        await sleep(0.0005)
        if model.down or self._owner in model.cut_off:
            raise RedisConnectionError("refused")
        if script is READ_ANSWERS:
            newest = list(model.events)[-int(args[0]) :]
            return [data.encode().hex() for data in newest if '"Control' in data]
        return self._requests(args[0], int(args[1]), int(args[3]), looks=args[4] == "1")

    def _requests(self, after: str, most: int, before: int, *, looks: bool) -> list[Any]:
        stream = self._model.control
        newest = stream[-1][0] if stream and (looks or len(stream) < before) else ""
        later = [one for one in stream if after and _order(one[0]) > _order(after)][:most] if after else stream[-most:]
        answer: list[Any] = [len(stream), newest]
        for entry_id, data in later:
            answer += [entry_id, data.encode().hex() if len(data) <= control_stream.DATA_LENGTH_MAX else ""]
        return answer

    async def disconnect(self) -> None:
        return None


class _Client:
    def __init__(self, model: RedisModel, owner: str) -> None:
        self._model, self._owner = model, owner

    @property
    def connection_pool(self) -> _Client:
        return self

    def make_connection(self) -> _Line:
        return _Line(self._model, self._owner)

    async def aclose(self) -> None:
        return None


def control_on(model: RedisModel, owner: str) -> control_stream.ControlStream:
    """The daemon's real reader of requests, talking to this server."""
    with mock.patch.object(control_stream, "connect", lambda url: _Client(model, owner)):
        return control_stream.ControlStream("redis://127.0.0.1:6379/0", prefix="q", account="main")


def put_control(model: RedisModel, data: str) -> None:
    """Somebody writes an entry."""
    last = _order(model.control[-1][0]) if model.control else (0, 0)
    now_ms = true_ms()
    number = last[1] + 1 if last[0] == now_ms else 0
    model.control.append((f"{now_ms}-{number}", data))
