"""What a profile must win to break even: the table of exits.md 3.3, number by number."""

from __future__ import annotations

import pytest

from position_monitor.core.exits.break_even import break_even_pct, ladder_in_r
from position_monitor.core.model.profiles import DEFAULT_PROFILES

from .build import D

TABLE = {
    "NORMAL": ("1.375", "42.1", "44.9", "47.7"),
    "TREND": ("0.875", "53.3", "56.9", "60.4"),
    "RANGE": ("0.420", "70.4", "75.1", "79.8"),
    "VOLATILE": ("0.980", "50.5", "53.9", "57.2"),
    "CHOP": ("0.320", "75.8", "80.8", "85.9"),
}


@pytest.mark.parametrize(("profile", "row"), TABLE.items())
def test_the_table(profile, row):
    ladder = ladder_in_r((rung.target_r, rung.share_pct) for rung in DEFAULT_PROFILES[profile].rungs)
    rates = [break_even_pct(ladder, stop_pct=stop) for stop in (None, D("1.5"), D("0.75"))]
    assert (ladder, *(rate.quantize(D("0.1")) for rate in rates)) == tuple(map(D, row))
