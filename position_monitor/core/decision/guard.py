"""The order gate: only an `Approved` action reaches the exchange (DESIGN 3).

The planner obeys the invariants; the guard derives them again from the observation, without using the planner's
reasoning, so that one mistake is not enough to lose a stop. For a removal the observation must be a fresh read, taken
after the plan was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from position_monitor.core.decision.closing import WITHOUT_WITNESS_MS, close_id
from position_monitor.core.decision.gate import GateInputs
from position_monitor.core.decision.gate_exits import why_over_exit
from position_monitor.core.decision.gate_price import why_not_on_grid, why_wrong_price
from position_monitor.core.decision.ownership import MEANINGS, RIGHTS, may_place_stop, why_not_closed
from position_monitor.core.evidence.evidence import Belief
from position_monitor.core.model import ids
from position_monitor.core.model.actions import Cancel, Close, Mode, Place
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.money import beyond, tighter
from position_monitor.core.model.orders import LiveOrder, Purpose, Role
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import leg_name
from position_monitor.core.observation.cover import cover_of, loosened_at, outdated_backstop
from position_monitor.core.observation.needs import Deed

A = TypeVar("A", Place, Cancel, Close)

_SEAL = object()
_STOPS = frozenset({Purpose.STOP})
_TARGETS = frozenset({Purpose.TAKE_PROFIT, Purpose.LIMIT})
STOPS_BEYOND_LIMIT = ids.RUNG_CODES
"""Working stops may rest beyond the limit on our orders: all parts of a very large stop (one rung code each)."""


@dataclass(frozen=True, slots=True)
class Approved(Generic[A]):
    """An action that was checked against invariants 1, 2, 4 and 5. Only the functions of this module build it."""

    action: A
    seal: object = field(repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise TypeError("Approved was built outside core/decision/guard.py: only the guard approves actions")


@dataclass(frozen=True, slots=True)
class Denied:
    """Why an action may not be sent."""

    reason: str


def approve_place(action: Place, gate: GateInputs) -> Approved[Place] | Denied:
    """Approve a new order: it can only reduce, is on the right side, and its intent does not rest yet."""
    order = action.order
    position = gate.observation.position(action.key)
    deed = Deed.PLACE_STOP if order.role.is_stop else Deed.PLACE_TAKE_PROFIT
    checks = (
        _why_not_permitted(order, position, gate),
        _why_not_writable(gate, deed),
        _why_not_reducing(order, position),
        why_not_on_grid(order, position, gate),
        why_wrong_price(order, position, gate),
        _why_wrong_id(order, gate),
        _why_firing(order, gate),
        why_over_exit(order, position, gate),
        _why_too_many(order, position, gate),
    )
    reason = next((check for check in checks if check), "")
    return Denied(reason) if reason else Approved(action, _SEAL)


def approve_cancel(action: Cancel, gate: GateInputs) -> Approved[Cancel] | Denied:
    """Approve a removal against a fresh read: ours, still resting, and the cover without it is whole."""
    order = next((live for live in gate.observation.orders if live.order_id == action.order.order_id), None)
    if not RIGHTS[gate.mode].removals:
        return Denied(f"nothing is removed: {MEANINGS[gate.mode]} (invariant 9)")
    if not gate.observation.readable:
        return Denied("the symbol could not be read: nothing is removed (invariant 7)")
    if order is None or not order.rests:
        return Denied("it does not rest any more")
    if order.tag is None or order.client_id != action.order.client_id or order.key != action.key:
        return Denied("it is not ours (invariant 5)")
    position = gate.observation.position(action.key)
    reason = _why_uncovered(order, position, gate) if position else _why_not_flat(gate)
    return Denied(reason) if reason else Approved(action, _SEAL)


def approve_close(action: Close, gate: GateInputs) -> Approved[Close] | Denied:
    """Approve a reduce-only exit order: never larger than the position, and the position was seen twice."""
    position = gate.observation.position(action.key)
    if reason := why_not_closed(gate.mode, by_loss=action.by_loss):
        return Denied(f"{reason} (invariant 9)")
    if reason := _why_not_writable(gate, Deed.CLOSE):
        return Denied(reason)
    if position is None or action.hedged is not position.hedged:
        return Denied("the position was not read (invariant 1)")
    if not 0 < action.quantity <= position.quantity:
        return Denied(f"quantity was {action.quantity}; expected at most {position.quantity} (invariant 1)")
    if gate.belief is None or gate.belief.present_reads < 2:
        return Denied("a close needs two agreeing reads")
    if action.client_id != (
        expected := close_id(
            account=gate.account,
            position=position,
            belief=gate.belief,
            limit=action.limit_price,
            quantity=action.quantity,
        )
    ):
        return Denied(f"client id was {action.client_id}; its intent gives {expected} (invariant 4)")
    reason = _why_no_second_witness(action, position, gate)
    return Denied(reason) if reason else Approved(action, _SEAL)


def _why_no_second_witness(action: Close, position: Position, gate: GateInputs) -> str:
    """Nothing is closed at market on one witness (invariant 16)."""
    price, since_ms = gate.witness, gate.belief.closing_since_ms if gate.belief is not None else 0
    if price is None:
        waited = since_ms > 0 and gate.now_ms - since_ms >= WITHOUT_WITNESS_MS
        return "" if waited else "no price could be read apart from the position; one witness is not enough"
    if beyond(price, action.level, position.side):
        return ""
    return f"a price read apart from the position, {price}, has not reached {action.level} (invariant 16)"


def _why_not_permitted(order: DesiredOrder, position: Position | None, gate: GateInputs) -> str:
    """What the state of ownership forbids (invariant 9), by the cover that the observation itself shows."""
    mode = gate.mode
    if order.role is Role.TAKE_PROFIT and not gate.settings.take_profits:
        return "take-profits are switched off (protection.take_profits = false)"
    if mode is Mode.LIVE:
        return ""
    if order.role is Role.TAKE_PROFIT:
        return "" if RIGHTS[mode].take_profits else f"no take-profit: {MEANINGS[mode]} (invariant 9)"
    missing = position is None or not cover_of(position, gate.observation.orders, gate.settings).full
    long = missing and gate.belief is not None and gate.belief.long_exposed(gate.evidence_settings, gate.now_ms)
    permitted = may_place_stop(mode, missing=missing, long_missing=long)
    return "" if permitted else f"this stop is not ours to place: {MEANINGS[mode]} (invariant 9)"


def _why_not_writable(gate: GateInputs, deed: Deed) -> str:
    if gate.observation.allows(deed):
        return ""
    return f"too little was read to {deed}: {gate.observation.unreadable} (invariant 6)"


def _why_not_reducing(order: DesiredOrder, position: Position | None) -> str:
    if position is None:
        return "the position was not read (invariant 1)"
    if order.purpose not in (_STOPS if order.role.is_stop else _TARGETS):
        return f"{order.purpose} is not a protective order: no {order.role} rests as one"
    if order.is_limit and order.quantity is None:
        return "a limit order without a quantity does not only reduce (invariant 1)"
    if order.hedged is not position.hedged:
        stated, needed = (leg_name(order.side, hedged=hedged) for hedged in (order.hedged, position.hedged))
        return f"position side was {stated}; the account needs {needed} (invariant 1)"
    if order.quantity is not None and not 0 < order.quantity <= position.quantity:
        return f"quantity was {order.quantity}; expected at most {position.quantity} (invariant 1)"
    return ""


def _why_wrong_id(order: DesiredOrder, gate: GateInputs) -> str:
    """Derive the id again from the order's content, and make sure no open order carries it (invariant 4)."""
    if gate.belief is None:
        return "nothing is known about the position"
    expected = ids.next_id(
        gate.belief.spent,
        account=gate.account,
        symbol=order.symbol,
        side=order.side,
        role=order.role,
        rung=order.rung,
        trigger=order.trigger_price,
        quantity=order.quantity,
        epoch=gate.belief.epoch,
        limit=order.is_limit,
    )
    if order.client_id != expected:
        return f"client id was {order.client_id}; its intent gives {expected} (invariant 4)"
    if any(live.client_id == expected and not live.status.terminal for live in gate.observation.orders):
        return "an order with this intent already rests (invariant 4)"
    return ""


