"""The tables [exit.profiles.NAME] and the list [exit] locks: what the Exit Brain takes profit by (exits.md 3.2, S6).

A table overrides parts of a profile; what it does not name stays as it is. The `CHALLENGE_*` variables of the existing
stack override CHALLENGE_100 (12.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from pydantic import Field

from position_monitor.config.problems import shown
from position_monitor.config.values import Count, Percent, Section, allowed_is
from position_monitor.core.model import profiles as core
from position_monitor.core.model.profiles import DEFAULT_PROFILES, Profile, ProfileTable, RungKind

RUNGS_MAX: Final = 4
_HOUR_MS: Final = 3_600_000
_CHALLENGE: Final = "CHALLENGE_100"


class LockSection(Section):
    """A stop that secures what was won: when it counts, and where it puts the stop; without `to_` it is breakeven."""

    after_rung: Count | None = Field(None, ge=1, le=RUNGS_MAX, description="Counts once this rung took its profit.")
    at_r: Percent | None = Field(None, ge=0, le=50, description="Counts from this profit in R on.")
    to_rung: Count | None = Field(None, ge=1, le=RUNGS_MAX, description="To the level of this rung.")
    to_r: Percent | None = Field(None, ge=0, le=50, description="To this profit in R.")

    def lock(self) -> core.Lock:
        """The same as the core takes it."""
        return core.Lock(after_rung=self.after_rung or 0, at_r=self.at_r, to_rung=self.to_rung or 0, to_r=self.to_r)

    def why_unusable(self) -> str:
        """What is wrong with it, in words; empty where nothing is."""
        if (self.after_rung is None) is (self.at_r is None):
            return "needs after_rung or at_r, and not both"
        if self.to_rung is not None and self.to_r is not None:
            return "has to_rung and to_r; one of them says where the stop goes"
        if self.to_rung is not None and self.after_rung is not None and self.to_rung >= self.after_rung:
            return "must go to a rung before the one it waits for"
        if self.to_r is not None and self.at_r is not None and self.to_r >= self.at_r:
            return "must go to less profit than it waits for"
        return ""


DEFAULT_LOCKS: Final = (
    LockSection(after_rung=1),
    *(LockSection(after_rung=rung, to_rung=rung - 1) for rung in range(2, RUNGS_MAX + 1)),
)
LOCKS_ALLOWED: Final = allowed_is("up to 8 tables {after_rung or at_r, and to_rung or to_r or neither for breakeven}")


class RungInRSection(Section):
    """One rung of a profile."""

    target_r: Percent = Field(..., gt=0, le=50, description="Distance from the entry in R.")
    share_pct: Percent = Field(..., gt=0, le=100, description="Part of the position, in percent.")
    kind: Literal["market", "limit"] = Field("market", description="See [protection] ladder.")


class TrailStepSection(Section):
    """One step of a trail."""

    from_r: Percent = Field(..., ge=0, le=50, description="Profit in R from which the step counts.")
    distance_pct: Percent | None = Field(None, gt=0, le=20, description="Distance from the mark in percent.")
    distance_atr: Percent | None = Field(None, gt=0, le=20, description="Distance from the mark in ATR.")


class ProfileSection(Section):
    """What one profile of the Exit Brain has otherwise than usual."""

    rungs: tuple[RungInRSection, ...] | None = Field(
        None,
        min_length=1,
        max_length=RUNGS_MAX,
        description="Rungs, nearest first; with runner_pct they add up to 100.",
        json_schema_extra=allowed_is('1 to 4 tables {target_r, share_pct, kind = "market" or "limit"}'),
    )
    runner_pct: Percent | None = Field(None, ge=0, le=95, description="Part of the position that gets no target.")
    trail: tuple[TrailStepSection, ...] | None = Field(
        None,
        max_length=8,
        description="Steps of the trailing stop; an empty list: it does not trail.",
        json_schema_extra=allowed_is("up to 8 tables {from_r, distance_pct or distance_atr}"),
    )
    trail_after_rung: Count | None = Field(None, ge=0, le=RUNGS_MAX, description="It trails once this rung is filled.")
    locks: tuple[LockSection, ...] | None = Field(
        None, max_length=8, description="See [exit] locks.", json_schema_extra=LOCKS_ALLOWED
    )
    max_hours: Percent | None = Field(None, gt=0, le=1000, description="Age at which the time stop may act.")
    below_r: Percent | None = Field(None, ge=0, le=50, description="The time stop acts only below this profit in R.")
    before_rung: Count | None = Field(None, ge=0, le=RUNGS_MAX, description="And only before this rung is filled.")
    stop_atr: Percent | None = Field(None, ge=Decimal("0.5"), le=5, description="Distance of the first stop in ATR.")
    liquidation_buffer_pct: Percent | None = Field(
        None, ge=0, le=20, description="The first stop stays this much of the entry before the liquidation price."
    )


def profile_table(sections: Mapping[str, ProfileSection]) -> ProfileTable:
    """The profiles as the core takes them."""
    return ProfileTable(tuple(_overridden(profile, sections.get(name)) for name, profile in DEFAULT_PROFILES.items()))


def _overridden(profile: Profile, section: ProfileSection | None) -> Profile:
    if section is None:
        return profile
    changed: dict[str, Any] = {
        name: value
        for name in ("runner_pct", "trail_after_rung", "stop_atr", "liquidation_buffer_pct")
        if (value := getattr(section, name)) is not None
    }
    if section.rungs is not None:
        changed["rungs"] = tuple(
            core.RungInR(rung.target_r, rung.share_pct, RungKind(rung.kind)) for rung in section.rungs
        )
    if section.trail is not None:
        changed["trail"] = tuple(
            core.TrailStep(one.from_r, one.distance_pct, one.distance_atr) for one in section.trail
        )
    if section.locks is not None:
        changed["locks"] = tuple(lock.lock() for lock in section.locks)
    return replace(profile, time_limit=_time_limit(profile.time_limit, section), **changed)


def _time_limit(usual: core.TimeLimit | None, section: ProfileSection) -> core.TimeLimit | None:
    """The time limit with what a table changes; a profile without one gets one only with an age."""
    if usual is None and section.max_hours is None:
        return None
    limit = usual or core.TimeLimit(0)
    return core.TimeLimit(
        max_ms=limit.max_ms if section.max_hours is None else round(section.max_hours * _HOUR_MS),
        below_r=limit.below_r if section.below_r is None else section.below_r,
        before_rung=limit.before_rung if section.before_rung is None else section.before_rung,
    )


def broken_profiles(sections: Mapping[str, ProfileSection], locks: tuple[LockSection, ...]) -> Iterator[str]:
    """One sentence for every profile and lock that cannot be used."""
    for name in sections:
        if name not in DEFAULT_PROFILES:
            yield f"exit.profiles.{name} names no profile; allowed are {', '.join(DEFAULT_PROFILES)}"
    for name, profile in profile_table(sections).items():
        if why := profile.why_unusable():
            yield f"exit.profiles.{name} cannot be used: {why}"
    listed = {"exit.locks": locks}
    listed |= {f"exit.profiles.{name}.locks": one.locks for name, one in sections.items() if one.locks is not None}
    for key, some in listed.items():
        for number, lock in enumerate(some):
            if why := lock.why_unusable():
                yield f"{key}[{number}] {why}, but was {shown(lock)}"


_VARIABLES: Final = (
    "CHALLENGE_TP1_R",
    "CHALLENGE_TP1_QTY_PCT",
    "CHALLENGE_TRAIL_ATR_MULT",
    "CHALLENGE_TIME_STOP_SEC",
    "CHALLENGE_LIQ_BUFFER_PCT",
)
_WITHOUT_EFFECT: Final = {
    "CHALLENGE_RISK_PCT_PER_TRADE": "R is the distance of the stop here, not a part of the equity",
    "CHALLENGE_MAX_RISK_R": "the stop is bounded by stop_loss_max_pct",
    "CHALLENGE_HARD_SL_ENABLED": "a stop always rests on the exchange",
}


class OverlaidProfiles(NamedTuple):
    """A configuration with the stack's variables for CHALLENGE_100 laid over it."""

    data: dict[str, Any]
    origins: dict[str, str]
    """Key -> where it came from, for each key that a variable set."""


