"""Dynamic TP/SL: stop and target in multiples of the average true range, by regime (exits.md 3.1).

The regime that is in force when the position is opened is pinned: it stands in the backstop's id. Without an ATR then,
the floor is placed, and its levels stay (12.1). The trail follows today's ATR and regime, because it can only tighten.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from position_monitor.core.exits import static
from position_monitor.core.exits.in_r import Plan, exits_in_r, r_is_too_small
from position_monitor.core.exits.kept_ladders import kept_ladders
from position_monitor.core.exits.locks import locks_of
from position_monitor.core.exits.view import Exits, ExitView
from position_monitor.core.model.desired import LevelSource
from position_monitor.core.model.market import Regime
from position_monitor.core.model.money import HUNDRED
from position_monitor.core.model.pins import NO_ATR, pin_of_regime, regime_pinned
from position_monitor.core.model.profiles import Lock, RungInR, TimeLimit, TrailStep
from position_monitor.core.model.settings import ProtectionSettings

_HOUR_MS = 3_600_000


def exits(view: ExitView) -> Exits:
    """The first stop by ATR and regime, the target in R, breakeven from a profit on, a trail in ATR, a time stop."""
    if r_is_too_small(view):
        floor = static.exits(view)
        return floor._replace(notes=(*floor.notes, "R is less than a tick: the levels are the floor's"))
    pinned = regime_pinned(view.pin)
    without_atr = view.pin == NO_ATR or (pinned is None and view.r is None and view.market is None)
    regime = view.regime or pinned or Regime.NORMAL_VOL
    plan = _plan(view.settings, pinned or regime, regime, without_atr)
    return exits_in_r(view, plan, kept_ladders(view))


@lru_cache(maxsize=512)
def _plan(settings: ProtectionSettings, pinned: Regime, now: Regime, without_atr: bool) -> Plan:
    """What the regime at entry and that of now make: distances by the first, the trail by the second."""
    row, today = settings.exits.regimes[pinned], settings.exits.regimes[now]
    target_r = row.k2 / row.k1
    if without_atr:
        target_r = settings.take_profit_pct / settings.stop_loss_pct
    locks = (Lock(at_r=row.breakeven_r), *locks_of(settings, None, 1))
    return Plan(
        source=LevelSource.DYNAMIC,
        profile=settings.profile,
        rungs=(RungInR(target_r, HUNDRED),),
        runner=Decimal(0),
        locks=locks,
        # From (trail - stop) ATR of profit on, in R: an ATR that falls while the price stays does not strangle.
        trail=(TrailStep(max((today.trail_atr - today.k1) / today.k1, Decimal(0)), distance_atr=today.trail_atr),),
        trail_after_rung=0,
        time_limit=TimeLimit(int(row.max_hours * _HOUR_MS)),
        stop_atr=row.k1,
        liquidation_buffer_pct=Decimal(0),
        pin=NO_ATR if without_atr else pin_of_regime(pinned),
    )
