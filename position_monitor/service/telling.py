"""What a cycle is turned into: the published state, events about the daemon itself, and the journal line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from loguru import logger

from position_monitor import __version__
from position_monitor.config import Config
from position_monitor.config.exit_switches import cause_of_change
from position_monitor.core.decision.history import History, after_failure
from position_monitor.core.decision.risk import AccountRisk, account_risk
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.control import NO_CONTROL, Control
from position_monitor.core.model.events import Event
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.stream_events import StreamHealth, StreamState
from position_monitor.core.publication import announce
from position_monitor.core.publication.position_state import Published, published_positions
from position_monitor.core.publication.state import AccountState, OrderCount, PositionState
from position_monitor.core.shadow.shadow_book import ShadowBook, of_open_positions
from position_monitor.daemon import CycleReport
from position_monitor.edge.ai_engine import AdvicePoller
from position_monitor.edge.backend import BreakerPoller
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.http.rate_budget import COMMAND_LINE_WEIGHT_1M
from position_monitor.edge.redis.state import Owned, RedisState
from position_monitor.service.exits import exits_state

HEARTBEAT_S = 60.0
PENDING_MAX = 1_000
"""Events of others that wait for the next state."""
STOPPED = "the daemon was stopped: nobody watches the positions, all orders stay on the exchange"
FOREIGN_WEIGHT_1M = COMMAND_LINE_WEIGHT_1M
"""Weight a minute beyond which another program on this address is worth a warning. Our own command line, which reads
the exchange with --direct, ends below it; what it used alone is no news."""


class Announced(NamedTuple):
    """What was handed to Redis after a cycle."""

    state: AccountState
    events: tuple[Event, ...]


@dataclass(slots=True)
class Teller:
    """Publishes reports and speaks to the journal; remembers only what it said last."""

    clock: Clock
    exchange: Exchange
    store: RedisState
    advisor: AdvicePoller
    breaker: BreakerPoller
    owner: str
    market: Callable[[str], MarketState | None] = lambda symbol: None
    """What the closed candles of a symbol say."""
    control: Callable[[], Control] = lambda: NO_CONTROL
    """The pauses and holds in force."""
    _pending: list[Event] = field(default_factory=list, init=False)
    _published: Mapping[PositionKey, Published] = field(default_factory=dict, init=False)
    """The positions as they were published last."""
    _observed_at_ms: int = field(default=0, init=False)
    _epoch: int = field(default=0, init=False)
    """The fencing number of the lease that was told of last; 0 without one."""
    _decided_at_ms: int = field(default=0, init=False)
    _orders: tuple[OrderCount, ...] = field(default=(), init=False)
    _foreign_writer: str = field(default="", init=False)
    _sequence: int = field(default=0, init=False)
    _said: str = field(default="", init=False)
    _said_at_s: float = field(default=float("-inf"), init=False)
    _mode: Mode | None = field(default=None, init=False)
    _breaker_active: bool | None = field(default=None, init=False)
    _streams: dict[str, StreamState] = field(default_factory=dict, init=False)
    _crowded: bool = field(default=False, init=False)
    _banned: bool = field(default=False, init=False)
    _hashed: tuple[Config | None, str] = field(default=(None, ""), init=False)

    def conflicts(self, config: Config) -> None:
        """Say and announce what contradicts itself in the configuration, and say what has no effect."""
        for notice in config.notices:
            logger.warning("Configuration: {}", notice)
        for conflict in config.exit_plan().conflicts:
            logger.warning("Configuration conflict: {}", conflict)
            self._pending.append(Event("ConfigConflict", self.clock.now_ms(), details={"text": conflict}))

    def started(self, config: Config) -> None:
        """Say what contradicts itself in the configuration, and announce who controls exits from now on."""
        self.conflicts(config)
        self._pending.append(announce.exits_changed("", config.exit_plan().described, "start", self.clock.now_ms()))

    def reloaded(self, before: Config, after: Config, waiting: Sequence[str]) -> None:
        """Announce a configuration that was taken over, what newly contradicts itself in it, and who controls exits
        where that changed."""
        details = {"config_hash": after.config_hash, "after_restart": ", ".join(waiting)}
        self._pending.append(Event("ConfigReloaded", self.clock.now_ms(), details=details))
        was, now = before.exit_plan(), after.exit_plan()
        if now.conflicts != was.conflicts:
            self.conflicts(after)
        if now.switches != was.switches or now.described != was.described:
            cause = cause_of_change(before.exit, after.exit)
            logger.warning("Exits: {} (before: {}; cause: {})", now.described, was.described, cause)
            event = announce.exits_changed(was.described, now.described, cause, self.clock.now_ms())
            self._pending.append(event)

    def config_refused(self, problem: str) -> None:
        """Announce a configuration that was not taken over."""
        self._pending.append(Event("ConfigRefused", self.clock.now_ms(), details={"problem": problem[:300]}))

    def stopped(self, history: History, config: Config) -> None:
        """Hand in the last state: nobody watches any more, so nothing is claimed of any position."""
        now_ms = self.clock.now_ms()
        history, events = after_failure(history, STOPPED, now_ms)
        risk = account_risk(history.judgements, unreadable=STOPPED, degraded=())
        self._sequence += 1
        text = f"❓ UNKNOWN: {STOPPED}"
        state = self._account_state(risk, config, {}, mode="stopped", text=text, observed_at_ms=self._observed_at_ms)
        stopped = Event("Stopped", now_ms, details={"reason": STOPPED})
        self.store.publish(state, self._position_states(history), (*self._pending, *events, stopped))
        self._pending = []

    def writers_noted(self, orders: tuple[OrderCount, ...], foreign_writer: str) -> None:
        """What the venue took of this process, and the last order of ours that another one wrote."""
        self._orders, self._foreign_writer = orders, foreign_writer

    def tell(self, event: Event) -> None:
        """Announce an event with the next state."""
        if len(self._pending) < PENDING_MAX:
            self._pending.append(event)

    def margin_called(self, symbols: Iterable[str]) -> None:
        """Say and announce that the venue warns of liquidation."""
        for symbol in sorted(symbols):
            logger.warning("{}: the exchange calls for margin, liquidation is near", symbol)
            self._pending.append(Event("MarginCalled", self.clock.now_ms(), symbol))

    def publish(
        self,
        report: CycleReport,
        config: Config,
        streams: Mapping[str, StreamHealth],
        shadows: Mapping[PositionKey, ShadowBook],
    ) -> Announced:
        """Hand the state of this cycle and what happened since the last one to Redis; never waits for it.

        `shadows` were worked out after the cycle before: those of positions that are gone since are left out.
        """
        self._sequence += 1
        events = (*self._pending, *self._changes(report, streams), *report.events)
        self._pending = []
        self._observed_at_ms = report.observed_at_ms
        if not report.failure:
            self._decided_at_ms = self.clock.now_ms()
        state = self._account_state(
            report.risk,
            config,
            streams,
            mode=report.mode.published,
            text=report.sentence,
            observed_at_ms=report.observed_at_ms,
            cycle_ms=report.cycle_ms,
        )
        beside = of_open_positions(shadows, frozenset(report.history.tracks))
        self.store.publish(state, self._position_states(report.history), events, beside)
        return Announced(state, events)

    def _position_states(self, history: History) -> list[PositionState]:
        self._published = published_positions(history, self._published, self.market, self.control())
        return [published.state for published in self._published.values()]

    def say(self, report: CycleReport) -> None:
        """One journal line for a cycle that changed something, one a minute otherwise (DESIGN 7)."""
        now_s = self.clock.monotonic_s()
        if report.sentence == self._said and not report.changed and now_s - self._said_at_s < HEARTBEAT_S:
            return
        level = "INFO" if report.risk.status in ("PROTECTED", "DEGRADED") else "WARNING"
        logger.log(level, report.sentence)
        self._said, self._said_at_s = report.sentence, now_s

    def _changes(self, report: CycleReport, streams: Mapping[str, StreamHealth]) -> list[Event]:
        """Events about the daemon itself."""
        now_ms = self.clock.now_ms()
        events: list[Event] = []
        if self._mode is not None and report.mode is not self._mode:
            events.append(announce.rights_changed(str(self._mode), str(report.mode), now_ms))
        self._mode = report.mode
        events += self._lease_changes(report.mode, now_ms)
        breaker = self.breaker.breaker()
        active = breaker.active if breaker else None
        if active is not None and active != self._breaker_active:
            events.append(Event("BreakerChanged", now_ms, details={"active": active}))
        self._breaker_active = active if active is not None else self._breaker_active
        for name, health in streams.items():
            if self._streams.get(name) is not health.state:
                details = {"stream": name, "state": str(health.state), "reason": health.reason}
                events.append(Event("StreamChanged", now_ms, details=details))
            self._streams[name] = health.state
        return [*events, *self._ban(now_ms), *self._foreign_weight(now_ms)]

    def _ban(self, now_ms: int) -> list[Event]:
        """The venue banned our address, or lets us in again: each is told once."""
        until_ms = self.exchange.banned_until_ms
        if bool(until_ms) is self._banned:
            return []
        self._banned = bool(until_ms)
        if not until_ms:
            logger.warning("The exchange lets us in again: its ban is over")
            return [Event("BanEnded", now_ms)]
        logger.error("The exchange has banned this address (HTTP 418): nothing is read and no stop is placed meanwhile")
        return [Event("BanBegan", now_ms, details={"until_ms": until_ms})]

    def _lease_changes(self, mode: Mode, now_ms: int) -> list[Event]:
        """The lease was taken, given up by this daemon, or lost to somebody or nobody."""
        lease = self.store.lease_state()
        epoch = lease.epoch if isinstance(lease, Owned) else 0
        before, self._epoch = self._epoch, epoch
        if epoch == before:
            return []
        events: list[Event] = []
        if before and (why := self.store.why_lease_given_up(before)):
            events.append(Event("LeaseGivenUp", now_ms, details={"mode": str(mode), "reason": why}))
        elif before:
            events.append(Event("LeaseLost", now_ms, details={"mode": str(mode), "lease": str(lease)}))
        if epoch:
            events.append(Event("LeaseTaken", now_ms, details={"epoch": epoch}))
        return events

    def _foreign_weight(self, now_ms: int) -> list[Event]:
        """Another program that uses up the request budget of our address, told once until it is quiet again."""
        weight = self.exchange.foreign_weight_1m
        crowded = weight > (FOREIGN_WEIGHT_1M // 2 if self._crowded else FOREIGN_WEIGHT_1M)
        news, self._crowded = crowded and not self._crowded, crowded
        if not news:
            return []
        logger.warning("Another program on this address used {} of 2,400 request weight in this minute", weight)
        return [Event("ForeignWeightSeen", now_ms, details={"weight_1m": weight})]

    def _account_state(
        self,
        risk: AccountRisk,
        config: Config,
        streams: Mapping[str, StreamHealth],
        *,
        mode: str,
        text: str,
        observed_at_ms: int,
        cycle_ms: int = 0,
    ) -> AccountState:
        plan, lease = config.exit_plan(), self.store.lease_state()
        return AccountState(
            risk_status=risk.status,
            mode=mode,
            positions=risk.positions,
            protected=risk.protected,
            coverage_pct=risk.coverage_pct,
            exposed_notional=risk.exposed_notional,
            unknown_notional=risk.unknown_notional,
            unread=risk.unread,
            environment=config.exchange.environment,
            status_line=text,
            reason=risk.reason,
            exit_mode=f"{plan.requested} (live: {plan.live})",
            conflicts=tuple(plan.conflicts),
            ai_engine=str(self.advisor.status()),
            circuit_breaker=self.breaker.text(),
            streams={name: self._health_text(health) for name, health in streams.items()},
            observed_at_ms=observed_at_ms,
            published_at_ms=self.clock.now_ms(),
            cycle_ms=cycle_ms,
            api_weight_1m=self.exchange.api_weight_1m,
            version=__version__,
            config_hash=self._config_hash(config),
            owner=self.owner,
            epoch=lease.epoch if isinstance(lease, Owned) else 0,
            sequence=self._sequence,
            exits=exits_state(
                config,
                decided_at_ms=self._decided_at_ms,
                orders=self._orders,
                foreign_writer=self._foreign_writer,
            ),
            control=self.control().in_force,
        )

    def _config_hash(self, config: Config) -> str:
        """The hash of a configuration that does not change, made once."""
        if self._hashed[0] is not config:
            self._hashed = (config, config.config_hash)
        return self._hashed[1]

    def _health_text(self, health: StreamHealth) -> str:
        """`LIVE`, or what is wrong with a stream and for how long; then positions are only looked at in turn."""
        if health.state is StreamState.LIVE:
            return "LIVE"
        seconds = max(0, self.clock.now_ms() - health.since_ms) // 1000
        return (
            f"{health.state} for {seconds} s: {health.reason}" if health.reason else f"{health.state} for {seconds} s"
        )