def overlay_challenge(data: Mapping[str, Any], environ: Mapping[str, str]) -> OverlaidProfiles:
    """Lay the variables over [exit.profiles.CHALLENGE_100]. Empty means unset; what is no number is refused there.

    A part that is given as a fraction is taken as one: 0.3 of the position is 30 %, a buffer of 0.01 is 1 %.
    """
    given = {name: text for name in _VARIABLES if (text := environ.get(name, "").strip())}
    if not given:
        return OverlaidProfiles(dict(data), {})
    changed: dict[str, Any] = {}
    usual = DEFAULT_PROFILES[_CHALLENGE].rungs[0]
    target, share = given.get("CHALLENGE_TP1_R"), given.get("CHALLENGE_TP1_QTY_PCT")
    if target is not None or share is not None:
        part = usual.share_pct if share is None else _percent(share, fractions_below=Decimal(1))
        changed["rungs"] = [{"target_r": usual.target_r if target is None else _number(target), "share_pct": part}]
        if isinstance(part, Decimal):
            changed["runner_pct"] = 100 - part
    if (multiple := given.get("CHALLENGE_TRAIL_ATR_MULT")) is not None:
        changed["trail"] = [{"from_r": 0, "distance_atr": _number(multiple)}]
    if (seconds := given.get("CHALLENGE_TIME_STOP_SEC")) is not None:
        age_s = _number(seconds)
        changed["max_hours"] = age_s / 3600 if isinstance(age_s, Decimal) else age_s
    if (buffer := given.get("CHALLENGE_LIQ_BUFFER_PCT")) is not None:
        changed["liquidation_buffer_pct"] = _percent(buffer, fractions_below=Decimal("0.1"))
    origin = "environment " + ", ".join(given)
    return OverlaidProfiles(_laid(data, changed), {f"exit.profiles.{_CHALLENGE}.{key}": origin for key in changed})


def _laid(data: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with the changes in the profile's table; something else than a table in the way stays and is refused."""
    exits = data.get("exit", {})
    profiles = exits.get("profiles", {}) if isinstance(exits, Mapping) else None
    table = profiles.get(_CHALLENGE, {}) if isinstance(profiles, Mapping) else None
    if not isinstance(exits, Mapping) or not isinstance(profiles, Mapping) or not isinstance(table, Mapping):
        return dict(data)
    return {**data, "exit": {**exits, "profiles": {**profiles, _CHALLENGE: {**table, **changed}}}}


def _number(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except ArithmeticError:
        return text


def _percent(text: str, *, fractions_below: Decimal) -> Decimal | str:
    number = _number(text)
    return number * 100 if isinstance(number, Decimal) and number < fractions_below else number


def challenge_without_effect(environ: Mapping[str, str]) -> tuple[str, ...]:
    """One sentence for every variable of the challenge that is set and changes nothing here."""
    return tuple(
        f"{variable} is set and has no effect: {reason}"
        for variable, reason in _WITHOUT_EFFECT.items()
        if environ.get(variable, "").strip()
    )
