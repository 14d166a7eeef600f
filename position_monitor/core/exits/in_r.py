"""What the policies in R share: the first stop, R, and the answer with its locks, trail and time stop.

Before a backstop of ours rests, the stop is made from ATR and regime. From then on R is read back from it, and ATR and
regime may only tighten the trail: they never move the first stop or a ladder that rests (S1, S2).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from position_monitor.core.exits.advice import advised_now, advised_stop_pct, weight_of, why_ignored
from position_monitor.core.exits.answer import exits_from, tightest_before_the_mark
from position_monitor.core.exits.distances import Distances, InR, bounded_stop_pct
from position_monitor.core.exits.levels import Levels, levels_of
from position_monitor.core.exits.locks import breakeven, locked, profit_in_r
from position_monitor.core.exits.rungs_done import changed_since_the_backstop, furthest_done
from position_monitor.core.exits.stepped_back import stepped_back
from position_monitor.core.exits.time_stop import time_stop
from position_monitor.core.exits.trail import trail_in_r
from position_monitor.core.exits.view import Exits, ExitView
from position_monitor.core.model.desired import Ladder, LevelSource
from position_monitor.core.model.money import HUNDRED, tighter, tightest
from position_monitor.core.model.profiles import Lock, RungInR, TimeLimit, TrailStep
from position_monitor.core.model.settings import ProtectionSettings

NO_ATR_AT_ENTRY = "no ATR at entry: the stop is the floor's"


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What a policy in R makes of the market, for `exits_in_r`.

    Made once for the same settings, profile and regime, and compared by identity, as `Distances` are.
    """

    source: str
    profile: str
    """What is published as the profile in force."""
    rungs: tuple[RungInR, ...]
    runner: Decimal
    """Part of the position (0 to 1) without a target."""
    locks: tuple[Lock, ...]
    trail: tuple[TrailStep, ...]
    trail_after_rung: int
    time_limit: TimeLimit | None
    stop_atr: Decimal
    """Distance of the first stop in ATR."""
    liquidation_buffer_pct: Decimal
    pin: int
    """What a new backstop says in its id."""


def first_distance(view: ExitView, plan: Plan) -> tuple[Decimal, str]:
    """The distance of the first stop in units of price, inside its bounds, and what is to be said about it."""
    settings, position = view.settings, view.position
    entry, market = position.entry_price, view.market
    if market is None:
        return entry * bounded_stop_pct(settings.stop_loss_pct, settings) / HUNDRED, NO_ATR_AT_ENTRY
    distance, ahead = market.atr * plan.stop_atr, position.liquidation_ahead
    if ahead is not None and plan.liquidation_buffer_pct:
        room = abs(entry - ahead) - entry * plan.liquidation_buffer_pct / HUNDRED
        distance = min(distance, room)
    least, most = entry * settings.stop_loss_min_pct / HUNDRED, entry * settings.stop_loss_max_pct / HUNDRED
    return min(max(distance, least), most), ""


def exits_in_r(view: ExitView, plan: Plan, also: tuple[Ladder, ...] = ()) -> Exits:
    """The answer of a policy in R. Raises for figures that are none; then `policies.exits_for` gives the floor's."""
    if view.market is not None and not (view.market.atr.is_finite() and view.market.atr > 0):
        raise ValueError(f"the ATR was {view.market.atr}")
    note, distance = "", view.r
    if distance is None:
        distance, note = first_distance(view, plan)
    choices, word = _choices(view, plan, distance)
    levels = stepped_back(view, levels_of(view, choices))
    if note or word:
        levels = levels._replace(notes=tuple(filter(None, (*levels.notes, note, word))))
    if view.position.entry_price <= 0:
        return exits_from(view, levels, stop=levels.stop, trail=None)._replace(profile=plan.profile, pin=plan.pin)
    return _answer(view, plan, levels=levels, r=_r_of(view, levels, distance), also=also)


def _answer(view: ExitView, plan: Plan, *, levels: Levels, r: Decimal, also: tuple[Ladder, ...]) -> Exits:
    """The levels with everything that may tighten the stop now."""
    profit = profit_in_r(view, r)
    gone, all_gone = _rungs_gone(view, plan, levels)
    acts = plan.trail_after_rung <= gone
    trail, trailed = trail_in_r(view, plan.trail, plan.source, profit=profit, acts=acts)
    old = time_stop(view, plan.time_limit, plan.source, r=r, profit=profit, gone=gone)
    stop = levels.stop
    if not levels.crossed:
        secured = locked(view, plan.locks, levels.targets, plan.source, r=r, gone=gone)
        stop = tightest_before_the_mark(view, stop, (*secured, trailed, old.stop))
    answer = exits_from(view, levels, stop=stop, trail=trail, also=also, ladder_stays=view.r is None)
    return answer._replace(
        # Without a backstop of ours nothing remembers the first stop: today's ATR does not move the one that rests.
        moves_resting=answer.moves_resting
        and not (view.r is None and view.resting is not None and stop is levels.stop),
        close=answer.close or old.close,
        profile=plan.profile,
        runner=plan.runner,
        alone=all_gone,
        pin=plan.pin,
        r=r,
    )


