"""When the next cycle begins: soon while something is open, never so often that reads run out of request weight."""

from __future__ import annotations

from dataclasses import dataclass, field

from position_monitor.core.model.actions import Mode
from position_monitor.daemon import CycleReport
from position_monitor.edge.exchange import Exchange

SOON_S = 1.0
"""How soon to look again while something is exposed, unconfirmed or possibly closed."""
SOON_SHARE = 1 / 2
"""Part of the venue's request weight of a minute that such quick looks may use (1,200 of 2,400)."""
SPARING_SHARE = 5 / 16
"""Part of it that our cycles may use from the moment they have used half of it, whatever they do (750): a minute must
never end without weight for the reads of positions."""
LOOKS_SHARE = 47 / 48
"""Part of it that the looks may share once half of it is used, whoever used that (2,350). Another program
on the address must not be the reason why a position is not read: what it left is spread over the rest of the minute."""
WAKE_S = 0.2
"""Least time between two cycles that events ask for."""
SOON_IN_A_ROW_MAX = 30


@dataclass(slots=True)
class Pace:
    """How long to wait after a cycle. Remembers only how often it hurried in a row."""

    exchange: Exchange
    _soon_in_a_row: int = field(default=0, init=False)

    def interval_s(self, report: CycleReport, check_interval_s: float) -> float:
        """How long after the beginning of a cycle the next one begins, unless an event comes first.

        Look again soon while something is open, but never so often that it eats the request budget.

        A daemon that only observes has no reason to hurry: the budget of the address is the owner's too.
        """
        urgent = report.suspicious and report.mode not in (Mode.OBSERVE, Mode.STANDBY)
        spare = self.exchange.own_weight_1m < self._weight_1m(SOON_SHARE)
        if not (urgent and spare) or self._soon_in_a_row >= SOON_IN_A_ROW_MAX:
            self._soon_in_a_row = 0
            return check_interval_s
        self._soon_in_a_row += 1
        return min(check_interval_s, max(SOON_S, self.least_s(report, check_interval_s)))

    def least_s(self, report: CycleReport, check_interval_s: float) -> float:
        """The least time between the beginnings of two cycles, whatever wakes the loop, so that weight is left.

        While there is plenty, only the reads of a cycle count; what it does beyond them is rare.
        """
        soon_1m = self._weight_1m(SOON_SHARE)
        pace_s = report.weight * 60 / soon_1m
        if self.exchange.own_weight_1m >= soon_1m:
            pace_s = report.weight_used * 60 / self._weight_1m(SPARING_SHARE)
        elif self.exchange.api_weight_1m >= soon_1m:
            pace_s = max(pace_s, self._shared_s(max(report.weight, report.weight_used)))
        return min(check_interval_s, max(WAKE_S, pace_s))

    def _shared_s(self, weight: int) -> float:
        """How far apart looks of this weight must be for the rest of the venue's minute to bear them."""
        rest_s = 60 - self.exchange.venue_now_ms() % 60_000 / 1000
        left = self._weight_1m(LOOKS_SHARE) - self.exchange.api_weight_1m
        return rest_s if left < weight else min(rest_s, weight * rest_s / left)

    def _weight_1m(self, share: float) -> float:
        """A part of the request weight that the venue grants in a minute."""
        return self.exchange.traits.read_costs.weight_1m * share
