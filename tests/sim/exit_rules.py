"""What the judges may expect of stops and take-profits: of the default policy its own levels, of any other the bounds.

Under another policy a stop lies anywhere inside the bounds of the configuration, take-profits anywhere beyond the
entry. What still holds: no stop further away than the widest one, none next to entry and mark alike that secures
nothing, no take-profits for more than the position, and none for a part that is to run on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from position_monitor.config import Config
from position_monitor.core.model.settings import DEFAULT_PROFILE

STOP_LOSS_PCT = Decimal("1.5")
"""The default `stop_loss_pct`, which the simulator's configuration does not change."""
STOP_LOSS_MIN_PCT, STOP_LOSS_MAX_PCT = Decimal("0.5"), Decimal(5)
"""The bounds of any stop at its first level."""
RUNS_ON = {"TREND": Decimal("0.35"), "CHALLENGE_100": Decimal("0.7")}
"""Profile -> the part of the position that it leaves without a target (exits.md 3.2); written down here once more."""


@dataclass(frozen=True)
class ExitRules:
    """Bounds for the levels of one run."""

    own_levels: bool = True
    """Whether the default policy alone is live, so that its very levels are expected."""
    nearest_pct: Decimal = STOP_LOSS_PCT
    """How near the entry the first stop may lie; once the price has passed that, a stop may be measured from it."""
    furthest_pct: Decimal = STOP_LOSS_PCT
    """How far from the entry a stop may lie."""
    closes_at_most: Decimal = Decimal(1)
    """The part of a position for which take-profits may rest."""


DEFAULT_POLICY = ExitRules()
ANY_POLICY = ExitRules(own_levels=False, nearest_pct=STOP_LOSS_MIN_PCT, furthest_pct=STOP_LOSS_MAX_PCT)


def rules_for(config: Config, *, other: bool, switched: bool) -> ExitRules:
    """The rules of a run. `other`: another policy than the default one is live at some time; `switched`: not the same
    one all the time, so that the ladder of another one may stand (S13)."""
    if not other:
        return DEFAULT_POLICY
    plan = config.exit_plan()
    one_profile = not switched and plan.live == "EXIT_BRAIN_V3" and plan.rollout_pct == 100
    profile = config.exit.profile if one_profile else DEFAULT_PROFILE
    return replace(ANY_POLICY, closes_at_most=1 - RUNS_ON.get(profile, Decimal(0)))


def more_than(rungs: Iterable[tuple[Decimal, Decimal]], size: Decimal, rules: ExitRules, step: Decimal) -> str:
    """What take-profits (price, quantity) would close beyond the part that they may, as words; empty when nothing."""
    quantities = [quantity for _, quantity in rungs]
    total, most = sum(quantities, Decimal(0)), size * rules.closes_at_most + step * len(quantities)
    return f"{total} of {size}; at most {most}" if total > most else ""
