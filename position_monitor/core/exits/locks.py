"""Locks: a stop that secures what was won, after a rung or from a profit on (S6).

A rung counts as done by its fill, never because the mark passed it. A profit is that of the mark seen now: the stop
that rests is the memory. A lock at or beyond the mark is not taken (`answer.tightest_before_the_mark`): it would be an
exit that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache

from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.desired import Level, Target
from position_monitor.core.model.money import in_favour, stop_trigger
from position_monitor.core.model.profiles import Lock
from position_monitor.core.model.settings import ProtectionSettings
from position_monitor.core.model.sides import Side


@lru_cache(maxsize=64)
def usual_locks(rungs: int) -> tuple[Lock, ...]:
    """After rung 1 breakeven, after rung n the level of rung n-1."""
    return tuple(Lock(after_rung=rung, to_rung=rung - 1) for rung in range(1, rungs + 1))


def locks_of(settings: ProtectionSettings, own: tuple[Lock, ...] | None, rungs: int) -> tuple[Lock, ...]:
    """The locks that count for a ladder: its own, else those of the settings, else the usual ones."""
    if own is not None:
        return own
    return settings.exits.locks if settings.exits.locks is not None else usual_locks(rungs)


def locked(
    view: ExitView, locks: Sequence[Lock], targets: Sequence[Target], source: str, *, r: Decimal | None, gone: int
) -> Iterator[Level]:
    """The levels of the locks that count now. The entry price must be known.

    `r` is R, None without one; `gone` is the furthest rung (the nearest is 1) that took its profit, 0 for none.
    """
    profit = None
    for lock in locks:
        if lock.at_r is not None:
            if profit is None:
                profit = profit_in_r(view, r)
            counts = profit is not None and profit >= lock.at_r
        else:
            counts = 0 < lock.after_rung <= gone
        if counts:
            level = _level(view, lock, targets=targets, source=source, r=r)
            if level is not None:
                yield level


def profit_in_r(view: ExitView, r: Decimal | None) -> Decimal | None:
    """The profit of the mark in R, negative in a loss; None without R, or where the price that arms the orders of the
    position could not be read: no other price moves a stop."""
    position = view.position
    if r is None or r <= 0 or not position.has_price_arming(view.settings.working_type):
        return None
    way = view.mark - position.entry_price
    return (way if position.side is Side.LONG else -way) / r


def breakeven(view: ExitView) -> Decimal:
    """The entry moved by the cost of getting in and out, on the tick grid."""
    return _breakeven(view.position.entry_price, view.position.side, view.instrument.tick, view.settings)


@lru_cache(maxsize=2_048)
def _breakeven(entry: Decimal, side: Side, tick: Decimal, settings: ProtectionSettings) -> Decimal:
    return stop_trigger(in_favour(entry, side, settings.exits.breakeven_offset_pct), side, tick)


def _level(view: ExitView, lock: Lock, *, targets: Sequence[Target], source: str, r: Decimal | None) -> Level | None:
    """Where a lock puts the stop; None for one in R where there is no R."""
    venue, side = view.instrument, view.position.side
    if lock.to_r is not None:
        if r is None:
            return None
        way = lock.to_r * r
        price = view.position.entry_price + (way if side is Side.LONG else -way)
        price = stop_trigger(price, side, venue.tick)
        return Level(venue.nearest_permitted(price), source, {"lock_r": lock.to_r, "r": r})
    nearer = [target for target in targets if target.rung < lock.to_rung]
    if nearer:
        return Level(nearer[-1].level.price, source, {"lock_rung": Decimal(nearer[-1].rung + 1)})
    return Level(venue.nearest_permitted(breakeven(view)), source, {"breakeven": view.position.entry_price})
