"""From cycle to cycle: which conditions are told, once, grouped, repeated, and called over when they are (pure).

One cycle gives at most one message, with one notice for each kind, whatever the number of its subjects. A kind is told
when its first subject has lasted long enough; further subjects follow together, a minute later at the earliest. While
it lasts it is told again every `repeat_ms`; when the last subject is gone, that is told at once. A kind that comes and
goes is told no more often than once a minute, and an hour has at most `MESSAGES_PER_HOUR` messages. What has no place
now is told with the next message that has one, if it still holds then: nothing is lost but what is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from position_monitor.core.publication.alerts import HAPPENINGS, URGENT, AlertKind, Condition, by_kind

GROUP_MS: Final = 60_000
"""Least time between two messages about one kind, but for the first one and for what is over."""
HAPPENING_MS: Final = 600_000
"""How long something that happened once waits for a message that has a place for it."""
HOUR_MS: Final = 3_600_000
MESSAGES_PER_HOUR: Final = 30
URGENT_PER_HOUR: Final = 60
"""What is urgent has as many places again, so that a stream that comes and goes does not silence it."""
SUBJECTS_MAX: Final = 1_000
STREAM_AFTER_MS: Final = 60_000
CLOCK_AFTER_MS: Final = 60_000
LEASE_AFTER_MS: Final = 60_000
CAPACITY_AFTER_MS: Final = 30_000


class Status(StrEnum):
    """What is told of a kind."""

    RAISED = "raised"
    REPEATED = "repeated"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """When a condition is worth a call."""

    naked_after_ms: int
    unknown_after_ms: int
    repeat_ms: int

    def patience_ms(self, kind: AlertKind) -> int:
        """How long a condition of this kind must last."""
        lasting = {
            AlertKind.NAKED: self.naked_after_ms,
            AlertKind.UNKNOWN: self.unknown_after_ms,
            AlertKind.DEAD_STREAM: STREAM_AFTER_MS,
            AlertKind.CLOCK: CLOCK_AFTER_MS,
            AlertKind.LEASE_LOST: LEASE_AFTER_MS,
            AlertKind.OVER_CAPACITY: CAPACITY_AFTER_MS,
        }
        return lasting.get(kind, 0)


@dataclass(frozen=True, slots=True)
class Notice:
    """One kind in a message."""

    kind: AlertKind
    status: Status
    subjects: tuple[Condition, ...]
    """What is new; of a repeated notice all that holds, of a recovered one all that was told."""
    in_force: int
    """How many subjects it holds for now."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent at once."""

    at_ms: int
    notices: tuple[Notice, ...]
    last_of_hour: bool = False
    """No further message before the oldest of this hour is an hour old."""

    @property
    def urgent(self) -> bool:
        """Whether it is to wake somebody."""
        return any(one.kind in URGENT and one.status is not Status.RECOVERED for one in self.notices)


@dataclass(frozen=True, slots=True)
class Announcement:
    """A kind that was told."""

    at_ms: int
    """When it was told last, whatever of it."""
    in_force: Mapping[str, Condition] = field(default_factory=dict)
    """Its subjects that were told and still hold."""
    over: Mapping[str, Condition] = field(default_factory=dict)
    """Those that were told and are over, until all are."""


@dataclass(frozen=True, slots=True)
class Alerting:
    """What is remembered from one cycle to the next. Lost on restart: what still holds then is told again."""

    first_ms: Mapping[tuple[AlertKind, str], int] = field(default_factory=dict)
    """Since when each condition holds."""
    waiting: tuple[Condition, ...] = ()
    """What happened and was not told yet."""
    announced: Mapping[AlertKind, Announcement] = field(default_factory=dict)
    sent_ms: tuple[int, ...] = ()
    """When the messages of the last hour were sent."""

    @property
    def in_force(self) -> dict[AlertKind, int]:
        """How many subjects each kind was told of that still hold."""
        return {kind: len(announced.in_force) for kind, announced in self.announced.items() if announced.in_force}


