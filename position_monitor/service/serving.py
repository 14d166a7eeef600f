"""The service: cycles in turn and when events ask for one, signals, the service manager.

READY is said after the first finished cycle, when every position found has a verdict or the state says UNKNOWN.
WATCHDOG is said at the end of a finished cycle and nowhere else. SIGHUP reads the configuration again; SIGTERM lets the
cycle in hand finish and leaves every order resting.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from loguru import logger

from position_monitor.config import Config, load_config
from position_monitor.core.decision.ownership import mode_of
from position_monitor.core.model.actions import Mode
from position_monitor.core.observation.stream_events import (
    EventBox,
    MarkPrices,
    StreamEvent,
    StreamHealth,
    StreamState,
    SymbolTouched,
    is_news,
)
from position_monitor.core.publication import sentence
from position_monitor.daemon import CycleReport, Daemon
from position_monitor.daemon.fast_path import FastPath
from position_monitor.edge.ai_engine import AdvicePoller
from position_monitor.edge.backend import BreakerPoller
from position_monitor.edge.background import end_tasks
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.redis.state import Held, HeldByOther, RedisState, Stale, Unavailable
from position_monitor.edge.systemd import Systemd
from position_monitor.errors import ConfigError, ExchangeFailure
from position_monitor.service.pacing import Pace
from position_monitor.service.reloading import Reloaded, ReloadPace, taken_over
from position_monitor.service.streams import Marks, UserEvents
from position_monitor.service.telling import Teller
from position_monitor.service.wiring import open_daemon, rules_from

YOUNG_OBJECTS_MAX = 20_000
"""Objects made and not freed since the last garbage collection, before the next. A cycle of 200 positions makes about
10,000, which the next cycle replaces; with Python's own 700 it was looked through about fourteen times."""
RESTART_PAUSE_S = 1.0
PREPARE_PATIENCE_S = 3.0
"""How long the start waits for clock, trading rules and position mode."""
LEASE_WAIT_S = 0.2
"""How long the start waits for the first answer about the lease, beyond what preparing the exchange took."""
DEAF_LOOK_S = 10.0
"""The longest time between two looks while the user stream does not deliver: what happens then is told by nobody."""
GOODBYE_WITHIN_S = 2.0
"""How long a stop waits for Redis to take the last state."""

Worker = Callable[[], Coroutine[None, None, None]]


