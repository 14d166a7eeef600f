"""A position with a simulated book: the same policy code, and fills along a path of prices that is given one by one.

    book = begun(entry, look)              the stop and the ladder, as the policy wants them at entry
    book = priced(book, point)             what a price touches is filled; the same object where it touches nothing
    book = decided(book, look)             the policy is asked again: the stop may tighten, never loosen
    book = grown(book, added, price, look) something was added by hand

`shadow` feeds it the marks that the daemon hears; candles are walked by `candle_walk.py`. Nothing in it can name an
order.

A stop and a market rung fill at their level where the path is continuous, and at the price where it jumped over the
stop; a stop is filled no better than the mark that was heard, and a jump over a target is no gift. Slippage and fees
are no part of it: `costs.py` adds them, by role, afterwards.
"""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.book.ladder import size_ladder
from position_monitor.core.book.stop_level import effective_stop
from position_monitor.core.exits.crossed_rungs import open_targets, rest_in_one
from position_monitor.core.exits.policies import exits_for
from position_monitor.core.exits.view import Exits
from position_monitor.core.model.money import beyond, reached, tighter
from position_monitor.core.model.profiles import RungKind
from position_monitor.core.model.rungs import rungs_of
from position_monitor.core.performance.reasons import ExitReason, FillRole, StopFacts, reason_of_stop
from position_monitor.core.shadow.asking import exits_asked, inputs_of, view_of
from position_monitor.core.shadow.simulated_position import (
    Entry,
    Look,
    PricePoint,
    SimulatedFill,
    SimulatedPosition,
    SimulatedRung,
)

_ZERO = Decimal(0)
CLOSE_LOOKS = 2
"""Looks in a row that must want a position closed at market: one witness closes nothing (invariant 16)."""
AT_HORIZON = "HORIZON"
"""Reason of a simulated exit at the end of the time for which a book is followed."""


def begun(entry: Entry, look: Look) -> SimulatedPosition:
    """A book at entry: the stop, then, with R as the stop makes it, the ladder. Raises `LooksAhead`."""
    exits = exits_asked(entry, look, None)
    book = SimulatedPosition(
        entry=entry,
        quantity=entry.quantity,
        at_ms=look.at_ms,
        since_ms=look.at_ms,
        pin=exits.pin,
        backstop=exits.initial_stop.price,
        stop=exits.initial_stop.price,
        stop_source=exits.initial_stop.source,
        anchored=exits.initial_stop.anchored,
    )
    return decided(_with_ladder(book, exits_asked(entry, look, book)), look)


def priced(book: SimulatedPosition, point: PricePoint) -> SimulatedPosition:
    """The book after a price: the very same object where the price touches nothing."""
    side = book.entry.key.side
    if book.quantity <= 0:
        return book
    if beyond(point.price, book.stop, side):
        worse = tighter(book.stop, point.price, side)
        book = _stopped(book, point.price if worse and not point.continuous else book.stop, point.at_ms)
        if worse and point.heard and point.continuous:
            last = book.fills[-1]._replace(no_better_than=point.price)
            book = book._replace(fills=(*book.fills[:-1], last))
        return book
    while book.rungs and reached(point.price, book.rungs[0].price, side):
        book = _took_profit(book, point.at_ms)
    return book


def decided(book: SimulatedPosition, look: Look) -> SimulatedPosition:
    """The book after the policy was asked at a mark that was read; the same object where nothing moves.

    Raises `LooksAhead` for a market or advice that is younger than the look, and for a look older than the book.
    """
    if book.quantity <= 0:
        return book
    inputs = inputs_of(book.entry, look, book)
    view = view_of(inputs, book)
    exits = exits_for(view)
    if exits.close is not None and book.asked_to_close + 1 >= CLOSE_LOOKS:
        reason = ExitReason.EMERGENCY if exits.close.by_loss else ExitReason.TIME
        return closed(book._replace(at_ms=look.at_ms), look.mark, look.at_ms, str(reason))
    stop = effective_stop(inputs, view.resting, exits)
    return book._replace(
        at_ms=look.at_ms,
        stop=stop.price,
        stop_source=stop.source if stop.price != book.stop else book.stop_source,
        anchored=stop.anchored,
        profile=exits.profile,
        regime=exits.regime,
        asked_to_close=0 if exits.close is None else book.asked_to_close + 1,
    )


