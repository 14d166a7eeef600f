"""The exit switches in every combination: never one without a live policy (DESIGN 4, invariant 14)."""

from __future__ import annotations

import itertools

import pytest

from position_monitor.config import Config, ExitPlan, InvalidConfig
from position_monitor.config.exit_switches import cause_of_change
from position_monitor.core.model.settings import Policy
from position_monitor.core.model.sides import Side

SWITCHES = {
    "EXIT_MODE": ("", "LEGACY", "EXIT_BRAIN_V3"),
    "EXIT_EXECUTOR_MODE": ("", "LIVE", "SHADOW"),
    "EXIT_BRAIN_V3_ENABLED": ("", "true", "false"),
    "EXIT_BRAIN_V3_LIVE_ROLLOUT": ("", "ENABLED", "DISABLED"),
    "EXIT_EXECUTOR_KILL_SWITCH": ("", "yes", "off"),
    "EXIT_LIVE_ROLLOUT_PCT": ("", "0", "50"),
}
COMBINATIONS = [dict(zip(SWITCHES, values, strict=True)) for values in itertools.product(*SWITCHES.values())]
BLOCKERS = {
    "EXIT_EXECUTOR_MODE": "SHADOW",
    "EXIT_BRAIN_V3_ENABLED": "false",
    "EXIT_BRAIN_V3_LIVE_ROLLOUT": "DISABLED",
    "EXIT_EXECUTOR_KILL_SWITCH": "yes",
    "EXIT_LIVE_ROLLOUT_PCT": "0",
}
INCIDENT = {
    "EXIT_MODE": "LEGACY",
    "EXIT_EXECUTOR_MODE": "SHADOW",
    "EXIT_BRAIN_V3_LIVE_ROLLOUT": "DISABLED",
    "EXIT_BRAIN_PROFILE": "DEFAULT",
    "EXIT_BRAIN_V3_ENABLED": "true",
}
BRAIN = {"EXIT_MODE": "EXIT_BRAIN_V3"}
IN_HALF, IN_NONE = "BTCUSDT", "ETHUSDT"
"""Rollout buckets 26 and 86: the one is live at 50 %, the other is not."""
LEGACY_POLICIES = [Policy.STATIC, Policy.HYBRID, Policy.DYNAMIC]


def plan(environ: dict[str, str]) -> ExitPlan:
    """The outcome of some switches."""
    return Config.from_data({}, environ).exit_plan()


def live_of(config: Config, symbol: str) -> Policy:
    """The policy whose orders rest for a symbol."""
    return config.protection_for(symbol, Side.LONG).policy


@pytest.mark.parametrize("legacy", LEGACY_POLICIES)
def test_every_combination_has_a_live_policy(legacy: Policy) -> None:
    """729 combinations, each LEGACY policy: somebody always places stops, and contradictions are said."""
    for environ in COMBINATIONS:
        config = Config.from_data({"exit": {"legacy_policy": str(legacy)}}, environ)
        outcome = config.exit_plan()
        acts = environ["EXIT_MODE"] == "EXIT_BRAIN_V3" and not any(environ[name] == BLOCKERS[name] for name in BLOCKERS)
        assert outcome.live == ("EXIT_BRAIN_V3" if acts else "LEGACY"), environ
        assert live_of(config, IN_HALF) is (Policy.BRAIN if acts else legacy)
        everywhere = environ["EXIT_LIVE_ROLLOUT_PCT"] != "50"
        assert live_of(config, IN_NONE) is (Policy.BRAIN if acts and everywhere else legacy)
        assert config.protection_for(IN_HALF, Side.LONG).stop_loss_pct > 0
        if outcome.requested != outcome.live:
            assert "LEGACY protects live" in outcome.degraded_reason, environ
            assert len(outcome.conflicts) == len(outcome.held_back_by) > 0
        for sentence in outcome.conflicts:
            assert "LEGACY protects live" in sentence and sentence.startswith("EXIT_MODE=")


def test_where_the_brain_is_wanted_and_not_live_it_computes_beside() -> None:
    for environ in COMBINATIONS:
        config = Config.from_data({}, environ)
        wanted = environ["EXIT_MODE"] == "EXIT_BRAIN_V3" or environ["EXIT_BRAIN_V3_ENABLED"] == "true"
        for symbol in (IN_HALF, IN_NONE):
            shadow = config.shadow_settings(symbol)
            beside = wanted and live_of(config, symbol) is not Policy.BRAIN
            assert (shadow is not None and shadow.policy is Policy.BRAIN) is beside, environ


def test_the_night_of_the_incident() -> None:
    """Exactly these switches meant that nothing ran. Now LEGACY protects and the conflict is published."""
    outcome = plan(INCIDENT)
    assert outcome.live == "LEGACY"
    assert outcome.shadow == "EXIT_BRAIN_V3"
    assert len(outcome.conflicts) == 1
    assert "EXIT_MODE=LEGACY but EXIT_BRAIN_V3_ENABLED=true" in outcome.conflicts[0]
    assert outcome.degraded_reason == ""


