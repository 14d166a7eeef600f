"""The positions over time: how each was judged last and since when, time without cover, and what changed as events.

A position that a look did not read keeps the figures of its last judgement, with their time, and becomes UNKNOWN. So
the risk of the account, the published state and the next look rest on the same values. Bounded by the number of
positions; lost on restart, when `since_ms` and `naked_ms` begin again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from position_monitor.core.decision.verdict import Judgement
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.events import Event
from position_monitor.core.model.money import plain
from position_monitor.core.model.settings import EvidenceSettings
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.reads import SymbolObservation

FOREIGN_REMEMBERED_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Track:
    """One position over time."""

    judgement: Judgement
    """The last one; `lapsed` where a later look could not read the position."""
    since_ms: int
    """When its verdict began."""
    observed_at_ms: int
    """The age of the read that its figures are from."""
    naked_ms: int
    """Time without full cover when it was last judged, in all."""
    exposed_since_ms: int = 0
    """Since when it is without full cover, or 0."""
    exposed_before_ms: int = 0
    """Time without full cover in earlier stretches."""
    absent_reads: int = 0
    """Readable observations in a row that did not list it; counted here for positions without evidence."""

    @property
    def verdict(self) -> Verdict:
        """The verdict of the last judgement."""
        return self.judgement.verdict

    def exposed_ms(self, now_ms: int) -> int:
        """Total time without full cover."""
        return _exposed_ms(self.exposed_since_ms, self.exposed_before_ms, now_ms)


def _exposed_ms(since_ms: int, before_ms: int, now_ms: int) -> int:
    return before_ms + (max(0, now_ms - since_ms) if since_ms else 0)


@dataclass(frozen=True, slots=True)
class History:
    """All positions over time, and the foreign orders already reported."""

    tracks: Mapping[PositionKey, Track] = field(default_factory=dict)
    foreign_orders: frozenset[tuple[str, str]] = frozenset()
    """(symbol, order id) of foreign orders that were announced."""

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """The last judgement of every position, in a stable order."""
        return tuple([self.tracks[key].judgement for key in sorted(self.tracks)])


def after_first_look(
    history: History,
    judgements: Mapping[PositionKey, Judgement],
    observed: Mapping[str, SymbolObservation],
    now_ms: int,
) -> tuple[History, tuple[Event, ...]]:
    """Take over what is exposed before anything is done about it, so that its time and its verdict are not lost."""
    exposed = [key for key in sorted(judgements) if judgements[key].exposed]
    if not exposed:
        return history, ()
    tracks, events = dict(history.tracks), []
    for key in exposed:
        before = tracks.get(key)
        tracks[key] = _advanced(before, judgements[key], observed[key.symbol], now_ms)
        events += _changes(key, before, tracks[key], now_ms)
    return History(tracks, history.foreign_orders), tuple(events)


def after_judging(
    history: History,
    judgements: Mapping[PositionKey, Judgement],
    observed: Mapping[str, SymbolObservation],
    evidence: Evidence,
    settings: EvidenceSettings,
    now_ms: int,
) -> tuple[History, tuple[Event, ...]]:
    """Take over what was judged; positions that are neither listed nor proven flat become UNKNOWN, not absent."""
    tracks: dict[PositionKey, Track] = {}
    events: list[Event] = []
    for key in sorted(judgements):
        track = history.tracks.get(key)
        tracks[key] = _advanced(track, judgements[key], observed[key.symbol], now_ms)
        events += _changes(key, track, tracks[key], now_ms)
    for key in sorted(set(history.tracks) - set(judgements)):
        observation = observed.get(key.symbol)
        absent = history.tracks[key].absent_reads + (1 if observation is not None and observation.readable else 0)
        if _gone(key=key, observation=observation, evidence=evidence, settings=settings, absent_reads=absent):
            events.append(_event("PositionFlat", key, now_ms, {"naked_ms": history.tracks[key].exposed_ms(now_ms)}))
            continue
        unreadable = observation.unreadable if observation is not None else ""
        reason = unreadable or "it is not listed; flat is not proven yet"
        tracks[key] = replace(_unknown(history.tracks[key], reason, now_ms), absent_reads=absent)
        events += _changes(key, history.tracks[key], tracks[key], now_ms)
    announced, foreign = _foreign(history, observed, now_ms)
    return History(tracks, announced), (*events, *foreign)


def after_failure(history: History, reason: str, now_ms: int) -> tuple[History, tuple[Event, ...]]:
    """Nothing could be read: every position becomes UNKNOWN and keeps its last figures with their old time."""
    tracks = {key: _unknown(track, reason, now_ms) for key, track in history.tracks.items()}
    events = [e for key in sorted(tracks) for e in _changes(key, history.tracks[key], tracks[key], now_ms)]
    return History(tracks, history.foreign_orders), tuple(events)


def _gone(
    key: PositionKey,
    observation: SymbolObservation | None,
    evidence: Evidence,
    settings: EvidenceSettings,
    absent_reads: int,
) -> bool:
    """Whether a position is proven flat, also when it was only ever seen in observations that taught nothing."""
    if observation is None or not observation.readable:
        return False
    belief = evidence.of(key)
    if belief is not None:
        return belief.flat_proven(settings)
    return key in observation.zero_keys or absent_reads >= settings.flat_reads


def _advanced(track: Track | None, judgement: Judgement, observation: SymbolObservation, now_ms: int) -> Track:
    exposed = judgement.exposed
    since, before = (track.exposed_since_ms, track.exposed_before_ms) if track else (0, 0)
    if exposed and not since:
        since = now_ms
    elif not exposed and since:
        since, before = 0, before + max(0, now_ms - since)
    same = track is not None and track.verdict is judgement.verdict
    return Track(
        judgement,
        since_ms=track.since_ms if same and track is not None else now_ms,
        observed_at_ms=observation.observed_at_ms,
        naked_ms=_exposed_ms(since, before, now_ms),
        exposed_since_ms=since,
        exposed_before_ms=before,
    )


def _unknown(track: Track, reason: str, now_ms: int) -> Track:
    since_ms = track.since_ms if track.verdict is Verdict.UNKNOWN else now_ms
    return replace(track, judgement=track.judgement.lapsed(reason), since_ms=since_ms)


def _changes(key: PositionKey, before: Track | None, after: Track, now_ms: int) -> list[Event]:
    judged = after.judgement
    if before is None:
        details = {"quantity": plain(judged.position.quantity), "verdict": str(judged.verdict)}
        return [_event("PositionAppeared", key, now_ms, details)]
    if before.verdict is judged.verdict:
        return []
    change = {"from": str(before.verdict), "to": str(judged.verdict), "reason": judged.reason}
    return [_event("VerdictChanged", key, now_ms, change)]


def _foreign(
    history: History, observed: Mapping[str, SymbolObservation], now_ms: int
) -> tuple[frozenset[tuple[str, str]], list[Event]]:
    """Announce each foreign order on a symbol of ours once."""
    current: set[tuple[str, str]] = set()
    events: list[Event] = []
    for observation in observed.values():
        if not observation.readable:
            current |= {ref for ref in history.foreign_orders if ref[0] == observation.symbol}
            continue
        for order in observation.live.foreign:
            if len(current) >= FOREIGN_REMEMBERED_MAX:
                break
            ref = (order.symbol, order.order_id)
            current.add(ref)
            if ref not in history.foreign_orders:
                trigger = plain(order.trigger_price) if order.trigger_price is not None else ""
                details = {"order_id": order.order_id, "kind": str(order.purpose), "trigger_price": trigger}
                events.append(_event("ForeignOrderSeen", order.key, now_ms, details))
    return frozenset(current), events


def _event(name: str, key: PositionKey, at_ms: int, details: Mapping[str, str | int]) -> Event:
    return Event(type=name, at_ms=at_ms, symbol=key.symbol, side=str(key.side), details=details)
