"""Who protects when the five exit switches disagree (DESIGN 4). Every combination has a live policy.

`EXIT_MODE` alone names the owner of exits. The other switches can hold the Exit Brain back, never the stops:
a contradiction is published, and LEGACY protects.
"""

from __future__ import annotations

from dataclasses import dataclass

from position_monitor.config.protection import ExitSection
from position_monitor.core.model.settings import Policy

LEGACY = "LEGACY"
EXIT_BRAIN_V3 = "EXIT_BRAIN_V3"

_WITHOUT_CANDLES = (Policy.STATIC, Policy.HYBRID)
"""Policies that ask neither for volatility nor for a regime."""
NOT_YET = "not part of this version yet"
"""The Exit Brain has no policy here so far, so LEGACY protects whatever is set, and the sentences say so."""


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """The outcome of the exit switches."""

    requested: str
    """What EXIT_MODE asks for: LEGACY or EXIT_BRAIN_V3."""
    live: str
    """Whose policy places orders. Never empty."""
    live_policy: Policy
    """The policy the core runs live."""
    shadow: str
    """Whose policy only computes beside it, or empty."""
    conflicts: tuple[str, ...]
    """One sentence for each contradiction between the switches."""
    degraded_reason: str
    """Why the account's risk status is at best DEGRADED, or empty."""

    @property
    def needs_candles(self) -> bool:
        """Whether a policy that computes levels, live or in shadow, asks for volatility or for a regime."""
        return self.live_policy not in _WITHOUT_CANDLES


def exit_plan(settings: ExitSection) -> ExitPlan:
    """Resolve the switches: which policy is live, which shadows, and what contradicts what."""
    if settings.mode == LEGACY:
        return _legacy_owns(settings)
    return _brain_owns(settings)


def _legacy_owns(settings: ExitSection) -> ExitPlan:
    enabled = settings.brain_v3_enabled is True
    conflict = (
        "EXIT_MODE=LEGACY but EXIT_BRAIN_V3_ENABLED=true: LEGACY protects live, "
        f"Exit Brain V3 could only shadow and is {NOT_YET}"
    )
    return ExitPlan(
        requested=LEGACY,
        live=LEGACY,
        live_policy=settings.legacy_policy,
        shadow=EXIT_BRAIN_V3 if enabled else "",
        conflicts=(conflict,) if enabled else (),
        degraded_reason="",
    )


def _brain_owns(settings: ExitSection) -> ExitPlan:
    """The brain owns exits; it acts only if every switch lets it and its live policy exists."""
    blockers = _blockers(settings)
    conflicts = tuple(
        f"EXIT_MODE=EXIT_BRAIN_V3 but {blocker}: LEGACY protects live, Exit Brain V3 could only shadow and is {NOT_YET}"
        for blocker in blockers
    )
    if blockers:
        reason = f"Exit Brain V3 may not act ({', '.join(blockers)}); LEGACY protects live"
    else:
        reason = f"Exit Brain V3 may act but is {NOT_YET}; LEGACY protects live"
    return ExitPlan(
        requested=EXIT_BRAIN_V3,
        live=LEGACY,
        live_policy=settings.legacy_policy,
        shadow=EXIT_BRAIN_V3,
        conflicts=conflicts,
        degraded_reason=reason,
    )


def _blockers(settings: ExitSection) -> list[str]:
    """The switches that hold the Exit Brain back, in the stack's own words."""
    switches = (
        (settings.brain_v3_enabled is False, "EXIT_BRAIN_V3_ENABLED=false"),
        (settings.executor_mode == "SHADOW", "EXIT_EXECUTOR_MODE=SHADOW"),
        (settings.live_rollout == "DISABLED", "EXIT_BRAIN_V3_LIVE_ROLLOUT=DISABLED"),
    )
    return [words for holds, words in switches if holds]
