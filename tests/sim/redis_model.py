"""Redis in memory: what the three scripts of the daemon do, plus outages. The client code above it is the real one."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any
from unittest import mock

from redis.exceptions import ConnectionError as RedisConnectionError

from position_monitor.config import Config
from position_monitor.edge import redis_state
from position_monitor.edge.clock import Clock
from position_monitor.edge.redis_scripts import PUBLISH, RELEASE, RENEW
from tests.sim.conduct import Conduct
from tests.sim.virtual_time import sleep, true_ms


class RedisModel:
    """One server, shared by every daemon of a run."""

    def __init__(self) -> None:
        self.down = False
        self.hung = False
        self.cut_off: set[str] = set()
        """Owners that do not reach it."""
        self.values: dict[str, tuple[Any, int]] = {}
        """key -> (value, expiry in true ms or 0)."""
        self.events: deque[str] = deque(maxlen=10_000)
        """JSON texts."""
        self.publications: list[tuple[int, str, dict[str, Any]]] = []
        """(true ms, owner, what was published), for the checkers; emptied by them."""
        self.conduct: Conduct | None = None
        self.listener: Callable[[str, dict[str, Any]], None] = lambda owner, published: None
        """Told of each publication when it is made."""
        self.befall: Callable[[str, str], str] = lambda script, owner: ""
        """Asked before each call of a script by an owner: "" it runs, `down`, `hung`, or `lost`: only its answer is."""

    def get(self, key: str) -> Any:
        value, expires_ms = self.values.get(key, (None, 0))
        if expires_ms and expires_ms <= true_ms():
            del self.values[key]
            return None
        return value

    def put(self, key: str, value: Any, ttl_ms: int = 0) -> None:
        self.values[key] = (value, true_ms() + ttl_ms if ttl_ms else 0)

    def flush(self) -> None:
        self.values.clear()
        self.events.clear()

    def evict_lease(self) -> None:
        for key in [key for key in self.values if key.endswith(":lease")]:
            del self.values[key]


class _Script:
    def __init__(self, model: RedisModel, source: str) -> None:
        self._model = model
        self._name = {RENEW: "renew", RELEASE: "release", PUBLISH: "publish"}[source]
        self._run = {RENEW: self._renew, RELEASE: self._release, PUBLISH: self._publish}[source]

    async def __call__(self, *, keys: list[str], args: list[Any]) -> Any:
        befallen = self._model.befall(self._name, str(args[0]))
        if self._model.hung or befallen == "hung":
            await sleep(3_600)
        await sleep(0.0005)
        if self._model.down or befallen == "down" or str(args[0]) in self._model.cut_off:
            raise RedisConnectionError("refused")
        answer = self._run(keys, [str(arg) for arg in args])
        if befallen == "lost":
            raise RedisConnectionError("cut off before the answer")
        return answer

    def _renew(self, keys: list[str], args: list[str]) -> list[Any]:
        model, (owner, ttl, seen, dead) = self._model, args
        holder = model.get(keys[0])
        if holder and holder not in (owner, dead):
            left = model.values[keys[0]][1] - true_ms()
            self._tell(owner, ours=False, left_ms=left)
            return [0, holder, left, (model.get(keys[2]) or {}).get("config_hash", "")]
        epoch = int(model.get(keys[1]) or 0)
        gone_back = epoch < int(seen)
        if gone_back or holder != owner:
            epoch = max(epoch, int(seen)) + 1
            model.put(keys[1], epoch)
        model.put(keys[0], owner, int(ttl))
        self._tell(owner, ours=not gone_back, left_ms=0)
        return [1, epoch, int(gone_back)]

    def _tell(self, owner: str, *, ours: bool, left_ms: int) -> None:
        if self._model.conduct is not None:
            self._model.conduct.told_of_lease(owner, ours=ours, left_ms=left_ms)

    def _release(self, keys: list[str], args: list[str]) -> int:
        if self._model.get(keys[0]) == args[0]:
            del self._model.values[keys[0]]
            return 1
        return 0

    def _publish(self, keys: list[str], args: list[str]) -> list[Any]:
        model, (owner, epoch, prefix, ttl, _, body) = self._model, args
        holder = model.get(keys[0])
        if holder and holder != owner:
            return [0, holder]
        if epoch != "0" and not (holder and str(model.get(keys[1])) == epoch):
            return [0, holder or ""]
        batch = json.loads(body)
        status, positions = _mapping(batch["status"]), {name: _mapping(fields) for name, fields in batch["positions"]}
        for key in [key for key in model.values if key.startswith(prefix)]:
            del model.values[key]
        for member, fields in positions.items():
            model.put(prefix + member, fields, int(ttl))
        model.put(keys[2], status, int(ttl))
        model.events.extend(batch["events"])
        published = {"status": status, "positions": positions, "events": len(batch["events"])}
        model.publications.append((true_ms(), owner, published))
        model.listener(owner, published)
        return [1, ""]


def _mapping(fields: list[str]) -> dict[str, str]:
    return dict(zip(fields[::2], fields[1::2], strict=True))


class _Line:
    """A connection of its own to a server that knows the script."""

    is_connected = True

    def __init__(self, model: RedisModel) -> None:
        self._publish = _Script(model, PUBLISH)
        self._sent: tuple[Any, ...] = ()

    async def can_read(self) -> bool:
        return False

    async def send_command(self, _evalsha: str, _digest: str, count: int, *rest: Any) -> None:
        self._sent = (list(rest[:count]), list(rest[count:]))

    async def read_response(self) -> Any:
        keys, args = self._sent
        return await self._publish(keys=keys, args=args)

    async def disconnect(self) -> None:
        return None


class FakeClient:
    """What `redis.asyncio.Redis` is to the daemon: scripts, connections, and a way to leave."""

    def __init__(self, model: RedisModel) -> None:
        self._model = model

    @property
    def connection_pool(self) -> FakeClient:
        return self

    def make_connection(self) -> _Line:
        return _Line(self._model)

    def register_script(self, source: str) -> _Script:
        return _Script(self._model, source)

    async def aclose(self) -> None:
        return None


def store_on(
    model: RedisModel, owner: str, settings: Config, clock: Clock, is_dead: Callable[[str], bool]
) -> redis_state.RedisState:
    """The daemon's real store, talking to this server."""
    with mock.patch.object(redis_state, "connect", lambda url: FakeClient(model)):
        return redis_state.RedisState(
            "redis://sim",
            prefix="q",
            account="main",
            owner=owner,
            clock=clock,
            check_interval_s=settings.loop.check_interval_s,
            lease_ttl_s=settings.lease_ttl_s,
            contend=settings.protection.mode == "live",
            is_dead=is_dead,
        )
