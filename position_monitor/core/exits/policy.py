"""Exit policies: position and settings in, levels out (DESIGN 9). Pure; the same levels are planned and judged.

A policy names prices and where they came from. It knows nothing about what rests on the exchange: `core/book`
turns levels into a desired book, adding the ratchet, foreign orders and sizes.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from position_monitor.core.model.desired import Level, LevelSource, Target
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.money import (
    HUNDRED,
    against,
    beyond,
    ceil_to,
    distance_pct,
    floor_to,
    in_favour,
    plain,
    stop_trigger,
    target_trigger,
    tighter,
)
from position_monitor.core.model.outside import Advice
from position_monitor.core.model.positions import Position
from position_monitor.core.model.settings import Policy, ProtectionSettings, Rung
from position_monitor.core.model.sides import Side
from position_monitor.core.model.stop_price import fitted_stop

_NOTHING = Decimal(0)
_SOURCES = {Policy.STATIC: LevelSource.STATIC, Policy.HYBRID: LevelSource.HYBRID}
_FULL_CONFIDENCE = Decimal("0.80")
_LEAST_CONFIDENCE = Decimal("0.20")


class Obstacle(StrEnum):
    """What keeps a stop from protecting, whoever places it."""

    NONE = ""
    LIQUIDATION_FIRST = "no price lies between the liquidation price and the mark: the stop may come too late"
    NO_PRICE = "the venue permits no stop price on the losing side of the mark; one is tried all the same"


class PriceGrid(NamedTuple):
    """The prices that the venue permits."""

    tick: Decimal
    lowest: Decimal
    highest: Decimal

    def nearest(self, price: Decimal) -> Decimal:
        """The price, or the bound that it lies beyond."""
        return min(max(price, self.lowest), self.highest)


class Levels(NamedTuple):
    """What a policy wants for one position, before sizing and before what already rests is considered."""

    stop: Level
    """At a price that the venue permits, never beyond the clamp to the liquidation price where there is room for it."""
    targets: tuple[Target, ...]
    """Nearest first; empty while the entry price is unknown."""
    crossed: bool
    """The price has already passed the policy's stop: `stop` is then anchored to the mark instead."""
    clamp: Decimal | None = None
    """On the tick grid: a stop looser than this lies too near the liquidation price; None without one ahead."""
    notes: tuple[str, ...] = ()
    obstacle: Obstacle = Obstacle.NONE
    """Why `stop` cannot protect: it lies where the venue takes one (LIQUIDATION_FIRST), or nowhere (NO_PRICE)."""


def levels_for(
    position: Position, instrument: Instrument, settings: ProtectionSettings, advice: Advice | None, now_ms: int
) -> Levels:
    """The stop and the targets of one position under the configured policy."""
    weight = _weight(advice, settings, now_ms)
    stop_pct, stretch = _stop_pct(settings, advice, weight), _stretch(settings, advice, weight)
    found = _stop_level(position, instrument, settings, stop_pct, stretch, advised=weight > 0)
    if found.crossed and stop_pct < (own_pct := _stop_pct(settings, None, weight)):
        # The price has passed the advised level only: anchored to the mark it could lose more than without advice.
        own = _stop_level(position, instrument, settings, own_pct, stretch, advised=False)
        found = found if own.crossed else own
    if instrument.lowest_price > instrument.highest_price:  # the grid is so coarse that no price lies in the range
        stop = found.stop._replace(price=_unpermitted(found.stop.price, position, instrument.tick))
        return found._replace(stop=stop, targets=(), obstacle=Obstacle.NO_PRICE)
    anchor = position.arming_price if found.crossed else position.entry_price
    clamp = _clamp_level(position, instrument, settings, anchor)
    return found if clamp is None else found._replace(clamp=clamp)


def _weight(advice: Advice | None, settings: ProtectionSettings, now_ms: int) -> Decimal:
    """How much of the AI's advice counts: none below 0.20 confidence, half up to 0.80, all from there."""
    if advice is None or settings.policy is Policy.STATIC or now_ms >= advice.expires_at_ms:
        return _NOTHING
    if advice.confidence < _LEAST_CONFIDENCE:
        return _NOTHING
    return Decimal(1) if advice.confidence >= _FULL_CONFIDENCE else Decimal("0.5")


def _stop_pct(settings: ProtectionSettings, advice: Advice | None, weight: Decimal) -> Decimal:
    """Stop distance in percent of entry: advice may only make it smaller (invariant 8), inside the bounds."""
    base = settings.stop_loss_pct
    if advice is not None and advice.stop_loss_pct is not None and weight > 0:
        base = min(base, base + weight * (advice.stop_loss_pct - base))
    return min(max(base, settings.stop_loss_min_pct), settings.stop_loss_max_pct)


