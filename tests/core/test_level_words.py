"""Where a stop comes from, in the words of a trader: no name of a field, and nothing that only its authors know."""

from __future__ import annotations

from decimal import Decimal

import pytest

from position_monitor.core.model.desired import Level, LevelSource
from position_monitor.core.model.level_words import origin, source_words

WORDS = [
    ("hybrid", {"entry_price": Decimal(42000), "stop_loss_pct": Decimal("1.5")}, "1.5 % from the entry (hybrid)"),
    ("hybrid", {"mark_price": Decimal(43500), "trailing_pct": Decimal("1.5")}, "1.5 % behind the price 43500 (hybrid)"),
    ("hybrid", {"breakeven": Decimal(42000)}, "breakeven (hybrid)"),
    ("hybrid", {"lock_rung": Decimal(1)}, "the level of take-profit 1 (hybrid)"),
    ("brain:TREND", {"lock_r": Decimal("0.5"), "r": Decimal(630)}, "0.5 R of profit (Exit Brain TREND)"),
    (
        "dynamic",
        {"entry_price": Decimal(42000), "distance": Decimal("512.345678901"), "atr": Decimal("204.9")},
        "512.35 from the entry, by an ATR of 204.9 (dynamic)",
    ),
    (
        "brain:TREND",
        {"mark_price": Decimal(43500), "from_r": Decimal(2), "distance": Decimal(300)},
        "300 behind the price 43500 (Exit Brain TREND)",
    ),
    (
        "static",
        {"mark_price": Decimal(41900), "max_hours": Decimal(8), "below_r": Decimal(0)},
        "near the price, because the position is older than 8 h (static)",
    ),
    (
        LevelSource.REANCHOR,
        {"entry_price": Decimal(42000), "mark_price": Decimal(40000), "stop_loss_pct": Decimal("1.5")},
        "1.5 % from the price 40000, which has passed the policy's own level",
    ),
    (
        LevelSource.REANCHOR,
        {"entry_price": Decimal(42000), "stop_loss_pct": Decimal("1.5"), "refused": Decimal(41370)},
        "further away, because the exchange says that the price has passed 41370",
    ),
    (
        LevelSource.AI,
        {"entry_price": Decimal(42000), "distance": Decimal(420), "advised_pct": Decimal(1)},
        "420 from the entry, as the AI engine advises",
    ),
    (
        LevelSource.RATCHET,
        {"resting": Decimal(42059), "wanted": Decimal(42000)},
        "where it rests: a stop never moves back",
    ),
    (
        LevelSource.LIQUIDATION,
        {
            "entry_price": Decimal(42000),
            "stop_loss_pct": Decimal("1.5"),
            "liquidation_price": Decimal(41500),
            "wanted": Decimal(41370),
        },
        "kept away from the liquidation price",
    ),
    ("static", {}, "static"),
]


@pytest.mark.parametrize(("source", "inputs", "words"), WORDS)
def test_a_level_says_where_it_comes_from(source: str, inputs: dict[str, Decimal], words: str) -> None:
    assert origin(Level(Decimal(41370), source, inputs)) == words


@pytest.mark.parametrize("source", [*LevelSource, "brain:TREND", "brain:CHALLENGE_100"])
def test_no_source_is_told_by_its_name_in_the_code(source: str) -> None:
    """Policies are what the operator configured; every other source is told in words."""
    configured = ("static", "hybrid", "dynamic", "operator")
    assert source_words(source) in configured or source_words(source) not in (source, "")
