"""What to read now: decided from times, from what is believed to be held, and from what a read costs.

Pure: every value is handed in, so each rule can be read and tested without a venue. The observer reads what is decided
here and decides nothing itself. Positions are read in every look. An order list is read when something happened in its
symbol, when it is old, or when nobody would tell of a change; a sweep reads all lists at once where that is cheaper,
and every `full_sweep_s` to find what nobody expected.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.traits import ReadCosts
from position_monitor.core.observation.reads import PositionsRead

QUIET_ORDERS_S: Final = 15.0
"""How old the order lists of a symbol may be in which nothing happened, while the stream delivers. At ten-second checks
they are then read every second time."""
QUIET_ORDERS_PCT: Final = 13.125
"""Share of the venue's request weight for the order lists of symbols in which nothing happened: 315 of 2,400 a minute.
With positions and upkeep that is below 15 %."""
SINGLES_MAX: Final = 4
"""Up to so many quiet symbols are read one by one; for more a sweep costs two requests instead of two each."""
SWEEP_PAUSE_S: Final = 10.0
"""After a sweep that failed, symbols are read one by one for this long: each try costs the weight of a sweep."""
FLAT_CHECKS_MAX: Final = 10
"""Symbols per look whose zero rows are asked for; the rest waits for the next look."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What is decided from. Times are of the monotonic clock."""

    now_s: float
    costs: ReadCosts
    full_sweep_s: float
    events_delivered: bool
    """Whether the user stream would tell of changes of the orders."""
    positions_answered: bool
    """Whether the positions could be read the last time: while they cannot, a sweep beside them is for nothing."""
    swept_at_s: float | None
    """When the last sweep was made; None when the next look is to be one."""
    sweep_failed_at_s: float
    orders_read_at_s: Mapping[str, float]
    """When the order lists of each symbol were read."""


class FirstReads(NamedTuple):
    """What is read before anybody knows which positions there are."""

    sweep_due: bool
    """A sweep belongs to this look, whatever the positions are."""
    sweep_beside: bool
    """It is asked for beside the positions."""


class OrderReads(NamedTuple):
    """What is read once the positions are known, unless a sweep beside them answered."""

    symbols: frozenset[str]
    """Symbols whose order lists are read."""
    sweep: bool
    """A sweep is tried in place of single reads."""
    weight: int
    """Request weight of the look, near enough to plan the next one."""


def first_reads(moment: Moment, expected: Collection[str], *, sweep: bool = False) -> FirstReads:
    """Whether a sweep goes out beside the read of the positions; `sweep` asks for one.

    Where the lists of what is `expected` to be held call for a sweep by their age alone, both go out side by side.
    """
    due = sweep or sweep_is_due(moment)
    if not due:
        old = old_lists(moment, expected)
        due = _sweep_is_cheaper(moment, old, old)
    return FirstReads(due, due and moment.positions_answered)


def order_reads(
    moment: Moment, first: FirstReads, symbols: Collection[str], happened: Callable[[str], bool]
) -> OrderReads:
    """Which lists of the `symbols` that matter are read; `happened` says where something may have changed.

    A sweep that went out beside the positions is not tried a second time.
    """
    old = old_lists(moment, symbols)
    due = old | {symbol for symbol in symbols if happened(symbol)}
    sweep = not first.sweep_beside and (first.sweep_due or _sweep_is_cheaper(moment, due, old))
    costs = moment.costs
    return OrderReads(due, sweep, costs.positions + min(costs.all_orders, costs.symbol_orders * len(due)))


def sweep_is_due(moment: Moment) -> bool:
    """Whether the last sweep is so long ago that the next look is one."""
    return moment.swept_at_s is None or moment.now_s - moment.swept_at_s >= moment.full_sweep_s


def sweep_may_be_tried(moment: Moment) -> bool:
    """Whether the last sweep that failed is long enough ago."""
    return moment.now_s - moment.sweep_failed_at_s >= SWEEP_PAUSE_S


def old_lists(moment: Moment, symbols: Collection[str]) -> frozenset[str]:
    """The symbols whose lists are read although nothing happened; without the stream nobody would tell that it did.

    The more symbols, the older their lists may be: what is spent on them has a bound.
    """
    if not moment.events_delivered:
        return frozenset(symbols)
    costs = moment.costs
    weight = costs.all_orders if len(symbols) > SINGLES_MAX else costs.symbol_orders * len(symbols)
    before_s = moment.now_s - max(QUIET_ORDERS_S, weight * 60 / _quiet_orders_1m(costs))
    read_at_s = moment.orders_read_at_s
    return frozenset([symbol for symbol in symbols if read_at_s.get(symbol, before_s) <= before_s])


def _sweep_is_cheaper(moment: Moment, due: Collection[str], old: Collection[str]) -> bool:
    """Whether a sweep is the cheaper way to what is due: in weight, or in requests while weight is left."""
    costs = moment.costs
    if len(due) * costs.symbol_orders >= costs.all_orders:
        return True
    if len(old) <= SINGLES_MAX or not moment.events_delivered:
        return False
    since_s = moment.now_s - costs.all_orders * 60 / _quiet_orders_1m(costs)
    return moment.swept_at_s is None or moment.swept_at_s <= since_s


def _quiet_orders_1m(costs: ReadCosts) -> float:
    """Request weight a minute for the order lists of symbols in which nothing happened."""
    return costs.weight_1m * QUIET_ORDERS_PCT / 100


def zero_rows(positions: PositionsRead, symbols: Collection[str], evidence: Evidence) -> list[str]:
    """The symbols whose zero rows are asked for: their position is no longer listed (invariant 7)."""
    listed = {position.key for position in positions.positions}
    gone = {
        key.symbol
        for key, belief in evidence.keys.items()
        if key not in listed and key.symbol in symbols and not belief.flat_sign
        if key not in positions.zero_keys or positions.zero_at_ms.get(key, 0) < belief.opened_at_ms
    }
    return sorted(gone)[:FLAT_CHECKS_MAX]
