"""Ladders that may stay where they rest although the policy would place another one today (S2, S13).

A change of policy, profile or regime rewrites no ladder: one that stands under the policy before stays until it does
not stand under any. Nothing of this is ever placed. Where a profile is pinned, no other profile ever placed a ladder
beside that backstop: half of its own ladder, as it rests between two writes, must not be taken for the whole one of
another profile with a runner.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from position_monitor.core.exits.distances import Distances, InR
from position_monitor.core.exits.targets import targets_from_entry, targets_in_r
from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.desired import Ladder, Level, LevelSource, Target
from position_monitor.core.model.instruments import PriceGrid
from position_monitor.core.model.market import Regime
from position_monitor.core.model.money import HUNDRED
from position_monitor.core.model.pins import profile_pinned
from position_monitor.core.model.profiles import RungInR
from position_monitor.core.model.settings import ProtectionSettings, Rung
from position_monitor.core.model.sides import Side

_NONE: tuple[Ladder, ...] = ()


def kept_ladders(view: ExitView) -> tuple[Ladder, ...]:
    """Every ladder that may stay: those of the floor and of hybrid, and in R those of each profile and regime."""
    entry = view.position.entry_price
    if entry <= 0 or not view.rungs_rest:
        return _NONE
    return _kept(
        entry=entry,
        side=view.position.side,
        grid=view.instrument.grid,
        settings=view.settings,
        r=view.r,
        pinned=profile_pinned(view.pin),
    )


def kept_in_r(view: ExitView) -> tuple[Ladder, ...]:
    """The same for a policy without R: only what a backstop with a pin says was placed in R."""
    return kept_ladders(view) if view.pin else _NONE


@lru_cache(maxsize=2_048)
def _kept(
    entry: Decimal, side: Side, grid: PriceGrid, settings: ProtectionSettings, r: Decimal | None, pinned: str
) -> tuple[Ladder, ...]:
    risk_pct = settings.stop_loss_pct if r is None else r / entry * HUNDRED
    ladders: list[Ladder] = []
    for rungs in (settings.ladder, (Rung(settings.take_profit_pct, HUNDRED),)):
        distances = Distances(settings.stop_loss_pct, LevelSource.RATCHET, rungs, LevelSource.RATCHET)
        targets, _ = targets_from_entry(
            entry=entry, side=side, grid=grid, settings=settings, distances=distances, risk_pct=risk_pct
        )
        ladders.append(Ladder(_bare(targets)))
    unit = r or entry * settings.stop_loss_pct / HUNDRED
    for in_r, runner in _in_r(settings, unit, pinned):
        targets, _ = targets_in_r(
            entry=entry, side=side, grid=grid, settings=settings, source=LevelSource.RATCHET, ladder=in_r, r=unit
        )
        ladders.append(Ladder(_bare(targets), runner))
    return tuple(ladders)


def _bare(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    """Without the figures they were made from: nobody reads them of ladders that are never placed, and there are 17."""
    return tuple([target._replace(level=Level(target.level.price, target.level.source)) for target in targets])


def _in_r(settings: ProtectionSettings, unit: Decimal, pinned: str) -> list[tuple[InR, Decimal]]:
    """The rungs of each profile that can be used, or of the pinned one, and of each regime, with the runner."""
    ladders = [
        (InR(unit, profile.rungs, unit), profile.runner_pct / HUNDRED)
        for profile in settings.exits.profiles.values()
        if pinned in ("", profile.name) and not profile.why_unusable()
    ]
    regimes = (settings.exits.regimes[regime] for regime in Regime)
    return ladders + [(InR(unit, (RungInR(row.k2 / row.k1, HUNDRED),), unit), Decimal(0)) for row in regimes]
