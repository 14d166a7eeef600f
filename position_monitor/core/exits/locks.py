"""Locks: a stop that secures what was won, after a rung or from a profit on (S6).

A rung counts as done by its fill, never because the mark passed it. A profit is that of the mark seen now: the stop
that rests is the memory. A lock at or beyond the mark is not taken (`answer.tightest_before_the_mark`): it would be an
exit that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.desired import Level, Target
from position_monitor.core.model.money import beyond, in_favour, stop_trigger
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
        if lock.at_r is not None and profit is None:
            profit = profit_in_r(view, r)
        if _counts(lock, profit=profit, gone=gone):
            level = _level(view, lock, targets=targets, source=source, r=r)
            if level is not None:
                yield level


class LockNow(NamedTuple):
    """One lock of a policy as it stands for a position now."""

    lock: Lock
    counts: bool
    """Whether what it waits for has come: its rung took its profit, or the mark shows its profit."""
    level: Level | None
    """Where it puts the stop, whether it counts or not; None for one in R where there is no R."""
    behind_mark: bool
    """Whether that level is behind the mark: at or beyond it, it would be an exit and is not taken."""
    from_price: Decimal | None
    """The mark from which it counts; None for one after a rung, and without R."""


def locks_now(
    view: ExitView, locks: Sequence[Lock], targets: Sequence[Target], source: str, *, r: Decimal | None, gone: int
) -> tuple[LockNow, ...]:
    """Every lock with the level it gives, for whoever explains a stop; `locked` are the levels of those that count."""
    profit, side, rows = profit_in_r(view, r), view.position.side, []
    for lock in locks:
        level = _level(view, lock, targets=targets, source=source, r=r)
        counts = _counts(lock, profit=profit, gone=gone)
        from_price = None if lock.at_r is None or r is None else price_at(view, lock.at_r, r)
        behind = level is not None and not beyond(view.mark, level.price, side)
        rows.append(LockNow(lock=lock, counts=counts, level=level, behind_mark=behind, from_price=from_price))
    return tuple(rows)


def _counts(lock: Lock, *, profit: Decimal | None, gone: int) -> bool:
    """Whether a lock counts, with this profit in R and this furthest rung that took its profit."""
    if lock.at_r is not None:
        return profit is not None and profit >= lock.at_r
    return 0 < lock.after_rung <= gone


def profit_in_r(view: ExitView, r: Decimal | None) -> Decimal | None:
    """The profit of the mark in R, negative in a loss; None without R, or where the price that arms the orders of the
    position could not be read: no other price moves a stop."""
    position = view.position
    if r is None or r <= 0 or not position.has_price_arming(view.settings.working_type):
        return None
    way = view.mark - position.entry_price
    return (way if position.side is Side.LONG else -way) / r


def price_at(view: ExitView, multiple: Decimal, r: Decimal) -> Decimal:
    """The price at which the profit is this multiple of R, on the tick grid."""
    way, side = multiple * r, view.position.side
    price = view.position.entry_price + (way if side is Side.LONG else -way)
    return stop_trigger(price, side, view.instrument.tick)


def breakeven(view: ExitView) -> Decimal:
    """The entry moved by the cost of getting in and out, on the tick grid."""
    return _breakeven(view.position.entry_price, view.position.side, view.instrument.tick, view.settings)


@lru_cache(maxsize=2_048)
def _breakeven(entry: Decimal, side: Side, tick: Decimal, settings: ProtectionSettings) -> Decimal:
    return stop_trigger(in_favour(entry, side, settings.exits.breakeven_offset_pct), side, tick)


def _level(view: ExitView, lock: Lock, *, targets: Sequence[Target], source: str, r: Decimal | None) -> Level | None:
    """Where a lock puts the stop; None for one in R where there is no R."""
    venue = view.instrument
    if lock.to_r is not None:
        if r is None:
            return None
        price = price_at(view, lock.to_r, r)
        return Level(venue.nearest_permitted(price), source, {"lock_r": lock.to_r, "r": r})
    nearer = [target for target in targets if target.rung < lock.to_rung]
    if nearer:
        return Level(nearer[-1].level.price, source, {"lock_rung": Decimal(nearer[-1].rung + 1)})
    return Level(venue.nearest_permitted(breakeven(view)), source, {"breakeven": view.position.entry_price})
