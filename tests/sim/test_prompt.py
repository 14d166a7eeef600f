"""The judge of promptness can fail, beside a live owner as well."""

from __future__ import annotations

import pytest

from tests.sim.prompt import Prompt
from tests.sim.truth import Key

LOOK_MS = 500
WITHIN_MS, TWO_READS_MS = 10_000, 10_000


def told(naked_ms: int, *, standing_by_until_ms: int, key: Key = ("BTCUSDT", "LONG")) -> list[str]:
    """What the judge says of a position that opens and stays naked so long."""
    judge, said = Prompt(within_s=10.0, interval_s=5.0, look_s=LOOK_MS / 1000), list[str]()
    for at_ms in range(0, naked_ms + 1, LOOK_MS):
        said += judge.look(1_000_000 + at_ms, {key: at_ms}, standing_by=at_ms < standing_by_until_ms)
    return said


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
def test_what_is_naked_for_two_checks_is_told_once(side: str) -> None:
    assert not told(WITHIN_MS - LOOK_MS, standing_by_until_ms=0, key=("BTCUSDT", side))
    (words,) = told(3 * WITHIN_MS, standing_by_until_ms=0, key=("BTCUSDT", side))
    assert "INV-3" in words and side in words


@pytest.mark.parametrize("until_ms", [LOOK_MS, WITHIN_MS, 1_000_000])
def test_a_standby_reads_it_naked_for_two_intervals_first_and_not_for_longer(until_ms: int) -> None:
    """A value in the lease that expires soon (pair of powers, seed 100590)."""
    assert not told(WITHIN_MS + TWO_READS_MS - LOOK_MS, standing_by_until_ms=until_ms)
    assert len(told(WITHIN_MS + TWO_READS_MS, standing_by_until_ms=until_ms)) == 1


def test_who_stood_by_before_the_position_opened_has_no_longer_for_it() -> None:
    judge = Prompt(within_s=10.0, interval_s=5.0, look_s=LOOK_MS / 1000)
    assert not judge.look(0, {}, standing_by=True)
    assert judge.look(LOOK_MS + WITHIN_MS, {("BTCUSDT", "LONG"): WITHIN_MS}, standing_by=False)