def after_cycle(
    alerting: Alerting,
    conditions: Iterable[Condition],
    *,
    not_judged: frozenset[AlertKind],
    settings: AlertSettings,
    now_ms: int,
) -> tuple[Alerting, Message | None]:
    """What is remembered after a cycle with these conditions, and what is sent because of it."""
    alerting, lasting = _lasting(alerting, conditions, not_judged, now_ms)
    sent_ms = tuple(at_ms for at_ms in alerting.sent_ms if 0 <= now_ms - at_ms < HOUR_MS)
    alerting = replace(alerting, sent_ms=sent_ms)
    notices: list[Notice] = []
    quiet, announced = dict(alerting.announced), dict(alerting.announced)
    for kind in AlertKind:
        patience_ms = settings.patience_ms(kind)
        ripe = {name: one for name, one in lasting.get(kind, {}).items() if now_ms - one.since_ms >= patience_ms}
        before = _still_in_force(quiet.get(kind), ripe)
        notice = _notice(kind, before, ripe, repeat_ms=settings.repeat_ms, now_ms=now_ms)
        if before is not None:
            quiet[kind] = announced[kind] = before
        if notice is not None:
            notices.append(notice)
            announced[kind] = _after(notice, before, ripe, now_ms)
    if not notices or not _has_place(notices, len(sent_ms)):
        return replace(alerting, announced=quiet), None
    message = Message(now_ms, tuple(notices), last_of_hour=len(sent_ms) + 1 in (MESSAGES_PER_HOUR, URGENT_PER_HOUR))
    now_spoken_of = {notice.kind for notice in notices}
    waiting = tuple(one for one in alerting.waiting if one.kind not in now_spoken_of)
    return replace(alerting, announced=announced, waiting=waiting, sent_ms=(*sent_ms, now_ms)), message


def _has_place(notices: Iterable[Notice], sent: int) -> bool:
    urgent = any(notice.kind in URGENT for notice in notices)
    return sent < (URGENT_PER_HOUR if urgent else MESSAGES_PER_HOUR)


def _lasting(
    alerting: Alerting, conditions: Iterable[Condition], not_judged: frozenset[AlertKind], now_ms: int
) -> tuple[Alerting, dict[AlertKind, dict[str, Condition]]]:
    """The conditions that hold now, each with the time since when; what cannot be judged holds as it did."""
    present = tuple(conditions)
    lasting = [one for one in present if one.kind not in HAPPENINGS]
    lasting += [
        one for kind in not_judged if (announced := alerting.announced.get(kind)) for one in announced.in_force.values()
    ]
    fresh = [*alerting.waiting, *(one for one in present if one.kind in HAPPENINGS)]
    waiting = tuple(one for one in fresh if now_ms - one.since_ms < HAPPENING_MS)[-SUBJECTS_MAX:]
    first_ms: dict[tuple[AlertKind, str], int] = {}
    dated = []
    for one in lasting[:SUBJECTS_MAX]:
        began_ms = one.since_ms or alerting.first_ms.get((one.kind, one.subject), now_ms)
        first_ms[one.kind, one.subject] = began_ms
        dated.append(replace(one, since_ms=began_ms))
    return replace(alerting, first_ms=first_ms, waiting=waiting), by_kind([*dated, *waiting])


def _still_in_force(announced: Announcement | None, ripe: Mapping[str, Condition]) -> Announcement | None:
    """What was told of a kind, with its subjects sorted into those that hold and those that are over."""
    if announced is None:
        return None
    over = {name: one for name, one in {**announced.over, **announced.in_force}.items() if name not in ripe}
    in_force = {name: ripe[name] for name in announced.in_force if name in ripe}
    return Announcement(announced.at_ms, in_force, dict(list(over.items())[-SUBJECTS_MAX:]))


def _notice(
    kind: AlertKind, announced: Announcement | None, ripe: Mapping[str, Condition], *, repeat_ms: int, now_ms: int
) -> Notice | None:
    """What is to be told of a kind now."""
    quiet_ms = now_ms - announced.at_ms if announced is not None else GROUP_MS
    in_force = announced.in_force if announced is not None else {}
    if not ripe:
        over = announced.over if announced is not None else {}
        return Notice(kind, Status.RECOVERED, tuple(over.values()), 0) if over else None
    fresh = tuple(one for name, one in ripe.items() if name not in in_force)
    if fresh and quiet_ms >= GROUP_MS:
        return Notice(kind, Status.RAISED, fresh, len(ripe))
    if in_force and quiet_ms >= repeat_ms:
        return Notice(kind, Status.REPEATED, tuple(ripe.values()), len(ripe))
    return None


def _after(notice: Notice, announced: Announcement | None, ripe: Mapping[str, Condition], now_ms: int) -> Announcement:
    """What was told of a kind once this notice is sent."""
    if notice.status is Status.RECOVERED or notice.kind in HAPPENINGS:
        return Announcement(now_ms)
    return Announcement(now_ms, dict(ripe), announced.over if announced is not None else {})