def grown(book: SimulatedPosition, added: Decimal, price: Decimal, look: Look) -> SimulatedPosition:
    """The book after something was added by hand, at the price the user paid; its ladder is made anew (S17).

    A book that is over stays so: what was added is not followed then.
    """
    if book.quantity <= 0 or added <= 0:
        return book
    held, whole = book.quantity, book.entry.quantity + added
    average = (book.entry.price * held + price * added) / (held + added)
    book = book._replace(entry=book.entry._replace(quantity=whole, price=average), quantity=held + added)
    if book.entry.settings.rebase_on_add:
        first = exits_asked(book.entry._replace(quantity=book.quantity), look, None)
        stop = first.initial_stop
        book = book._replace(
            backstop=stop.price, stop=stop.price, stop_source=stop.source, anchored=stop.anchored, pin=first.pin
        )
        book = book._replace(since_ms=look.at_ms, rungs_done=frozenset())
    return decided(_with_ladder(book, exits_asked(book.entry, look, book)), look)


def closed(book: SimulatedPosition, price: Decimal, at_ms: int, reason: str) -> SimulatedPosition:
    """The book after all that is left was closed at market."""
    return _filled(book, book.quantity, price, at_ms, role=FillRole.CLOSE, reason=reason)


# -- inside


def _stopped(book: SimulatedPosition, price: Decimal, at_ms: int) -> SimulatedPosition:
    """All that is left leaves by the stop; why, is told by its level and not by the price (S15)."""
    if book.stop == book.backstop:
        return _filled(book, book.quantity, price, at_ms, role=FillRole.BACKSTOP, reason=str(ExitReason.SL))
    facts = StopFacts(book.levels, book.entry.settings.exits.breakeven_offset_pct, book.entry.instrument.tick)
    reason = reason_of_stop(book.stop, book.entry.price, book.entry.key.side, facts)
    return _filled(book, book.quantity, price, at_ms, role=FillRole.WORKING_STOP, reason=str(reason))


def _took_profit(book: SimulatedPosition, at_ms: int) -> SimulatedPosition:
    """The nearest rung is filled, at its level."""
    rung = book.rungs[0]
    numbers = rungs_of(rung.number)
    book = _filled(
        book,
        min(rung.quantity, book.quantity),
        rung.price,
        at_ms,
        role=FillRole.TAKE_PROFIT,
        reason=f"{ExitReason.TP}{numbers[-1] + 1}",
        maker=rung.kind is RungKind.LIMIT,
    )
    return book._replace(rungs=book.rungs[1:], rungs_done=book.rungs_done | frozenset(numbers))


def _filled(
    book: SimulatedPosition,
    quantity: Decimal,
    price: Decimal,
    at_ms: int,
    *,
    role: FillRole,
    reason: str,
    maker: bool = False,
) -> SimulatedPosition:
    fill = SimulatedFill(
        at_ms=at_ms, price=price, quantity=quantity, held=book.quantity, role=role, reason=reason, maker=maker
    )
    left = book.quantity - quantity
    return book._replace(quantity=left, at_ms=at_ms, fills=(*book.fills, fill), rungs=book.rungs if left > 0 else ())


def _with_ladder(book: SimulatedPosition, exits: Exits) -> SimulatedPosition:
    """The ladder as it is placed now: for what is left, without the rungs that are done or passed (S11)."""
    entry = book.entry
    if not entry.settings.take_profits or not exits.targets or exits.alone:
        return book._replace(rungs=())
    targets = open_targets(exits.targets, exits.passed, book.rungs_done)
    if not targets and not exits.runner:
        targets = (rest_in_one(exits.targets, exits.beyond_last),)
    notional = entry.instrument.min_notional if entry.hedged else _ZERO
    sized, _ = size_ladder(targets, book.quantity, entry.instrument, min_notional=notional, runner=exits.runner)
    rungs = tuple(
        SimulatedRung(rung.rung, rung.level.price, rung.quantity, rung.kind)
        for rung in sized
        if entry.instrument.permits(rung.level.price)
    )
    levels = tuple(sorted({*book.levels, *(rung.price for rung in rungs)}))
    return book._replace(rungs=rungs, levels=levels)
