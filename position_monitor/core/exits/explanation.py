"""Why the exits of a position are what they are: what `explain` shows (invariant 13).

It asks the same functions as the policy, with the same view, so it cannot say anything else than what was decided.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from position_monitor.core.exits.advice import AdviceCase, AdviceNow, advice_now
from position_monitor.core.exits.choice import advised_regime
from position_monitor.core.exits.parts import Parts
from position_monitor.core.exits.policies import exits_for, parts_for
from position_monitor.core.exits.view import Exits, ExitView
from position_monitor.core.model.desired import Level, LevelSource
from position_monitor.core.model.market import MarketState, Regime
from position_monitor.core.model.pins import NO_ATR, profile_pinned, regime_pinned
from position_monitor.core.model.settings import DEFAULT_PROFILE
from position_monitor.core.model.sides import Side

_AI: str = LevelSource.AI
_MAY_COUNT = (AdviceCase.HEARD, AdviceCase.AGREED)


class PartKind(StrEnum):
    """What a stop comes from."""

    FIRST_STOP = "first stop"
    LOCK = "lock"
    TRAIL = "trail"
    TIME_STOP = "time stop"
    OTHER = "other"


class PartRef(NamedTuple):
    """One part of a policy: the first stop, or the second lock."""

    kind: PartKind
    number: int = 0
    """Of a lock or a step of the trail, the first is 1; 0 for the others."""


class Chosen(StrEnum):
    """Who chose a profile or a regime."""

    NOBODY = ""
    PINNED = "pinned"
    """It was chosen when the position was opened, and stays (S2)."""
    CONFIGURED = "configured"
    BY_REGIME = "regime"
    AI_ENGINE = "ai"
    CANDLES = "candles"


class Explanation(NamedTuple):
    """The exits of one position with everything they were made from."""

    policy: str
    profile: str
    """Of the Exit Brain; empty under another policy."""
    profile_by: Chosen
    regime: Regime | None
    regime_by: Chosen
    regime_at_entry: Regime | None
    """The one that made the first stop and the target; None where the policy pins none."""
    no_atr_at_entry: bool
    """Whether the first stop is the floor's because nobody knew an ATR when the position was opened."""
    direction: Side | None
    market: MarketState | None
    atr_age_ms: int | None
    """Since the candle closed that it was worked out from."""
    r: Decimal | None
    r_read_back: bool
    """Whether R is that of the backstop that rests; else of the stop as the policy would place it."""
    stop: Level
    """Where the policy wants the stop now; the ratchet is not in it."""
    stop_from: PartRef
    moves_resting: bool
    """Whether a stop that rests may be moved there."""
    first_stop: Level
    parts: Parts
    trailing_off: bool
    """Whether the settings say that no stop trails."""
    runner: Decimal
    """Part of the position (0 to 1) that never gets a target."""
    runner_alone: bool
    """Whether what is left is the runner."""
    advice: AdviceNow | None
    failed: str
    """Why the policy could not answer, so that the floor protects; empty nearly always."""
    notes: tuple[str, ...]


def explained(view: ExitView) -> Explanation:
    """The exits of one position now, and why."""
    answer = exits_for(view)
    parts, market, profile = parts_for(view, answer), view.market, profile_pinned(answer.pin)
    return Explanation(
        policy=str(view.settings.policy),
        profile=profile,
        profile_by=_profile_by(view) if profile else Chosen.NOBODY,
        regime=view.regime,
        regime_by=_regime_by(view),
        regime_at_entry=regime_pinned(answer.pin),
        no_atr_at_entry=answer.pin == NO_ATR,
        direction=view.direction if view.regime is Regime.TRENDING else None,
        market=market,
        atr_age_ms=None if market is None else view.now_ms - market.closed_at_ms,
        r=answer.r,
        r_read_back=answer.r is not None and view.r is not None,
        stop=answer.stop,
        stop_from=part_at(answer.stop, answer.initial_stop, parts),
        moves_resting=answer.moves_resting,
        first_stop=answer.initial_stop,
        parts=parts,
        trailing_off=not view.settings.trailing,
        runner=answer.runner,
        runner_alone=answer.alone,
        advice=_advice(view, answer, parts),
        failed=answer.failed,
        notes=answer.notes,
    )


def part_at(level: Level, first: Level, parts: Parts) -> PartRef:
    """The part that gives exactly this level, among those that count; OTHER where none does."""
    if level == first:
        return PartRef(PartKind.FIRST_STOP)
    for number, lock in enumerate(parts.locks, 1):
        if lock.counts and lock.level == level:
            return PartRef(PartKind.LOCK, number)
    for number, step in enumerate(parts.trail, 1):
        if step.acts and step.level == level:
            return PartRef(PartKind.TRAIL, number)
    if parts.time is not None and parts.time.level == level:
        return PartRef(PartKind.TIME_STOP)
    return PartRef(PartKind.OTHER)


def part_at_price(price: Decimal, explanation: Explanation) -> PartRef:
    """The part that gives this price now, among those that count; OTHER where none does."""
    parts, first = explanation.parts, explanation.first_stop
    levels = [first]
    levels += [lock.level for lock in parts.locks if lock.counts and lock.level is not None]
    levels += [step.level for step in parts.trail if step.acts and step.level is not None]
    levels += [parts.time.level] if parts.time is not None and parts.time.level is not None else []
    return next((part_at(one, first, parts) for one in levels if one.price == price), PartRef(PartKind.OTHER))


def _profile_by(view: ExitView) -> Chosen:
    if profile_pinned(view.pin):
        return Chosen.PINNED
    return Chosen.BY_REGIME if view.settings.profile == DEFAULT_PROFILE else Chosen.CONFIGURED


def _regime_by(view: ExitView) -> Chosen:
    if view.regime is None:
        return Chosen.NOBODY
    return Chosen.CANDLES if advised_regime(view.advice, view.now_ms) is None else Chosen.AI_ENGINE


def _advice(view: ExitView, answer: Exits, parts: Parts) -> AdviceNow | None:
    """The advice, and what became of it in this answer."""
    advice = advice_now(view)
    if advice is None:
        return None
    if not parts.takes_advice:
        return advice._replace(case=AdviceCase.NOT_TAKEN, weight=None, why="")
    if advice.case not in _MAY_COUNT:
        return advice
    if answer.initial_stop.source != _AI:
        return advice._replace(case=AdviceCase.NOT_NEARER)
    return advice._replace(case=AdviceCase.TOO_NEAR) if not answer.moves_resting else advice