def test_the_defaults_do_not_contradict_each_other() -> None:
    """A silent configuration is a quiet one."""
    outcome = plan({})
    assert (outcome.requested, outcome.live, outcome.legacy_policy) == ("LEGACY", "LEGACY", Policy.HYBRID)
    assert (outcome.shadow, outcome.conflicts, outcome.degraded_reason) == ("", (), "")
    assert outcome.described == "LEGACY (hybrid) live"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("EXIT_EXECUTOR_MODE", "EXIT_EXECUTOR_MODE=SHADOW"),
        ("EXIT_BRAIN_V3_LIVE_ROLLOUT", "EXIT_BRAIN_V3_LIVE_ROLLOUT=DISABLED"),
        ("EXIT_BRAIN_V3_ENABLED", "EXIT_BRAIN_V3_ENABLED=false"),
        ("EXIT_EXECUTOR_KILL_SWITCH", "EXIT_EXECUTOR_KILL_SWITCH=true"),
        ("EXIT_LIVE_ROLLOUT_PCT", "EXIT_LIVE_ROLLOUT_PCT=0"),
    ],
)
def test_a_brain_that_may_not_act_shadows(name: str, words: str) -> None:
    """The account is at best DEGRADED, and the reason names the switch."""
    outcome = plan(BRAIN | {name: BLOCKERS[name]})
    assert outcome.live == "LEGACY"
    assert outcome.shadow == "EXIT_BRAIN_V3"
    assert outcome.held_back_by == (words,)
    assert words in outcome.degraded_reason
    assert [words in sentence for sentence in outcome.conflicts] == [True]


def test_all_blockers_are_named_the_kill_switch_first() -> None:
    """One sentence each, all of them in the reason."""
    outcome = plan(BRAIN | BLOCKERS)
    assert len(outcome.conflicts) == len(BLOCKERS)
    assert outcome.held_back_by[0] == "EXIT_EXECUTOR_KILL_SWITCH=true"


def test_a_brain_that_may_act_is_live() -> None:
    outcome = plan(BRAIN)
    assert (outcome.live, outcome.conflicts, outcome.degraded_reason, outcome.shadow) == ("EXIT_BRAIN_V3", (), "", "")


def test_a_rollout_in_part_is_said_and_is_no_contradiction() -> None:
    outcome = plan(BRAIN | {"EXIT_LIVE_ROLLOUT_PCT": "50"})
    assert (outcome.live, outcome.shadow, outcome.conflicts) == ("EXIT_BRAIN_V3", "EXIT_BRAIN_V3", ())
    assert outcome.described == "EXIT_BRAIN_V3 live for 50 % of the symbols, LEGACY (hybrid) for the others"


@pytest.mark.parametrize("switches", [INCIDENT, INCIDENT | {"EXIT_BRAIN_V3_ENABLED": "false"}])
def test_only_enabled_contradicts_legacy(switches: dict[str, str]) -> None:
    """EXIT_MODE alone names the owner: the brain's own switches are irrelevant while LEGACY owns exits."""
    assert bool(plan(switches).conflicts) is (switches["EXIT_BRAIN_V3_ENABLED"] == "true")


def test_a_kill_switch_kills_nothing_while_legacy_owns_exits() -> None:
    outcome = plan({"EXIT_EXECUTOR_KILL_SWITCH": "true"})
    assert outcome.kill_switch
    assert (outcome.live, outcome.conflicts, outcome.degraded_reason) == ("LEGACY", (), "")


@pytest.mark.parametrize("word", ["true", "1", "yes", "on", "enabled", "True", "ENABLED", " on "])
def test_words_that_pull_the_kill_switch(word: str) -> None:
    assert plan(BRAIN | {"EXIT_EXECUTOR_KILL_SWITCH": word}).live == "LEGACY"
    assert Config.from_data({"exit": {"mode": "EXIT_BRAIN_V3", "kill_switch": word}}).exit_plan().live == "LEGACY"


@pytest.mark.parametrize("word", ["false", "0", "no", "off", "disabled", "Disabled", ""])
def test_words_that_do_not(word: str) -> None:
    assert plan(BRAIN | {"EXIT_EXECUTOR_KILL_SWITCH": word}).live == "EXIT_BRAIN_V3"


@pytest.mark.parametrize("word", ["2", "maybe", "tru", "yes please", "-1", "none"])
def test_a_kill_switch_that_is_neither_of_its_words_refuses_the_start(word: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        plan({"EXIT_EXECUTOR_KILL_SWITCH": word})
    [problem] = refused.value.problems
    assert f'exit.kill_switch was "{word}" (from environment EXIT_EXECUTOR_KILL_SWITCH); allowed is true' in problem


@pytest.mark.parametrize("text", ["-1", "101", "12.5", "half", "1e3", "true"])
def test_a_rollout_is_a_whole_number_of_percent(text: str) -> None:
    with pytest.raises(InvalidConfig, match=r"exit\.live_rollout_pct was"):
        plan({"EXIT_LIVE_ROLLOUT_PCT": text})


def test_the_brain_is_no_meaning_of_legacy() -> None:
    with pytest.raises(InvalidConfig, match=r"exit\.legacy_policy was"):
        Config.from_data({"exit": {"legacy_policy": "brain"}})


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        ({}, {"kill_switch": True}, "kill_switch"),
        ({"live_rollout_pct": 20}, {"live_rollout_pct": 50}, "rollout"),
        ({}, {"live_rollout": "DISABLED"}, "rollout"),
        ({}, {"executor_mode": "SHADOW"}, "reload"),
        ({"live_rollout_pct": 20}, {"live_rollout_pct": 50, "kill_switch": True}, "kill_switch"),
    ],
)
def test_the_cause_of_a_change_is_its_switch(before: dict[str, object], after: dict[str, object], cause: str) -> None:
    sections = [Config.from_data({"exit": {"mode": "EXIT_BRAIN_V3", **one}}).exit for one in (before, after)]
    assert cause_of_change(*sections) == cause
