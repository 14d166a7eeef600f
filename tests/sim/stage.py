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
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from position_monitor.edge.venues.transport import Endpoint
from position_monitor.paper import scenario
from position_monitor.paper.gateway import Gateway
from position_monitor.paper.signing import Gatekeeper
from tests.event_schema import problems_of
from tests.sim.checkers import Checker
from tests.sim.listening import listen
from tests.sim.pairs_model import KeptPairs
from tests.sim.records_model import KeptRecords
from tests.sim.stage_process import Answer, Neighbours, Process, config_of, process_of, settings_of
from tests.sim.stage_world import ZERO, StageWorld
from tests.sim.streams import StreamHost, connected_to
from tests.sim.virtual_time import EPOCH_MS, run, true_ms

SLICE_S = 0.25
"""How often the world's timers run and the journal is replayed while time passes."""
REBASING = ("the backstop of the open position", "loosened")
"""`rebase_on_add` is the one setting under which a backstop is replaced, and a stop may follow a worse entry."""

Script = Callable[..., Awaitable[None]]

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


class Stage(StageWorld):
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
        super().__init__(scenario.build(scenario.parse("stage", play), seed, EPOCH_MS))
        self.world.market.frozen = True
        self.gateway = Gateway(self.engine, Gatekeeper("key", "secret"))
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
                process.service.turns.wake()
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
        records: KeptRecords | None = None,
        pairs: KeptPairs | None = None,
    ) -> Process:
        """Start a daemon with nothing remembered. `path` is a file it reads and reloads its configuration from; without
        `stream` it only polls; with `records` it keeps records there, with `pairs` shadow results."""
        number = len(self.processes)
        settings = settings_of(path, config if config is not None else self.config)

        def is_dead(holder: str) -> bool:
            return self._is_dead(holder, host)

        process = process_of(
            number,
            host,
            settings,
            self.gateway,
            self.redis,
            is_dead,
            Neighbours(ai, backend),
            path=path,
            stream=stream,
            records=records,
            pairs=pairs,
        )
        if stream and not self._ticking:
            self._ticking.append(asyncio.create_task(self.streams.ticking()))
        process.task = asyncio.create_task(process.service.serve())
        self.processes.append(process)
        return process

    def _is_dead(self, holder: str, host: str) -> bool:
        """What a process sees of the processes on its own host; of others it knows nothing."""
        where, _, number = holder.rpartition(":")[0].partition(":")
        return where == host and number.isdigit() and not self.processes[int(number)].alive

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

    # -- the script acts and looks

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

    def verdicts(self, symbol: str, side: str) -> list[str]:
        """Every verdict published about a position, repetitions dropped."""
        self.observe()
        said: list[str] = []
        for _, _, published in self.publications:
            verdict = published["positions"].get(f"{symbol}:{side}", {}).get("verdict", "")
            if verdict and said[-1:] != [verdict]:
                said.append(verdict)
        return said

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
        total += sum((order.remaining for order in self.limit_rungs(symbol, side)), ZERO)
        return total == self.size(symbol, side)

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
        orphans = [order for order in [*self.own(), *self.limit_rungs()] if (order.symbol, order.side) not in held]
        assert not orphans, orphans

    def must_be_lawful(self) -> None:
        """No invariant was violated, no defect was logged, and every event has the fields of its type."""
        wrong = [problem for text in self.redis.events for problem in problems_of(text)]
        assert not wrong, wrong[:5]
        found = [v for v in self.checker.violations if not any(words in v for words in self.permits)]
        assert not found, found
        defects = [line for line in self.log if "Traceback" in line or "report it as a bug" in line]
        assert not defects, defects[0][-2_000:]


def against(price: object, side: str, pct: object) -> Decimal:
    """`price` moved against a position by so many percent; a negative number moves it in its favour."""
    share = Decimal(str(pct)) / 100 * (1 if side == "LONG" else -1)
    return Decimal(str(price)) * (1 - share)


def opposite(side: str) -> str:
    return "SHORT" if side == "LONG" else "LONG"
