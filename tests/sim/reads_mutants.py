"""Planted bugs about reads: facts that hold back a stop although they must not, and answers that prove too much."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from position_monitor.core.decision import plan
from position_monitor.core.decision.plan_inputs import Plan
from position_monitor.core.evidence import absence, lives, written
from position_monitor.core.observation.reads import PositionsRead
from position_monitor.daemon.stuck_removals import StuckRemovals
from position_monitor.edge.http.rate_budget import Lane
from position_monitor.edge.venues.binance.rows import AccountConfigRow, parse_object
from position_monitor.edge.venues.binance.upkeep import BinanceUpkeep
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.edge.venues.transport import Endpoint
from tests.sim.mutants import changed, everywhere, mutant
from tests.sim.swarm import Swarm

ONE_OUT = Swarm({}, ("side_endpoint_out",), {}, marks=True, judges=("liveness",))
LOST = Swarm({}, ("write_lost_query_out",), {}, marks=True, judges=("liveness",))
SPOILED = Swarm({}, ("spoiled_rows",), judges=("liveness",))


@mutant("INV-3", swarm=ONE_OUT)
def without_both_lists_nothing_is_placed(stack: ExitStack) -> None:
    """Row 1.1: what could not be read completely is left alone."""
    stack.enter_context(changed(plan, "_stops_only", lambda inputs: Plan(inputs.observation.symbol)))


@mutant("INV-3", swarm=ONE_OUT, caught_at=33)
def positions_are_not_read_before_the_mode(stack: ExitStack) -> None:
    """Row 1.2: the call that tells the position mode stands before every read of positions."""
    honest = BinanceUsdm._read_positions

    async def load(self: BinanceUpkeep) -> None:
        body = await self._wire.call(Endpoint.ACCOUNT_CONFIG, {}, Lane.POSITIONS)
        self._hedged = parse_object(Endpoint.ACCOUNT_CONFIG, AccountConfigRow, body).dual_side_position

    async def read(self: BinanceUsdm, endpoint: Any, symbol: str | None) -> PositionsRead:
        if self._upkeep.hedged is None:
            await self._upkeep.load_mode()
        return await honest(self, endpoint, symbol)

    stack.enter_context(changed(BinanceUpkeep, "load_mode", load))
    stack.enter_context(changed(BinanceUsdm, "_read_positions", read))


@mutant("INV-3", swarm=LOST, caught_at=12)
def a_lost_stop_waits_for_its_query(stack: ExitStack) -> None:
    """Row 1.4: only an answer to the question for it ends the waiting."""
    stack.enter_context(everywhere(written.after_silence, lambda known, *about, **more: known))


@mutant("INV-3", swarm=SPOILED, caught_at=2)
def a_row_is_read_whole_or_not_at_all(stack: ExitStack) -> None:
    """Row 1.5: a position with one field spoiled is nobody."""
    honest = BinanceUsdm._read_positions

    async def read(self: BinanceUsdm, endpoint: Any, symbol: str | None) -> PositionsRead:
        answer = await honest(self, endpoint, symbol)
        whole = tuple(position for position in answer.positions if not position.unread)
        return replace(answer, positions=whole)

    stack.enter_context(changed(BinanceUsdm, "_read_positions", read))


@mutant("INV-2", "INV-7", swarm=Swarm({}, ("lagging_replica",), {}, marks=True), caught_at=27)
def a_zero_row_of_any_age_says_flat(stack: ExitStack) -> None:
    """Row 2.1: reads of one replica that lags agree with each other."""
    stack.enter_context(changed(absence, "_says_flat", lambda known, key, seen, zero_at_ms: key in seen.zero_keys))


@mutant("INV-8", "INV-10", swarm=Swarm({}, ("life_after_a_trend",), {}, marks=True), caught_at=32)
def any_order_of_ours_tells_the_epoch(stack: ExitStack) -> None:
    """Row 2.2: a working stop that an earlier life left behind speaks for the position that is open now."""

    def epoch(live: Any, position: Any) -> str:
        return max((own.epoch for own in live.owned), default="")

    stack.enter_context(changed(lives, "_epoch_of_life", epoch))


@mutant(
    "INV-10",
    swarm=Swarm({"delayed_listing": 0.1, "stale_reads": 0.1}, ("reentry", "lagging_replica"), {}),
    caught_at=15,
)
def what_a_list_shows_is_removed_again(stack: ExitStack) -> None:
    """What was removed is asked for again while lists lag; refused twice, it holds back the removals that are due."""
    stack.enter_context(changed(StuckRemovals, "_was_removed", lambda self, order_id: False))
