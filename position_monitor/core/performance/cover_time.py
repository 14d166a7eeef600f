"""When a life was covered, by the venue's own times of its stops: time to protect, time without cover, worst cover.

A stop covers from its creation to its end, both as the venue states them. Whether it was acknowledged, read back or
believed is not asked. Every reducing stop of the position at market counts, ours and the user's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from position_monitor.core.model.money import HUNDRED, tightest
from position_monitor.core.model.orders import Purpose
from position_monitor.core.performance.facts import PastOrder
from position_monitor.core.performance.lives import Life

_ZERO = Decimal(0)
_MS_PER_S = 1_000


class CoverTime(NamedTuple):
    """How a life was covered. Where no stop ever covered all of it, `time_to_protect_ms` is None."""

    time_to_protect_ms: int | None
    """From the first fill to the first moment at which stops cover the whole position."""
    naked_ms: int
    """Time without full cover, in all."""
    naked_notional_s: Decimal
    """What was not covered, in quote units at the average entry, times the seconds it was not."""
    worst_cover_pct: Decimal
    """The smallest part of the position that was covered after it was first wholly covered; 0 where it never was."""


def stops_of(life: Life, orders: Iterable[PastOrder]) -> tuple[PastOrder, ...]:
    """The orders that could stop this life, oldest first."""
    closed = life.closed_at_ms
    stops = [
        order
        for order in orders
        if order.key == life.key
        and order.purpose is Purpose.STOP
        and order.reduces
        and order.trigger_price is not None
        and (not order.ended_at_ms or order.ended_at_ms > life.opened_at_ms)
        and (not closed or order.created_at_ms < closed)
    ]
    return tuple(sorted(stops, key=lambda order: (order.created_at_ms, order.order_id)))


def cover_time(life: Life, stops: Sequence[PastOrder]) -> CoverTime:
    """How a closed life was covered by these stops."""
    protected_at: int | None = None
    naked_ms, naked_notional, worst = 0, _ZERO, HUNDRED
    for begin, end in pairwise(_moments(life, stops)):
        held, average = _held(life, begin)
        covered = _covered(stops, begin, held)
        if covered >= held:
            protected_at = begin if protected_at is None else protected_at
            continue
        naked_ms += end - begin
        naked_notional += (held - covered) * average * (end - begin) / _MS_PER_S
        if protected_at is not None:
            worst = min(worst, covered / held * HUNDRED)
    return CoverTime(
        time_to_protect_ms=None if protected_at is None else protected_at - life.opened_at_ms,
        naked_ms=naked_ms,
        naked_notional_s=naked_notional,
        worst_cover_pct=_ZERO if protected_at is None else worst,
    )


def stop_in_force(life: Life, stops: Sequence[PastOrder], since_ms: int) -> Decimal | None:
    """The stop that holds at the first moment from `since_ms` on at which the whole position is covered (S16)."""
    for begin, end in pairwise(_moments(life, stops)):
        if end <= since_ms:
            continue
        held, _ = _held(life, begin)
        if _covered(stops, begin, held) >= held:
            return _tightest(life, [stop for stop in stops if _rests(stop, begin)])
    return None


def _moments(life: Life, stops: Sequence[PastOrder]) -> list[int]:
    """The moments between which nothing changes, from the first fill to the last."""
    began, ended = life.opened_at_ms, life.closed_at_ms
    moments = {share.fill.at_ms for share in life.shares}
    moments.update(stop.created_at_ms for stop in stops)
    moments.update(stop.ended_at_ms for stop in stops)
    return sorted(at for at in moments if began <= at <= ended)


def _held(life: Life, at_ms: int) -> tuple[Decimal, Decimal]:
    """Size and average entry from this moment on."""
    held, average = _ZERO, _ZERO
    for share in life.shares:
        if share.fill.at_ms > at_ms:
            break
        held, average = share.held_after, share.average
    return held, average


def _rests(stop: PastOrder, at_ms: int) -> bool:
    return stop.created_at_ms <= at_ms and (not stop.ended_at_ms or at_ms < stop.ended_at_ms)


def _covered(stops: Sequence[PastOrder], at_ms: int, held: Decimal) -> Decimal:
    covered = _ZERO
    for stop in stops:
        if _rests(stop, at_ms):
            covered += held if stop.quantity is None else stop.quantity
    return min(covered, held)


def _tightest(life: Life, resting: Sequence[PastOrder]) -> Decimal | None:
    level: Decimal | None = None
    for stop in resting:
        trigger = stop.trigger_price
        if trigger is not None:
            level = trigger if level is None else tightest(level, trigger, life.key.side)
    return level
