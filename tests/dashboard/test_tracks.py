"""What the page has seen over time: bounded, back to its beginning, and with its gaps."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest

from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.dashboard.tracks import SAMPLES_MAX, TRACKED_MAX, Sample, Track, Tracks
from tests.edge.redis.conftest import position_state

KEY = PositionKey("BTCUSDT", Side.LONG)
DAY_S = 86_400


def sample(at_ms: float, mark: float = 1.0, stop: float = 0.9) -> Sample:
    return Sample(float(at_ms), mark, stop, 0.8)


@pytest.mark.parametrize("seconds", [10, SAMPLES_MAX, 1_000, 3 * DAY_S // 10])
def test_a_track_is_bounded_and_reaches_back_to_its_beginning(seconds: int) -> None:
    track = Track()
    for second in range(seconds):
        track.add(sample(second * 1_000, mark=float(second)))
    kept = track.samples
    assert min(seconds, SAMPLES_MAX // 2) <= len(kept) <= SAMPLES_MAX
    assert kept[0].at_ms == 0
    assert kept[-1].at_ms >= (seconds - 1) * 1_000 - track.every_ms
    assert [one.at_ms for one in kept] == sorted(one.at_ms for one in kept)


def test_a_stop_that_moved_is_kept_at_once() -> None:
    track = Track()
    track.add(sample(0))
    track.add(sample(100))
    track.add(sample(200, stop=0.95))
    track.add(sample(300, stop=math.nan))
    assert [(one.at_ms, one.stop) for one in track.samples[:2]] == [(0, 0.9), (200, 0.95)]
    assert math.isnan(track.samples[2].stop)


def test_a_clock_that_went_back_begins_anew() -> None:
    track = Track()
    for second in (10, 11, 12):
        track.add(sample(second * 1_000))
    track.add(sample(5_000))
    assert [one.at_ms for one in track.samples] == [5_000]


def test_what_is_closed_goes_and_what_is_unknown_stays_with_a_gap() -> None:
    tracks, state = Tracks(), position_state()
    tracks.note(1_000, {KEY: state}, heard=True)
    tracks.note(2_000, {KEY: None}, heard=False)
    tracks.note(3_000, {}, heard=False)
    tracks.note(4_000, {KEY: replace(state, mark_price=Decimal("NaN"))}, heard=True)
    assert [one.at_ms for one in tracks.of(KEY)] == [1_000, 2_000, 4_000]
    assert math.isnan(tracks.of(KEY)[1].mark)
    assert math.isnan(tracks.of(KEY)[2].mark)
    tracks.note(5_000, {}, heard=True)
    assert tracks.of(KEY) == []


def test_the_number_of_tracks_is_bounded() -> None:
    tracks, state = Tracks(), position_state()
    keys = [PositionKey(f"C{number}", Side.LONG) for number in range(TRACKED_MAX + 50)]
    tracks.note(1_000, dict.fromkeys(keys, state), heard=True)
    assert sum(bool(tracks.of(key)) for key in keys) == TRACKED_MAX
