"""The service: cycles in turn and when events ask for one, signals, the service manager.

READY is said after the first finished cycle, when every position found has a verdict or the state says UNKNOWN.
WATCHDOG is said at the end of a finished cycle and nowhere else. SIGHUP reads the configuration again; SIGTERM lets the
cycle in hand finish and leaves every order resting.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from loguru import logger

from position_monitor.config import Config
from position_monitor.core.model.events import Event
from position_monitor.core.observation.stream_events import (
    EventBox,
    MarkPrices,
    StreamEvent,
    SymbolTouched,
    is_news,
)
from position_monitor.daemon import CycleReport, Daemon
from position_monitor.daemon.following import ShadowFollowing
from position_monitor.daemon.shadowing import Shadowing
from position_monitor.edge.ai_engine import AdvicePoller
from position_monitor.edge.backend import BreakerPoller
from position_monitor.edge.background import Worker, end_tasks, keep_running
from position_monitor.edge.candles import CandleReader
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.redis.control_stream import ControlStream
from position_monitor.edge.redis.state import Owned, RedisState
from position_monitor.edge.systemd import Systemd
from position_monitor.service.config_following import ConfigFollowing
from position_monitor.service.control import OperatorControl, operator_control
from position_monitor.service.outlets import Outlets
from position_monitor.service.pacing import Pace
from position_monitor.service.records.keeping import RecordKeeper
from position_monitor.service.records.pairing import ExitsHash, PairKeeper
from position_monitor.service.reloading import ConfigInForce, ReloadPace
from position_monitor.service.starting import begin
from position_monitor.service.streams import Hearer, Streams, no_streams
from position_monitor.service.surroundings import ProcessSurroundings
from position_monitor.service.telling import Teller
from position_monitor.service.turns import Turns
from position_monitor.service.wiring import open_daemon

GOODBYE_WITHIN_S = 2.0
"""How long a stop waits for Redis to take the last state."""


@dataclass(slots=True)
class Service:
    """One account's daemon as a service."""

    in_force: ConfigInForce
    clock: Clock
    exchange: Exchange
    store: RedisState
    advisor: AdvicePoller
    breaker: BreakerPoller
    systemd: Systemd
    owner: str
    open_streams: Callable[[Hearer], Streams] = no_streams
    """Makes the streams that tell this service."""
    open_records: Callable[[Callable[[Event], None]], RecordKeeper] | None = None
    """Makes the keeper of records, which tells its events to the given receiver; None: no records are kept."""
    outlets: Outlets | None = None
    """Alerts and figures; None where nobody is called and nothing is shown."""
    open_pairs: Callable[[Service], PairKeeper] | None = None
    """Makes the keeper of what the policies beside the live one would have earned; None: none is followed."""
    control_stream: ControlStream | None = None
    """Where operators ask; None: nobody can."""
    streams: Streams = field(init=False)
    records: RecordKeeper | None = field(default=None, init=False)
    candles: CandleReader = field(init=False)
    operator: OperatorControl | None = field(default=None, init=False)
    daemon: Daemon = field(init=False)
    turns: Turns = field(init=False)
    _teller: Teller = field(init=False)
    _following_config: ConfigFollowing = field(init=False)
    _pace: Pace = field(init=False)
    _shadowing: Shadowing = field(init=False)
    """What another policy would do; asked when a cycle is over."""
    following: ShadowFollowing = field(init=False)
    """What it would earn; fed with the marks that are heard."""
    _pairs: PairKeeper | None = field(default=None, init=False)
    _box: EventBox = field(default_factory=EventBox, init=False)
    _reload: ReloadPace = field(init=False)
    _reload_waits: asyncio.Future[None] | None = field(default=None, init=False)
    _epoch: int = field(default=0, init=False)
    """The fencing number of the lease when it was held last."""
    _ready: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.streams = self.open_streams(self)
        self.candles = CandleReader(self.exchange, self.clock, lambda: self.in_force.candles)
        self.turns = Turns(self.clock, self.streams.events_delivered)
        if self.control_stream is not None:
            hears = partial(operator_control, store=self.store, exchange=self.exchange, clock=self.clock)
            hears = partial(hears, in_force=self.in_force, wake=self.turns.wake)
            self.operator = hears(self.control_stream, tell=lambda event: self._teller.tell(event))
        surroundings = ProcessSurroundings(
            in_force=self.in_force,
            store=self.store,
            advisor=self.advisor,
            streams=self.streams,
            candles=self.candles,
            operator=self.operator,
        )
        self.daemon = open_daemon(self.exchange, self.clock, surroundings)
        self._shadowing = Shadowing(self.daemon.desk, surroundings)
        self.following = ShadowFollowing(self.daemon.desk, surroundings, ExitsHash(lambda: self.config))
        self._reload = ReloadPace(self.clock)
        self._pace = Pace(self.exchange)
        self._teller = Teller(
            clock=self.clock,
            exchange=self.exchange,
            store=self.store,
            advisor=self.advisor,
            breaker=self.breaker,
            owner=self.owner,
            market=self.candles.market,
            control=surroundings.control,
        )
        self._following_config = ConfigFollowing(
            in_force=self.in_force,
            clock=self.clock,
            store=self.store,
            teller=self._teller,
            followers=(self.candles.follow, *((self.outlets.follow,) if self.outlets is not None else ())),
        )
        if self.open_records is not None:
            self.records = self.open_records(self._on_record)
        if self.open_pairs is not None:
            self._pairs = self.open_pairs(self)

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.in_force.config

    async def serve(self) -> int:
        """Run until `stop`. Returns the exit code."""
        self._teller.started(self.config)
        workers: list[Worker] = [self.store.run, self.advisor.run, self.breaker.run, self.candles.run]
        workers.append(self._act_on_lease)
        workers += self.streams.workers
        if self.records is not None:
            workers.append(self.records.run)
        if self.outlets is not None:
            self.outlets.follow()
            workers.append(self.outlets.run)
        if self._pairs is not None:
            workers.append(self._pairs.run)
        if self.operator is not None:
            workers.append(self.operator.run)
        background = [asyncio.ensure_future(keep_running(worker, self.clock)) for worker in workers]
        try:
            await begin(self.exchange, self.store, self.turns, self.operator, place=self.config.exchange.place)
            while not self.turns.ended:
                await self._turn()
            self.systemd.stopping("stopping; all orders stay on the exchange")
            await self._say_goodbye()
        finally:
            await end_tasks(background)
        self._teller.ended(self.config)
        return 0

    async def _say_goodbye(self) -> None:
        """Publish at once that nobody watches any more; a Redis that does not answer is waited for a moment only."""
        self._teller.stopped(self.daemon.history, self.config)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_WITHIN_S):
                await self.store.write_once()

    async def _turn(self) -> None:
        """One cycle with everything around it. A defect is reported as such and does not end the loop."""
        if self._reload.take():
            self.systemd.reloading()
            await self._following_config.reload()
            if self._ready:
                self.systemd.ready()
        self._note_epoch()
        look_at = self._drained()
        self.turns.begin()
        try:
            report = await self.daemon.cycle(look_at)
        except Exception:
            logger.exception("Unexpected failure of a cycle; please report it as a bug")
            await self.turns.pause(self.config.loop.check_interval_s, self.config.loop.check_interval_s)
            return
        if not report.failure:
            self.in_force.account_read(self.clock.now_ms())
            self.store.ask_for_left_lease()
        held = {key.symbol for key in report.history.tracks}
        self.streams.watch(held)
        self.candles.watch(held)
        if self.records is not None:
            self.records.note(report)
        desk = self.daemon.desk
        self._teller.writers_noted(desk.counts.rows, desk.memory.foreign_order)
        streams = self.streams.health()
        announced = self._teller.publish(report, self.config, streams, self._shadowing.books)
        self._teller.say(report)
        self._tell_systemd(report)
        if self.outlets is not None:
            self.outlets.note(report, announced, streams)
        await self._shadowing.look(report.decision.judgements)
        if self._pairs is not None and not report.failure:
            await self.following.look(report.decision.judgements, frozenset(report.history.tracks))
        interval_s = self.config.loop.check_interval_s
        await self.turns.pause(self._pace.interval_s(report, interval_s), self._pace.least_s(report, interval_s))

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

    def on_event(self, event: StreamEvent) -> None:
        """Take an event of the user stream: it may bring a stop at once, and it may wake the loop. Never waits."""
        self.daemon.fast_path.on_event(event)
        if is_news(event):
            self._box.put(event)
            self.turns.wake()
        if self.records is not None:
            self.records.on_event(event)

    def _on_record(self, event: Event) -> None:
        """Take what a record says; a fill that was told when it happened is not told again."""
        if event.type == "RecordFinal" or self.daemon.desk.ends.is_news(event):
            self._teller.tell(event)

    def on_marks(self, marks: MarkPrices) -> None:
        """Take mark prices: the loop looks where a stop would move. Never waits."""
        for symbol in self.daemon.fast_path.on_marks(marks):
            self._box.put(SymbolTouched(symbol, "the mark price moved"))
            self.turns.wake()
        if self.records is not None:
            self.records.on_marks(marks)
        self.following.marked(marks)

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
        self.turns.end()

    def request_reload(self) -> None:
        """Read the configuration again before the next cycle; requests that come faster are one request."""
        self._reload.ask()
        if self._reload.due_in_s == 0:
            self.turns.wake()
        elif self._reload_waits is None or self._reload_waits.done():
            self._reload_waits = asyncio.ensure_future(self._reload.wake_when_due(self.turns.wake))

    async def _act_on_lease(self) -> None:
        """End the pause whenever the lease becomes ours: what waited for it is done at once."""
        while True:
            await self.store.lease_taken()
            self.turns.wake()

    def _note_epoch(self) -> None:
        """A lease newly taken ends what is known of other writers: whoever had it before wrote until now. So does one
        that was left to others: what they wrote since is no sign of a second writer."""
        lease = self.store.lease_state()
        if self.store.lease_left:
            self.daemon.desk.memory.lease_taken()
        if isinstance(lease, Owned) and lease.epoch != self._epoch:
            self._epoch = lease.epoch
            self.daemon.desk.memory.lease_taken()
