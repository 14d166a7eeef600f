"""The process around the daemon: wiring, signals, the service manager, publishing. It decides nothing.

READY is said after the first finished cycle, when every position found has a verdict or the state says UNKNOWN.
WATCHDOG is said at the end of a finished cycle and nowhere else. SIGHUP reads the configuration again; SIGTERM lets the
cycle in hand finish and leaves every order resting.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from loguru import logger

from position_monitor import __version__
from position_monitor.config import Config, load_config
from position_monitor.core import sentence
from position_monitor.core.decide import Rules
from position_monitor.core.model import Mode, PositionKey
from position_monitor.core.settings import ProtectionSettings
from position_monitor.core.state import AccountState, Event
from position_monitor.core.stream_events import StreamEvent, is_news
from position_monitor.daemon import CycleReport, Daemon
from position_monitor.edge.ai_engine import AdvicePoller, AiEngine
from position_monitor.edge.backend import Backend, BreakerPoller
from position_monitor.edge.clock import Clock, SystemClock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.redis_lease import new_owner
from position_monitor.edge.redis_state import Held, HeldByOther, RedisState
from position_monitor.edge.systemd import Systemd
from position_monitor.edge.user_stream import UserStream
from position_monitor.edge.venues.binance_events import stream_origin
from position_monitor.edge.venues.binanceusdm import BinanceUsdm, connect
from position_monitor.errors import ConfigError, ExchangeFailure

SOON_S = 1.0
"""How soon to look again while something is exposed, unconfirmed or possibly closed."""
SOON_WEIGHT_1M = 1_200
"""Request weight such quick looks may use in a minute (half of the venue's 2,400)."""
WAKE_S = 0.2
"""Least time between two cycles that events ask for."""
SOON_IN_A_ROW_MAX = 30
HEARTBEAT_S = 60.0
RESTART_PAUSE_S = 1.0
LEASE_WAIT_S = 0.2
"""How long the start waits for the first answer about the lease, beyond what preparing the exchange took."""
END_ATTEMPTS_MAX = 20
END_PAUSE_S = 0.25


def rules_from(config: Config) -> Rules:
    """The configuration as the core sees it."""

    @lru_cache(maxsize=4_096)
    def protection_for(key: PositionKey) -> ProtectionSettings:
        return config.protection_for(key.symbol, key.side)

    return Rules(config.account, protection_for, config.is_unmanaged, config.evidence(), config.limits())


def open_exchange(config: Config, clock: Clock) -> BinanceUsdm:
    """The venue of the configuration, not yet prepared. Raises `ConfigError`."""
    return connect(
        environment=config.exchange.environment,
        rest_url=config.exchange.effective_rest_url,
        api_key=config.credentials.api_key.get_secret_value(),
        api_secret=config.credentials.api_secret.get_secret_value(),
        timeout_s=config.exchange.request_timeout_s,
        clock=clock,
    )


def open_daemon(config: Config, exchange: Exchange, clock: Clock, advisor: AdvicePoller) -> Daemon:
    """A daemon that may only observe; the service replaces its mode."""
    return Daemon(
        exchange=exchange,
        clock=clock,
        rules=rules_from(config),
        advisor=advisor,
        mode=lambda: Mode.OBSERVE,
        degraded=lambda: (),
        full_sweep_s=config.loop.full_sweep_s,
        cycle_deadline_s=config.loop.cycle_deadline_s,
    )


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
    streams: Sequence[Callable[[], Coroutine[None, None, None]]] = ()
    """Background readers that call `on_event`; without any the daemon looks every `check_interval_s`."""
    daemon: Daemon = field(init=False)
    _stop: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _reload: bool = field(default=False, init=False)
    _ready: bool = field(default=False, init=False)
    _sequence: int = field(default=0, init=False)
    _config_hash: str = field(default="", init=False)
    _said: str = field(default="", init=False)
    _said_at_s: float = field(default=float("-inf"), init=False)
    _soon_in_a_row: int = field(default=0, init=False)
    _mode: Mode | None = field(default=None, init=False)
    _began_s: float = field(default=float("-inf"), init=False)
    """When the last cycle began."""
    _breaker_active: bool | None = field(default=None, init=False)
    _pending: list[Event] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.daemon = open_daemon(self.config, self.exchange, self.clock, self.advisor)
        self._config_hash = self.config.config_hash
        self.daemon.mode = self.mode
        self.daemon.degraded = self.degraded

    def mode(self) -> Mode:
        """What may be done now: the operator's wish, then the lease (invariant 9)."""
        if self.config.protection.mode == "observe":
            return Mode.OBSERVE
        match self.store.lease_state():
            case Held():
                return Mode.LIVE
            case HeldByOther():
                return Mode.OBSERVE
            case _:
                return Mode.PLACE_ONLY

    def degraded(self) -> Sequence[str]:
        """What keeps a fully covered account from PROTECTED."""
        found = [self.config.exit_plan().degraded_reason]
        if self.config.protection.mode == "observe":
            found.append("protection.mode is observe: nothing is written")
        else:
            match self.store.lease_state():
                case HeldByOther(owner=owner):
                    found.append(f"{owner} holds the lease: this daemon only observes")
                case Held():
                    pass
                case missing:
                    found.append(f"no lease ({missing.reason}): missing stops are placed, nothing is removed")
        return [reason for reason in found if reason]

    async def serve(self) -> int:
        """Run until `stop`. Returns the exit code."""
        logger.info(sentence.started(self.config.loop.check_interval_s))
        for conflict in self.config.exit_plan().conflicts:
            logger.warning("Configuration conflict: {}", conflict)
            self._pending.append(Event("ConfigConflict", self.clock.now_ms(), details={"text": conflict}))
        workers = (self.store.run, self.advisor.run, self.breaker.run, *self.streams)
        background = [asyncio.ensure_future(self._keep_running(worker)) for worker in workers]
        try:
            lease = asyncio.ensure_future(self.store.renew_lease())
            await self._prepare()
            await asyncio.wait({lease}, timeout=LEASE_WAIT_S)  # nothing about placing needs it, so it is not waited for
            while not self._stop.is_set():
                await self._turn()
            self.systemd.stopping("stopping; all orders stay on the exchange")
        finally:
            await _end(background)
        logger.info("Stopped; all orders stay on the exchange")
        return 0

    async def _keep_running(self, worker: Callable[[], Coroutine[None, None, None]]) -> None:
        """A defect in publishing or polling must not end protection: it is reported, and the worker starts again."""
        while True:
            try:
                return await worker()
            except Exception:
                logger.exception("A background worker failed; it starts again in {:g} s", RESTART_PAUSE_S)
                await self.clock.sleep(RESTART_PAUSE_S)

    async def _prepare(self) -> None:
        try:
            await self.exchange.prepare()
        except ExchangeFailure as failure:
            logger.error("The exchange could not be prepared: {}", failure)

    async def _turn(self) -> None:
        """One cycle with everything around it. A defect is reported as such and does not end the loop."""
        if self._reload:
            self._reload_config()
        self._wake.clear()
        self._began_s = self.clock.monotonic_s()
        try:
            report = await self.daemon.cycle()
        except Exception:
            logger.exception("Unexpected failure of a cycle; please report it as a bug")
            await self._pause(self.config.loop.check_interval_s, self.config.loop.check_interval_s)
            return
        self._publish(report)
        self._say(report)
        self._tell_systemd(report)
        await self._pause(self._interval_s(report), self._least_s(report))

    def _interval_s(self, report: CycleReport) -> float:
        """Look again soon while something is open, but never so often that it eats the request budget.

        A daemon that only observes has no reason to hurry: the budget of the address is the owner's too.
        """
        interval_s = self.config.loop.check_interval_s
        spare = report.mode is not Mode.OBSERVE and self.exchange.api_weight_1m < SOON_WEIGHT_1M
        if not (report.suspicious and spare) or self._soon_in_a_row >= SOON_IN_A_ROW_MAX:
            self._soon_in_a_row = 0
            return interval_s
        self._soon_in_a_row += 1
        return min(interval_s, max(SOON_S, self._least_s(report)))

    def _least_s(self, report: CycleReport) -> float:
        """The least time between the beginnings of two cycles, whatever wakes the loop: half of the weight budget."""
        weight = 5 + min(80, 2 * len(report.history.tracks))
        return max(WAKE_S, weight * 60 / SOON_WEIGHT_1M)

    async def _pause(self, interval_s: float, least_s: float) -> None:
        """Wait until `interval_s` after the beginning of the last cycle, or for an event, then at least `least_s`."""
        await self._wait(self._began_s + interval_s, self._wake)
        if not self._stop.is_set() and not self._reload:
            await self._wait(self._began_s + least_s, self._stop)

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
        """Take note of an event: it may wake the loop and proves nothing else."""
        if is_news(event):
            self._wake.set()

    def _publish(self, report: CycleReport) -> None:
        self._sequence += 1
        events = (*self._pending, *self._changes(report), *report.events)
        self._pending = []
        self.store.publish(self._account_state(report), report.history.states, events)

    def _changes(self, report: CycleReport) -> list[Event]:
        """Events about the daemon itself."""
        now_ms = self.clock.now_ms()
        events: list[Event] = []
        if self._mode is not None and report.mode is not self._mode:
            events.append(Event("ModeChanged", now_ms, details={"from": str(self._mode), "to": str(report.mode)}))
            if self._mode is Mode.LIVE:
                events.append(Event("LeaseLost", now_ms, details={"mode": str(report.mode)}))
        self._mode = report.mode
        breaker = self.breaker.breaker()
        active = breaker.active if breaker else None
        if active is not None and active != self._breaker_active:
            events.append(Event("BreakerChanged", now_ms, details={"active": active}))
        self._breaker_active = active if active is not None else self._breaker_active
        return events

    def _account_state(self, report: CycleReport) -> AccountState:
        plan, lease = self.config.exit_plan(), self.store.lease_state()
        return AccountState(
            risk_status=report.risk.status,
            mode=str(report.mode),
            positions=report.risk.positions,
            protected=report.risk.protected,
            coverage_pct=report.risk.coverage_pct,
            unprotected_notional=report.risk.unprotected_notional,
            status_line=report.sentence,
            reason=report.risk.reason,
            exit_mode=f"{plan.requested} (live: {plan.live})",
            conflicts=tuple(plan.conflicts),
            ai_engine=str(self.advisor.status()),
            circuit_breaker=self.breaker.text(),
            observed_at_ms=report.observed_at_ms,
            published_at_ms=self.clock.now_ms(),
            cycle_ms=report.cycle_ms,
            api_weight_1m=self.exchange.api_weight_1m,
            version=__version__,
            config_hash=self._config_hash,
            owner=self.owner,
            epoch=lease.epoch if isinstance(lease, Held) else 0,
            sequence=self._sequence,
        )

    def _say(self, report: CycleReport) -> None:
        """One journal line for a cycle that changed something, one a minute otherwise (DESIGN 7)."""
        now_s = self.clock.monotonic_s()
        if report.sentence == self._said and not report.changed and now_s - self._said_at_s < HEARTBEAT_S:
            return
        level = "INFO" if report.risk.status in ("PROTECTED", "DEGRADED") else "WARNING"
        logger.log(level, report.sentence)
        self._said, self._said_at_s = report.sentence, now_s

    def _tell_systemd(self, report: CycleReport) -> None:
        if not self._ready:
            self._ready = True
            self.systemd.ready(report.sentence)
        self.systemd.status(report.sentence)
        self.systemd.watchdog()

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
        """Read the configuration again before the next cycle."""
        self._reload = True
        self._wake.set()

    def _reload_config(self) -> None:
        """Take over a valid new configuration; an invalid one is reported and the old one stays."""
        self._reload = False
        self.systemd.reloading()
        try:
            fresh = load_config(self.config_path)
        except ConfigError as problem:
            logger.error("The configuration was not reloaded, the old one stays: {}", problem)
        else:
            if (fresh.account, fresh.exchange, fresh.redis) != (
                self.config.account,
                self.config.exchange,
                self.config.redis,
            ):
                logger.warning("account, [exchange] and [redis] take effect after a restart")
            self.config, self._config_hash = fresh, fresh.config_hash
            self.daemon.rules = rules_from(fresh)
            self.daemon.cycle_deadline_s = fresh.loop.cycle_deadline_s
            logger.info("Configuration reloaded, hash {}", fresh.config_hash)
        if self._ready:
            self.systemd.ready()


def _epoch_file() -> Path | None:
    """Where the unit lets us remember the highest lease epoch, so that Redis losing data is noticed after a restart."""
    folder = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(folder) / "lease-epoch" if folder else None


async def _end(tasks: Sequence[asyncio.Future[None]]) -> None:
    """Cancel until they are gone, bounded: redis-py can swallow a cancellation that meets it inside a command."""
    for _ in range(END_ATTEMPTS_MAX):
        pending = [task for task in tasks if not task.done()]
        if not pending:
            return
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=END_PAUSE_S)


