"""What a look at the exchange gives: each position with everything that was considered."""

from __future__ import annotations

from dataclasses import dataclass

from position_monitor.core.book.diff import BookDiff
from position_monitor.core.book.exit_view import exit_view
from position_monitor.core.book.stop_origin import StopOrigin, stop_origin
from position_monitor.core.book.wanted import BookInputs
from position_monitor.core.decision.plan_inputs import Held, Plan
from position_monitor.core.decision.verdict import Judgement
from position_monitor.core.exits.explanation import Explanation, explained
from position_monitor.core.model.actions import Action
from position_monitor.core.model.desired import DesiredBook
from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.cover import why_not_cover
from position_monitor.core.publication.state import AccountState, PositionState
from position_monitor.daemon.surroundings import Surroundings
from position_monitor.edge.reading.account_observation import AccountObservation


@dataclass(frozen=True, slots=True)
class InspectedOrder:
    """One live order and how it stands to the desired book."""

    order: LiveOrder
    standing: str
    """wanted, surplus, in flight or foreign."""
    not_cover: str
    """Empty when it counts as stop cover; otherwise why it does not."""


@dataclass(frozen=True, slots=True)
class InspectedExits:
    """The exits of one position with everything they were made from."""

    explanation: Explanation
    resting: StopOrigin | None
    """The stop that would act first, and where it comes from; None while none covers the position."""
    market_missing: str
    """Why there is no ATR, in words; empty where there is one."""
    advice_missing: str
    """Why there is no advice, in words; empty where there is one."""
    policy_since_ms: int | None = None
    """Since when its policy is the live one; None where whoever looks has no way to tell."""


@dataclass(frozen=True, slots=True)
class InspectedPosition:
    """One position with everything that was considered."""

    position: Position
    book: DesiredBook | None
    """None when no book can be made: unmanaged, unreadable, or a symbol without trading rules."""
    orders: tuple[InspectedOrder, ...]
    actions: tuple[Action, ...]
    """What would be done now, in order."""
    held: tuple[Held, ...]
    """What would be done later, each with the reason it waits."""
    state: PositionState
    exits: InspectedExits | None = None
    """Why its exits are what they are; None without a book."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """The account at one moment."""

    account: AccountState
    positions: tuple[InspectedPosition, ...]
    orphans: tuple[Held, ...]
    """Orders of ours on positions that are not open, with why they stay for now."""


def inspected_position(
    *,
    judgement: Judgement,
    observed: AccountObservation,
    plan: Plan,
    state: PositionState,
    exits: InspectedExits | None,
) -> InspectedPosition:
    """One position as it was judged, with what would be done and why its exits are what they are."""
    key, position = judgement.position.key, judgement.position
    places = tuple(place for place in (*plan.stops, *plan.take_profits) if place.key == key)
    closes = tuple(close for close in plan.closes if close.key == key)
    cancels = tuple(cancel for cancel in plan.cancels if cancel.key == key)
    orders = tuple(
        InspectedOrder(order, _standing(order, judgement.diff, key), _not_cover(order, judgement))
        for order in observed.symbols[key.symbol].orders
    )
    held = tuple(item for item in plan.held if item.key == key)
    return InspectedPosition(
        position=position,
        book=judgement.book,
        orders=orders,
        actions=(*places, *closes, *cancels),
        held=held,
        state=state,
        exits=exits,
    )


def inspected_exits(inputs: BookInputs | None, around: Surroundings) -> InspectedExits | None:
    """Why the exits of a position are what they are; None where no book was made. `inputs` are those of its book."""
    if inputs is None:
        return None
    explanation, symbol = explained(exit_view(inputs)), inputs.position.symbol
    return InspectedExits(
        explanation=explanation,
        resting=stop_origin(inputs, explanation),
        market_missing=around.market_missing(symbol),
        advice_missing=around.advice_missing(symbol),
        policy_since_ms=inputs.live_since_ms,
    )


def _not_cover(order: LiveOrder, judgement: Judgement) -> str:
    if judgement.settings is None:
        return judgement.reason
    return why_not_cover(order, judgement.position, judgement.settings)


def _standing(order: LiveOrder, diff: BookDiff | None, key: PositionKey) -> str:
    if diff is None:
        return "not judged"
    if order in diff.surplus:
        return "surplus"
    if order in diff.in_flight:
        return "in flight"
    if order in diff.foreign:
        return "foreign"
    return "wanted" if any(live is order for _, live in diff.matched) else f"not of {key}"
