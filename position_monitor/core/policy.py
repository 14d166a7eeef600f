"""Exit policies: position and settings in, levels out (DESIGN 9). Pure; the same levels are planned and judged.

A policy names prices and where they came from. It knows nothing about what rests on the exchange: `core/book.py`
turns levels into a desired book, adding the ratchet, foreign orders and sizes.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from position_monitor.core.desired import Level, LevelSource, Target
from position_monitor.core.model import Advice, Instrument, Position, Side
from position_monitor.core.money import (
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
from position_monitor.core.settings import Policy, ProtectionSettings, Rung

_NOTHING = Decimal(0)
_SOURCES = {Policy.STATIC: LevelSource.STATIC, Policy.HYBRID: LevelSource.HYBRID}
_FULL_CONFIDENCE = Decimal("0.80")
_LEAST_CONFIDENCE = Decimal("0.20")


class Levels(NamedTuple):
    """What a policy wants for one position, before sizing and before what already rests is considered."""

    stop: Level
    """On the tick grid, never beyond the clamp to the liquidation price."""
    targets: tuple[Target, ...]
    """Nearest first; empty while the entry price is unknown."""
    crossed: bool
    """The price has already passed the policy's stop: `stop` is then anchored to the mark instead."""
    clamp: Decimal | None = None
    """On the tick grid: a stop looser than this lies too near the liquidation price; None without one ahead."""
    notes: tuple[str, ...] = ()


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
    anchor = position.mark_price if found.crossed else position.entry_price
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
    side, entry, mark, tick = position.side, position.entry_price, position.mark_price, instrument.tick
    if entry > 0:
        source = LevelSource.AI if advised and stop_pct != settings.stop_loss_pct else _SOURCES[settings.policy]
        levels = _from_entry(entry, side, tick, settings, stop_pct, stretch, source, position.liquidation_ahead)
        if not beyond(mark, levels.stop.price, side):
            return levels
    inputs = {"entry_price": entry, "mark_price": mark, "stop_loss_pct": stop_pct}
    anchored = Level(against(mark, side, stop_pct), LevelSource.REANCHOR, inputs)
    level = _clamped(anchored, side, position.liquidation_ahead, settings, mark)
    trigger = _just_behind(stop_trigger(level.price, side, tick), mark, side, tick)
    stop = Level(trigger, level.source, level.inputs)
    if entry <= 0:
        return Levels(stop, (), False, None, ("entry price was 0: stop anchored to the mark, take-profits held",))
    note = f"the mark {plain(mark)} is beyond the desired stop: anchored to the mark"
    return Levels(stop, _targets(entry, side, tick, settings, stop_pct, stretch), True, None, (note,))


@lru_cache(maxsize=2_048)
def _from_entry(
    entry: Decimal,
    side: Side,
    tick: Decimal,
    settings: ProtectionSettings,
    stop_pct: Decimal,
    stretch: Decimal | None,
    source: str,
    liquidation: Decimal | None,
) -> Levels:
    """The policy's levels measured from the entry. The mark has no part in them, so they are remembered."""
    wanted = Level(against(entry, side, stop_pct), source, {"entry_price": entry, "stop_loss_pct": stop_pct})
    level = _clamped(wanted, side, liquidation, settings, entry)
    stop = Level(stop_trigger(level.price, side, tick), level.source, level.inputs)
    risk_pct = min(stop_pct, distance_pct(stop.price, entry))
    return Levels(stop, _targets(entry, side, tick, settings, risk_pct, stretch), False)


def _clamp(side: Side, liquidation: Decimal | None, settings: ProtectionSettings, anchor: Decimal) -> Decimal | None:
    """The configured fraction of the way from the anchor to a liquidation price ahead; None without one."""
    if liquidation is None or anchor <= 0 or not tighter(anchor, liquidation, side):
        return None
    return anchor + (liquidation - anchor) * settings.liquidation_fraction_pct / HUNDRED


def _clamp_level(
    position: Position, instrument: Instrument, settings: ProtectionSettings, anchor: Decimal
) -> Decimal | None:
    anchor = anchor if anchor > 0 else position.mark_price
    clamp = _clamp(position.side, position.liquidation_ahead, settings, anchor)
    if clamp is None:
        return None
    trigger = stop_trigger(clamp, position.side, instrument.tick)
    return _just_behind(trigger, position.mark_price, position.side, instrument.tick)


def _clamped(
    level: Level, side: Side, liquidation: Decimal | None, settings: ProtectionSettings, anchor: Decimal
) -> Level:
    """Keep the stop at most the configured fraction of the way from the anchor to the liquidation price."""
    clamp = _clamp(side, liquidation, settings, anchor)
    if clamp is None or not tighter(clamp, level.price, side):
        return level
    found = {"liquidation_price": liquidation or Decimal(0), "wanted": level.price}
    return Level(clamp, LevelSource.LIQUIDATION, {**level.inputs, **found})


def _just_behind(trigger: Decimal, mark: Decimal, side: Side, tick: Decimal) -> Decimal:
    """Rounding toward less loss may reach the mark; then the last tick before the mark is the stop."""
    if not beyond(mark, trigger, side):
        return trigger
    return ceil_to(mark, tick) - tick if side is Side.LONG else floor_to(mark, tick) + tick


def _stretch(settings: ProtectionSettings, advice: Advice | None, weight: Decimal) -> Decimal | None:
    """The factor by which advice moves the whole ladder; None without any."""
    if advice is None or advice.take_profit_pct is None or weight <= 0:
        return None
    return 1 + weight * (advice.take_profit_pct / settings.take_profit_pct - 1)


def _targets(
    entry: Decimal, side: Side, tick: Decimal, settings: ProtectionSettings, risk_pct: Decimal, stretch: Decimal | None
) -> tuple[Target, ...]:
    """The ladder: fixed rungs from the entry, stretched by advice, inside the reward:risk bounds.

    `risk_pct` is R in percent of the entry. No rung lies beyond the largest reward:risk, the last not within the least.
    The mark has no part in it: the ladder of a position stays the same from cycle to cycle.
    """
    rungs = settings.ladder if settings.policy is Policy.HYBRID else (Rung(settings.take_profit_pct, HUNDRED),)
    source, factor = (_SOURCES[settings.policy], 1) if stretch is None else (LevelSource.AI, stretch)
    targets = []
    for number, rung in enumerate(rungs):
        pct = min(rung.target_pct * factor, risk_pct * settings.reward_risk_max)
        if number == len(rungs) - 1:
            pct = max(pct, risk_pct * settings.reward_risk_min)
        pct = min(max(pct, settings.target_min_pct), settings.target_max_pct)
        price = _in_profit(in_favour(entry, side, pct), entry, side, tick)
        inputs = {"entry_price": entry, "target_pct": pct}
        targets.append(Target(number, Level(price, source, inputs), rung.share_pct / HUNDRED))
    return tuple(targets)


def _in_profit(price: Decimal, entry: Decimal, side: Side, tick: Decimal) -> Decimal:
    """The target on the tick grid, at least one tick beyond the entry.

    Where a tick is a large part of the price, rounding toward being reached could end on the losing side.
    """
    trigger = target_trigger(price, side, tick)
    if tighter(trigger, entry, side):
        return trigger
    return floor_to(entry, tick) + tick if side is Side.LONG else max(ceil_to(entry, tick) - tick, tick)
