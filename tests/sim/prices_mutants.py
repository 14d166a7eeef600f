"""Planted bugs about prices, sizes and limits: what was found from outside, put back."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from position_monitor.core.book import stop_book, stop_level
from position_monitor.core.decision import guard, surplus
from position_monitor.core.exits import levels, resting_stop
from position_monitor.core.model.instruments import Instrument, PriceGrid
from position_monitor.core.model.money import tighter
from position_monitor.core.model.orders import Purpose
from tests.sim.mutants import changed, everywhere, mutant
from tests.sim.swarm import Swarm

HEARD = Swarm({}, ("burst_of_fills",), {}, marks=True)


@mutant("INV-3", swarm=Swarm({}, ("odd_liquidation",)))
def the_entry_is_taken_to_lie_before_the_liquidation_price(stack: ExitStack) -> None:
    stack.enter_context(changed(levels, "_entry_beyond_liquidation", lambda measured, view: measured))
    honest = guard.why_wrong_price

    def why(order: Any, position: Any, venue: Any) -> str:
        reason = honest(order, position, venue)
        liquidation = position.liquidation_ahead if position is not None else None
        beyond = liquidation is not None and not tighter(order.trigger_price, liquidation, position.side)
        return reason or ("beyond the liquidation price" if beyond and order.purpose is Purpose.STOP else "")

    stack.enter_context(changed(guard, "why_wrong_price", why))


@mutant("INV-3", swarm=Swarm({}, ("tight_filters",)))
def price_limits_are_not_known(stack: ExitStack) -> None:
    stack.enter_context(changed(PriceGrid, "nearest", lambda self, price: price))
    stack.enter_context(changed(Instrument, "nearest_permitted", lambda self, price: price))
    stack.enter_context(changed(Instrument, "permits", lambda self, price: True))
    stack.enter_context(changed(guard, "why_not_on_grid", lambda *inputs, **more: ""))


@mutant("DESIGN-9", swarm=Swarm({}, ("averaging_in",)), caught_at=7)
def no_stop_is_tightened_in_a_loss(stack: ExitStack) -> None:
    honest = resting_stop.moves_resting_stop

    def moves(view: Any, stop: Any, **more: Any) -> bool:
        return view.position.loss_pct <= 0 and honest(view, stop, **more)

    stack.enter_context(everywhere(honest, moves))


@mutant("DESIGN-9", swarm=Swarm({}, ("nothing_is_removed",), {}, marks=True))
def a_stop_waits_for_the_removal_of_those_it_moved_from(stack: ExitStack) -> None:
    honest = stop_level._room_to_move

    def room(inputs: Any, level: Any, best: Any) -> bool:
        return stop_level._levels_resting(inputs) < stop_level.LEVELS_AT_ONCE_MAX and honest(inputs, level, best)

    stack.enter_context(changed(stop_level, "_room_to_move", room))
    stack.enter_context(everywhere(stop_level.why_behind, lambda inputs, stop: ""))


@mutant("INV-10", swarm=HEARD, caught_at=2)
def every_fill_gets_a_stop_of_the_whole_size(stack: ExitStack) -> None:
    stack.enter_context(changed(stop_book, "_settling", lambda facts, wanted: None))


@mutant("INV-10", swarm=HEARD, caught_at=2)
def plan_and_guard_wait_for_each_other(stack: ExitStack) -> None:
    every_fill_gets_a_stop_of_the_whole_size(stack)
    honest = surplus._why_keep_stop

    def why(inputs: Any, case: Any, belief: Any, diff: Any, order: Any, going: Any) -> str:
        return "its replacement does not rest yet" if diff.missing else honest(inputs, case, belief, diff, order, going)

    stack.enter_context(changed(surplus, "_why_keep_stop", why))