def _why_firing(order: DesiredOrder, gate: GateInputs) -> str:
    """Nothing is placed beside a stop that is just closing the position, no ladder beside a take-profit that is."""
    if gate.belief is None:
        return ""
    grace_ms = gate.evidence_settings.triggering_grace_ms
    if gate.belief.firing(gate.now_ms, grace_ms):
        return "a stop of ours is in the act of triggering (invariant 16)"
    if order.role is Role.TAKE_PROFIT and gate.belief.taking_profit(gate.now_ms, grace_ms):
        return "a take-profit of ours is in the act of triggering (invariant 16)"
    return ""


def _why_too_many(order: DesiredOrder, position: Position | None, gate: GateInputs) -> str:
    """The limit on our orders binds take-profits. Stops have room beyond it: a crowd must never cost the cover.

    The venue itself allows one close-all stop only, so the backstop needs no limit. When even the room of the stops is
    used up, a working stop is still sent where the position lacks cover. Where the position has full cover, it is sent
    only when every stop that gives the cover was read back: the new one then makes all of them redundant, and however
    so many came to rest, they can be removed in one step.
    """
    if order.role is Role.BACKSTOP or position is None:
        return ""
    owned = [live for live in gate.observation.orders if live.tag is not None and live.key == position.key]
    most = gate.limits.owned_orders_per_position_max
    most += 0 if order.role is Role.TAKE_PROFIT else STOPS_BEYOND_LIMIT
    if len(owned) < most:
        return ""
    cover = cover_of(position, gate.observation.orders, gate.settings)
    if order.role is Role.WORKING_STOP and not (cover.full and _why_not_confirmed(cover.orders, gate)):
        return ""
    return f"{len(owned)} orders of ours rest already; the limit is {most} (invariant 10)"


