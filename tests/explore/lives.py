"""Short lives of an account: each is a story of some seconds that the world and its daemons go through together.

A story says what happens at which second and demands nothing: what must hold, the judge knows. It has to make sense
whatever fails in it, so what the venue refuses in the world as it has become is simply not done.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.sim.stage import Held

if TYPE_CHECKING:
    from tests.explore.play import Play

Story = Callable[["Play"], Awaitable[None]]
BTC, ETH, SOL = "BTCUSDT", "ETHUSDT", "SOLUSDT"
ENTRY = 42_000
STORIES = ("stories_of_sizes", "stories_of_prices", "stories_of_hands", "stories_of_processes")
"""The modules whose stories these are."""


@dataclass(frozen=True)
class Life:
    """One story, and the account it begins with."""

    name: str
    story: Story
    held: tuple[Held, ...] = ()
    hedge: bool = False
    stream: bool = True
    config: Mapping[str, Any] = field(default_factory=dict)
    symbols: tuple[str, ...] = (BTC, ETH, SOL)
    blind_s: float = 0.0
    """Seconds beyond the usual for which a stop may wait where requests or answers fail."""
    why: str = ""
    paired: bool = False
    """Whether every pair of faults is tried on it too: a shorter one."""
    ends: tuple[str, ...] = ("PROTECTED",)
    """What may be published of the account when everything is in order again."""


LIVES: dict[str, Life] = {}


def life(name: str, *held: Held, **more: Any) -> Callable[[Story], Story]:
    """Register a story."""

    def register(story: Story) -> Story:
        assert name not in LIVES, f"{name} is a life already"
        LIVES[name] = Life(name, story, held, **more)
        return story

    return register


def all_lives() -> Mapping[str, Life]:
    """Every life, by name, in the order of the stories."""
    for module in STORIES:
        importlib.import_module(f"tests.explore.{module}")
    return LIVES
