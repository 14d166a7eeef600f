"""The section [exit.regimes]: where regimes begin and end, and what the dynamic policy does in each (3.1, 3.4).

The variables of the existing stack override it: `EXIT_REGIME_<NAME>_K1_SL` and so on, and `REGIME_*`. What lies outside
the bounds is a `ConfigError` (exit 78); the old stack only warned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final, NamedTuple

from pydantic import Field, model_validator

from position_monitor.config.problems import shown
from position_monitor.config.values import Percent, Section, allowed_is
from position_monitor.core.model.market import Regime
from position_monitor.core.model.regime_settings import DEFAULT_REGIMES, RegimeSettings, RegimeTable, RegimeThresholds

NAMES: Final = tuple(regime for regime in Regime if regime is not Regime.CHOP)
"""Regimes with settings of their own; CHOP has those of HIGH_VOL."""
_DEFAULT_THRESHOLDS: Final = RegimeThresholds()


class RegimeSection(Section):
    """One regime: [exit.regimes.HIGH_VOL]. Distances are multiples of the average true range (ATR) of an hour."""

    k1: Percent = Field(..., ge=Decimal("0.5"), le=5, description="Distance of the stop from the entry, in ATR.")
    k2: Percent = Field(..., ge=1, le=10, description="Distance of the target from the entry, in ATR; more than k1.")
    breakeven_r: Percent = Field(
        ..., ge=0, le=2, description="Profit, in distances of the first stop, at which the stop goes to breakeven."
    )
    trail_atr: Percent = Field(
        ..., ge=Decimal("0.5"), le=5, description="How far the trailing stop stays behind the best mark, in ATR."
    )
    max_hours: Percent = Field(..., ge=1, le=168, description="Age in hours at which the time stop may act.")


def _default(regime: Regime) -> RegimeSection:
    return RegimeSection.model_validate(asdict(DEFAULT_REGIMES[regime]))


_ALLOWED: Final = allowed_is("a table of k1, k2, breakeven_r, trail_atr and max_hours, or of some of them")


class RegimesSection(Section):
    """Where regimes begin and end, and what the dynamic policy and the Exit Brain do in each.
    No figure here has evidence from a real market: they are defaults to be measured.
    k1: distance of the stop from the entry, 0.5 to 5 times the average true range (ATR) of an hour.
    k2: distance of the target, 1 to 10 ATR and more than k1. trail_atr: distance of the trailing stop, 0.5 to 5 ATR.
    breakeven_r: profit at which the stop goes to breakeven, 0 to 2 distances of the first stop.
    max_hours: age at which the time stop may act, 1 to 168 hours.
    A table may set some of these keys only: [exit.regimes.HIGH_VOL] with k1 = 2.2 leaves the others as they are.
    EXIT_REGIME_<NAME>_K1_SL, _K2_TP, _BREAKEVEN_R, _TRAILING_MULT and _MAX_DURATION_HOURS override them.
    """

    low_below_pct: Percent = Field(
        _DEFAULT_THRESHOLDS.low_below_pct,
        gt=0,
        le=20,
        description="ATR in percent of the price below which volatility is low. Overridden by REGIME_ATR_RATIO_LOW, "
        "which is a fraction there: 0.005 is 0.5 %.",
    )
    high_from_pct: Percent = Field(
        _DEFAULT_THRESHOLDS.high_from_pct,
        gt=0,
        le=20,
        description="ATR in percent of the price from which volatility is high. Overridden by REGIME_ATR_RATIO_NORMAL.",
    )
    extreme_from_pct: Percent = Field(
        _DEFAULT_THRESHOLDS.extreme_from_pct,
        gt=0,
        le=20,
        description="ATR in percent of the price from which it is extreme. Overridden by REGIME_ATR_RATIO_HIGH.",
    )
    trending_from_adx: Percent = Field(
        _DEFAULT_THRESHOLDS.trending_from_adx,
        ge=1,
        le=100,
        description="ADX from which a market trends. Overridden by REGIME_ADX_TRENDING.",
    )
    ranging_below_adx: Percent = Field(
        _DEFAULT_THRESHOLDS.ranging_below_adx,
        ge=1,
        le=100,
        description="ADX below which a trend is over and a market ranges. Overridden by REGIME_ADX_CHOP_THRESHOLD.",
    )
    LOW_VOL: RegimeSection = Field(_default(Regime.LOW_VOL), description="Low volatility.", json_schema_extra=_ALLOWED)
    NORMAL_VOL: RegimeSection = Field(
        _default(Regime.NORMAL_VOL), description="Neither of the others.", json_schema_extra=_ALLOWED
    )
    HIGH_VOL: RegimeSection = Field(
        _default(Regime.HIGH_VOL), description="High volatility, chop included.", json_schema_extra=_ALLOWED
    )
    EXTREME_VOL: RegimeSection = Field(
        _default(Regime.EXTREME_VOL), description="Extreme volatility, trend or not.", json_schema_extra=_ALLOWED
    )
    TRENDING: RegimeSection = Field(_default(Regime.TRENDING), description="A trend.", json_schema_extra=_ALLOWED)
    RANGING: RegimeSection = Field(
        _default(Regime.RANGING), description="Normal volatility without a trend.", json_schema_extra=_ALLOWED
    )

    @model_validator(mode="before")
    @classmethod
    def _keys_that_are_not_set(cls, data: object) -> object:
        """A table may set some of its keys: the others are those of its regime."""
        if not isinstance(data, dict):
            return data
        filled = {name: {**asdict(DEFAULT_REGIMES[name]), **data[name]} for name in NAMES if _is_table(data, name)}
        return {**data, **filled}

    def table(self) -> RegimeTable:
        """The settings of every regime as the core takes them."""
        return RegimeTable({regime: RegimeSettings(**dict(getattr(self, regime))) for regime in NAMES})

    def thresholds(self) -> RegimeThresholds:
        """Where regimes begin and end, as the core takes it."""
        return RegimeThresholds(
            low_below_pct=self.low_below_pct,
            high_from_pct=self.high_from_pct,
            extreme_from_pct=self.extreme_from_pct,
            trending_from_adx=self.trending_from_adx,
            ranging_below_adx=self.ranging_below_adx,
        )

    def broken_rules(self) -> Iterator[str]:
        """One sentence for every rule between these keys that is broken."""
        for regime in NAMES:
            section: RegimeSection = getattr(self, regime)
            if section.k2 <= section.k1:
                yield (
                    f"exit.regimes.{regime}.k2 > exit.regimes.{regime}.k1 is required, but "
                    f"{shown(section.k2)} <= {shown(section.k1)}: the target would be nearer than the stop"
                )
        for low, high in pairwise(("low_below_pct", "high_from_pct", "extreme_from_pct")):
            if getattr(self, low) >= getattr(self, high):
                yield (
                    f"exit.regimes.{low} < exit.regimes.{high} is required, but "
                    f"{shown(getattr(self, low))} >= {shown(getattr(self, high))}"
                )
        if self.ranging_below_adx > self.trending_from_adx:
            yield (
                "exit.regimes.ranging_below_adx <= exit.regimes.trending_from_adx is required, but "
                f"{shown(self.ranging_below_adx)} > {shown(self.trending_from_adx)}"
            )


def _is_table(data: Mapping[str, Any], name: str) -> bool:
    return isinstance(data.get(name), Mapping)


_SHORT_NAMES: Final = {"NORMAL": Regime.NORMAL_VOL, "EXTREME": Regime.EXTREME_VOL}
"""Other names of a regime in the environment."""
_KEYS: Final = {
    "K1_SL": "k1",
    "K2_TP": "k2",
    "BREAKEVEN_R": "breakeven_r",
    "TRAILING_MULT": "trail_atr",
    "MAX_DURATION_HOURS": "max_hours",
}
_VARIABLE: Final = re.compile(rf"EXIT_REGIME_(?P<regime>\w+?)_(?P<key>{'|'.join(_KEYS)})")
_THRESHOLDS: Final = {
    "REGIME_ATR_RATIO_LOW": ("low_below_pct", 100),
    "REGIME_ATR_RATIO_NORMAL": ("high_from_pct", 100),
    "REGIME_ATR_RATIO_HIGH": ("extreme_from_pct", 100),
    "REGIME_ADX_TRENDING": ("trending_from_adx", 1),
    "REGIME_ADX_CHOP_THRESHOLD": ("ranging_below_adx", 1),
}
"""Variable, key, and what its number is multiplied with: ratios are fractions there, percent here."""
_WITHOUT_EFFECT: Final = {
    "REGIME_ADX_STRONG_TREND": "no decision asks whether a trend is strong",
    "REGIME_RANGE_WIDTH_THRESHOLD": "ADX is always there where a regime is, so its substitute is not needed",
    "REGIME_EMA_ALIGNMENT_PCT": "the direction of a trend is read from +DI and -DI",
}


class Overlaid(NamedTuple):
    """A configuration with the stack's variables for regimes laid over it."""

    data: dict[str, Any]
    origins: dict[str, str]
    """Key -> where it came from, for each key that a variable set."""
    problems: list[str]