@dataclass(slots=True)
class Service:
    """One account's daemon as a service."""

    config: Config
    config_path: Path | None
    clock: Clock
    exchange: Exchange
    store: RedisState
    advisor: AdvicePoller
    breaker: BreakerPoller
    systemd: Systemd
    owner: str
    daemon: Daemon = field(init=False)
    fast_path: FastPath = field(init=False)
    _teller: Teller = field(init=False)
    _pace: Pace = field(init=False)
    _user: UserEvents | None = field(default=None, init=False)
    _marks: Marks | None = field(default=None, init=False)
    _box: EventBox = field(default_factory=EventBox, init=False)
    _stop: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _reload: ReloadPace = field(init=False)
    _reload_waits: asyncio.Future[None] | None = field(default=None, init=False)
    _epoch: int = field(default=0, init=False)
    """The fencing number of the lease when it was held last."""
    _opened_s: float = field(init=False)
    """When this service was made: until the first read it is taken for one that reads."""
    _ready: bool = field(default=False, init=False)
    _began_s: float = field(default=float("-inf"), init=False)
    """When the last cycle began."""

    def __post_init__(self) -> None:
        self.daemon = open_daemon(self.config, self.exchange, self.clock, self.advisor)
        self.daemon.degraded = self.degraded
        self.daemon.desk.mode = self.mode
        self.daemon.desk.accepted = self._expect
        self.fast_path = FastPath(self.daemon.desk, self.advisor.advice, self._streamed_mark)
        self.daemon.events = self.fast_path
        self.daemon.observer.stream_delivers = self._delivers
        self.daemon.observer.streamed_mark = self._streamed_mark
        self.store.when_reading(self._reads_positions)
        self._opened_s = self.clock.monotonic_s()
        self._reload = ReloadPace(self.clock)
        self._pace = Pace(self.exchange)
        self._teller = Teller(self.clock, self.exchange, self.store, self.advisor, self.breaker, self.owner)

    def listen(self, user: UserEvents, marks: Marks | None) -> None:
        """Give the service its streams, which call `on_event` and `on_marks`. Without any it looks in turn only."""
        self._user, self._marks = user, marks

    def mode(self) -> Mode:
        """What may be done now: the state of ownership (invariant 9, `core/decision/ownership.py`)."""
        return mode_of(
            observes=self.config.protection.mode == "observe",
            lease=self.store.lease_state().standing,
            second_writer=self.daemon.desk.writers.suspected(self.clock.now_ms()),
        )

    def degraded(self) -> Sequence[str]:
        """What keeps a fully covered account from PROTECTED."""
        found = [self.config.exit_plan().degraded_reason, self._why_not_owner()]
        return [reason for reason in found if reason]

    def _why_not_owner(self) -> str:
        """What is missing to the rights of an owner, in words."""
        mode, lease = self.mode(), self.store.lease_state()
        if mode is Mode.OBSERVE:
            return "protection.mode is observe: nothing is written"
        if mode is Mode.SECOND_WRITER:
            sign = self.daemon.desk.writers.sign
            return f"a second daemon writes ({sign} is not of this process): only missing stops are placed"
        match lease:
            case HeldByOther(owner=owner):
                return f"{owner} holds the lease: this daemon stands by"
            case Stale() | Unavailable():
                return f"no lease ({lease.reason}): missing stops are placed, nothing is removed"
            case _:
                return ""

    def _reads_positions(self) -> bool:
        """Whether a cycle could read the positions lately: a daemon that cannot leaves the lease to others."""
        loop = self.config.loop
        within_s = 2 * loop.check_interval_s + loop.cycle_deadline_s
        return self.clock.monotonic_s() - max(self._opened_s, self.daemon.read_at_s) <= within_s

    async def serve(self) -> int:
        """Run until `stop`. Returns the exit code."""
        logger.info(sentence.started(self.config.loop.check_interval_s))
        self._teller.conflicts(self.config)
        workers: list[Worker] = [self.store.run, self.advisor.run, self.breaker.run]
        workers += [stream.run for stream in (self._user, self._marks) if stream is not None]
        background = [asyncio.ensure_future(self._keep_running(worker)) for worker in workers]
        try:
            await self._begin()
            while not self._stop.is_set():
                await self._turn()
            self.systemd.stopping("stopping; all orders stay on the exchange")
            await self._say_goodbye()
        finally:
            await end_tasks(background)
        logger.info("Stopped; all orders stay on the exchange")
        return 0

    async def _begin(self) -> None:
        """Prepare the exchange and ask for the lease, side by side; a stop ends both."""
        lease = asyncio.ensure_future(self.store.renew_lease())
        preparing, stopping = asyncio.ensure_future(self._prepare()), asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({preparing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (preparing, stopping):
            task.cancel()
        if not self._stop.is_set():
            await asyncio.wait({lease}, timeout=LEASE_WAIT_S)  # nothing about placing needs it, so it is not waited for

    async def _say_goodbye(self) -> None:
        """Publish at once that nobody watches any more; a Redis that does not answer is waited for a moment only."""
        self._teller.stopped(self.daemon.history, self.config)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_WITHIN_S):
                await self.store.write_once()

    async def _keep_running(self, worker: Worker) -> None:
        """A defect in publishing or polling must not end protection: it is reported, and the worker starts again."""
        while True:
            try:
                return await worker()
            except Exception:
                logger.exception("A background worker failed; it starts again in {:g} s", RESTART_PAUSE_S)
                await self.clock.sleep(RESTART_PAUSE_S)

    async def _prepare(self) -> None:
        """Nothing of it holds back a stop, so it is not waited for long; what is missing then, the cycles ask for."""
        preparing = asyncio.ensure_future(self.exchange.prepare())
        try:
            await asyncio.wait({preparing}, timeout=PREPARE_PATIENCE_S)
        except asyncio.CancelledError:  # the stop came first
            preparing.cancel()
            raise
        if not preparing.done():
            preparing.cancel()
            logger.error("The exchange was not prepared within {:g} s: it is read all the same", PREPARE_PATIENCE_S)
        elif isinstance(failure := preparing.exception(), ExchangeFailure):
            logger.error("The exchange could not be prepared: {}", failure)
        else:
            preparing.result()

    async def _turn(self) -> None:
        """One cycle with everything around it. A defect is reported as such and does not end the loop."""
        if self._reload.take():
            await self._reload_config()
        self._note_epoch()
        look_at = self._drained()
        self._wake.clear()
        self._began_s = self.clock.monotonic_s()
        try:
            report = await self.daemon.cycle(look_at)
        except Exception:
            logger.exception("Unexpected failure of a cycle; please report it as a bug")
            await self._pause(self.config.loop.check_interval_s, self.config.loop.check_interval_s)
            return
        if not report.failure:
            self.store.positions_read()
        if self._marks is not None:
            self._marks.watch({key.symbol for key in report.history.tracks})
        self._teller.publish(report, self.config, self._stream_health())
        self._teller.say(report)
        self._tell_systemd(report)
        interval_s = self.config.loop.check_interval_s
        await self._pause(self._pace.interval_s(report, interval_s), self._pace.least_s(report, interval_s))

    def _drained(self) -> frozenset[str]:
        """What events gave reason to look at since the last cycle; after a gap everything is read."""
        drained = self._box.drain()
        if drained.gap:
            self.daemon.observer.sweep_soon()
        if drained.margin_called:
            self._teller.margin_called(drained.margin_called)
        if drained.account_changed:
            self.exchange.settings_changed()
        return drained.symbols

    async def _pause(self, interval_s: float, least_s: float) -> None:
        """Wait until `interval_s` after the beginning of the last cycle, or for an event, then at least `least_s`."""
        _keep_what_is_loaded()
        await self._wait_for_turn(self._began_s + interval_s)
        if not self._stop.is_set():
            await self._wait(self._began_s + least_s, self._stop)

    async def _wait_for_turn(self, turn_s: float) -> None:
        """An interval longer than `DEAF_LOOK_S` relies on events: while none can come, nothing is awaited so long."""
        look_s = self._began_s + DEAF_LOOK_S
        while look_s < turn_s:
            await self._wait(look_s, self._wake)
            if self._wake.is_set() or not self._delivers():
                return
            look_s += DEAF_LOOK_S
        await self._wait(turn_s, self._wake)

    async def _wait(self, until_s: float, event: asyncio.Event) -> None:
        """Sleep until a moment, or until the event is set."""
        seconds = until_s - self.clock.monotonic_s()
        if seconds <= 0 or event.is_set():
            return
        sleeper = asyncio.ensure_future(self.clock.sleep(seconds))
        waker = asyncio.ensure_future(event.wait())
        await asyncio.wait({sleeper, waker}, return_when=asyncio.FIRST_COMPLETED)
        for task in (sleeper, waker):
            task.cancel()

    def on_event(self, event: StreamEvent) -> None:
        """Take an event of the user stream: it may bring a stop at once, and it may wake the loop. Never waits."""
        self.fast_path.on_event(event)
        if is_news(event):
            self._box.put(event)
            self._wake.set()

    def on_marks(self, marks: MarkPrices) -> None:
        """Take mark prices: the loop looks where a stop would move. Never waits."""
        for symbol in self.fast_path.on_marks(marks):
            self._box.put(SymbolTouched(symbol, "the mark price moved"))
            self._wake.set()

    def _expect(self, client_id: str) -> None:
        if self._user is not None:
            self._user.expect(client_id)

    def _delivers(self) -> bool:
        return self._user is not None and self._user.health().state is StreamState.LIVE

    def _streamed_mark(self, symbol: str) -> Decimal | None:
        found = self._marks.mark(symbol) if self._marks is not None else None
        return found[0] if found is not None else None

    def _stream_health(self) -> Mapping[str, StreamHealth]:
        named = {"user": self._user, "marks": self._marks}
        return {name: stream.health() for name, stream in named.items() if stream is not None}

    def _tell_systemd(self, report: CycleReport) -> None:
        if not self._ready:
            self._ready = True
            self.systemd.ready(report.sentence)
        self.systemd.watchdog(report.sentence)

    def catch_signals(self) -> None:
        """SIGTERM and SIGINT stop, SIGHUP reloads."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.request_reload)

    def stop(self) -> None:
        """End after the cycle in hand."""
        self._stop.set()
        self._wake.set()

    def request_reload(self) -> None:
        """Read the configuration again before the next cycle; requests that come faster are one request."""
        self._reload.wanted = True
        if self._reload.due_in_s == 0:
            self._wake.set()
        elif self._reload_waits is None or self._reload_waits.done():
            self._reload_waits = asyncio.ensure_future(self._reload.wake_when_due(self._wake.set))

    async def _reload_config(self) -> None:
        """Take over a valid new configuration; an invalid one is reported and the old one stays."""
        self.systemd.reloading()
        try:
            reloaded = taken_over(self.config, load_config(self.config_path))
        except ConfigError as problem:
            logger.error("The configuration was not reloaded, the old one stays: {}", problem)
            self._teller.config_refused(str(problem))
        except Exception as defect:  # whatever a file does to us, it must not end the loop
            logger.exception("The configuration was not reloaded, the old one stays")
            self._teller.config_refused(type(defect).__name__)
        else:
            await self._take_over(reloaded)
        if self._ready:
            self.systemd.ready()

    async def _take_over(self, reloaded: Reloaded) -> None:
        """What of a new configuration takes effect now does so; the log says what does not."""
        before, self.config = self.config, reloaded.config
        loop = self.config.loop
        self.daemon.desk.rules = rules_from(self.config)
        self.daemon.cycle_deadline_s, self.daemon.check_interval_s = loop.cycle_deadline_s, loop.check_interval_s
        self.daemon.observer.full_sweep_s = loop.full_sweep_s
        if reloaded.waiting:
            logger.warning("Changed, and in effect only after a restart: {}", ", ".join(reloaded.waiting))
        logger.info("Configuration reloaded, hash {}", self.config.config_hash)
        self._teller.reloaded(before, self.config, reloaded.waiting)
        contends = self.config.protection.mode == "live"
        self.store.follow(loop.check_interval_s, lease_ttl_s=self.config.lease_ttl_s, contend=contends)
        if contends != (before.protection.mode == "live"):
            await asyncio.wait({asyncio.ensure_future(self.store.renew_lease())}, timeout=LEASE_WAIT_S)

    def _note_epoch(self) -> None:
        """A lease newly taken ends what is known of other writers: whoever had it before wrote until now."""
        lease = self.store.lease_state()
        if isinstance(lease, Held) and lease.epoch != self._epoch:
            self._epoch = lease.epoch
            self.daemon.desk.begins_to_write()


def _keep_what_is_loaded() -> None:
    """Switch the garbage collector on, where the start had switched it off, with all that is loaded out of its sight.

    That stays until the end. A full collection would walk through every class of every library.
    """
    if not gc.isenabled():
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS_MAX)
        gc.enable()
