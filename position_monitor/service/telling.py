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
from position_monitor.core.model.control import NO_CONTROL, Control
from position_monitor.core.model.events import Event
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import RiskStatus
from position_monitor.core.observation.stream_events import StreamHealth, StreamState
from position_monitor.core.publication import announce, story
from position_monitor.core.publication.journal_line import Level, Line
from position_monitor.core.publication.position_state import Published, published_positions
from position_monitor.core.publication.state import AccountState, OrderCount, PositionState
from position_monitor.core.shadow.shadow_book import ShadowBook, of_open_positions
from position_monitor.daemon import CycleReport
from position_monitor.edge import log
from position_monitor.edge.ai_engine import AdvicePoller
from position_monitor.edge.backend import BreakerPoller
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.redis.state import Owned, RedisState
from position_monitor.service import lifecycle
from position_monitor.service.account_news import AccountNews
from position_monitor.service.exits import exits_state

HEARTBEAT_S = 60.0
SETTLES_WITHIN_S = 15.0
PENDING_MAX = 1_000
"""Events of others that wait for the next state."""
STOPPED = "the daemon was stopped: nobody watches the positions, all orders stay on the exchange"


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
    _decided_at_ms: int = field(default=0, init=False)
    _orders: tuple[OrderCount, ...] = field(default=(), init=False)
    _foreign_writer: str = field(default="", init=False)
    _sequence: int = field(default=0, init=False)
    _said: str = field(default="", init=False)
    _said_at_s: float = field(default=float("-inf"), init=False)
    _settled_at_s: float = field(default=float("-inf"), init=False)
    """When the account was last as it should be, or in need of eyes at once."""
    _news: AccountNews = field(init=False)

    def __post_init__(self) -> None:
        self._news = AccountNews(self.clock, self.exchange, self.store, self.breaker)

    def conflicts(self, config: Config) -> None:
        """Say and announce what contradicts itself in the configuration, and say what has no effect."""
        for notice in config.notices:
            logger.warning("Configuration: {}", notice)
        for conflict in config.exit_plan().conflicts:
            log.say(Line(Level.WARNING, f"Configuration conflict: {conflict}", event="ConfigConflict"))
            self._pending.append(Event("ConfigConflict", self.clock.now_ms(), details={"text": conflict}))

    def started(self, config: Config) -> None:
        """Say and announce that the daemon began, what contradicts itself, and who controls exits from now on."""
        self._pending.append(lifecycle.started(config, __version__, self.clock.now_ms()))
        log.say(lifecycle.started_line(config, __version__))
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
            words = f"Exits: {now.described} (before: {was.described}; cause: {cause})"
            log.say(Line(Level.WARNING, words, event="ModeChanged"))
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

    def ended(self, config: Config) -> None:
        """Say that this daemon is gone."""
        log.say(lifecycle.stopped_line(config))

    def writers_noted(self, orders: tuple[OrderCount, ...], foreign_writer: str) -> None:
        """What the venue took of this process, and the last order of ours that another one wrote."""
        self._orders, self._foreign_writer = orders, foreign_writer

    def tell(self, event: Event) -> None:
        """Announce an event with the next state, and say at once what has a line of the journal."""
        for line in story.lines_of([event]):
            log.say(line)
        if len(self._pending) < PENDING_MAX:
            self._pending.append(event)

    def margin_called(self, symbols: Iterable[str]) -> None:
        """Say and announce that the venue warns of liquidation."""
        for symbol in sorted(symbols):
            words = f"🚨 {symbol}: the exchange calls for margin, liquidation is near"
            log.say(Line(Level.ERROR, words, symbol, event="MarginCalled"))
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
        news = self._news.after_cycle(report, streams, naked_after_s=config.alerts.naked_after_s)
        events = (*self._pending, *news, *report.events)
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
        """One journal line when the sentence of the cycle changed, one a minute otherwise (DESIGN 7).

        What passes by itself within `SETTLES_WITHIN_S` is not said: a ladder that waits for its stop, or a position
        that was closed and is not proven flat yet. What is without cover, or could not be read, is said at once.
        """
        now_s = self.clock.monotonic_s()
        if not _passes(report):
            self._settled_at_s = now_s
        due = now_s - self._said_at_s >= HEARTBEAT_S
        passing = bool(self.exchange.banned_until_ms) or 0 < now_s - self._settled_at_s < SETTLES_WITHIN_S
        if not due and (passing or report.sentence == self._said):
            return
        level = Level.INFO if report.risk.status in ("PROTECTED", "DEGRADED") else Level.WARNING
        log.say(Line(level, report.sentence))
        self._said, self._said_at_s = report.sentence, now_s

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
            config_hash=config.config_hash,
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

    def _health_text(self, health: StreamHealth) -> str:
        """`LIVE`, or what is wrong with a stream and for how long; then positions are only looked at in turn."""
        if health.state is StreamState.LIVE:
            return "LIVE"
        seconds = max(0, self.clock.now_ms() - health.since_ms) // 1000
        return (
            f"{health.state} for {seconds} s: {health.reason}" if health.reason else f"{health.state} for {seconds} s"
        )


def _passes(report: CycleReport) -> bool:
    """Whether what a cycle found may be over with one of the next ones, and nothing is without cover."""
    status = report.risk.status
    return not report.failure and not report.risk.unread and status in (RiskStatus.DEGRADED, RiskStatus.UNKNOWN)
