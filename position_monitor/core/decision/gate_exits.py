"""The gate's check of invariant 16: take-profits of ours never close more than the policy wants closed."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.decision.gate import GateInputs
from position_monitor.core.exits.policies import share_up_to, share_within
from position_monitor.core.model.desired import DesiredOrder, LevelSource
from position_monitor.core.model.ids import part_of
from position_monitor.core.model.money import distance_pct, tighter
from position_monitor.core.model.orders import Role
from position_monitor.core.model.pins import NOT_PINNED
from position_monitor.core.model.positions import Position
from position_monitor.core.model.rungs import rungs_of
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.exit_profile import Exit, closed_by, exits_of


def why_over_exit(order: DesiredOrder, position: Position | None, gate: GateInputs) -> str:
    """Why an order would make our take-profits close too much of the position at some price, or empty.

    At each price at which one of them rests, they may close the shares of the policy up to the furthest rung that is
    reached there. A rung counts as reached by its number, because advice may have moved it nearer, or by its configured
    distance. The limit is derived from the settings and from what rests, not from the book. Where the rest would be
    below the venue's least amounts, the rungs were joined, and the whole position may be closed.
    """
    instrument = gate.observation.instrument
    if order.role is not Role.TAKE_PROFIT or position is None or order.quantity is None or instrument is None:
        return ""
    resting = [live for live in gate.observation.orders if live.key == position.key]
    grace_ms = gate.evidence_settings.triggering_grace_ms
    stuck = gate.belief.stuck_in_triggering(gate.now_ms, grace_ms) if gate.belief is not None else frozenset()
    own = Exit(order.trigger_price, order.quantity, order.rung)
    whole = [*exits_of(resting, stuck), *gate.unlisted, own]
    pin = _pin(gate, position.key)
    shares = [share_up_to(rungs_of(one.rung)[-1], gate.settings, pin) for one in whole]
    for price in {one.price for one in whole}:
        reached_here = [
            share for share, one in zip(shares, whole, strict=True) if closed_by(price, [one], position.side)
        ]
        share = max(*reached_here, _share_at(price, position, gate), _of_the_floor(order, price, position, gate))
        left = position.quantity * (1 - share)
        if left < instrument.min_quantity or left * price < instrument.min_notional:
            share = Decimal(1)
        most, closes = position.quantity * share, closed_by(price, whole, position.side)
        if closes > most + instrument.step * len(whole) or closes > position.quantity:
            return f"take-profits would close {closes} by {price}; at most {most} may be (invariant 16)"
    return ""


def _of_the_floor(order: DesiredOrder, price: Decimal, position: Position, gate: GateInputs) -> Decimal:
    """The floor's one target takes the whole position, where it stands for a policy that failed (S14)."""
    if order.source != LevelSource.STATIC or order.rung != 0 or not tighter(price, position.entry_price, position.side):
        return Decimal(0)
    way_pct = distance_pct(price, position.entry_price) + gate.settings.stop_min_move_pct
    return Decimal(1) if way_pct >= gate.settings.take_profit_pct else Decimal(0)


def _pin(gate: GateInputs, key: PositionKey) -> int:
    """What was pinned at entry, by the backstop that rests; nothing without one."""
    backstops = (own for own in gate.observation.orders if own.key == key and own.role is Role.BACKSTOP)
    return next((part_of(own.rung) for own in backstops), NOT_PINNED)


def _share_at(price: Decimal, position: Position, gate: GateInputs) -> Decimal:
    """The part of a position that the configured distances let be closed at a price; nothing without an entry."""
    entry, settings = position.entry_price, gate.settings
    if entry <= 0 or not tighter(price, entry, position.side):
        return Decimal(0)
    return share_within(distance_pct(price, entry) + settings.stop_min_move_pct, settings)
