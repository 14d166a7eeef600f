"""Redis in memory: what the three scripts of the daemon do, plus outages. The client code above it is the real one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any
from unittest import mock

from pydantic_core import from_json
from redis.exceptions import ConnectionError as RedisConnectionError

from position_monitor.config import Config
from position_monitor.edge.clock import Clock
from position_monitor.edge.redis import state as redis_state
from position_monitor.edge.redis.scripts import PUBLISH, RELEASE, RENEW
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
        self.control: list[tuple[str, str]] = []
        """(entry id, JSON text) of what operators asked for."""
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

    def text(self, key: str) -> str:
        """What a key holds as a short, printable text, as the scripts read it; empty for none."""
        value = self.get(key)
        value = str(value) if isinstance(value, (str, int)) else ""
        printable = value.isascii() and value.isprintable() and " " not in value
        return value if printable and len(value) <= 255 else ""

    def counted(self, key: str) -> int:
        """The fencing number in a key, as the scripts read it."""
        digits = self.text(key)
        return int(digits) if digits.isdigit() and not digits.startswith("0") and len(digits) < 16 else 0

    def left_ms(self, key: str) -> int:
        """The time a key has left; -1 without expiry."""
        expires_ms = self.values[key][1]
        return expires_ms - true_ms() if expires_ms else -1

    def flush(self) -> None:
        self.values.clear()
        self.events.clear()
        self.control.clear()

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
        holder = model.text(keys[0])
        if holder and holder not in (owner, dead):
            left = model.left_ms(keys[0])
            self._tell(owner, ours=False, left_ms=left, holder=holder)
            status = model.get(keys[2])
            found = status.get("config_hash", "") if isinstance(status, dict) else ""
            return [0, holder, left, found if found.isalnum() and len(found) <= 64 else ""]
        odd = int(not holder and model.get(keys[0]) is not None)
        epoch = model.counted(keys[1])
        gone_back = epoch < int(seen)
        if gone_back or holder != owner:
            epoch = max(epoch, int(seen)) + 1
            model.put(keys[1], epoch)
        model.put(keys[0], owner, int(ttl))
        self._tell(owner, ours=not gone_back, left_ms=0, holder=owner)
        return [1, epoch, int(gone_back), odd, model.text(keys[3])]

    def _tell(self, owner: str, *, ours: bool, left_ms: int, holder: str) -> None:
        if self._model.conduct is not None:
            self._model.conduct.told_of_lease(owner, ours=ours, left_ms=left_ms, holder=holder)

    def _release(self, keys: list[str], args: list[str]) -> int:
        model = self._model
        if model.text(keys[0]) != args[0]:
            return 0
        model.put(keys[1], args[0], int(args[1]))
        del model.values[keys[0]]
        if model.conduct is not None:
            model.conduct.gave_up_lease(args[0])
        return 1

    def _publish(self, keys: list[str], args: list[str]) -> list[Any]:
        model, (owner, epoch, prefix, ttl, _, body, beside) = self._model, args
        holder = model.text(keys[0])
        if holder and holder != owner:
            return [0, holder]
        if epoch != "0" and not (holder and model.text(keys[1]) == epoch):
            return [0, holder]
        batch = from_json(body)
        status, positions = _mapping(batch["status"]), {name: _mapping(fields) for name, fields in batch["positions"]}
        members = model.get(keys[3])
        for member in members if isinstance(members, set) else ():
            model.values.pop(prefix + member, None)
        model.values.pop(keys[3], None)
        if positions:
            model.put(keys[3], set(positions), int(ttl))
        for member, fields in positions.items():
            model.put(prefix + member, fields, int(ttl))
        model.put(keys[2], status, int(ttl))
        model.events.extend(batch["events"])
        missing = self._shadows(batch["shadows"], keys[5], beside, int(ttl))
        published = {"status": status, "positions": positions, "events": batch["events"]}
        model.publications.append((true_ms(), owner, published))
        model.listener(owner, published)
        return [1, "", missing]

    def _shadows(self, shadows: Mapping[str, Any], key: str, prefix: str, ttl_ms: int) -> int:
        model, members = self._model, self._model.get(key)
        for member in members if isinstance(members, set) else ():
            if member not in shadows["open"]:
                model.values.pop(prefix + member, None)
        model.values.pop(key, None)
        for member, fields in shadows["changed"]:
            model.put(prefix + member, _mapping(fields), ttl_ms)
        missing = 0
        for member in shadows["open"]:
            book = model.get(prefix + member)
            missing += book is None
            model.put(prefix + member, book, ttl_ms) if book is not None else None
        if shadows["open"]:
            model.put(key, {*shadows["open"]}, ttl_ms)
        return missing


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
            "redis://127.0.0.1:6379/0",
            prefix="q",
            account="main",
            owner=owner,
            clock=clock,
            check_interval_s=settings.loop.check_interval_s,
            lease_ttl_s=settings.lease_ttl_s,
            contend=settings.protection.mode == "live",
            reading_within_s=settings.reading_within_s,
            is_dead=is_dead,
        )
