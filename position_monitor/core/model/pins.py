"""What was decided when a position was opened, as a number in the client id of its backstop (S2).

Profile and regime are pinned at entry, and a restart with empty memory must find them again (invariant 4). The backstop
rests until the position is flat, and it is never split into parts, so its rung code is free for this number.
"""

from __future__ import annotations

from typing import Final

from position_monitor.core.model.market import Regime

NOT_PINNED: Final = 0
"""Nothing was decided: a policy without profiles and regimes placed it, or an earlier version."""
_PROFILES: Final = (
    *("NORMAL", "TREND", "RANGE", "VOLATILE", "CHOP"),
    *("CHALLENGE_100", "TREND_FOLLOW", "FAST_TP", "DEFENSIVE_TRAIL"),
)
_REGIMES: Final = (
    *(Regime.LOW_VOL, Regime.NORMAL_VOL, Regime.HIGH_VOL, Regime.EXTREME_VOL),
    *(Regime.TRENDING, Regime.RANGING),
)
_FIRST_REGIME: Final = 1 + len(_PROFILES)
NO_ATR: Final = _FIRST_REGIME + len(_REGIMES)
"""The dynamic policy knew no ATR: the floor was placed, and its levels stay."""

_PROFILE_PINS: Final = {name: 1 + number for number, name in enumerate(_PROFILES)}
_PROFILE_BY_PIN: Final = {pin: name for name, pin in _PROFILE_PINS.items()}
_REGIME_BY_PIN: Final = {_FIRST_REGIME + number: regime for number, regime in enumerate(_REGIMES)}
_REGIME_PINS: Final = {regime: pin for pin, regime in _REGIME_BY_PIN.items()} | {
    Regime.CHOP: _FIRST_REGIME + _REGIMES.index(Regime.HIGH_VOL)
}


def pin_of_profile(name: str) -> int:
    """The number of a profile of the Exit Brain; raises `KeyError` for an unknown one."""
    return _PROFILE_PINS[name]


def pin_of_regime(regime: Regime) -> int:
    """The number of a regime of the dynamic policy; CHOP is HIGH_VOL there (3.4)."""
    return _REGIME_PINS[regime]


def profile_pinned(pin: int) -> str:
    """The profile that a number names; empty for every other number."""
    return _PROFILE_BY_PIN.get(pin, "")


def regime_pinned(pin: int) -> Regime | None:
    """The regime that a number names; None for every other number."""
    return _REGIME_BY_PIN.get(pin)
