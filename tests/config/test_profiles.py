"""[exit] locks, [exit.profiles.NAME], the time stop, and the `CHALLENGE_*` variables (exits.md 12.4, 12.13)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from position_monitor.config import Config, InvalidConfig
from position_monitor.core.model.profiles import DEFAULT_PROFILES, Lock, RungKind, TimeLimit
from position_monitor.core.model.settings import DEFAULT_EXITS, TimeStop

D = Decimal


def refused(data: dict[str, Any], environ: dict[str, str] | None = None) -> str:
    """What a configuration is refused with."""
    with pytest.raises(InvalidConfig) as error:
        Config.from_data(data, environ or {})
    return str(error.value)


def test_the_defaults_are_those_of_the_core() -> None:
    """What the example shows is what a policy gets without a file."""
    assert Config.from_data({}).protection_settings().exits == DEFAULT_EXITS


def test_a_table_changes_only_what_it_names() -> None:
    """The rest of the profile, and the other profiles, stay."""
    config = Config.from_data({"exit": {"profiles": {"TREND": {"stop_atr": D(3)}, "NORMAL": {"max_hours": D(5)}}}})
    profiles = config.protection_settings().exits.profiles
    assert profiles["TREND"].stop_atr == 3
    assert profiles["TREND"].rungs == DEFAULT_PROFILES["TREND"].rungs
    assert profiles["NORMAL"].time_limit == TimeLimit(18_000_000)
    assert profiles["CHOP"] == DEFAULT_PROFILES["CHOP"]


def test_the_kind_of_a_rung_reaches_the_policy() -> None:
    """market where nothing is said; of the ladder, of one symbol's own, and of a profile."""
    rows = [{"target_pct": 2, "share_pct": 50}, {"target_pct": 3, "share_pct": 50, "kind": "limit"}]
    profile = {"rungs": [{"target_r": 1, "share_pct": 60, "kind": "limit"}, {"target_r": 2, "share_pct": 40}]}
    config = Config.from_data({
        "protection": {"ladder": rows},
        "symbols": {"ETHUSDT": {"ladder": [{"target_pct": 2, "share_pct": 100, "kind": "limit"}]}},
        "exit": {"profiles": {"CHOP": profile}},
    })  # fmt: skip
    market, limit = RungKind.MARKET, RungKind.LIMIT
    assert [rung.kind for rung in config.protection_settings().ladder] == [market, limit]
    assert [rung.kind for rung in config.protection_settings("ETHUSDT").ladder] == [limit]
    assert [rung.kind for rung in config.protection_settings().exits.profiles["CHOP"].rungs] == [limit, market]
    assert {rung.kind for rung in Config.from_data({}).protection_settings().ladder} == {market}


def test_locks_and_time_stop_reach_the_policy() -> None:
    """In the words of the file."""
    exits = Config.from_data({
        "exit": {
            "locks": [{"at_r": D(1), "to_r": D("0.2")}, {"after_rung": 2, "to_rung": 1}],
            "time_stop": "close", "time_stop_adopted": True, "breakeven_offset_pct": D("0.2"),
        }
    }).protection_settings().exits  # fmt: skip
    assert exits.locks == (Lock(at_r=D(1), to_r=D("0.2")), Lock(after_rung=2, to_rung=1))
    assert (exits.time_stop, exits.time_stop_adopted) == (TimeStop.CLOSE, True)
    assert exits.breakeven_offset_pct == D("0.2")


@pytest.mark.parametrize(
    ("exit_section", "words"),
    [
        ({"profiles": {"CHOP": {"rungs": [{"target_r": 1, "share_pct": 100, "kind": "maker"}]}}},
         'exit.profiles.CHOP.rungs[0].kind was "maker"'),
        ({"profiles": {"TREMD": {}}}, "exit.profiles.TREMD names no profile"),
        ({"profiles": {"TREND": {"runer_pct": 3}}}, "exit.profiles.TREND.runer_pct is not a known key"),
        ({"profiles": {"TREND": {"runner_pct": 30}}}, "must add up to 100 %, and add up to 95 %"),
        ({"profiles": {"CHOP": {"rungs": [{"target_r": 2, "share_pct": 50}, {"target_r": 1, "share_pct": 50}]}}},
         "its targets must ascend"),
        ({"profiles": {"CHOP": {"trail": [{"from_r": 1}]}}}, "needs a distance in percent or in ATR"),
        ({"profiles": {"CHOP": {"rungs": [{"target_r": "NaN", "share_pct": 100}]}}}, "target_r was"),
        ({"locks": [{"to_rung": 1}]}, "exit.locks[0] needs after_rung or at_r"),
        ({"locks": [{"after_rung": 1, "to_rung": 1}]}, "must go to a rung before the one it waits for"),
        ({"locks": [{"at_r": 1, "to_r": 1}]}, "must go to less profit than it waits for"),
        ({"time_stop": "maybe"}, 'exit.time_stop was "maybe"; allowed is one of "tighten", "close", "off"'),
        ({"profile": "BEST"}, 'exit.profile was "BEST"'),
        ({"legacy_policy": "brain"}, 'exit.legacy_policy was "brain"'),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_key(exit_section: dict[str, Any], words: str) -> None:
    """Exit 78 with the key, the value and what is allowed."""
    assert words in refused({"exit": exit_section})


def test_the_variables_of_the_challenge() -> None:
    """Fractions are taken as what they mean: 0.25 of the position, a buffer of 2 % of the entry."""
    environ = {
        "CHALLENGE_TP1_R": "1.5", "CHALLENGE_TP1_QTY_PCT": "0.25", "CHALLENGE_TRAIL_ATR_MULT": "2.5",
        "CHALLENGE_TIME_STOP_SEC": "3600", "CHALLENGE_LIQ_BUFFER_PCT": "0.02",
    }  # fmt: skip
    config = Config.from_data({}, environ)
    profile = config.protection_settings().exits.profiles["CHALLENGE_100"]
    assert [(rung.target_r, rung.share_pct) for rung in profile.rungs] == [(D("1.5"), D(25))]
    assert (profile.runner_pct, profile.trail[0].distance_atr, profile.stop_atr) == (D(75), D("2.5"), D(2))
    assert profile.time_limit == TimeLimit(3_600_000, below_r=D(1), before_rung=1)
    assert profile.liquidation_buffer_pct == 2
    origins = {key: origin for key, _, origin in config.effective()}
    assert "CHALLENGE_TP1_R" in origins["exit.profiles.CHALLENGE_100.rungs"]


def test_a_variable_without_effect_is_named_with_its_reason() -> None:
    """And one that is no number is refused with its key."""
    notices = Config.from_data({}, {"CHALLENGE_HARD_SL_ENABLED": "false", "CHALLENGE_MAX_RISK_R": "1.5"}).notices
    assert len(notices) == 2 and all("has no effect" in notice for notice in notices)
    assert "exit.profiles.CHALLENGE_100" in refused({}, {"CHALLENGE_TP1_R": "soon"})
