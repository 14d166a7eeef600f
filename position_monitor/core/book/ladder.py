"""Sizing of the take-profit ladder (DESIGN 9): shares to quantities on the step grid, never more than the position.

Rungs below the venue's minimum are merged into the next one; the last rung takes the remainder; a rung above the
venue's market maximum is split. The same position always gives the same ladder.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.model.desired import Level, Target
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.money import floor_to
from position_monitor.core.model.profiles import RungKind
from position_monitor.core.model.rungs import PIECE_STRIDE, PIECES_MAX, STANDS_FOR

_NOTHING = Decimal(0)


class SizedRung(NamedTuple):
    """One order of the ladder."""

    rung: int
    level: Level
    quantity: Decimal
    kind: RungKind = RungKind.MARKET


def size_ladder(
    targets: Sequence[Target],
    quantity: Decimal,
    instrument: Instrument,
    *,
    min_notional: Decimal,
    runner: Decimal = _NOTHING,
) -> tuple[tuple[SizedRung, ...], str]:
    """Spread `quantity` over the targets by their shares.

    `runner` is the share that gets no target (S4); then no rung takes the remainder, and a last one that is too small
    joins the runner. `min_notional` is 0 where the venue exempts reduce-only orders. Returns the rungs and, when
    something could not be placed, a sentence that says what and why.
    """
    total = floor_to(quantity, instrument.step)
    if not targets or total <= 0:
        note = f"take-profit quantity {quantity} rounds to zero (step {instrument.step})" if targets else ""
        return (), note
    shares = sum((target.fraction for target in targets), runner)
    rungs: list[SizedRung] = []
    placed, carried = Decimal(0), Decimal(0)
    for number, target in enumerate(targets):
        last = number == len(targets) - 1
        takes_the_rest = last and not runner
        share = floor_to(total * target.fraction / shares, instrument.step)
        size = total - placed if takes_the_rest else share + carried
        if _too_small(size, target.level.price, instrument, min_notional) and not last:
            carried = size
            continue
        rungs.append(SizedRung(target.rung, target.level, size, target.kind))
        placed, carried = placed + size, Decimal(0)
    return _with_last_merged(rungs, instrument, min_notional, runs=runner > 0)


def _too_small(quantity: Decimal, price: Decimal, instrument: Instrument, min_notional: Decimal) -> bool:
    least = max(instrument.min_quantity, instrument.market_min_quantity)
    return quantity <= 0 or quantity < least or quantity * price < min_notional


def _with_last_merged(
    rungs: list[SizedRung], instrument: Instrument, min_notional: Decimal, *, runs: bool
) -> tuple[tuple[SizedRung, ...], str]:
    """A last rung that is too small joins the one before it, or the runner; a ladder too small altogether is held."""
    while len(rungs) > 1 and _too_small(rungs[-1].quantity, rungs[-1].level.price, instrument, min_notional):
        last = rungs.pop()
        if not runs:
            rungs[-1] = rungs[-1]._replace(quantity=rungs[-1].quantity + last.quantity)
    first = rungs[0]
    if _too_small(first.quantity, first.level.price, instrument, min_notional):
        least = max(instrument.min_quantity, instrument.market_min_quantity)
        if first.quantity < least:
            return (), f"take-profit quantity {first.quantity} is below the venue's minimum {least}"
        notional = (first.quantity * first.level.price).quantize(Decimal("0.01"))
        return (), f"take-profit notional {notional} is below the venue's minimum {min_notional}"
    return _split(rungs, instrument)


def _split(rungs: list[SizedRung], instrument: Instrument) -> tuple[tuple[SizedRung, ...], str]:
    pieces: list[SizedRung] = []
    note = ""
    for rung in rungs:
        parts = even_parts(rung.quantity, instrument, PIECES_MAX)
        pieces += [
            SizedRung(rung.rung + PIECE_STRIDE * number, rung.level, part, rung.kind)
            for number, part in enumerate(parts)
        ]
        left = floor_to(rung.quantity, instrument.step) - sum(parts, Decimal(0))
        if left > 0:
            note = (
                f"take-profit quantity {left} of rung {rung.rung} is above {PIECES_MAX} venue maxima and was left out"
            )
    return tuple(pieces), note


def even_parts(quantity: Decimal, instrument: Instrument, parts_max: int) -> tuple[Decimal, ...]:
    """`quantity` in as few parts as the venue's market maximum allows, all within one step of each other.

    Equal parts, because cutting maxima off would leave a last part that may be below the venue's minimum. What does not
    fit into `parts_max` parts is left out.
    """
    steps = int(floor_to(quantity, instrument.step) / instrument.step)
    if steps <= 0:
        return ()
    if quantity <= instrument.market_max_quantity:
        return (steps * instrument.step,)
    steps_max = max(1, int(floor_to(instrument.market_max_quantity, instrument.step) / instrument.step))
    steps = min(steps, steps_max * parts_max)
    count = -(-steps // steps_max)
    each, more = divmod(steps, count)
    return tuple((each + (1 if number < more else 0)) * instrument.step for number in range(count))


def fitted_to_slots(targets: Sequence[Target], slots: int) -> tuple[Target, ...]:
    """The targets, the nearest of them merged as far as the slots for conditional orders ask for it.

    A limit order takes no slot. Empty where not even one target has room.
    """
    for most in range(len(targets), 0, -1):
        kept = collapsed(targets, most)
        if sum(1 for target in kept if target.kind is RungKind.MARKET) <= slots:
            return kept
    return ()


def collapsed(targets: Sequence[Target], rungs_max: int) -> tuple[Target, ...]:
    """At most `rungs_max` targets: the nearest ones are merged into the first that is kept, whose number says so."""
    if rungs_max <= 0:
        return ()
    if len(targets) <= rungs_max:
        return tuple(targets)
    kept = list(targets[-rungs_max:])
    merged = sum((target.fraction for target in targets[:-rungs_max]), kept[0].fraction)
    number = STANDS_FOR.index(range(targets[0].rung, kept[0].rung + 1))
    kept[0] = kept[0]._replace(rung=number, fraction=merged)
    return tuple(kept)
