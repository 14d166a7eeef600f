"""The five exit switches in every combination: never one without a live policy (DESIGN 4, invariant 14)."""

from __future__ import annotations

import itertools

import pytest

from position_monitor.config import Config, ExitPlan
from position_monitor.core.model.settings import Policy
from position_monitor.core.model.sides import Side

SWITCHES = {
    "EXIT_MODE": ("", "LEGACY", "EXIT_BRAIN_V3"),
    "EXIT_EXECUTOR_MODE": ("", "LIVE", "SHADOW"),
    "EXIT_BRAIN_V3_ENABLED": ("", "true", "false"),
    "EXIT_BRAIN_V3_LIVE_ROLLOUT": ("", "ENABLED", "DISABLED"),
    "EXIT_BRAIN_PROFILE": ("", "DEFAULT", "CHALLENGE_100"),
}
COMBINATIONS = [dict(zip(SWITCHES, values, strict=True)) for values in itertools.product(*SWITCHES.values())]
INCIDENT = {
    "EXIT_MODE": "LEGACY",
    "EXIT_EXECUTOR_MODE": "SHADOW",
    "EXIT_BRAIN_V3_LIVE_ROLLOUT": "DISABLED",
    "EXIT_BRAIN_PROFILE": "DEFAULT",
    "EXIT_BRAIN_V3_ENABLED": "true",
}


def plan(environ: dict[str, str]) -> ExitPlan:
    """The outcome of some switches."""
    return Config.from_data({}, environ).exit_plan()


@pytest.mark.parametrize("policy", [Policy.STATIC, Policy.HYBRID, Policy.DYNAMIC])
def test_every_combination_has_a_live_policy(policy: Policy) -> None:
    """243 combinations, both policies: somebody always places stops, and contradictions are said."""
    for environ in COMBINATIONS:
        config = Config.from_data({"exit": {"legacy_policy": str(policy)}}, environ)
        outcome = config.exit_plan()
        assert (outcome.live, outcome.live_policy) == ("LEGACY", policy), environ
        assert config.protection_for("BTCUSDT", Side.LONG).policy is policy
        assert config.protection_for("BTCUSDT", Side.LONG).stop_loss_pct > 0
        assert outcome.live != outcome.shadow
        if outcome.requested != outcome.live:
            assert "LEGACY protects live" in outcome.degraded_reason, environ
        for sentence in outcome.conflicts:
            assert "LEGACY protects live" in sentence and sentence.startswith("EXIT_MODE=")


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
    assert plan({}) == ExitPlan("LEGACY", "LEGACY", Policy.HYBRID, "", (), "")


@pytest.mark.parametrize(
    ("environ", "blocker"),
    [
        ({"EXIT_EXECUTOR_MODE": "SHADOW"}, "EXIT_EXECUTOR_MODE=SHADOW"),
        ({"EXIT_BRAIN_V3_LIVE_ROLLOUT": "DISABLED"}, "EXIT_BRAIN_V3_LIVE_ROLLOUT=DISABLED"),
        ({"EXIT_BRAIN_V3_ENABLED": "false"}, "EXIT_BRAIN_V3_ENABLED=false"),
    ],
)
def test_a_brain_that_may_not_act_shadows(environ: dict[str, str], blocker: str) -> None:
    """The account is at best DEGRADED, and the reason names the switch."""
    outcome = plan(environ | {"EXIT_MODE": "EXIT_BRAIN_V3"})
    assert outcome.shadow == "EXIT_BRAIN_V3"
    assert blocker in outcome.degraded_reason
    assert [blocker in sentence for sentence in outcome.conflicts] == [True]


def test_all_blockers_are_named() -> None:
    """One sentence each, all of them in the reason."""
    environ = INCIDENT | {"EXIT_MODE": "EXIT_BRAIN_V3", "EXIT_BRAIN_V3_ENABLED": "false"}
    assert len(plan(environ).conflicts) == 3


@pytest.mark.parametrize("enabled", ["", "true"])
def test_a_brain_that_may_act_is_honest_about_not_existing(enabled: str) -> None:
    """This version has no live brain: LEGACY protects, DEGRADED, no contradiction claimed."""
    outcome = plan({"EXIT_MODE": "EXIT_BRAIN_V3", "EXIT_BRAIN_V3_ENABLED": enabled})
    assert outcome.conflicts == ()
    assert "not part of this version" in outcome.degraded_reason


@pytest.mark.parametrize("switches", [INCIDENT, INCIDENT | {"EXIT_BRAIN_V3_ENABLED": "false"}])
def test_only_enabled_contradicts_legacy(switches: dict[str, str]) -> None:
    """EXIT_MODE alone names the owner: the brain's own switches are irrelevant while LEGACY owns exits."""
    assert bool(plan(switches).conflicts) is (switches["EXIT_BRAIN_V3_ENABLED"] == "true")
