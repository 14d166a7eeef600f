"""The positions over time: how each was judged last and since when, time without cover, and what changed as events.

A position that a look did not read keeps the figures of its last judgement, with their time, and becomes UNKNOWN. So
the risk of the account, the published state and the next look rest on the same values. Bounded by the number of
positions; lost on restart, when `since_ms` and `naked_ms` begin again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from position_monitor.core.decision.foreign_orders import ForeignOrders, after_look
from position_monitor.core.decision.verdict import Judgement
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.events import Detail, Event
from position_monitor.core.model.money import plain
from position_monitor.core.model.positions import Position
from position_monitor.core.model.settings import EvidenceSettings
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.reads import SymbolObservation


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
    foreign_orders: ForeignOrders = field(default_factory=dict)
    """The foreign orders that were announced and not seen to be gone."""

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
        events += _changes(key, before, tracks[key], now_ms, before_all=history)
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
        events += _changes(key, track, tracks[key], now_ms, before_all=history)
    for key in sorted(set(history.tracks) - set(judgements)):
        observation = observed.get(key.symbol)
        absent = history.tracks[key].absent_reads + (1 if observation is not None and observation.readable else 0)
        if _gone(key=key, observation=observation, evidence=evidence, settings=settings, absent_reads=absent):
            events.append(_flat(key, history.tracks[key], tracks, now_ms))
            continue
        unreadable = observation.unreadable if observation is not None else ""
        reason = unreadable or "it is not listed; flat is not proven yet"
        tracks[key] = replace(_unknown(history.tracks[key], reason, now_ms), absent_reads=absent)
        events += _changes(key, history.tracks[key], tracks[key], now_ms, before_all=history)
    announced, foreign = after_look(history.foreign_orders, observed, now_ms)
    return History(tracks, announced), (*events, *foreign)


def after_failure(history: History, reason: str, now_ms: int) -> tuple[History, tuple[Event, ...]]:
    """Nothing could be read: every position becomes UNKNOWN and keeps its last figures with their old time."""
    tracks = {key: _unknown(track, reason, now_ms) for key, track in history.tracks.items()}
    events = [
        e for key in sorted(tracks) for e in _changes(key, history.tracks[key], tracks[key], now_ms, before_all=history)
    ]
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


def _changes(key: PositionKey, before: Track | None, after: Track, now_ms: int, *, before_all: History) -> list[Event]:
    """What is new of one position: that it is there, its size, its verdict."""
    judged, position = after.judgement, after.judgement.position
    if before is None:
        turned = not position.hedged and _opposite(key) in before_all.tracks
        figures: dict[str, Detail] = {"quantity": plain(position.quantity), "entry_price": _entry(position)}
        events = [_event("PositionFlipped", key, now_ms, {**figures, "from": str(key.side.opposite)})] if turned else []
        appeared = {**figures, "verdict": str(judged.verdict), "flipped": turned}
        return [*events, _event("PositionAppeared", key, now_ms, appeared)]
    events = []
    if (quantity := position.quantity) != (was := before.judgement.position.quantity):
        sizes: dict[str, Detail] = {"quantity": plain(quantity), "before": plain(was), "entry_price": _entry(position)}
        events.append(_event("PositionGrew" if quantity > was else "PositionShrank", key, now_ms, sizes))
    if before.verdict is not judged.verdict:
        change = {"from": str(before.verdict), "to": str(judged.verdict), "reason": judged.reason}
        events.append(_event("VerdictChanged", key, now_ms, change))
    return events


def _flat(key: PositionKey, last: Track, open_now: Mapping[PositionKey, Track], now_ms: int) -> Event:
    """A position is proven flat; `flipped` where the account turned to the other side."""
    flipped = not last.judgement.position.hedged and _opposite(key) in open_now
    return _event("PositionFlat", key, now_ms, {"naked_ms": last.exposed_ms(now_ms), "flipped": flipped})


def _opposite(key: PositionKey) -> PositionKey:
    return PositionKey(key.symbol, key.side.opposite)


def _entry(position: Position) -> str | None:
    return plain(position.entry_price) if position.entry_price > 0 else None


def _event(name: str, key: PositionKey, at_ms: int, details: Mapping[str, Detail]) -> Event:
    return Event(type=name, at_ms=at_ms, symbol=key.symbol, side=str(key.side), details=details)
