"""What changed of the account and of the daemon itself since the last cycle: lease, streams, ban, breaker, exposure.

Each spell is told once when it begins and once when it is over (DESIGN 7). A cycle in which nothing changed costs a few
comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from position_monitor.core.decision.history import Track
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.events import Detail, Event
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.stream_events import StreamHealth, StreamState
from position_monitor.core.publication import announce
from position_monitor.core.publication.journal_line import Level, Line
from position_monitor.daemon import CycleReport
from position_monitor.edge import log
from position_monitor.edge.backend import BreakerPoller
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.http.rate_budget import COMMAND_LINE_WEIGHT_1M
from position_monitor.edge.redis.state import Owned, RedisState

FOREIGN_WEIGHT_1M = COMMAND_LINE_WEIGHT_1M
"""Weight a minute beyond which another program on this address is worth a warning. Our own command line, which reads
the exchange with --direct, ends below it; what it used alone is no news."""
_GOOD = (StreamState.LIVE, StreamState.CONNECTING)


@dataclass(slots=True)
class AccountNews:
    """Remembers what was told last of each subject."""

    clock: Clock
    exchange: Exchange
    store: RedisState
    breaker: BreakerPoller
    _mode: Mode | None = field(default=None, init=False)
    _epoch: int = field(default=0, init=False)
    """The fencing number of the lease that was told of last; 0 without one."""
    _breaker_active: bool | None = field(default=None, init=False)
    _lost: dict[str, int] = field(default_factory=dict, init=False)
    """Streams that are lost, and since when."""
    _crowded: bool = field(default=False, init=False)
    _banned: bool = field(default=False, init=False)
    _key_refused: bool = field(default=False, init=False)
    _naked: dict[PositionKey, int] = field(default_factory=dict, init=False)
    """Positions of which was said that they are naked for too long, and since when they are."""

    def after_cycle(
        self, report: CycleReport, streams: Mapping[str, StreamHealth], *, naked_after_s: float
    ) -> list[Event]:
        """Say what is new after a cycle; returns the events of it."""
        now_ms = self.clock.now_ms()
        events = [*self._rights(report.mode, now_ms), *self._lease_changes(report.mode, now_ms)]
        events += [*self._breaker(now_ms), *self._streams(streams, now_ms)]
        events += [*self._ban(now_ms), *self._foreign_weight(now_ms), *self.store.reachability.take()]
        self._key()
        if self._naked or report.risk.exposed_notional:
            self._exposure(report.history.tracks, now_ms, round(naked_after_s * 1000))
        return events

    def _rights(self, mode: Mode, now_ms: int) -> list[Event]:
        """What this daemon may do now."""
        before, self._mode = self._mode, mode
        if before is None or before is mode:
            return []
        if before is Mode.SECOND_WRITER:  # all else is told with the lease, or by the operator's own hand
            words = f"No order of a second daemon came for a while: rights are {mode} again"
            log.say(Line(Level.NOTICE, words, event="ModeChanged"))
        return [announce.rights_changed(str(before), str(mode), now_ms)]

    def _lease_changes(self, mode: Mode, now_ms: int) -> list[Event]:
        """The lease was taken, given up by this daemon, or lost to somebody or nobody. `lease_keeper.py` says it."""
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

    def _breaker(self, now_ms: int) -> list[Event]:
        breaker = self.breaker.breaker()
        active = breaker.active if breaker else None
        if active is None or active == self._breaker_active:
            return []
        self._breaker_active = active
        word = "active: it blocks entries elsewhere, and nothing here" if active else "not active"
        log.say(Line(Level.WARNING if active else Level.INFO, f"Circuit breaker: {word}", event="BreakerChanged"))
        return [Event("BreakerChanged", now_ms, details={"active": active})]

    def _streams(self, streams: Mapping[str, StreamHealth], now_ms: int) -> list[Event]:
        """A stream that was lost, or is back. The stream itself says it in the journal, at once."""
        events: list[Event] = []
        for name, health in streams.items():
            if health.state is StreamState.LIVE and name in self._lost:
                details: dict[str, Detail] = {"stream": name, "away_ms": max(0, now_ms - self._lost.pop(name))}
                events.append(Event("StreamBack", now_ms, details=details))
            elif health.state not in _GOOD and name not in self._lost:
                self._lost[name] = health.since_ms
                lost: dict[str, Detail] = {"stream": name, "state": str(health.state), "reason": health.reason}
                events.append(Event("StreamLost", now_ms, details=lost))
        return events

    def _ban(self, now_ms: int) -> list[Event]:
        """The venue banned our address, or lets us in again: each is told once."""
        until_ms = self.exchange.banned_until_ms
        if bool(until_ms) is self._banned:
            return []
        self._banned = bool(until_ms)
        if not until_ms:
            log.say(Line(Level.NOTICE, "The exchange lets us in again: its ban is over", event="BanEnded"))
            return [Event("BanEnded", now_ms)]
        seconds = max(0, until_ms - now_ms) // 1000
        text = f"🚨 The exchange has banned this address (HTTP 418): nothing is read or placed for {seconds} s"
        log.say(Line(Level.ERROR, text, event="BanBegan"))
        return [Event("BanBegan", now_ms, details={"until_ms": until_ms})]

    def _key(self) -> None:
        """The venue refuses our key, or takes it again."""
        why = self.exchange.key_refused
        if bool(why) is self._key_refused:
            return
        self._key_refused = bool(why)
        if why:
            text = f"🚨 The exchange refuses our key: {why}; nothing is read or placed until a person mends it"
            log.say(Line(Level.ERROR, text))
        else:
            log.say(Line(Level.NOTICE, "The exchange takes our key again"))

    def _foreign_weight(self, now_ms: int) -> list[Event]:
        """Another program that uses up the request budget of our address, told once until it is quiet again."""
        weight = self.exchange.foreign_weight_1m
        crowded = weight > (FOREIGN_WEIGHT_1M // 2 if self._crowded else FOREIGN_WEIGHT_1M)
        news, self._crowded = crowded and not self._crowded, crowded
        if not news:
            return []
        text = f"Another program on this address used {weight} of 2,400 request weight in this minute"
        log.say(Line(Level.WARNING, text, event="ForeignWeightSeen"))
        return [Event("ForeignWeightSeen", now_ms, details={"weight_1m": weight})]

    def _exposure(self, tracks: Mapping[PositionKey, Track], now_ms: int, naked_after_ms: int) -> None:
        """Positions without full cover for too long, and those of them that have it again."""
        for key, track in tracks.items():
            late = track.exposed_since_ms and now_ms - track.exposed_since_ms >= naked_after_ms
            if late and track.judgement.exposed and key not in self._naked:
                self._naked[key] = track.exposed_since_ms
                text = f"🚨 {{who}} has no full stop cover for {_s(now_ms - track.exposed_since_ms)}"
                _say_of(Level.ERROR, text, key, track)
        for key, since_ms in list(self._naked.items()):
            over = tracks.get(key)
            if over is not None and (over.judgement.exposed or over.verdict is Verdict.UNKNOWN):
                continue
            del self._naked[key]
            what = "has its full stop cover again" if over is not None else "is flat"
            _say_of(Level.NOTICE, f"{{who}} {what}, after {_s(now_ms - since_ms)} without it", key, over)


def _s(ms: int) -> str:
    return f"{ms / 1000:.0f} s"


def _say_of(level: Level, text: str, key: PositionKey, track: Track | None) -> None:
    verdict = str(track.verdict) if track is not None else ""
    why = f": {track.judgement.reason}" if track is not None and level is Level.ERROR else ""
    words = f"{text}{why}".replace("{who}", f"{key.symbol} {key.side}")
    log.say(Line(level, words, key.symbol, str(key.side), verdict=verdict, event="VerdictChanged" if verdict else ""))
