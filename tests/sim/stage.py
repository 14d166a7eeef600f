"""A stage for scripted scenarios: the daemon's real service in virtual time, the venue in memory, and a script between.

A test says what the account holds, starts one or two daemons, lets virtual time pass, acts as trader, human or venue,
and then looks at the *world*: what rests at the venue, what its journal says, what Redis was told. Never at calls.

    @staged
    async def test_something():
        async with Stage(Held("BTCUSDT", "LONG", "0.3", entry=42_000)) as stage:
            stage.start()
            await stage.run(10)
            stage.trade("add", "BTCUSDT", "LONG", "0.2")
            with stage.never_uncovered():
                await stage.run(10)
            stage.must_be_protected()

Leaving the stage replays the rest of the journal through the independent `Checker`: every scenario also ends with zero
violations, and with no defect logged by the daemon.
"""

from __future__ import annotations

import asyncio
import functools
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest
from loguru import logger

from position_monitor.config import Config, load_config
from position_monitor.edge import redis_state
from position_monitor.edge.ai_engine import AdvicePoller, AiEngine
from position_monitor.edge.backend import Backend, BreakerPoller
from position_monitor.edge.mark_stream import MarkStream
from position_monitor.edge.redis_state import RedisState
from position_monitor.edge.user_stream import UserStream
from position_monitor.edge.venues.binanceusdm import BinanceUsdm
from position_monitor.edge.venues.transport import Endpoint, Reply
from position_monitor.paper import scenario
from position_monitor.paper.amounts import round_to
from position_monitor.paper.faults import Fault
from position_monitor.paper.gateway import Gateway
from position_monitor.paper.journal import Entry
from position_monitor.paper.orders import AlgoOrder, PlainOrder
from position_monitor.paper.signing import Gatekeeper
from position_monitor.service import Service
from tests.sim.checkers import Checker
from tests.sim.listening import listen
from tests.sim.redis_model import FakeClient, RedisModel
from tests.sim.streams import StreamHost, connected_to
from tests.sim.venue import SimTransport
from tests.sim.virtual_time import EPOCH_MS, SimClock, run, true_ms

SLICE_S = 0.25
"""How often the world's timers run and the journal is replayed while time passes."""
PREFIX = "qpm"
INTERVAL_S = 5.0
TIMEOUT_S = 4.0
ZERO = Decimal(0)
REBASING = ("the backstop of the open position", "loosened")
"""`rebase_on_add` is the one setting under which a backstop is replaced, and a stop may follow a worse entry."""

Script = Callable[..., Awaitable[None]]
Hook = Callable[[Endpoint, Mapping[str, str]], None]
Rewrite = Callable[[Endpoint, Mapping[str, str], Any], Any]
Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


EVERY_WORLD = pytest.mark.parametrize(
    ("hedge", "side"),
    [(False, "LONG"), (False, "SHORT"), (True, "LONG"), (True, "SHORT")],
    ids=["one-way-long", "one-way-short", "hedge-long", "hedge-short"],
)
TWO_WORLDS = pytest.mark.parametrize(
    ("hedge", "side"), [(False, "LONG"), (True, "SHORT")], ids=["one-way-long", "hedge-short"]
)
"""Both modes and both sides, for scenarios that are long or have many forms."""
EVERY_SIDE = pytest.mark.parametrize("side", ["LONG", "SHORT"])
EVERY_MODE = pytest.mark.parametrize("hedge", [False, True], ids=["one-way", "hedge"])


def staged(script: Script) -> Callable[..., None]:
    """A coroutine test that runs in virtual time."""

    @functools.wraps(script)
    def in_virtual_time(*args: Any, **kwargs: Any) -> None:
        run(script(*args, **kwargs))  # type: ignore[arg-type]

    return in_virtual_time