def _stop_level(
    position: Position,
    instrument: Instrument,
    settings: ProtectionSettings,
    stop_pct: Decimal,
    stretch: Decimal | None,
    *,
    advised: bool,
) -> Levels:
    """The policy's levels; anchored to the mark when the price is already beyond the stop or the entry is unknown."""
    side, entry, mark = position.side, position.entry_price, position.arming_price
    grid = PriceGrid(instrument.tick, instrument.lowest_price, instrument.highest_price)
    if entry > 0:
        source = LevelSource.AI if advised and stop_pct != settings.stop_loss_pct else _SOURCES[settings.policy]
        levels = _from_entry(entry, side, grid, settings, stop_pct, stretch, source, position.liquidation_ahead)
        levels = _before_liquidation(levels, position, instrument, settings)
        if not beyond(mark, levels.stop.price, side):
            return levels
    inputs = {"entry_price": entry, "mark_price": mark, "stop_loss_pct": stop_pct}
    anchored = Level(against(mark, side, stop_pct), LevelSource.REANCHOR, inputs, anchored=True)
    stop, obstacle = _fitted(_clamped(anchored, position, settings, mark), position, instrument)
    if entry <= 0:
        note = "entry price was 0: stop anchored to the mark, take-profits held"
        return Levels(stop, (), False, None, (note,), obstacle)
    targets, notes = _targets(entry, side, grid, settings, stop_pct, stretch)
    word = "mark" if position.last_price is None else "last price"
    note = f"the {word} {plain(mark)} is beyond the desired stop: anchored to the {word}"
    return Levels(stop, targets, True, None, (note, *notes), obstacle)


def _before_liquidation(
    levels: Levels, position: Position, instrument: Instrument, settings: ProtectionSettings
) -> Levels:
    """The levels as they are, unless their stop lies beyond the liquidation price: then it is measured from the mark.

    That is so where the entry itself lies beyond it, as it may with cross margin when other positions lose.
    """
    ahead = position.liquidation_ahead
    if ahead is None or tighter(levels.stop.price, ahead, position.side):
        return levels
    stop, obstacle = _fitted(_clamped(levels.stop, position, settings, position.arming_price), position, instrument)
    return levels._replace(stop=stop, obstacle=obstacle)


def _fitted(level: Level, position: Position, instrument: Instrument) -> tuple[Level, Obstacle]:
    """The level at a price that can protect, else at one that the venue takes; and what stands in the way."""
    side, mark, ahead = position.side, position.arming_price, position.liquidation_ahead
    price = fitted_stop(level.price, side, mark, ahead, instrument)
    if price is not None:
        return level._replace(price=price), Obstacle.NONE
    price = fitted_stop(level.price, side, mark, None, instrument)
    if price is not None:
        return level._replace(price=price), Obstacle.LIQUIDATION_FIRST
    return level._replace(price=_unpermitted(level.price, position, instrument.tick)), Obstacle.NO_PRICE


def _unpermitted(price: Decimal, position: Position, tick: Decimal) -> Decimal:
    """Where a stop is tried when the rules permit none: on the grid, on the losing side of the mark.

    Rules are read rarely, so the venue may permit it by now; its refusal has them read again (invariant 3).
    """
    side, mark = position.side, position.mark_price
    if side is Side.LONG:
        return max(min(stop_trigger(price, side, tick), ceil_to(mark, tick) - tick), tick)
    return max(stop_trigger(price, side, tick), floor_to(mark, tick) + tick)


@lru_cache(maxsize=2_048)
def _from_entry(
    entry: Decimal,
    side: Side,
    grid: PriceGrid,
    settings: ProtectionSettings,
    stop_pct: Decimal,
    stretch: Decimal | None,
    source: str,
    liquidation: Decimal | None,
) -> Levels:
    """The policy's levels measured from the entry. The mark has no part in them, so they are remembered."""
    level = Level(against(entry, side, stop_pct), source, {"entry_price": entry, "stop_loss_pct": stop_pct})
    clamp = _clamp(side, liquidation, settings, entry)
    if clamp is not None and tighter(clamp, level.price, side):
        level = _moved_to(clamp, level, liquidation)
    price = grid.nearest(stop_trigger(level.price, side, grid.tick))
    risk_pct = min(stop_pct, distance_pct(price, entry))
    targets, notes = _targets(entry, side, grid, settings, risk_pct, stretch)
    return Levels(level._replace(price=price), targets, False, None, notes)


