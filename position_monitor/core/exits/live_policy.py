"""Which policy is live for a symbol, and which one only computes beside it: one pure function of switches and symbol.

The Exit Brain acts on a symbol when it owns exits, nothing holds it back, and the symbol is rolled out (S12). Whatever
the switches say, some policy is live for every symbol: LEGACY protects wherever the brain does not (invariant 14).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from position_monitor.core.model.settings import Policy

BUCKETS = 100
_DIGITS = 8


class ExitSwitches(NamedTuple):
    """The exit switches, resolved (DESIGN 4). `config/exit_switches.py` makes them of what the operator wrote."""

    legacy: Policy
    """What LEGACY means."""
    brain_owns: bool
    """EXIT_MODE=EXIT_BRAIN_V3."""
    brain_may_act: bool
    """No switch holds the brain back."""
    brain_computes: bool
    """The brain is wanted at all: it computes beside LEGACY where it is not live."""
    rollout_pct: int = BUCKETS
    """The share of symbols on which the brain acts, 0 to 100."""


class SwitchesSince(NamedTuple):
    """Switches, and the moment from which on they were in force, ms UTC."""

    at_ms: int
    switches: ExitSwitches


@lru_cache(maxsize=8_192)
def rollout_bucket(symbol: str) -> int:
    """The bucket of a symbol, 0 to 99: the first 8 hex digits of its SHA-256, modulo 100 (S12).

    The same in every process and on every host. A larger rollout only adds symbols to a smaller one.
    """
    return int(hashlib.sha256(symbol.encode()).hexdigest()[:_DIGITS], 16) % BUCKETS


def live_policy(switches: ExitSwitches, symbol: str) -> Policy:
    """The policy whose orders rest for a symbol."""
    acts = switches.brain_owns and switches.brain_may_act and rollout_bucket(symbol) < switches.rollout_pct
    return Policy.BRAIN if acts else switches.legacy


def shadow_policy(switches: ExitSwitches, symbol: str) -> Policy | None:
    """The policy that only computes beside the live one for a symbol; None where nothing does."""
    if not switches.brain_computes or live_policy(switches, symbol) is Policy.BRAIN:
        return None
    return Policy.BRAIN


def policy_beside(switches: ExitSwitches, symbol: str) -> Policy | None:
    """The policy that is not live for a symbol and is scored beside it: the brain, or, where that is live, LEGACY."""
    if not switches.brain_computes:
        return None
    return switches.legacy if live_policy(switches, symbol) is Policy.BRAIN else Policy.BRAIN


def live_since_ms(history: Sequence[SwitchesSince], symbol: str) -> int | None:
    """Since when the live policy of a symbol is the one it is now, ms UTC; None where nothing is remembered (12.5).

    `history` is oldest first; it begins with the process, which knows nothing of the time before.
    """
    if len(history) <= 1:
        return history[0].at_ms if history else None
    since_ms, now = None, live_policy(history[-1].switches, symbol)
    for moment in reversed(history):
        if live_policy(moment.switches, symbol) is not now:
            break
        since_ms = moment.at_ms
    return since_ms
