"""Profiles of Exit Brain V3 as data (exits.md 3.2): rungs in R, runner, trail, locks, time stop.

R is the distance from the entry to the backstop that rests (S1). No figure here has evidence from a real market: they
are defaults to be measured.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from position_monitor.core.model.orders import Purpose


class RungKind(StrEnum):
    """How a rung rests on the exchange."""

    MARKET = "market"
    """A conditional order that closes at market when its price comes."""
    LIMIT = "limit"
    """A limit order that only reduces: it fills at its price, pays the maker's fee and takes no slot for conditional
    orders. It may be filled in parts."""


def kind_of(purpose: Purpose) -> RungKind:
    """The kind of a take-profit that rests."""
    return RungKind.LIMIT if purpose is Purpose.LIMIT else RungKind.MARKET


@dataclass(frozen=True, slots=True)
class RungInR:
    """One rung of a profile."""

    target_r: Decimal
    """Distance from the entry in R."""
    share_pct: Decimal
    """Part of the position in percent. Rungs and runner add up to 100."""
    kind: RungKind = RungKind.MARKET


@dataclass(frozen=True, slots=True)
class TrailStep:
    """How far the stop follows the mark from a profit on; exactly one of the two distances is given."""

    from_r: Decimal
    """The profit in R from which this step counts."""
    distance_pct: Decimal | None = None
    """Percent of the mark."""
    distance_atr: Decimal | None = None
    """Average true ranges."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A stop that secures what was won (S6): when it counts, and where the stop goes then."""

    after_rung: int = 0
    """It counts once this rung (the nearest is 1) or a further one took its profit; 0: `at_r` says when."""
    at_r: Decimal | None = None
    """It counts once the mark shows this profit in R."""
    to_rung: int = 0
    """The stop goes to the level of this rung; 0 with `to_r` None: to breakeven."""
    to_r: Decimal | None = None
    """The stop goes to this profit in R."""


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """When a position that goes nowhere is too old (S8)."""

    max_ms: int
    """Age of its backstop."""
    below_r: Decimal = Decimal("0.5")
    """It counts only while the profit in R is below this."""
    before_rung: int = 0
    """It counts only until this rung (the nearest is 1) took its profit; 0: always."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How one kind of market is taken profit in."""

    name: str
    rungs: tuple[RungInR, ...]
    """Nearest first."""
    runner_pct: Decimal = Decimal(0)
    """Part of the position that never gets a target (S4)."""
    trail: tuple[TrailStep, ...] = ()
    """Steps of the trailing stop, the least profit first; none: it does not trail (S7)."""
    trail_after_rung: int = 0
    """The trail acts only once this rung (the nearest is 1) took its profit; 0: from the first step on."""
    locks: tuple[Lock, ...] | None = None
    """None: those of `[exit] locks`."""
    time_limit: TimeLimit | None = None
    stop_atr: Decimal | None = None
    """Distance of the first stop in average true ranges; None: that of the regime (3.1)."""
    liquidation_buffer_pct: Decimal = Decimal(0)
    """The first stop lies at least this much of the entry price before the liquidation price."""

    def why_unusable(self) -> str:
        """What is wrong with it, in words; empty for a profile that can be used. Checked at start and before use."""
        shares = sum((rung.share_pct for rung in self.rungs), self.runner_pct)
        targets = [rung.target_r for rung in self.rungs]
        steps = [step.from_r for step in self.trail]
        if not self.rungs or shares != 100:
            return f"its rungs and its runner must add up to 100 %, and add up to {shares} %"
        if min(*targets, *(rung.share_pct for rung in self.rungs)) <= 0 or self.runner_pct < 0:
            return "its targets and shares must be above zero"
        if any(nearer >= further for nearer, further in itertools.pairwise(targets)):
            return "its targets must ascend"
        if any(earlier >= later for earlier, later in itertools.pairwise(steps)):
            return "the steps of its trail must ascend"
        if any((step.distance_pct is None) is (step.distance_atr is None) for step in self.trail):
            return "each step of its trail needs a distance in percent or in ATR, and not both"
        return ""


