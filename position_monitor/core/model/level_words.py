"""Where a stop level comes from, as a trader says it. The journal, `plan` and `explain` ask here, so they agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal

from position_monitor.core.model.desired import Level, LevelSource
from position_monitor.core.model.money import plain

_FIVE_DIGITS = Context(prec=5)
_ENOUGH: Mapping[str, str] = {
    LevelSource.RATCHET: "where it rests: a stop never moves back",
    LevelSource.LIQUIDATION: "kept away from the liquidation price",
}
"""Levels of which the source says enough."""
_SOURCES: Mapping[str, str] = {
    LevelSource.RATCHET: "as it rests",
    LevelSource.LIQUIDATION: "before the liquidation price",
    LevelSource.REANCHOR: "from the price",
    LevelSource.AI: "advised by the AI engine",
}
"""Sources that are no policy."""
_FORMS: tuple[tuple[str, str], ...] = (
    ("refused", "further away, because the exchange says that the price has passed {refused}"),
    ("breakeven", "breakeven"),
    ("lock_rung", "the level of take-profit {lock_rung}"),
    ("lock_r", "{lock_r} R of profit"),
    ("max_hours", "near the price, because the position is older than {max_hours} h"),
    ("trailing_pct", "{trailing_pct} % behind the price {mark_price}"),
    ("from_r", "{distance} behind the price {mark_price}"),
    ("mark_price", "{stop_loss_pct} % from the price {mark_price}, which has passed the policy's own level"),
    ("stop_loss_pct", "{stop_loss_pct} % from the entry"),
    ("advised_pct", "{distance} from the entry"),
    ("atr", "{distance} from the entry, by an ATR of {atr}"),
    ("distance", "{distance} from the entry"),
)
"""A figure that a level was made from, and what it says. The first that is there counts."""


def made_from(level: Level, number: Callable[[Decimal], str] = plain) -> str:
    """What a stop level was made from: `1.5 % behind the price 43500`. Empty where nothing is known of it.

    `number` writes figures: tables separate the thousands.
    """
    if words := _ENOUGH.get(level.source):
        return words
    form = next((form for name, form in _FORMS if name in level.inputs), "")
    words = form.format_map({name: number(_short(value)) for name, value in level.inputs.items()})
    if level.source == LevelSource.AI and words:
        return f"{words}, as the AI engine advises"
    return words


def origin(level: Level, number: Callable[[Decimal], str] = plain) -> str:
    """The same with the policy it is of: `breakeven (hybrid)`."""
    words, policy = made_from(level, number), policy_words(level.source)
    if not words or not policy:
        return words or policy or level.source
    return f"{words} ({policy})"


def source_words(source: str) -> str:
    """Where the level of an order comes from, in a few words."""
    return policy_words(source) or _SOURCES.get(source, source)


def policy_words(source: str) -> str:
    """The policy that a source names; empty for one that is no policy."""
    head, _, profile = source.partition(":")
    if head == LevelSource.BRAIN:
        return f"Exit Brain {profile}".strip()
    return head if head in (LevelSource.STATIC, LevelSource.HYBRID, LevelSource.DYNAMIC) else ""


def _short(figure: Decimal) -> Decimal:
    """A worked-out distance has 28 digits: five after the first say enough, and a price keeps its own."""
    exponent = figure.as_tuple().exponent
    exact = isinstance(exponent, int) and exponent >= -5
    return figure if exact else figure.normalize(_FIVE_DIGITS)
