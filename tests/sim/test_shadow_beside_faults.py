"""Scoring a shadow under faults: what happens at the venue is the same to the last entry of the journal, and memory
stays bounded. Planted bugs, in which the shadow has a say or looks ahead, are caught.

The digest of a run holds every entry of the venue's journal with its time, and every published sentence.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

from position_monitor.core.shadow import following as core_following
from position_monitor.core.shadow.following import ended
from position_monitor.daemon.following import ENDED_MAX, ShadowFollowing
from tests.core.build import market_of
from tests.core.shadow.test_following import followed, minute
from tests.sim import bounds
from tests.sim.mutants import changed
from tests.sim.pairs_model import KeptPairs
from tests.sim.simulation import Result, simulate
from tests.sim.swarm import Swarm

FAULTS = Swarm(
    venue={"busy": 0.08, "internal_503": 0.08, "late_execution": 0.03},
    host=("the_brain_is_rolled_out", "crash", "redis_flushed", "suspend"),
    stream={"stream_lost": 0.03, "stream_duplicated": 0.05, "stream_late": 0.03},
    marks=True,
)
SEED = 3
FAULTY_S = 30.0


@cache
def alone() -> Result:
    """The run without any scoring."""
    return simulate(SEED, swarm(), faulty_s=FAULTY_S)


def swarm() -> Swarm:
    return replace(FAULTS)


def test_the_digest_of_a_seed_is_the_same_with_the_scoring_and_without() -> None:
    pairs, looks = KeptPairs(), 0
    honest = ShadowFollowing.look

    async def counted(self: ShadowFollowing, *words: Any) -> None:
        nonlocal looks
        await honest(self, *words)
        looks += bool(self.open)

    with ExitStack() as stack:
        stack.enter_context(changed(ShadowFollowing, "look", counted))
        scored = simulate(SEED, swarm(), faulty_s=FAULTY_S, pairs=pairs)
    assert looks > 5, "nothing was followed: the test would show nothing"
    assert scored.trace == alone().trace
    assert scored.violations == alone().violations


def test_a_planted_shadow_that_has_a_say_is_caught() -> None:
    """Its stop becomes the stop of the live policy: the digest is another one."""
    honest = ShadowFollowing._looked

    def meddling(self: ShadowFollowing, judged: Any) -> None:
        honest(self, judged)
        self.desk.exchange.settings_changed()  # the daemon reads its venue anew, because of a shadow

    with ExitStack() as stack:
        stack.enter_context(changed(ShadowFollowing, "_looked", meddling))
        scored = simulate(SEED, swarm(), faulty_s=FAULTY_S, pairs=KeptPairs())
    assert scored.trace != alone().trace


def test_a_planted_look_ahead_is_refused_and_censors_the_book() -> None:
    """The candles of later are shown: the policy is never asked, and the book says that it failed."""
    later = market_of("1", expires_at_ms=10**15)
    with ExitStack() as stack:
        stack.enter_context(changed(core_following, "not_ahead", lambda look, at_ms=0: look))
        with pytest.raises(ValueError, match="was shown at"):
            core_following.walked_on(ended(followed(), 1), minute(0), replace(later, closed_at_ms=10**14))


def test_the_checker_of_bounds_sees_a_memory_that_grows() -> None:
    """A planted leak: positions that ended are never let go."""
    following = ShadowFollowing(None, None, lambda: "abc")  # type: ignore[arg-type]
    one = ended(followed(), 1)
    for number in range(ENDED_MAX + 10):
        following._ended(one._replace(epoch=f"{number:08d}"))
    service = SimpleNamespace(following=following, _pairs=None)
    assert not over(bounds._of_shadows(service))  # type: ignore[arg-type]
    assert (len(following.ended), following.lost) == (ENDED_MAX, 10)
    following.ended.update({f"{number}": one for number in range(ENDED_MAX)})
    assert over(bounds._of_shadows(service)) == ["followed positions that ended"]  # type: ignore[arg-type]


def over(sizes: dict[str, tuple[int, int]]) -> list[str]:
    return [name for name, (size, most) in sizes.items() if size > most]
