"""Planted bugs about refusals: hammering, closing on the word of one witness, the wrong price for the right one."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from position_monitor.core.decision import guard
from position_monitor.core.decision import plan as planner
from position_monitor.core.evidence.crossing import Crossed
from position_monitor.core.evidence.evidence import Belief
from position_monitor.daemon import memory
from position_monitor.daemon.repeats import Repeats
from position_monitor.edge.venues.binance.prices import BinancePrices
from tests.sim.mutants import changed, mutant
from tests.sim.swarm import Swarm

HOPELESS = Swarm({}, ("hopeless_symbol",))
LIES = Swarm({}, ("lying_refusals",))
BY_LAST = Swarm({}, ("last_price_arms",))


@mutant("INV-10", swarm=HOPELESS, caught_at=6)
def what_was_refused_is_sent_again_at_every_look(stack: ExitStack) -> None:
    stack.enter_context(changed(planner, "worth_a_try", lambda orders, *rest: (list(orders), [])))


@mutant("INV-10", swarm=Swarm({}, ("nothing_is_taken",)))
def every_refusal_is_told(stack: ExitStack) -> None:
    stack.enter_context(changed(Repeats, "failed", lambda self, subject, reason: 0))


@mutant("INV-3", swarm=HOPELESS, caught_at=4)
def take_profits_do_not_wait_for_the_stop(stack: ExitStack) -> None:
    honest = planner._why_targets_wait

    def why(case: Any, known: Any) -> str:
        reason = honest(case, known)
        return "" if "until the stop rests" in reason else reason

    stack.enter_context(changed(planner, "_why_targets_wait", why))


# -- the close ladder


@mutant("INV-16", swarm=LIES)
def three_refusals_are_enough_to_close(stack: ExitStack) -> None:
    """What the refusals claim is asked of nobody."""
    stack.enter_context(changed(Belief, "passed", lambda self, level, side: True))
    stack.enter_context(changed(guard, "_why_no_second_witness", lambda action, position, gate: ""))


@mutant("INV-16", swarm=LIES)
def refusals_of_a_covered_position_count(stack: ExitStack) -> None:
    """A tighter stop above a whole backstop is refused again and again, and nothing ends the count."""
    stack.enter_context(changed(memory, "after_decision", lambda evidence, covered, closing, now_ms: evidence))
    stack.enter_context(changed(Crossed, "fresh", lambda self, now_ms, pause_ms: self.count > 0))
    stack.enter_context(changed(Belief, "passed", lambda self, level, side: True))
    stack.enter_context(changed(guard, "_why_no_second_witness", lambda action, position, gate: ""))


# -- the price that arms


@mutant("DESIGN-9", swarm=BY_LAST, caught_at=11)
def the_mark_is_taken_for_the_price_that_arms(stack: ExitStack) -> None:
    async def with_the_mark(self: BinancePrices, read: Any) -> Any:
        return replace(read, positions=tuple(replace(one, last_price=one.mark_price) for one in read.positions))

    stack.enter_context(changed(BinancePrices, "completed", with_the_mark))
