"""Planted bugs about requests of operators: a pause or a hold that costs cover, and requests nobody should accept."""

from __future__ import annotations

from contextlib import ExitStack

from position_monitor.core.book import desired_book, stop_book
from position_monitor.core.book.other_program import gives_way
from position_monitor.core.decision import control_answers, guard, ownership, surplus
from position_monitor.core.decision.ownership import RIGHTS, Rights
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.control import Control
from tests.sim.mutants import changed, everywhere, mutant
from tests.sim.swarm import Swarm

ASKED = Swarm({}, ("operators_ask",))


def rights(**of_a_pause: bool) -> dict[Mode, Rights]:
    """The table with other rights during a pause."""
    return {**RIGHTS, Mode.PAUSED: RIGHTS[Mode.PAUSED]._replace(**of_a_pause)}


def planted_rights(stack: ExitStack, **of_a_pause: bool) -> None:
    """Everybody who asks the table gets this one."""
    stack.enter_context(everywhere_named("RIGHTS", rights(**of_a_pause)))


def everywhere_named(name: str, value: object) -> ExitStack:
    """Replace a table in the modules that imported it."""
    from position_monitor.core.decision import plan
    from position_monitor.daemon import desk

    stack = ExitStack()
    for module in (ownership, plan, guard, desk):
        stack.enter_context(changed(module, name, value))
    return stack


@mutant("INV-3", swarm=ASKED, caught_at=2)
def a_pause_holds_back_the_missing_stop(stack: ExitStack) -> None:
    planted_rights(stack, missing_stops=False, long_missing_stops=False)


@mutant("INV-8", swarm=ASKED)
def a_pause_lets_take_profits_through(stack: ExitStack) -> None:
    planted_rights(stack, take_profits=True)


@mutant("INV-8", swarm=ASKED, caught_at=7)
def a_pause_lets_removals_through(stack: ExitStack) -> None:
    planted_rights(stack, removals=True)


@mutant("INV-2", "INV-8", swarm=ASKED)
def a_hold_withdraws_our_stop_for_the_users_own(stack: ExitStack) -> None:
    """In the book, in the plan and at the gate alike."""
    honest, removable, uncovered = gives_way, surplus._why_not_withdrawn, guard._why_uncovered

    def withdraws(inputs, *, enough):  # type: ignore[no-untyped-def]
        return (inputs.settings.held and enough) or honest(inputs, enough=enough)

    def goes(inputs, case, belief, order):  # type: ignore[no-untyped-def]
        return "" if case.settings.held else removable(inputs, case, belief, order)

    def covers(order, position, gate):  # type: ignore[no-untyped-def]
        return "" if gate.settings.held else uncovered(order, position, gate)

    stack.enter_context(changed(desired_book, "gives_way", withdraws))
    stack.enter_context(changed(surplus, "_why_not_withdrawn", goes))
    stack.enter_context(changed(guard, "_why_uncovered", covers))


@mutant("INV-8", swarm=ASKED, caught_at=2)
def a_replay_is_accepted(stack: ExitStack) -> None:
    honest = control_answers.answer_to

    def answer_to(request, control, *, used_before, **facts):  # type: ignore[no-untyped-def]
        return honest(request, control, used_before=False, **facts)

    stack.enter_context(everywhere(honest, answer_to))


@mutant("INV-8", swarm=ASKED)
def what_has_ended_stays_in_force(stack: ExitStack) -> None:
    stack.enter_context(changed(Control, "at", lambda self, now_ms: self))


@mutant("INV-8", swarm=ASKED)
def a_request_from_the_future_is_accepted(stack: ExitStack) -> None:
    stack.enter_context(changed(control_answers, "CLOCKS_APART_MS", 10**12))


@mutant("INV-3", swarm=ASKED, caught_at=4)
def a_hold_is_taken_for_cover(stack: ExitStack) -> None:
    """A held position is left alone although nothing covers it."""
    honest = stop_book.stop_orders

    def stop_orders(facts):  # type: ignore[no-untyped-def]
        case, orders = honest(facts)
        return (case, ()) if facts.settings.held and not facts.live.guarding else (case, orders)

    stack.enter_context(everywhere(honest, stop_orders))
