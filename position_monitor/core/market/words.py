"""What the AI engine's word for a regime means here (3.4). A word that is not listed means nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from position_monitor.core.market.regime import local_direction
from position_monitor.core.model.market import MarketState, Regime
from position_monitor.core.model.sides import Side


class Meaning(NamedTuple):
    """What a word says."""

    regime: Regime | None = None
    """None: nothing, the local regime counts."""
    direction: Side | None = None
    """Where the trend goes, if the word says so; else the local direction counts."""


_NOTHING: Final = Meaning()
_MEANINGS: Final[Mapping[str, Meaning]] = {
    **dict.fromkeys(("high_vol_trending", "low_vol_trending", "trending"), Meaning(Regime.TRENDING)),
    **dict.fromkeys(("trend_up", "bull", "bull_trend"), Meaning(Regime.TRENDING, Side.LONG)),
    **dict.fromkeys(("trend_down", "bear", "bear_trend"), Meaning(Regime.TRENDING, Side.SHORT)),
    **dict.fromkeys(
        ("low_vol_ranging", "range", "range_bound", "ranging", "sideways", "range_low_vol"), Meaning(Regime.RANGING)
    ),
    **dict.fromkeys(("high_vol_ranging", "range_high_vol", "chop", "choppy"), Meaning(Regime.CHOP)),
    **dict.fromkeys(("high_vol", "high_volatility", "volatile"), Meaning(Regime.HIGH_VOL)),
    "extreme_vol": Meaning(Regime.EXTREME_VOL),
    **dict.fromkeys(("low_vol", "low_volatility"), Meaning(Regime.LOW_VOL)),
    **dict.fromkeys(("normal", "normal_vol"), Meaning(Regime.NORMAL_VOL)),
}


def meaning_of(word: str) -> Meaning:
    """What a word of the AI engine means; upper and lower case are the same."""
    return _MEANINGS.get(word.strip().lower(), _NOTHING)


def trend_direction(meaning: Meaning, market: MarketState | None) -> Side | None:
    """Where the trend goes: by the word where it says so, else by the candles; None where neither does."""
    if meaning.direction is not None or market is None:
        return meaning.direction
    return local_direction(market)