def _why_uncovered(order: LiveOrder, position: Position, gate: GateInputs) -> str:
    """Without the order, stops that were read back, and just now again, must cover the largest recent size, no looser.

    Stops that were not read back often enough count for nothing here, and stand in nobody's way.
    """
    if order.role is Role.TAKE_PROFIT:
        return ""
    if gate.belief is None:
        return "nothing is known about the position"
    largest = replace(position, quantity=max(position.quantity, gate.belief.largest_quantity))
    if gate.settings.yield_to_foreign_stop and _gives_way(order, largest, gate.belief, gate):
        return ""
    rebasing = outdated_backstop(order, gate.belief.epoch, gate.settings)
    if order.tag is None or (order.role is Role.BACKSTOP and not rebasing):
        return "the backstop stays until the position is proven flat (invariant 2)"
    loosening_allowed = order.epoch < gate.belief.epoch  # of an earlier life, or rebased: its level binds nobody
    rest = [live for live in gate.observation.orders if live.order_id != order.order_id]
    after = cover_of(largest, rest, gate.settings)
    if after.whole_price is None:
        return f"without it only {after.pct:.1f} % of {largest.quantity} would be covered (invariant 2)"
    proven = [live for live in rest if not _why_not_confirmed([live], gate)]
    if not cover_of(largest, proven, gate.settings).full:
        return _why_not_confirmed(after.orders, gate)
    loosened = None if loosening_allowed else loosened_at(largest, [*proven, order], proven, gate.settings)
    if loosened is not None:
        return f"without it part of the position would lose its stop at {loosened} (invariant 8)"
    return ""


def _gives_way(order: LiveOrder, largest: Position, belief: Belief, gate: GateInputs) -> bool:
    """Whether stops of others, read back as often as a replacement of ours, do all that this stop of ours does."""
    needed, reads = gate.evidence_settings.replacement_reads, belief.foreign_reads
    others = [one for one in gate.observation.orders if one.tag is None and reads.get(one.order_id, 0) >= needed]
    price, ours = cover_of(largest, others, gate.settings).whole_price, order.trigger_price
    return price is not None and ours is not None and not tighter(ours, price, largest.side)


def _why_not_confirmed(stops: Sequence[LiveOrder], gate: GateInputs) -> str:
    needed = gate.evidence_settings.replacement_reads
    if gate.belief is None:
        return "nothing is known about the position"
    for stop in stops:
        if stop.tag is not None and gate.belief.listed_reads.get(stop.client_id, 0) < needed:
            return f"the remaining stop {stop.client_id} was not read back {needed} times yet (invariant 2)"
    return ""


def _why_not_flat(gate: GateInputs) -> str:
    if gate.belief is not None and gate.belief.flat_proven(gate.evidence_settings):
        return ""
    return "flat is not proven (invariant 7)"
