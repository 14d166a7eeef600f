"""A daemon on the stage: its real service in virtual time, a connection a script reaches into, a way to kill it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from position_monitor.config import Config, load_config
from position_monitor.edge.ai_engine import AdvicePoller, AiEngine
from position_monitor.edge.backend import Backend, BreakerPoller
from position_monitor.edge.redis.state import RedisState
from position_monitor.edge.streams.mark_stream import MarkStream
from position_monitor.edge.streams.user_stream import UserStream
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.edge.venues.transport import Endpoint, Reply
from position_monitor.paper.gateway import Gateway
from position_monitor.service import ConfigInForce, Hearer, Service, Streams
from position_monitor.service.streams import no_streams
from tests.sim.pairs_model import KeptPairs
from tests.sim.records_model import KeptRecords
from tests.sim.redis_model import RedisModel, store_on
from tests.sim.streams import StreamHost
from tests.sim.venue import SimTransport
from tests.sim.virtual_time import SimClock

INTERVAL_S = 5.0
TIMEOUT_S = 4.0

Hook = Callable[[Endpoint, Mapping[str, str]], None]
Rewrite = Callable[[Endpoint, Mapping[str, str], Any], Any]
Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


class StageTransport(SimTransport):
    """A connection on which a script may act between two calls, change answers, or let the process die."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.before: list[Hook] = []
        """Called at the venue, just before a request is answered."""
        self.rewrites: list[Rewrite] = []
        """Called with the JSON body of each answer; what they return is sent instead."""
        self.die_before = 0
        """The process dies before this call (counted from 1) has an effect."""
        self.die_after = 0
        """The process dies after this call has its effect, before it hears of it."""
        self.die: Callable[[], None] = lambda: None

    async def call(self, endpoint: Endpoint, params: Mapping[str, str]) -> Reply:
        if self.die_before and self.calls + 1 >= self.die_before:
            await self._end()
        return await super().call(endpoint, params)

    def _answer(self, endpoint: Endpoint, params: Mapping[str, str]) -> Any:
        for hook in list(self.before):
            hook(endpoint, params)
        answer = super()._answer(endpoint, params)
        if self.die_after and self.calls >= self.die_after:
            self._clock.running.clear()
            self.die()
        if answer.raw is None and answer.status == 200:
            for rewrite in self.rewrites:
                object.__setattr__(answer, "body", rewrite(endpoint, params, answer.body))
        return answer

    async def _end(self) -> None:
        self._clock.running.clear()
        self.die()
        await asyncio.sleep(10_000_000)


class QuietSystemd:
    """A service manager that keeps the last sentence."""

    def __init__(self) -> None:
        self.said = ""
        self.readies = 0

    def ready(self, status: str = "") -> None:
        self.readies += 1

    def watchdog(self, status: str = "") -> None:
        self.said = status

    def reloading(self) -> None: ...
    def stopping(self, status: str = "") -> None: ...


@dataclass
class Process:
    """One daemon: its service, its clock, its connection, and the way to kill it."""

    number: int
    host: str
    service: Service
    clock: SimClock
    transport: StageTransport
    store: RedisState
    systemd: QuietSystemd
    user: UserStream | None = None
    """The user stream, where the daemon has one."""
    marks: MarkStream | None = None
    task: asyncio.Task[int] = field(init=False)

    @property
    def alive(self) -> bool:
        return not self.task.done() and not self.task.cancelling()

    @property
    def mode(self) -> str:
        """The word that is published for its state of ownership."""
        return self.service.daemon.desk.mode().published

    @property
    def ownership(self) -> str:
        """Its state of ownership."""
        return str(self.service.daemon.desk.mode())

    def kill(self) -> None:
        """kill -9: nothing of it runs on."""
        self.clock.running.clear()
        self.task.cancel()

    def suspend(self) -> None:
        self.clock.running.clear()

    def resume(self) -> None:
        self.clock.running.set()


def config_of(overrides: Mapping[str, Any] | None = None) -> Config:
    """The usual settings of the stage with some changed, section by section."""
    data: dict[str, Any] = {
        "loop": {"check_interval_s": INTERVAL_S, "full_sweep_s": 20},
        "exchange": {"request_timeout_s": TIMEOUT_S, "rest_url": "http://127.0.0.1:1"},
    }
    for section, values in (overrides or {}).items():
        data[section] = {**data.get(section, {}), **values}
    return Config.from_data(data)


@dataclass(frozen=True)
class Neighbours:
    """What the services beside the daemon answer; None for one that is not configured."""

    ai: Answer | None = None
    backend: Answer | None = None


def process_of(
    number: int,
    host: str,
    settings: Config,
    gateway: Gateway,
    redis: RedisModel,
    is_dead: Callable[[str], bool],
    neighbours: Neighbours,
    *,
    path: Path | None = None,
    stream: bool = False,
    records: KeptRecords | None = None,
    pairs: KeptPairs | None = None,
    line: Callable[..., StageTransport] = StageTransport,
) -> Process:
    """A daemon with nothing remembered, not running yet; `line` makes its connection to the venue."""
    clock, systemd, owner = SimClock(), QuietSystemd(), f"{host}:{number}:0-{number}"
    transport = line(gateway, clock, random.Random(f"stage:{number}"), timeout_s=settings.exchange.request_timeout_s)
    store = store_on(redis, owner, settings, clock, is_dead)
    exchange = BinanceUsdm(transport, clock)
    origin = StreamHost.origin(number)
    user: UserStream | None = None
    marks: MarkStream | None = None

    def open_streams(hearer: Hearer) -> Streams:
        nonlocal user, marks
        user = UserStream(exchange, hearer.on_event, origin=origin, clock=clock)
        marks = MarkStream(hearer.on_marks, origin=origin, clock=clock)
        return Streams(user, marks)

    in_force = ConfigInForce(settings, path, exchange.traits)
    service = Service(
        in_force=in_force,
        clock=clock,
        exchange=exchange,
        store=store,
        advisor=AdvicePoller(_neighbour(AiEngine, clock, neighbours.ai), clock),
        breaker=BreakerPoller(_neighbour(Backend, clock, neighbours.backend), clock),
        systemd=systemd,  # type: ignore[arg-type]
        owner=owner,
        open_streams=open_streams if stream else no_streams,
        open_records=records and records.keeper(exchange, clock, lambda: in_force.config, store),
        open_pairs=pairs and pairs.keeper(exchange, clock, store),
    )
    process = Process(number, host, service, clock, transport, store, systemd, user, marks)
    transport.die = process.kill
    return process


def settings_of(path: Path | None, overrides: Mapping[str, Any] | None) -> Config:
    """The configuration in a file, or the usual one with some settings changed."""
    return load_config(path, {}) if path else config_of(overrides)


def _on_the_wire(answer: Answer) -> Answer:
    """The answers as a connection brings them: a body that was not read yet."""

    async def streamed(request: httpx.Request) -> httpx.Response:
        made = await answer(request)
        return httpx.Response(made.status_code, headers=made.headers, stream=httpx.ByteStream(made.content))

    return streamed


def _neighbour(client: type[Any], clock: SimClock, answer: Answer | None) -> Any:
    """A client of a neighbouring service whose every request is answered by `answer`."""
    if answer is None:
        return None
    service = client("http://neighbour", clock)
    service._service._client = httpx.AsyncClient(
        base_url="http://neighbour", transport=httpx.MockTransport(_on_the_wire(answer)), timeout=2.0
    )
    return service


async def hangs(_: httpx.Request) -> httpx.Response:
    """A neighbour that takes the request and never answers."""
    await asyncio.sleep(1_000_000)
    return httpx.Response(500)