@dataclass(frozen=True)
class Held:
    """A position the account holds when the curtain rises."""

    symbol: str
    side: str
    quantity: str
    entry: object = None
    mark: object = None
    leverage: int = 10
    isolated: bool = False

    def row(self) -> dict[str, Any]:
        row = {"symbol": self.symbol, "side": self.side, "quantity": self.quantity}
        row |= {"leverage": self.leverage, "isolated": self.isolated}
        return row | {name: str(v) for name in ("entry", "mark") if (v := getattr(self, name)) is not None}


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
        return str(self.service.mode())

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


class Stage:
    """One account, the people around it, and any number of daemons."""

    def __init__(
        self,
        *held: Held,
        hedge: bool = False,
        config: Mapping[str, Any] | None = None,
        wallet: str = "500000",
        seed: int = 1,
        stale_ms: int = 0,
        **more: Any,
    ) -> None:
        """`config` overrides settings; `stale_ms` is how old the answers may be; `more` are keys of a scenario."""
        play = {"description": "", "wallet": wallet, "hedge": hedge, "positions": [h.row() for h in held], **more}
        self.engine = scenario.build(scenario.parse("stage", play), seed, EPOCH_MS)
        self.world = self.engine.world
        self.world.market.frozen = True
        self.gateway = Gateway(self.engine, Gatekeeper("key", "secret"))
        self.redis = RedisModel()
        self.config = config
        self.permits = REBASING if config_of(config).protection.rebase_on_add else ()
        """Words of violations that are none under these settings."""
        self.checker = Checker(stale_ms=stale_ms)
        self.processes: list[Process] = []
        self.streams = StreamHost(self.engine, random.Random("stage"), lambda number: self.processes[number].clock)
        """The venue's stream host; its `troubles` befall messages and connections."""
        self.log: list[str] = []
        self.publications: list[tuple[int, str, dict[str, Any]]] = []
        self.uncovered_under_guard: list[str] = []
        self._guards = 0
        self._read_to = 0
        self._sink = 0
        self._connected = ExitStack()
        self._ticking: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Stage:
        self._connected.enter_context(connected_to(self.streams))
        self._sink = listen(lambda text: self.log.append(str(text)), "INFO")
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.observe()
                self.must_be_lawful()
        finally:
            for task in (*self._ticking, *(process for process in self.processes)):
                task.cancel() if isinstance(task, asyncio.Task) else task.kill()
            await asyncio.gather(*(process.task for process in self.processes), return_exceptions=True)
            for process in self.processes:  # lets go of what a killed process was waiting for
                process.clock.running.set()
                process.service._wake.set()
            await asyncio.sleep(0.01)
            logger.remove(self._sink)
            self._connected.close()

    # -- processes

    def start(
        self,
        *,
        host: str = "a",
        config: Mapping[str, Any] | None = None,
        path: Path | None = None,
        ai: Answer | None = None,
        backend: Answer | None = None,
        stream: bool = False,
    ) -> Process:
        """Start a daemon with nothing remembered. `path` is a file it reads and reloads its configuration from; without
        `stream` it only polls."""
        number, clock, systemd = len(self.processes), SimClock(), QuietSystemd()
        settings = load_config(path, {}) if path else config_of(config if config is not None else self.config)
        transport = StageTransport(
            self.gateway, clock, random.Random(f"stage:{number}"), timeout_s=settings.exchange.request_timeout_s
        )
        owner = f"{host}:{number}:0-{number}"
        with mock.patch.object(redis_state, "connect", lambda url: FakeClient(self.redis)):
            store = RedisState(
                "redis://stage",
                prefix="q",
                account="main",
                owner=owner,
                clock=clock,
                check_interval_s=settings.loop.check_interval_s,
                lease_ttl_s=settings.lease_ttl_s,
                contend=settings.protection.mode == "live",
                is_dead=lambda holder: self._is_dead(holder, host),
            )
        exchange = BinanceUsdm(transport, clock)
        service = Service(
            config=settings,
            config_path=path,
            clock=clock,
            exchange=exchange,
            store=store,
            advisor=AdvicePoller(_neighbour(AiEngine, clock, ai), clock),
            breaker=BreakerPoller(_neighbour(Backend, clock, backend), clock),
            systemd=systemd,  # type: ignore[arg-type]
            owner=owner,
        )
        process = Process(number, host, service, clock, transport, store, systemd)
        if stream:
            origin = StreamHost.origin(number)
            process.user = UserStream(exchange, service.on_event, origin=origin, clock=clock)
            process.marks = MarkStream(service.on_marks, origin=origin, clock=clock)
            service.listen(process.user, process.marks)
            if not self._ticking:
                self._ticking.append(asyncio.create_task(self.streams.ticking()))
        process.task = asyncio.create_task(service.serve())
        transport.die = process.kill
        self.processes.append(process)
        return process

    def _is_dead(self, holder: str, host: str) -> bool:
        """What a process sees of the processes on its own host; of others it knows nothing."""
        where, number, _ = holder.split(":")
        return where == host and not self.processes[int(number)].alive

    # -- time

    async def run(self, seconds: float) -> None:
        """Let virtual time pass; the journal is judged as it grows."""
        until_ms = true_ms() + round(seconds * 1000)
        while (left_ms := until_ms - true_ms()) > 0:
            await asyncio.sleep(min(SLICE_S, left_ms / 1000))
            self.observe()

    async def until(self, what: str, look: Callable[[], object], within_s: float = 30.0) -> float:
        """Let time pass until `look` is true; returns how long that took and fails when it takes too long."""
        began_ms = true_ms()
        while not look():
            assert true_ms() - began_ms < within_s * 1000, f"not within {within_s:g} s: {what}"
            await self.run(SLICE_S)
        return (true_ms() - began_ms) / 1000

    def observe(self) -> None:
        """Run what is due at the venue and judge what happened since the last look."""
        self.engine.advance_to(true_ms())
        for entry in self.world.journal.after(self._read_to):
            self._read_to = entry.sequence
            self.checker.entry(entry)
            if self._guards:
                gone = self.checker.uncovered()
                self.uncovered_under_guard += [f"{key} after {entry.kind} at {entry.at_ms}" for key in gone]
        fresh, self.redis.publications = self.redis.publications, []
        for at_ms, _, published in fresh:
            self.checker.publication(at_ms, published)
        self.publications += fresh

    @contextmanager
    def never_uncovered(self) -> Iterator[None]:
        """Inside, resting stops cover every position whole after every single journal entry."""
        self.observe()
        self._guards += 1
        try:
            yield
        finally:
            self.observe()
            self._guards -= 1
        assert not self.uncovered_under_guard, self.uncovered_under_guard

    # -- the world acts

    def trade(self, action: str, symbol: str, side: str | None = None, quantity: str | None = None) -> None:
        """The trader opens, adds, reduces, closes or flips at market."""
        self.engine.advance_to(true_ms())
        self.engine.trade(action, symbol, side, Decimal(quantity) if quantity else None)

    def price(self, symbol: str, mark: object) -> None:
        """Put mark and last price."""
        self.engine.advance_to(true_ms())
        tick = self.world.instruments[symbol].tick
        exact = Decimal(str(mark))
        self.engine.set_price(symbol, exact, max(tick, round_to(exact, tick)))

    def fault(self, name: str, **settings: Any) -> Fault:
        """Switch a fault of the venue or the network on."""
        return self.engine.add_fault(name, **settings)

    def heal(self) -> None:
        """Every fault off."""
        self.engine.remove_fault()

    def foreign_stop(
        self, symbol: str, side: str, trigger: object, quantity: str | None = None, *, kind: str = "STOP_MARKET"
    ) -> AlgoOrder:
        """The user's own conditional order; close-all without a quantity."""
        self.engine.advance_to(true_ms())
        hedge = self.world.account.hedge
        params = {
            "algoType": "CONDITIONAL",
            "symbol": symbol,
            "side": "SELL" if side == "LONG" else "BUY",
            "positionSide": side if hedge else "BOTH",
            "type": kind,
            "triggerPrice": str(trigger),
            "workingType": "MARK_PRICE",
        }
        if quantity is None:
            params["closePosition"] = "true"
        else:
            params["quantity"] = quantity
            params |= {} if hedge else {"reduceOnly": "true"}
        return self.engine.place_algo(params, origin="foreign")

    def foreign_limit(self, symbol: str, side: str, price: object, quantity: str) -> PlainOrder:
        """The user's own resting limit order that reduces a position."""
        self.engine.advance_to(true_ms())
        hedge = self.world.account.hedge
        params = {"symbol": symbol, "side": "SELL" if side == "LONG" else "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        params |= {"quantity": quantity, "price": str(price), "positionSide": side if hedge else "BOTH"}
        params |= {} if hedge else {"reduceOnly": "true"}
        return self.engine.place_order(params, origin="foreign")

    def cancel_by_hand(self, order: AlgoOrder) -> None:
        """A human cancels an order, whosever it is."""
        self.engine.advance_to(true_ms())
        self.engine.cancel_algo({"algoId": str(order.algo_id)}, origin="foreign")

    def on_call(self, endpoint: Endpoint, act: Callable[[], None], *, process: Process, nth: int = 1) -> None:
        """Do something at the venue just before it answers the nth next call of this kind."""
        left = nth

        def hook(called: Endpoint, _: Mapping[str, str]) -> None:
            nonlocal left
            if called is endpoint:
                left -= 1
                if left == 0:
                    act()

        process.transport.before.append(hook)

    # -- looking

    def resting(self, symbol: str | None = None, side: str | None = None) -> list[AlgoOrder]:
        """Conditional orders in status NEW, of one position or all."""
        exit_side = {"LONG": "SELL", "SHORT": "BUY", None: None}[side]
        return [
            order
            for order in self.world.algo.open_all()
            if order.status == "NEW"
            and symbol in (None, order.symbol)
            and (exit_side is None or order.side == exit_side)
            and (side is None or order.position_side in ("BOTH", side))
        ]

    def own(self, symbol: str | None = None, side: str | None = None, role: str = "bwt") -> list[AlgoOrder]:
        """Orders of ours that rest; `role` is any of b (backstop), w (working stop), t (take-profit)."""
        rows = self.resting(symbol, side)
        return [order for order in rows if order.client_id.startswith(PREFIX) and order.client_id[4] in role]

    def stops(self, symbol: str, side: str) -> list[AlgoOrder]:
        """Backstop and working stops of one position."""
        return self.own(symbol, side, "bw")

    def targets(self, symbol: str, side: str) -> list[AlgoOrder]:
        """The ladder of one position."""
        return self.own(symbol, side, "t")

    def size(self, symbol: str, side: str) -> Decimal:
        """How large a position is now, 0 when there is none."""
        leg = side if self.world.account.hedge else "BOTH"
        amount = self.world.account.amount(symbol, leg)
        return max(ZERO, amount) if side == "LONG" else max(ZERO, -amount)

    def open_keys(self) -> list[tuple[str, str]]:
        """Every open position."""
        legs = self.world.account.open_positions()
        return [(leg.symbol, "LONG" if leg.amount > 0 else "SHORT") for leg in legs]

    def entries(self, kind: str = "", symbol: str | None = None, *, ours: bool = False) -> list[Entry]:
        """Journal entries of a kind (or all), of one symbol, only those about orders of ours."""
        return [
            entry
            for entry in self.world.journal.after(0)
            if kind in ("", entry.kind)
            and symbol in (None, entry.symbol)
            and (not ours or str(entry.detail.get("client_id", "")).startswith(PREFIX))
        ]

    def status(self) -> dict[str, str]:
        """The published state of the account; empty when there is none."""
        return self.redis.get("q:main:status") or {}

    def published(self, symbol: str, side: str) -> dict[str, str]:
        """The published state of one position; empty when there is none."""
        return self.redis.get(f"q:main:position:{symbol}:{side}") or {}

    def verdict(self, symbol: str, side: str) -> str:
        return self.published(symbol, side).get("verdict", "")

    def verdicts(self, symbol: str, side: str) -> list[str]:
        """Every verdict published about a position, repetitions dropped."""
        self.observe()
        said: list[str] = []
        for _, _, published in self.publications:
            verdict = published["positions"].get(f"{symbol}:{side}", {}).get("verdict", "")
            if verdict and said[-1:] != [verdict]:
                said.append(verdict)
        return said

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Published events of a type."""
        return [event for text in self.redis.events if (event := json.loads(text))["type"] == kind]

    def covered(self, symbol: str, side: str) -> bool:
        """Whether resting stops cover the whole position, by the independent checker."""
        self.observe()
        return (symbol, side) not in self.checker.uncovered()

    def is_protected(self) -> bool:
        """Every position is covered at the venue, has its whole ladder, and is published as PROTECTED."""
        self.observe()
        return not self.checker.uncovered() and all(
            self.verdict(*key) == "PROTECTED" and self._laddered(*key) for key in self.open_keys()
        )

    def _laddered(self, symbol: str, side: str) -> bool:
        total = sum((order.quantity for order in self.targets(symbol, side)), ZERO)
        return total == self.size(symbol, side)

    def book(self) -> Counter[tuple[object, ...]]:
        """The content of every order of ours, whatever its epoch: equal books are equally good."""
        return Counter(
            (o.symbol, o.client_id[4:6], o.side, o.position_side, o.trigger, o.quantity, o.close_position)
            for o in self.own()
        )

    # -- demanding

    def must_be_protected(self) -> None:
        """The end of most scenarios: everything protected, and nothing twice."""
        self.observe()
        for key in self.open_keys():
            rows = [(o.client_id[4:6], str(o.trigger), str(o.quantity)) for o in self.own(*key)]
            assert self.covered(*key), (key, rows)
            assert self.verdict(*key) == "PROTECTED", (key, self.published(*key).get("reason"), rows)
            assert self._laddered(*key), (key, self.size(*key), rows)
        self.must_be_tidy()

    def must_be_tidy(self) -> None:
        """No order of ours twice, none without its position, at most one backstop per position."""
        assert all(count == 1 for count in self.book().values()), self.book()
        held = {(symbol, "SELL" if side == "LONG" else "BUY") for symbol, side in self.open_keys()}
        orphans = [order for order in self.own() if (order.symbol, order.side) not in held]
        assert not orphans, orphans

    def must_be_lawful(self) -> None:
        """No invariant was violated and no defect was logged."""
        found = [v for v in self.checker.violations if not any(words in v for words in self.permits)]
        assert not found, found
        defects = [line for line in self.log if "Traceback" in line or "report it as a bug" in line]
        assert not defects, defects[0][-2_000:]


def _neighbour(client: type[Any], clock: SimClock, answer: Answer | None) -> Any:
    """A client of a neighbouring service whose every request is answered by `answer`."""
    if answer is None:
        return None
    service = client("http://neighbour", clock)
    service._service._client = httpx.AsyncClient(
        base_url="http://neighbour", transport=httpx.MockTransport(answer), timeout=2.0
    )
    return service


def against(price: object, side: str, pct: object) -> Decimal:
    """`price` moved against a position by so many percent; a negative number moves it in its favour."""
    share = Decimal(str(pct)) / 100 * (1 if side == "LONG" else -1)
    return Decimal(str(price)) * (1 - share)


def opposite(side: str) -> str:
    return "SHORT" if side == "LONG" else "LONG"


async def hangs(_: httpx.Request) -> httpx.Response:
    """A neighbour that takes the request and never answers."""
    await asyncio.sleep(1_000_000)
    return httpx.Response(500)
