"""Powers of the simulated world beyond the first faults: each kind in a module of its own, registered by name.

A power is drawn like any fault of the host: its name stands in `Swarm.host`, and `Swarm.drawn` gives it its own rate.
A module of this folder registers its powers when it is imported; all of them are, by `all_powers`.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

Happen = Callable[["Simulation", random.Random], Awaitable[None]]
Prepare = Callable[["Simulation", random.Random], None]
Settings = Callable[[random.Random], Mapping[str, Mapping[str, Any]]]


def nothing(run: Simulation, rng: random.Random) -> None:
    """Nothing to prepare, nothing to end."""


@dataclass(frozen=True)
class Power:
    """One power of the world."""

    name: str
    happen: Happen
    """Runs while faults are at work, until it is cancelled: sleeps, acts, sleeps."""
    chance: float = 0.0
    """The share of drawn seeds that meet it. 0: only scripted swarms and mutants do, as long as it is not clean."""
    prepare: Prepare = nothing
    """Called once, before the first daemon starts: what the world is like in this seed."""
    end: Prepare = nothing
    """Called when the faults stop: puts right what must not outlive them."""
    settings: Settings = field(default=lambda rng: {})
    """Sections of the daemon's configuration that are other than usual in this seed."""
    later_s: float = 0.0
    """Seconds beyond two check intervals for which its consequences may outlive it."""
    why: str = ""
    """Why they may."""
    removals_rest_s: float = 0.0
    """Seconds for which removals that were refused again and again may rest when it is over."""
    silences: tuple[str, ...] = ()
    """Judges that do not speak under it, because nobody could know better."""
    foggy: bool = True
    """Whether reads may be wrong or fail, so that nothing follows from what the daemon asked."""
    gentle: bool = False
    """Whether it must not delay protection at all."""
    other_exits: bool = False
    """Whether another exit policy than the default one is live under it: `exit_rules.py` says what holds then."""
    switches_exits: bool = False
    """Whether it changes the policy in mid-run."""
    stale_ms: int = 0
    """How old answers may be under it."""


POWERS: dict[str, Power] = {}


def power(name: str, **facts: Any) -> Callable[[Happen], Happen]:
    """Register a coroutine as a power."""

    def register(happen: Happen) -> Happen:
        assert name not in POWERS, f"{name} is a power already"
        POWERS[name] = Power(name, happen, **facts)
        return happen

    return register


def all_powers() -> Mapping[str, Power]:
    """Every power, by name, in a stable order."""
    for module in sorted(found.name for found in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}")
    return dict(sorted(POWERS.items()))
