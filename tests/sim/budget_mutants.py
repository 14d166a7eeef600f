"""Planted bugs about request weight, limits and bans, and the rules of new symbols: what the daemon did before."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from position_monitor.core.model.actions import Mode
from position_monitor.daemon import CycleReport
from position_monitor.edge.http.rate_budget import BudgetLimits, Lane, RateBudget
from position_monitor.edge.venues.binance import failures as binance_failures
from position_monitor.edge.venues.binance.upkeep import BinanceUpkeep
from position_monitor.service.pacing import SOON_SHARE, SPARING_SHARE, Pace
from tests.sim.mutants import changed, mutant
from tests.sim.swarm import Swarm

CROWDED_SEED = 5
BAN_MAX_MS = 3 * 86_400_000


@mutant(
    "INV-3", swarm=Swarm({}, ("neighbour_on_the_budget",), judges=("liveness",)), faulty_s=100.0, caught_at=CROWDED_SEED
)
def reads_of_positions_leave_a_reserve_to_writes(stack: ExitStack) -> None:
    """One lane for all reads, and looks as rare as if the neighbour's weight were ours."""
    honest = BudgetLimits.weight_ceilings

    def ceilings(self: BudgetLimits) -> dict[Lane, int]:
        found = honest(self)
        return found | dict.fromkeys((Lane.POSITIONS, Lane.HELD), found[Lane.READ])

    def interval_s(self: Pace, report: CycleReport, check_interval_s: float) -> float:
        spare = report.mode is not Mode.OBSERVE and self.exchange.api_weight_1m < self._weight_1m(SOON_SHARE)
        return min(check_interval_s, 1.0) if report.suspicious and spare else check_interval_s

    def least_s(self: Pace, report: CycleReport, check_interval_s: float) -> float:
        share = SPARING_SHARE if self.exchange.api_weight_1m >= self._weight_1m(SOON_SHARE) else SOON_SHARE
        return min(check_interval_s, max(0.2, report.weight_used * 60 / self._weight_1m(share)))

    stack.enter_context(changed(BudgetLimits, "weight_ceilings", ceilings))
    stack.enter_context(changed(RateBudget, "_held_ceiling", lambda self, venue_ms: 2_100))
    stack.enter_context(changed(Pace, "interval_s", interval_s))
    stack.enter_context(changed(Pace, "least_s", least_s))


def as_said(headers: Mapping[str, str], message: str, now_ms: int, offset_ms: int) -> int | None:
    """Whatever number the header says, up to the longest ban."""
    text = headers.get("retry-after", "").strip()
    return min(int(text[:9]) * 1000, BAN_MAX_MS) if text.isascii() and text.isdigit() else None


@mutant("INV-3", swarm=Swarm({}, ("limit_without_sense",)), faulty_s=100.0, caught_at=2)
def a_limit_lasts_as_long_as_it_says(stack: ExitStack) -> None:
    stack.enter_context(changed(binance_failures, "_stated_wait_ms", as_said))
    stack.enter_context(changed(binance_failures, "_to_next_minute_ms", lambda clock: BAN_MAX_MS))


@mutant("INV-3", swarm=Swarm({}, ("ban_without_sense",)), faulty_s=100.0, caught_at=5)
def a_ban_lasts_as_long_as_it_says(stack: ExitStack) -> None:
    stack.enter_context(changed(binance_failures, "_stated_wait_ms", as_said))


@mutant("INV-3", swarm=Swarm({}, ("late_listing",)))
def the_rules_of_a_new_symbol_wait_a_minute(stack: ExitStack) -> None:
    """Counted from whichever load of all rules came last. A stop needs none; the ladder does not come, or not whole."""
    stack.enter_context(changed(BinanceUpkeep, "_instruments_every_s", lambda self: 60.0 if self.instruments else 0.0))