def _clamp(side: Side, liquidation: Decimal | None, settings: ProtectionSettings, anchor: Decimal) -> Decimal | None:
    """The configured fraction of the way from the anchor to a liquidation price ahead of it; None without one."""
    if liquidation is None or anchor <= 0 or not tighter(anchor, liquidation, side):
        return None
    return anchor + (liquidation - anchor) * settings.liquidation_fraction_pct / HUNDRED


def _clamp_level(
    position: Position, instrument: Instrument, settings: ProtectionSettings, anchor: Decimal
) -> Decimal | None:
    """The clamp from the anchor, or from the mark where the anchor is unknown or beyond the liquidation price."""
    side, mark, ahead = position.side, position.arming_price, position.liquidation_ahead
    clamp = _clamp(side, ahead, settings, anchor)
    if clamp is None:
        clamp = _clamp(side, ahead, settings, mark)
    if clamp is None or ahead is None:
        return None
    trigger = instrument.nearest_permitted(stop_trigger(clamp, side, instrument.tick))
    if tighter(trigger, ahead, side) and not beyond(mark, trigger, side):
        return trigger
    return fitted_stop(clamp, side, mark, ahead, instrument)


def _clamped(level: Level, position: Position, settings: ProtectionSettings, anchor: Decimal) -> Level:
    """Keep the stop at most the configured fraction of the way from the anchor to the liquidation price."""
    clamp = _clamp(position.side, position.liquidation_ahead, settings, anchor)
    if clamp is None or not tighter(clamp, level.price, position.side):
        return level
    return _moved_to(clamp, level, position.liquidation_ahead)


def _moved_to(clamp: Decimal, level: Level, liquidation: Decimal | None) -> Level:
    made_from = {"liquidation_price": liquidation or Decimal(0), "wanted": level.price}
    return Level(clamp, LevelSource.LIQUIDATION, {**level.inputs, **made_from}, level.anchored)


def _stretch(settings: ProtectionSettings, advice: Advice | None, weight: Decimal) -> Decimal | None:
    """The factor by which advice moves the whole ladder; None without any."""
    if advice is None or advice.take_profit_pct is None or weight <= 0:
        return None
    return 1 + weight * (advice.take_profit_pct / settings.take_profit_pct - 1)


def _targets(
    entry: Decimal,
    side: Side,
    grid: PriceGrid,
    settings: ProtectionSettings,
    risk_pct: Decimal,
    stretch: Decimal | None,
) -> tuple[tuple[Target, ...], tuple[str, ...]]:
    """The ladder: fixed rungs from the entry, stretched by advice, inside the reward:risk bounds; and notes about it.

    `risk_pct` is R in percent of the entry. No rung lies beyond the largest reward:risk, the last not within the least.
    The mark has no part in it: the ladder of a position stays the same from cycle to cycle. A rung goes to the nearest
    price that the venue permits; one for which none lies in profit is left out.
    """
    rungs = settings.ladder if settings.policy is Policy.HYBRID else (Rung(settings.take_profit_pct, HUNDRED),)
    source, factor = (_SOURCES[settings.policy], 1) if stretch is None else (LevelSource.AI, stretch)
    targets = []
    for number, rung in enumerate(rungs):
        pct = min(rung.target_pct * factor, risk_pct * settings.reward_risk_max)
        if number == len(rungs) - 1:
            pct = max(pct, risk_pct * settings.reward_risk_min)
        pct = min(max(pct, settings.target_min_pct), settings.target_max_pct)
        wanted = _in_profit(in_favour(entry, side, pct), entry, side, grid.tick)
        price = grid.nearest(wanted)
        if price == wanted or tighter(price, entry, side):
            inputs = {"entry_price": entry, "target_pct": pct}
            targets.append(Target(number, Level(price, source, inputs), rung.share_pct / HUNDRED))
    left_out = len(rungs) - len(targets)
    note = f"{left_out} take-profit(s) left out: prices in profit are outside what the venue permits"
    return tuple(targets), (note,) if left_out else ()


def _in_profit(price: Decimal, entry: Decimal, side: Side, tick: Decimal) -> Decimal:
    """The target on the tick grid, at least one tick beyond the entry.

    Where a tick is a large part of the price, rounding toward being reached could end on the losing side.
    """
    trigger = target_trigger(price, side, tick)
    if tighter(trigger, entry, side):
        return trigger
    return floor_to(entry, tick) + tick if side is Side.LONG else max(ceil_to(entry, tick) - tick, tick)
