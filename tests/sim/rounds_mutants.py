"""Planted bugs about long looks, cut lines and late words: what the drawn seeds of all powers showed together.

Others are held by unit tests only, because no world of sixty seeds shows them: the right to a take-profit that is asked
for once (seed 2995), any end of an id that is taken for the end of its order (seed 5598), the epoch named by the oldest
order (seed 9303, which is red with it), and a backstop whose end tells nothing of its position (777).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from position_monitor.core.book import diff, stop_book, stop_level
from position_monitor.core.evidence import learning, written
from position_monitor.core.model import book_cases
from position_monitor.core.observation.reads import PositionsRead, SymbolObservation
from position_monitor.daemon import Daemon
from position_monitor.edge.reading import account_observation
from position_monitor.edge.reading.observer import Observer
from position_monitor.edge.venues.binance import position_list
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from tests.sim.mutants import changed, everywhere, mutant
from tests.sim.swarm import Swarm

FAILING = {"lose_response": 0.08, "timeout_after": 0.2, "internal_503": 0.2, "html": 0.2}
LATE = Swarm(FAILING, marks=True)
"""Lists fail and time out: looks last ten seconds."""


@mutant("INV-3", "INV-17", swarm=LATE, caught_at=12)
def a_symbol_that_is_looked_at_is_done_with(stack: ExitStack) -> None:
    """Only a position in a symbol that nobody knew is read within a round (seed 750)."""

    def opened(positions: PositionsRead, before: Mapping[str, SymbolObservation]) -> set[str]:
        return {one.symbol for one in positions.positions} - before.keys()

    stack.enter_context(everywhere(account_observation.opened_or_grown, opened))


@mutant("INV-3", swarm=Swarm({"html": 0.2}, ("cut_from_venue",), {}, marks=True), caught_at=7)
def one_request_for_the_positions_is_waited_for(stack: ExitStack) -> None:
    """What hangs since the line was cut holds back the answer that could be had since it is whole (seed 3645)."""
    stack.enter_context(changed(position_list, "ASKED_AGAIN_S", 1_000.0))


@mutant("DESIGN-9", "INV-3", swarm=Swarm({"shrunken_positions": 0.2}, ("spoiled_rows",)), caught_at=19)
def a_row_asked_for_by_itself_is_whole(stack: ExitStack) -> None:
    """What could not be read of it is not said: a stop is made from a mark of zero (spoiled_rows in seed 21)."""
    honest = Observer._observation

    def observation(self: Observer, symbol: str, positions: Any, orders: Any, rows: Any) -> SymbolObservation:
        return honest(self, symbol, positions, orders, None if rows is None else replace(rows, unreadable={}))

    stack.enter_context(changed(Observer, "_observation", observation))


@mutant("INV-16", swarm=Swarm({"late_execution": 0.2}, ("life_after_a_trend",), {}, marks=True), caught_at=33)
def a_take_profit_that_two_questions_do_not_find_is_not_there(stack: ExitStack) -> None:
    """It may be held up on its way until `recvWindow` is over (life_after_a_trend in seed 18)."""
    stack.enter_context(changed(written, "HELD_UP_MS", 0))


@mutant("INV-17", swarm=Swarm({"html": 0.2, "internal_503": 0.2}, ("unreadable_sizes",)), caught_at=92)
def what_could_not_be_read_is_forgotten_when_nothing_can_be(stack: ExitStack) -> None:
    """A look that fails tells of no symbol that was unread before (seed 820)."""
    honest = Daemon._report

    def report(self: Daemon, observed: Any, *about: Any, **more: Any) -> Any:
        if observed.failure:
            self._unread, observed = {}, replace(observed, unreadable_positions={})
        return honest(self, observed, *about, **more)

    stack.enter_context(changed(Daemon, "_report", report))


BURST = Swarm({"empty": 0.2, "backend_timeout": 0.08, "empty_orders": 0.08}, ("burst_of_fills",), {})


@mutant("INV-10", swarm=BURST, caught_at=49)
def only_levels_that_a_list_shows_count(stack: ExitStack) -> None:
    """Fifty fills come faster than a list: each has a level of its own (seed 2065)."""

    def listed(inputs: Any) -> int:
        return len({order.trigger_price for order in inputs.live.working})

    stack.enter_context(changed(stop_level, "_levels_resting", listed))


@mutant("INV-3", swarm=Swarm({}, ("mode_flip", "other_program_moves_its_stop")), caught_at=48)
def a_stop_that_can_do_more_than_reduce_is_the_wanted_one(stack: ExitStack) -> None:
    """A change of the position mode left it behind; the intent counts as met and its id as in use (seed 8704)."""
    honest = diff.same_content

    def same(wanted: Any, order: Any) -> bool:
        return honest(wanted, order if order.hedged else order._replace(reduces=True))

    stack.enter_context(everywhere(honest, same))
    stack.enter_context(changed(learning, "_spent", lambda known, live: known.spent))


HANGING = Swarm({"html": 0.2, "timeout_before": 0.2}, ("side_endpoint_out",), {}, marks=True)


@mutant("INV-3", swarm=HANGING, caught_at=275)
def a_list_that_hangs_keeps_back_the_other_one(stack: ExitStack) -> None:
    """What arrived of a symbol's lists counts only when both are there (seed 5282)."""
    stack.enter_context(changed(BinanceUsdm, "orders_so_far", lambda self, symbol: None))


@mutant("INV-8", "INV-10", swarm=Swarm({}, ("crash", "reentry", "other_program_moves_its_stop")), caught_at=30)
def whatever_rests_stays_beside_the_users_stop(stack: ExitStack) -> None:
    """Also what an earlier life of the position left behind (seed 5878)."""

    honest = stop_book._beside_foreign_cover

    def beside(facts: Any) -> Any:
        case, orders = honest(facts)
        kept = stop_book._own_as_they_rest(facts) if case is book_cases.StopCase.FOREIGN_ENOUGH else orders
        return case, kept

    stack.enter_context(changed(stop_book, "_beside_foreign_cover", beside))