async def run(config: Config, config_path: Path | None) -> int:
    """Run the daemon of this configuration in this process until it is told to stop; returns the exit code."""
    clock = SystemClock()
    owner = new_owner()
    engine = (
        AiEngine(config.ai_engine.url, clock, timeout_s=config.ai_engine.timeout_s) if config.ai_engine.url else None
    )
    backend = Backend(config.backend.url, clock, timeout_s=config.backend.timeout_s) if config.backend.url else None
    async with AsyncExitStack() as stack:
        exchange = open_exchange(config, clock)
        stack.push_async_callback(exchange.aclose)
        store = RedisState(
            config.redis.url.get_secret_value(),
            prefix=config.redis.prefix,
            account=config.account,
            owner=owner,
            clock=clock,
            check_interval_s=config.loop.check_interval_s,
            lease_ttl_s=config.lease_ttl_s,
            contend=config.protection.mode == "live",
            epoch_file=_epoch_file(),
        )
        stack.push_async_callback(store.close)
        for client in (engine, backend):
            if client is not None:
                stack.push_async_callback(client.close)
        service = Service(
            config=config,
            config_path=config_path,
            clock=clock,
            exchange=exchange,
            store=store,
            advisor=AdvicePoller(engine, clock, interval_s=config.ai_engine.poll_s),
            breaker=BreakerPoller(backend, clock, interval_s=config.backend.poll_s),
            systemd=Systemd(),
            owner=owner,
        )
        origin = stream_origin(config.exchange.environment, config.exchange.effective_stream_url)
        service.streams = (UserStream(exchange, service.on_event, origin=origin, clock=clock).run,)
        service.catch_signals()
        return await service.serve()
