"""Who protects when the exit switches disagree (DESIGN 4). Every combination has a live policy.

`EXIT_MODE` alone names the owner of exits. The other switches can hold the Exit Brain back, never the stops:
a contradiction is published, and LEGACY protects. The kill switch stands above all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from position_monitor.config.protection import ExitSection
from position_monitor.core.exits.live_policy import BUCKETS, ExitSwitches
from position_monitor.core.model.settings import Policy

LEGACY = "LEGACY"
EXIT_BRAIN_V3 = "EXIT_BRAIN_V3"

_WITHOUT_CANDLES = (Policy.STATIC, Policy.HYBRID)
"""Policies that ask neither for volatility nor for a regime."""
KILL_SWITCH = "EXIT_EXECUTOR_KILL_SWITCH=true"


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """The outcome of the exit switches for the account. `core/exits/live_policy.py` says it for one symbol."""

    requested: str
    """What EXIT_MODE asks for: LEGACY or EXIT_BRAIN_V3."""
    live: str
    """Whose policy places orders. Never empty. EXIT_BRAIN_V3 acts on the symbols that are rolled out, LEGACY on all
    others."""
    legacy_policy: Policy
    """What LEGACY means."""
    shadow: str
    """Whose policy only computes beside it, or empty."""
    conflicts: tuple[str, ...]
    """One sentence for each contradiction between the switches."""
    degraded_reason: str
    """Why the account's risk status is at best DEGRADED, or empty."""
    switches: ExitSwitches
    """The same for one symbol."""
    held_back_by: tuple[str, ...] = ()
    """The switches that keep the Exit Brain from acting although it owns exits."""
    kill_switch: bool = False

    @property
    def rollout_pct(self) -> int:
        """The share of symbols on which the Exit Brain acts when nothing holds it back."""
        return self.switches.rollout_pct

    @property
    def needs_candles(self) -> bool:
        """Whether a policy that computes levels, live or in shadow, asks for volatility or for a regime."""
        return self.switches.brain_computes or self.legacy_policy not in _WITHOUT_CANDLES

    @property
    def described(self) -> str:
        """Who is live, and what computes beside it, in one line."""
        legacy = f"{LEGACY} ({self.legacy_policy})"
        if self.live == EXIT_BRAIN_V3:
            some = f" for {self.rollout_pct} % of the symbols, {legacy} for the others"
            return f"{EXIT_BRAIN_V3} live" + (some if self.rollout_pct < BUCKETS else "")
        if self.held_back_by:
            return f"{legacy} live, {EXIT_BRAIN_V3} held back by {', '.join(self.held_back_by)}"
        return f"{legacy} live" + (f", {EXIT_BRAIN_V3} in shadow" if self.shadow else "")


def exit_plan(settings: ExitSection) -> ExitPlan:
    """Resolve the switches: which policy is live, which shadows, and what contradicts what."""
    if settings.mode == LEGACY:
        return _legacy_owns(settings)
    return _brain_owns(settings)


def _legacy_owns(settings: ExitSection) -> ExitPlan:
    """LEGACY owns exits: the brain's own switches decide at most whether it computes beside it."""
    enabled = settings.brain_v3_enabled is True
    conflict = (
        "EXIT_MODE=LEGACY but EXIT_BRAIN_V3_ENABLED=true: LEGACY protects live, Exit Brain V3 only computes in shadow"
    )
    return ExitPlan(
        requested=LEGACY,
        live=LEGACY,
        legacy_policy=settings.legacy_policy,
        shadow=EXIT_BRAIN_V3 if enabled else "",
        conflicts=(conflict,) if enabled else (),
        degraded_reason="",
        switches=ExitSwitches(
            legacy=settings.legacy_policy,
            brain_owns=False,
            brain_may_act=False,
            brain_computes=enabled,
            rollout_pct=settings.live_rollout_pct,
        ),
        kill_switch=settings.kill_switch,
    )


def _brain_owns(settings: ExitSection) -> ExitPlan:
    """The brain owns exits; it acts only if every switch lets it."""
    blockers = _blockers(settings)
    conflicts = tuple(
        f"EXIT_MODE=EXIT_BRAIN_V3 but {blocker}: LEGACY protects live, Exit Brain V3 only computes in shadow"
        for blocker in blockers
    )
    reason = f"Exit Brain V3 may not act ({', '.join(blockers)}); LEGACY protects live" if blockers else ""
    return ExitPlan(
        requested=EXIT_BRAIN_V3,
        live=LEGACY if blockers else EXIT_BRAIN_V3,
        legacy_policy=settings.legacy_policy,
        shadow=EXIT_BRAIN_V3 if blockers or settings.live_rollout_pct < BUCKETS else "",
        conflicts=conflicts,
        degraded_reason=reason,
        switches=ExitSwitches(
            legacy=settings.legacy_policy,
            brain_owns=True,
            brain_may_act=not blockers,
            brain_computes=True,
            rollout_pct=settings.live_rollout_pct,
        ),
        held_back_by=tuple(blockers),
        kill_switch=settings.kill_switch,
    )


def _blockers(settings: ExitSection) -> list[str]:
    """The switches that hold the Exit Brain back, in the stack's own words; the kill switch first."""
    switches = (
        (settings.kill_switch, KILL_SWITCH),
        (settings.brain_v3_enabled is False, "EXIT_BRAIN_V3_ENABLED=false"),
        (settings.executor_mode == "SHADOW", "EXIT_EXECUTOR_MODE=SHADOW"),
        (settings.live_rollout == "DISABLED", "EXIT_BRAIN_V3_LIVE_ROLLOUT=DISABLED"),
        (settings.live_rollout_pct == 0, "EXIT_LIVE_ROLLOUT_PCT=0"),
    )
    return [words for holds, words in switches if holds]


def cause_of_change(before: ExitSection, after: ExitSection) -> str:
    """Which switch changed who is live: `kill_switch`, `rollout`, or `reload` for any other."""
    if before.kill_switch != after.kill_switch:
        return "kill_switch"
    if (before.live_rollout_pct, before.live_rollout) != (after.live_rollout_pct, after.live_rollout):
        return "rollout"
    return "reload"