class ProfileTable(Mapping[str, Profile]):
    """The profiles by name: immutable and hashable, so that settings which carry it stay hashable."""

    __slots__ = ("_hash", "_rows")

    def __init__(self, profiles: Iterator[Profile] | tuple[Profile, ...]) -> None:
        self._rows = {profile.name: profile for profile in profiles}
        self._hash = tuple(self._rows.values()).__hash__()

    def __getitem__(self, name: str) -> Profile:
        """The profile of this name; raises `KeyError` for an unknown one."""
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        """Every name."""
        return iter(self._rows)

    def __len__(self) -> int:
        """How many profiles there are."""
        return len(self._rows)

    def __hash__(self) -> int:
        """Worked out once."""
        return self._hash

    def __eq__(self, other: object) -> bool:
        """Whether all profiles are equal."""
        return self is other or (isinstance(other, ProfileTable) and self._rows == other._rows)


def _rungs(text: str) -> tuple[RungInR, ...]:
    """Rungs written as in table 3.2: `0.5:25 1:25`."""
    pairs = (part.split(":") for part in text.split())
    return tuple(RungInR(Decimal(target), Decimal(share)) for target, share in pairs)


def _curve(text: str) -> tuple[TrailStep, ...]:
    """A trail written as in table 3.2, R : percent."""
    pairs = (part.split(":") for part in text.split())
    return tuple(TrailStep(Decimal(from_r), Decimal(pct)) for from_r, pct in pairs)


_DAY_MS = 86_400_000
_AT_ONE_R = (Lock(at_r=Decimal(1)),)
"""Breakeven at 1 R, as the exit policy modes of the old stack have it."""

DEFAULT_PROFILES: Final = ProfileTable(
    (
        Profile("NORMAL", _rungs("0.5:25 1:25 2:50"), trail=_curve("1:1.5 3:1.0")),
        Profile("TREND", _rungs("0.5:15 1:20 2:30"), runner_pct=Decimal(35), trail=_curve("1.5:2.0 3:1.5 5:1.0")),
        Profile("RANGE", _rungs("0.2:35 0.4:35 0.7:30")),
        Profile("VOLATILE", _rungs("0.4:25 0.8:35 1.5:40"), trail=_curve("1:2.5")),
        Profile("CHOP", _rungs("0.15:40 0.35:40 0.6:20")),
        Profile(
            "CHALLENGE_100",
            _rungs("1:30"),
            runner_pct=Decimal(70),
            trail=(TrailStep(Decimal(0), distance_atr=Decimal(2)),),
            trail_after_rung=1,
            time_limit=TimeLimit(7_200_000, below_r=Decimal(1), before_rung=1),
            stop_atr=Decimal(2),
            liquidation_buffer_pct=Decimal(1),
        ),
        Profile(
            "TREND_FOLLOW",
            _rungs("2:50"),
            runner_pct=Decimal(50),
            trail=(TrailStep(Decimal(2), distance_atr=Decimal("0.8")),),
            locks=_AT_ONE_R,
            time_limit=TimeLimit(_DAY_MS),
            stop_atr=Decimal("1.5"),
        ),
        Profile(
            "FAST_TP",
            _rungs("1:100"),
            trail=(TrailStep(Decimal("0.5"), distance_atr=Decimal("0.6")),),
            locks=_AT_ONE_R,
            time_limit=TimeLimit(_DAY_MS),
            stop_atr=Decimal("1.5"),
        ),
        Profile(
            "DEFENSIVE_TRAIL",
            _rungs("2:50 2.5:50"),
            trail=(TrailStep(Decimal(1), distance_atr=Decimal("0.6")),),
            locks=_AT_ONE_R,
            time_limit=TimeLimit(_DAY_MS),
            stop_atr=Decimal("1.2"),
        ),
    )
)
"""Table 3.2, and the exit policy modes of the old stack as three more profiles (section 1, row 11)."""
