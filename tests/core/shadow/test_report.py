"""The report over a sample: calibration, words, groups with a divided alpha, coverage, and what is left out."""

from __future__ import annotations

import pytest

from position_monitor.core.shadow.comparison import Word
from position_monitor.core.shadow.pair import Censored
from position_monitor.core.shadow.report import report_of
from tests.core.build import D
from tests.core.shadow.samples import censored, sample


def report(pairs, records=()):
    made = report_of(pairs, records)
    assert made is not None
    return made


def test_nothing_is_said_of_nothing():
    assert report_of([], []) is None


@pytest.mark.parametrize(("shift", "word"), [(0.3, Word.BETTER), (-0.3, Word.WORSE), (0.0, Word.NO_DIFFERENCE)])
def test_the_word_is_that_of_the_difference_to_what_happened(shift, word):
    made = report(sample(100, shift=shift)[1])
    assert made.verdict.word is word
    assert made.verdict.mean == pytest.approx(shift, abs=0.05)
    assert made.in_pct.mean == pytest.approx(made.verdict.mean * 1.5)  # one R is 15 of 1,000
    assert made.at_p90.mean == pytest.approx(made.verdict.mean - 0.01)
    assert made.calibrated


def test_a_biased_ruler_is_said():
    assert not report(sample(100, own_shift=0.05)[1]).calibrated


def test_censored_ones_are_counted_and_not_in_the_difference():
    pairs = sample(100)[1]
    worse = [pair._replace(shadow=pair.shadow._replace(gross=D(-1_000))) for pair in pairs[:40]]
    made = report(censored(worse) + pairs[40:])
    assert made.censored == {str(Censored.BY_HAND): 40}
    assert (made.pairs, made.verdict.n, made.calibration.n) == (100, 60, 60)
    assert made.verdict.word is Word.NO_DIFFERENCE


def test_other_settings_begin_a_new_sample():
    pairs = sample(100, shift=0.5)[1]
    made = report([pair._replace(settings_hash="old") for pair in pairs[:60]] + pairs[60:])
    assert (made.settings_hash, made.pairs, made.other_settings) == ("abc", 40, 60)


def test_in_a_rollout_in_part_two_directions_are_never_mixed():
    pairs = sample(100, shift=0.5)[1]
    turned = [pair._replace(own=pair.shadow, shadow=pair.own) for pair in pairs[:60]]
    made = report(turned + pairs[60:])
    assert (made.live_policy, made.shadow_policy, made.pairs, made.other_settings) == ("hybrid", "brain", 40, 60)


def test_groups_are_judged_more_strictly_than_the_whole():
    made = report(sample(100, shift=0.3)[1])
    kinds = {kind: [row for row in made.groups if row.kind == kind] for kind in ("profile", "regime", "symbol")}
    assert {kind: len(rows) for kind, rows in kinds.items()} == {"profile": 2, "regime": 3, "symbol": 1}
    [whole] = kinds["symbol"]
    assert whole.verdict.n == made.verdict.n
    assert whole.verdict.high - whole.verdict.low > made.verdict.high - made.verdict.low


def test_coverage_counts_the_positions_nobody_followed():
    records, pairs = sample(40)
    made = report(pairs[:10] + censored(pairs[10:20]), records)
    assert (made.coverage.closed, made.coverage.paired) == (40, 10)
    assert made.coverage.paired_ms == 10 * 3_600_000
    assert report(pairs).coverage.closed == 0  # Redis lost the records: that is said, not invented


def test_a_pair_without_risk_is_counted_apart():
    pairs = sample(40)[1]
    made = report([pairs[0]._replace(risk=None), *pairs[1:]])
    assert (made.without_risk, made.verdict.n) == (1, 39)
