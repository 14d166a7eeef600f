"""Two powers in one world for a whole minute: every pair of them, round after round.

A drawn seed meets a power now and then, and two of them rarely, for ten seconds mostly. Where each of two is harmless,
both together may not be: a list that lags and a position that is opened again within the same second, for one.
"""

from __future__ import annotations

import random
from itertools import combinations

from tests.sim.simulation import Result, simulate
from tests.sim.swarm import ALL_POWERS, Swarm

FAULTY_S = 60.0
PAIRS = tuple(combinations((name for name, one in ALL_POWERS.items() if one.chance > 0), 2))
"""In one round, each once; world 0 to `len(PAIRS) - 1` are the first round."""


def swarm_of(world: int) -> Swarm:
    """The faults of a world: its two powers, in the second round and later with faults of the venue in every other."""
    rng = random.Random(f"together:{world}")
    drawn = Swarm.drawn(rng)
    round_of_it, pair = divmod(world, len(PAIRS))
    venue = drawn.venue if round_of_it and rng.random() < 0.5 else {}
    stream = drawn.stream if rng.random() < 0.5 else {}
    return Swarm(venue, PAIRS[pair], stream, rng.random() < 0.5, rng.random() < 0.25)


def simulate_together(world: int, *, trace: list[str] | None = None) -> Result:
    """Run one world from beginning to end."""
    return simulate(world, swarm_of(world), faulty_s=FAULTY_S, trace=trace)
