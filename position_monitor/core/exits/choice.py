"""Which profile the Exit Brain takes where the operator leaves the choice to the regime (3.4, S10)."""

from __future__ import annotations

from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.market import Regime
from position_monitor.core.model.pins import profile_pinned
from position_monitor.core.model.settings import DEFAULT_PROFILE


def profile_in_force(view: ExitView) -> str:
    """The profile that was pinned at entry, else the configured one, else the one that the regime chooses."""
    configured = view.settings.profile
    return profile_pinned(view.pin) or (profile_of_regime(view) if configured == DEFAULT_PROFILE else configured)


def profile_of_regime(view: ExitView) -> str:
    """The name of the profile for the regime in force; without one it is NORMAL."""
    regime = view.regime
    adx = view.market.adx if view.market is not None else None
    directionless = adx is not None and adx < view.settings.exits.ranging_below_adx
    if regime is Regime.TRENDING:
        if view.direction is None:
            return "NORMAL"
        return "TREND" if view.direction is view.position.side else "RANGE"
    if regime is Regime.EXTREME_VOL:
        return "VOLATILE"
    if regime is Regime.HIGH_VOL:
        return "CHOP" if directionless else "VOLATILE"
    if regime is Regime.CHOP:
        return "CHOP"
    if regime is Regime.RANGING or (regime is Regime.LOW_VOL and directionless):
        return "RANGE"
    return "NORMAL"


def trends_against(view: ExitView) -> bool:
    """Whether a trend is in force, and goes against the position."""
    return view.regime is Regime.TRENDING and view.direction is not None and view.direction is not view.position.side
