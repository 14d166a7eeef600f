"""What the page itself has seen of each position since it began: mark, stop and backstop over time, in bounded memory.

The contract publishes states, not their past. When a track is full every second sample goes and the pace is halved, so
that it always reaches back to the beginning.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication.state import PositionState

SAMPLES_MAX: Final = 240
TRACKED_MAX: Final = 500
"""Positions of one account with a track: about 8 KiB each."""
FIRST_EVERY_MS: Final = 1_000


class Sample(NamedTuple):
    """One look at a position. NaN: there was none, or nothing could be read then."""

    at_ms: float
    mark: float
    stop: float
    backstop: float


class Track:
    """One position. Samples are at least `every_ms` apart, but for a stop that moved."""

    __slots__ = ("_values", "every_ms")

    def __init__(self) -> None:
        self.every_ms = FIRST_EVERY_MS
        self._values = tuple(array("d") for _ in Sample._fields)

    def add(self, sample: Sample) -> None:
        """Take a sample, where it says something new."""
        if self._values[0]:
            before = self._newest()
            if sample.at_ms < before.at_ms:
                self._keep(0, 1)  # the clock went back: what was before cannot be drawn beside what comes
                return self._append(sample)
            is_near = sample.at_ms - before.at_ms < self.every_ms
            if is_near and _same(sample.stop, before.stop) and math.isnan(sample.mark) == math.isnan(before.mark):
                return None
        return self._append(sample)

    @property
    def samples(self) -> list[Sample]:
        """Oldest first."""
        return [Sample(*values) for values in zip(*self._values, strict=True)]

    def _append(self, sample: Sample) -> None:
        if len(self._values[0]) >= SAMPLES_MAX:
            self._keep(None, 2)
            self.every_ms *= 2
        for values, value in zip(self._values, sample, strict=True):
            values.append(value)

    def _keep(self, end: int | None, step: int) -> None:
        for values in self._values:
            values[:] = values[:end:step]

    def _newest(self) -> Sample:
        return Sample(*(values[-1] for values in self._values))


class Tracks:
    """The tracks of one account. One of a position that is closed goes."""

    def __init__(self) -> None:
        self._tracks: dict[PositionKey, Track] = {}

    def note(self, at_ms: int, positions: Mapping[PositionKey, PositionState | None], *, heard: bool) -> None:
        """One look. Where the daemon was not heard nothing is dropped: nobody can say what was closed."""
        if heard:
            self._tracks = {key: track for key, track in self._tracks.items() if key in positions}
        for key, state in positions.items():
            track = self._tracks.get(key)
            if track is None and state is not None and len(self._tracks) < TRACKED_MAX:
                track = self._tracks[key] = Track()
            if track is not None:
                track.add(_sample(at_ms, state if heard else None))

    def of(self, key: PositionKey) -> list[Sample]:
        """The samples of a position, oldest first; none where it has no track."""
        track = self._tracks.get(key)
        return [] if track is None else track.samples


def _sample(at_ms: int, state: PositionState | None) -> Sample:
    if state is None:
        return Sample(float(at_ms), math.nan, math.nan, math.nan)
    return Sample(float(at_ms), _number(state.mark_price), _number(state.stop_price), _number(state.backstop_price))


def _number(value: Decimal | None) -> float:
    number = math.nan if value is None else float(value)
    return number if abs(number) < 1e30 else math.nan


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
