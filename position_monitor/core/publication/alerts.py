"""What somebody must be called for: conditions read off what a cycle found and what it published.

`conditions` is pure and remembers nothing; `alerting.py` decides from one cycle to the next what is told, and when.
Each condition has a kind and a subject: a position, a stream, or the account. What a cycle could not judge is not
called over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from position_monitor.core.decision.capacity import CAP_REACHED
from position_monitor.core.decision.history import Track
from position_monitor.core.decision.ownership import MEANINGS
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.events import Event
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.stream_events import StreamHealth, StreamState
from position_monitor.core.publication.announce import CAUSE_AGE

ACCOUNT: Final = "account"
"""The subject of what concerns the account as a whole."""
CLOCK_OFFSET_MAX_MS: Final = 500
"""The venue's clock may differ from ours by this much, either way."""
_ENTRIES: Final = frozenset({"PositionAppeared", "PositionGrew", "PositionFlipped"})
"""Events of somebody having opened or enlarged a position."""


class AlertKind(StrEnum):
    """Why somebody is called, the most urgent first."""

    NAKED = "naked"
    """A position is without full stop cover for longer than `naked_after_s`."""
    EMERGENCY_CLOSE = "emergency_close"
    """A position is closed at market because its loss passed the limit or no stop can be placed any more."""
    AUTHENTICATION_REFUSED = "authentication_refused"
    """The venue refuses the key, its address or its permissions: nothing can be read or placed."""
    BANNED = "banned"
    """The venue banned this address: nothing can be read or placed."""
    SECOND_WRITER = "second_writer"
    """Another process writes orders with our prefix."""
    UNKNOWN = "unknown"
    """It cannot be said whether a position is protected, for longer than `unknown_after_s`."""
    OVER_CAPACITY = "over_capacity"
    """The venue's cap on conditional orders holds back orders."""
    BREAKER_CONFLICT = "breaker_conflict"
    """A position was opened or enlarged while the circuit breaker blocks entries."""
    LEASE_LOST = "lease_lost"
    """This daemon has no lease: missing stops are placed, nothing is removed."""
    DEAD_STREAM = "dead_stream"
    """A stream delivers nothing: positions are looked at in turn only."""
    CLOCK = "clock"
    """The venue's clock and ours differ."""


URGENT: Final = frozenset(
    {
        AlertKind.NAKED, AlertKind.EMERGENCY_CLOSE, AlertKind.AUTHENTICATION_REFUSED, AlertKind.BANNED,
        AlertKind.SECOND_WRITER, AlertKind.UNKNOWN,
    }
)  # fmt: skip
"""What wakes somebody; the rest is for the day."""
HAPPENINGS: Final = frozenset({AlertKind.EMERGENCY_CLOSE, AlertKind.BREAKER_CONFLICT})
"""What happens once and is not in force afterwards: no recovery of it is told."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One reason to call somebody, as one cycle found it."""

    kind: AlertKind
    subject: str
    text: str
    """Why, in words."""
    since_ms: int = 0
    """Since when, ms UTC; 0 where only the cycles themselves can say."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What one cycle leaves behind for whoever calls somebody. Everything but `now_ms` was published or judged."""

    tracks: Mapping[PositionKey, Track]
    events: Sequence[Event]
    streams: Mapping[str, StreamHealth]
    rights: Mode
    failure: str
    """Why the account could not be read in this cycle; empty where it was."""
    unread: tuple[str, ...]
    """Symbols whose rows could not be read."""
    breaker: str
    """The circuit breaker as published."""
    without_slot: tuple[str, ...]
    """Symbols with orders that the cap on conditional orders holds back."""
    access_refused: str = ""
    """What the venue said when it refused the key; empty while it takes it."""
    banned: bool = False
    clock_offset_ms: int = 0
    foreign_order: str = ""
    """The last order of ours that another process wrote."""
    first: bool = False
    """The first cycle of this process: what it finds was there before."""


def conditions(signs: Signs) -> tuple[Condition, ...]:
    """Every reason to call somebody that this cycle found, however young it is."""
    parts = (_positions, _account, _happenings, _surroundings)
    return tuple(condition for part in parts for condition in part(signs))


def not_judged(signs: Signs) -> frozenset[AlertKind]:
    """Kinds of which this cycle cannot say that they are over."""
    return frozenset({AlertKind.OVER_CAPACITY}) if signs.failure else frozenset()


def _positions(signs: Signs) -> Iterator[Condition]:
    for key, track in sorted(signs.tracks.items()):
        judged = track.judgement
        if judged.verdict is Verdict.UNMANAGED:
            continue
        if track.exposed_since_ms:  # what was naked and cannot be read now is not covered by that
            yield Condition(AlertKind.NAKED, str(key), judged.reason, track.exposed_since_ms)
        if judged.verdict is Verdict.UNKNOWN:
            yield Condition(AlertKind.UNKNOWN, str(key), judged.reason, track.since_ms)
    for symbol in signs.without_slot:
        yield Condition(AlertKind.OVER_CAPACITY, symbol, CAP_REACHED)


def _account(signs: Signs) -> Iterator[Condition]:
    if signs.failure:
        yield Condition(AlertKind.UNKNOWN, ACCOUNT, signs.failure)
    for symbol in signs.unread:
        yield Condition(AlertKind.UNKNOWN, symbol, "its rows cannot be read")
    if signs.access_refused:
        yield Condition(AlertKind.AUTHENTICATION_REFUSED, ACCOUNT, signs.access_refused)
    if signs.banned:
        yield Condition(AlertKind.BANNED, ACCOUNT, "the exchange has banned this address (HTTP 418)")
    if signs.rights is Mode.SECOND_WRITER:
        order = signs.foreign_order or "an order"
        yield Condition(AlertKind.SECOND_WRITER, ACCOUNT, f"{order} has our prefix and is not of this process")


def _happenings(signs: Signs) -> Iterator[Condition]:
    active = signs.breaker.startswith("ACTIVE")
    for event in signs.events:
        subject = f"{event.symbol}:{event.side}"
        details = event.details or {}
        if event.type == "EmergencyClose" and details.get("cause") != CAUSE_AGE:
            yield Condition(AlertKind.EMERGENCY_CLOSE, subject, str(details.get("reason", "")), event.at_ms)
        if event.type in _ENTRIES and active and not signs.first:
            text = f"opened or enlarged while the circuit breaker is {signs.breaker}"
            yield Condition(AlertKind.BREAKER_CONFLICT, subject, text, event.at_ms)


def _surroundings(signs: Signs) -> Iterator[Condition]:
    if signs.rights in (Mode.PLACE_ONLY, Mode.STALE_OWNER):
        text = f"{MEANINGS[signs.rights]}: missing stops are placed, nothing is removed"
        yield Condition(AlertKind.LEASE_LOST, ACCOUNT, text)
    for name, health in sorted(signs.streams.items()):
        if health.state is not StreamState.LIVE:
            yield Condition(AlertKind.DEAD_STREAM, name, health.reason or str(health.state))
    if abs(signs.clock_offset_ms) > CLOCK_OFFSET_MAX_MS:
        text = f"the venue's clock differs from ours by {signs.clock_offset_ms} ms"
        yield Condition(AlertKind.CLOCK, ACCOUNT, text)


def by_kind(every: Iterable[Condition]) -> dict[AlertKind, dict[str, Condition]]:
    """Conditions by kind and subject; of two about one subject the earlier one counts."""
    sorted_out: dict[AlertKind, dict[str, Condition]] = {}
    for condition in every:
        sorted_out.setdefault(condition.kind, {}).setdefault(condition.subject, condition)
    return sorted_out