def _r_of(view: ExitView, levels: Levels, distance: Decimal) -> Decimal:
    """R: as read back, else what the stop will make it; where that is anchored to the mark, the policy's distance."""
    if view.r is not None:
        return view.r
    return distance if levels.crossed else abs(view.position.entry_price - levels.stop.price)


def _rungs_gone(view: ExitView, plan: Plan, levels: Levels) -> tuple[int, bool]:
    """The furthest rung that is gone, and whether only the runner is left (S4).

    What is left is the runner when every rung took its profit or, before it rested, was passed by the mark. After a
    restart nobody remembers: then no rung rests, and the stop that rests is where the last lock put it, or better; or
    it is at breakeven or better and the position changed since it has its backstop, because the last rung was filled
    while no process ran.
    """
    gone = furthest_done(view, levels.targets, plan.runner)
    if not plan.runner or view.rungs_rest or not levels.targets:
        return gone, False
    last, side = levels.targets[-1], view.position.side
    if gone > last.rung:
        return gone, True
    every = last.rung + 1
    if view.inherited and not gone and _runs_by_its_stop(view, plan, levels, every):
        return every, True
    if not tighter(last.level.price, view.mark, side):
        return max(gone, 1), True  # none was filled: the stop goes to breakeven, and no further by a lock
    return gone, False


def _runs_by_its_stop(view: ExitView, plan: Plan, levels: Levels, every: int) -> bool:
    """Whether the stop that rests says that every rung took its profit."""
    if view.resting is None:
        return False
    side, secured = view.position.side, breakeven(view)
    if not changed_since_the_backstop(view):
        for level in locked(view, plan.locks, levels.targets, plan.source, r=view.r, gone=every):
            secured = tightest(level.price, secured, side)
    return not tighter(secured, view.resting.price, side)


def _choices(view: ExitView, plan: Plan, distance: Decimal) -> tuple[tuple[Distances, ...], str]:
    """The policy's own distances, behind advised ones that bring the stop nearer; and why advice does not count."""
    entry, advice, word = view.position.entry_price, view.advice, ""
    atr = view.market.atr if view.market is not None else None
    own = _own(
        settings=view.settings,
        plan=plan,
        entry=entry,
        distance=distance,
        r=view.r,
        atr=None if view.r is not None else atr,
    )
    weight = weight_of(advice, view.now_ms) if advice is not None else None
    if advice is None or weight is None or entry <= 0:
        return (own,), ""
    if word := why_ignored(advice, view.settings):
        return (own,), word
    advised_pct = advised_now(view, advice)
    if advised_pct is None:
        return (own,), ""
    advised = _advised(own=own, settings=view.settings, entry=entry, weight=weight, advised_pct=advised_pct)
    return ((own,) if advised is None else (advised, own)), ""


@lru_cache(maxsize=2_048)
def _own(
    settings: ProtectionSettings,
    plan: Plan,
    entry: Decimal,
    distance: Decimal,
    r: Decimal | None,
    atr: Decimal | None,
) -> Distances:
    most = entry * settings.stop_loss_max_pct / HUNDRED
    distance = min(distance, most) if entry > 0 else distance
    pct = distance / entry * HUNDRED if entry > 0 else settings.stop_loss_pct
    inputs = {} if atr is None else {"atr": atr}
    return Distances(
        stop_pct=bounded_stop_pct(pct, settings),
        stop_source=plan.source,
        rungs=(),
        target_source=plan.source,
        in_r=InR(distance, plan.rungs, r, inputs),
    )


@lru_cache(maxsize=2_048)
def _advised(
    own: Distances, settings: ProtectionSettings, entry: Decimal, weight: Decimal, advised_pct: Decimal
) -> Distances | None:
    """The same with the stop nearer; None where advice does not bring it nearer."""
    assert own.in_r is not None
    own_pct = own.in_r.stop_distance / entry * HUNDRED
    pct = bounded_stop_pct(advised_stop_pct(own_pct, advised_pct, weight), settings)
    if pct >= own_pct:
        return None
    return Distances(
        stop_pct=pct,
        stop_source=LevelSource.AI,
        rungs=(),
        target_source=own.target_source,
        in_r=InR(entry * pct / HUNDRED, own.in_r.rungs, own.in_r.r, {"advised_pct": advised_pct}),
    )


def r_is_too_small(view: ExitView) -> bool:
    """Whether R is less than a tick, so that no level can be written in it (S1)."""
    return view.r is not None and view.r < view.instrument.tick
