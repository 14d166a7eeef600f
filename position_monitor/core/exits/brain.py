"""Exit Brain V3: one orchestrator that takes a profile and lets it take profit (exits.md 3.2, 3.4).

The profile is pinned at entry: it stands in the backstop's id. The first stop is that of the dynamic policy for the
regime, or the floor's without an ATR; rungs are multiples of R.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache

from position_monitor.core.exits import static
from position_monitor.core.exits.choice import profile_in_force, trends_against
from position_monitor.core.exits.in_r import Plan, exits_in_r, r_is_too_small
from position_monitor.core.exits.kept_ladders import kept_ladders
from position_monitor.core.exits.locks import locks_of
from position_monitor.core.exits.view import Exits, ExitView
from position_monitor.core.model.desired import LevelSource
from position_monitor.core.model.market import Regime
from position_monitor.core.model.money import HUNDRED
from position_monitor.core.model.pins import pin_of_profile, profile_pinned
from position_monitor.core.model.profiles import Profile, ProfileTable
from position_monitor.core.model.settings import DEFAULT_PROFILE, ProtectionSettings

_TRAILS_AS_NORMAL = frozenset({"TREND", "RANGE"})
"""Profiles whose trail is that of NORMAL while a trend goes against the position (S10)."""


def shares(settings: ProtectionSettings, pin: int) -> tuple[tuple[Decimal, ...], ...]:
    """For each profile that may be in force, by the settings alone: the part closed by each of its rungs."""
    name = profile_pinned(pin) or settings.profile
    names: Iterable[str] = settings.exits.profiles if name == DEFAULT_PROFILE else (name,)
    return _shares(settings.exits.profiles, tuple(names))


def exits(view: ExitView) -> Exits:
    """The first stop by ATR, rungs in R with their runner, locks, a trail on a curve in R, a time stop."""
    if r_is_too_small(view):
        floor = static.exits(view)
        return floor._replace(notes=(*floor.notes, "R is less than a tick: the levels are the floor's"))
    plan = _plan(view.settings, profile_in_force(view), view.regime or Regime.NORMAL_VOL, trends_against(view))
    return exits_in_r(view, plan, kept_ladders(view))


@lru_cache(maxsize=512)
def _plan(settings: ProtectionSettings, name: str, regime: Regime, against: bool) -> Plan:
    """A profile with what the settings and the regime of now add to it.

    Raises `KeyError` for a name that is none, and `ValueError` for a profile that cannot be used.
    """
    exits = settings.exits
    profile = exits.profiles[name]
    if why := profile.why_unusable():
        raise ValueError(f"profile {name}: {why}")
    trail = profile.trail
    if against and profile.name in _TRAILS_AS_NORMAL:
        trail = exits.profiles["NORMAL"].trail
    stop_atr = profile.stop_atr
    return Plan(
        source=f"{LevelSource.BRAIN}:{profile.name}",
        profile=profile.name,
        rungs=profile.rungs,
        runner=profile.runner_pct / HUNDRED,
        locks=locks_of(settings, profile.locks, len(profile.rungs)),
        trail=trail,
        trail_after_rung=profile.trail_after_rung,
        time_limit=profile.time_limit,
        stop_atr=exits.regimes[regime].k1 if stop_atr is None else stop_atr,
        liquidation_buffer_pct=profile.liquidation_buffer_pct,
        pin=pin_of_profile(profile.name),
    )


@lru_cache(maxsize=64)
def _shares(profiles: ProfileTable, names: tuple[str, ...]) -> tuple[tuple[Decimal, ...], ...]:
    return tuple(tuple(_adding_up(profiles[name])) for name in names if name in profiles) or ((Decimal(0),),)


def _adding_up(profile: Profile) -> Iterator[Decimal]:
    total = Decimal(0)
    for rung in profile.rungs:
        total += rung.share_pct / HUNDRED
        yield total