def overlay_regimes(data: Mapping[str, Any], environ: Mapping[str, str]) -> Overlaid:
    """Lay the variables over [exit.regimes]. Empty means unset; a number that is none is refused with the rest."""
    chosen: dict[tuple[str, ...], tuple[str, str, int]] = {}
    problems = []
    for variable in sorted(environ):
        text = environ[variable].strip()
        if not text:
            continue
        if variable in _THRESHOLDS:
            key, factor = _THRESHOLDS[variable]
            chosen[key,] = (variable, text, factor)
        elif match := _VARIABLE.fullmatch(variable):
            name = _SHORT_NAMES.get(match["regime"], match["regime"])
            path: tuple[str, ...] = (str(name), _KEYS[match["key"]])
            if name not in NAMES:
                problems.append(f"{variable} names no regime; allowed are {', '.join((*NAMES, *_SHORT_NAMES))}")
            elif path in chosen and _number(chosen[path][1], 1) != _number(text, 1):
                problems.append(f"{chosen[path][0]} and {variable} are the same setting, but differ")
            else:
                chosen[path] = (variable, text, 1)
    merged, origins = dict(data), {}
    for path, (variable, text, factor) in chosen.items():
        merged = _laid(merged, ("exit", "regimes", *path), _number(text, factor))
        fraction = f"={text[:20]}, a fraction" if factor != 1 else ""
        origins[".".join(("exit", "regimes", *path))] = f"environment {variable}{fraction}"
    return Overlaid(merged, origins, problems)


def _number(text: str, factor: int) -> Decimal | str:
    """The number, or the text as it is: it is refused with its key, like any other value."""
    try:
        return Decimal(text) * factor
    except ArithmeticError:
        return text


def _laid(table: Mapping[str, Any], path: tuple[str, ...], value: object) -> dict[str, Any]:
    """A copy of a nested table with one value set; something else than a table in the way stays and is refused."""
    key, *rest = path
    if not rest:
        return {**table, key: value}
    below = table.get(key, {})
    return {**table, key: _laid(below, tuple(rest), value) if isinstance(below, Mapping) else below}


def variables_without_effect(environ: Mapping[str, str]) -> tuple[str, ...]:
    """One sentence for every variable of the stack that is set and changes nothing here."""
    return tuple(
        f"{variable} is set and has no effect: {reason}"
        for variable, reason in _WITHOUT_EFFECT.items()
        if environ.get(variable, "").strip()
    )
