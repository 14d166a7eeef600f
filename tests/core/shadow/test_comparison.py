"""The word a comparison allows, and how often it says BETTER where there is no difference (exits.md 7, 4.12)."""

from __future__ import annotations

import random

import pytest

from position_monitor.core.shadow.comparison import Comparison, Difference, Word, compared, is_calibrated, tail

HISTORIES = 2_000
DAYS = 32


def day(rng, shift=0.0, spread=0.3):
    """One day: one to four positions that share a part of their fate; no true difference but `shift`."""
    together = rng.uniform(-spread, spread)
    live = [rng.choice((-1.0, -1.0, 0.1, 1.4)) for _ in range(rng.randint(1, 4))]
    return [Difference(one, one + together + rng.uniform(-spread, spread) + shift) for one in live]


def days_without_difference(rng):
    """Days to draw histories from, each with its mirror image, so that the true mean is exactly 0; fat tails."""
    drawn = [day(rng, spread=rng.choice((0.2, 0.4, 1.5))) for _ in range(200)]
    return drawn + [[Difference(one.live_r, one.live_r - one.r) for one in results] for results in drawn]


def test_looking_every_day_says_better_falsely_in_at_most_5_percent_of_2000_histories():
    """Vector 4.12: an ordinary interval, looked at as often, is wrong much more often (the planted one below it)."""
    rng = random.Random(7)
    days, better, enough, ordinary = days_without_difference(rng), 0, 0, 0
    for _ in range(HISTORIES):
        comparison, word, said, wrong = Comparison(), Word.NOT_ENOUGH, False, False
        for results in rng.choices(days, k=DAYS):
            comparison.add_day(results)
            word = comparison.word()
            said = said or word in (Word.BETTER, Word.WORSE_TAIL)
            mean = comparison._mean
            wrong = wrong or (mean.days >= 10 and mean.mean > 1.96 * mean.standard_error)
        better, enough, ordinary = better + said, enough + (word is not Word.NOT_ENOUGH), ordinary + wrong
    assert enough > 0.99 * HISTORIES  # else the bound would be kept by saying nothing
    assert better / HISTORIES <= 0.05
    assert ordinary / HISTORIES > 0.1


@pytest.mark.parametrize(("shift", "word"), [(0.6, Word.BETTER), (-0.6, Word.WORSE), (0.0, Word.NO_DIFFERENCE)])
def test_a_true_difference_is_found(shift, word):
    rng = random.Random(3)
    comparison = compared((number, one) for number in range(90) for one in day(rng, shift))
    verdict = comparison.verdict()
    assert verdict.word is word
    assert verdict.low < verdict.mean < verdict.high
    assert (verdict.low > 0) is (word is Word.BETTER)
    assert verdict.missing == 0


def steady(n, days, losers=8, live_loss=-1.0, shadow_loss=-1.0, gain=0.5):
    """Positions over days: `losers` lose, every other is better by `gain`."""
    results = [Difference(live_loss, shadow_loss) for _ in range(losers)]
    results += [Difference(0.5, 0.5 + gain + 0.001 * (i % 2)) for i in range(n - losers)]
    return [(i % days, one) for i, one in enumerate(results)]


@pytest.mark.parametrize(
    ("n", "days", "losers"),
    [(29, 12, 8), (60, 9, 8), (60, 12, 4)],
)
def test_too_few_positions_days_or_losers_are_not_enough(n, days, losers):
    assert compared(steady(n, days, losers)).word() is Word.NOT_ENOUGH
    assert compared(steady(120, 12, 8)).word() is Word.BETTER


def test_it_says_how_many_positions_are_missing():
    verdict = compared(steady(29, 12)).verdict()
    assert verdict.missing == max(1, verdict.missing) > 0
    assert compared([]).verdict().missing == 30


def test_a_worse_tail_is_no_better():
    assert compared(steady(200, 20, losers=10, shadow_loss=-1.2)).word() is Word.BETTER
    verdict = compared(steady(200, 20, losers=10, shadow_loss=-1.4)).verdict()
    assert verdict.word is Word.WORSE_TAIL
    assert verdict.live_tail - verdict.shadow_tail == pytest.approx(0.4)


def test_the_tail_is_the_mean_of_the_worst_twentieth():
    assert tail([float(i) for i in range(40)]) == 0.5
    assert tail([3.0]) == 3.0


def test_a_biased_ruler_is_not_calibrated():
    rng = random.Random(5)
    honest = [(i, Difference(1.0, 1.0 + rng.gauss(0, 0.05))) for i in range(100)]
    assert is_calibrated(compared(honest).verdict())
    biased = [(i, Difference(one.live_r, one.shadow_r + 0.03)) for i, one in honest]
    assert not is_calibrated(compared(biased).verdict())
