"""Planted bugs about reloads, stops in order, other intervals, and what is published while nothing is read."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from position_monitor.config import Config
from position_monitor.core.decision.risk import account_risk
from position_monitor.daemon import cycle
from position_monitor.edge.reading.account_observation import AccountObservation
from position_monitor.edge.redis.lease_keeper import LeaseKeeper
from position_monitor.edge.redis.state import RedisState
from position_monitor.service import Service, reloading
from position_monitor.service.reloading import Reloaded, ReloadPace, taken_over
from position_monitor.service.telling import Teller
from tests.sim.mutants import changed, everywhere, mutant
from tests.sim.swarm import Swarm

RELOADED = Swarm({}, ("reloads",))
RELOADED_OF_TWO = Swarm({}, ("reloads", "second_daemon"))
STOPPED = Swarm({}, ("clean_stops",))
SELDOM = Swarm({}, ("other_interval",))


def follows(*, begins: bool, ends: bool) -> Any:
    """A reload of the mode after which the lease is not asked for, or not given up."""
    honest = RedisState.follow

    def follow(self: RedisState, check_interval_s: float, *, contend: bool, **more: float) -> None:
        before = self._keeper.contend
        follows_it = begins if contend else ends
        honest(self, check_interval_s, contend=contend if follows_it else before, **more)

    return follow


@mutant("INV-9", swarm=RELOADED, faulty_s=120.0, caught_at=8)
def a_daemon_that_only_observed_never_asks_for_the_lease(stack: ExitStack) -> None:
    """Row 3.3: one that began to observe is not asked to contend again."""
    stack.enter_context(changed(RedisState, "follow", follows(begins=False, ends=True)))


@mutant("INV-9", swarm=RELOADED_OF_TWO, faulty_s=120.0)
def a_daemon_that_only_observes_keeps_the_lease(stack: ExitStack) -> None:
    """Row 3.4."""
    stack.enter_context(changed(RedisState, "follow", follows(begins=True, ends=False)))
    stack.enter_context(changed(LeaseKeeper, "ask_now", lambda self: None))


@mutant("INV-10", swarm=RELOADED, faulty_s=40.0)
def every_signal_is_a_reload_at_once(stack: ExitStack) -> None:
    """Row 5.3."""
    stack.enter_context(changed(ReloadPace, "due_in_s", property(lambda self: 0.0)))


@mutant("INV-17", swarm=SELDOM, faulty_s=300.0, caught_at=3)
def a_gap_is_a_minute_whatever_the_interval(stack: ExitStack) -> None:
    """Row 5.6."""
    stack.enter_context(changed(cycle, "longest_pause_s", lambda settings: cycle.GAP_MIN_S))


@mutant("INV-4", swarm=Swarm({"lose_response": 0.4, "delayed_listing": 0.3}, ("reloads",)), caught_at=15)
def everything_takes_effect_at_once(stack: ExitStack) -> None:
    """Row 5.7: the account, and with it every client id."""

    def all_of_it(running: Config, fresh: Config) -> Reloaded:
        return replace(taken_over(running, fresh), config=fresh)

    stack.enter_context(changed(reloading, "taken_over", all_of_it))


@mutant("INV-17", swarm=STOPPED)
def a_stop_in_order_leaves_the_state_as_it_was(stack: ExitStack) -> None:
    """Row 6.3."""

    async def nothing(self: Service) -> None: ...

    stack.enter_context(changed(Service, "_say_goodbye", nothing))


def observed_at(changed_to: Any) -> Any:
    """Reports whose time of the last good read is another one."""
    honest = Teller.publish

    def publish(self: Teller, report: Any, *inputs: Any) -> None:
        honest(self, replace(report, observed_at_ms=changed_to(self, report)), *inputs)

    return publish


@mutant("INV-17", swarm=Swarm({}, (), judges=("state_truth",)), caught_at=8)
def a_flat_account_has_no_time_of_its_read(stack: ExitStack) -> None:
    """Row 6.1: the age is that of the positions, and there are none."""
    honest = AccountObservation.observed_at_ms.fget

    def of_positions(self: AccountObservation) -> int:
        held = any(seen.positions for seen in self.symbols.values())
        return honest(self) if honest and held else 0

    stack.enter_context(changed(AccountObservation, "observed_at_ms", property(of_positions)))
    stack.enter_context(changed(Teller, "publish", observed_at(lambda teller, report: time_of(report))))


def time_of(report: Any) -> int:
    """The oldest time of the positions that are published; 0 without any."""
    return min((track.observed_at_ms for track in report.history.tracks.values()), default=0)


@mutant("INV-17", swarm=Swarm({"internal_503": 0.3}, (), judges=("state_truth",)))
def a_failed_read_forgets_the_last_good_one(stack: ExitStack) -> None:
    """Row 6.2."""
    stack.enter_context(
        changed(Teller, "publish", observed_at(lambda teller, report: 0 if report.failure else report.observed_at_ms))
    )


@mutant("INV-17", swarm=Swarm({}, ("unreadable_sizes",), judges=("state_truth",)), caught_at=4)
def what_could_not_be_read_is_left_out_of_the_totals(stack: ExitStack) -> None:
    """Row 6.4."""

    def of_what_was_read(*states: Any, unread: Any = (), **facts: Any) -> Any:
        return account_risk(*states, **facts)

    stack.enter_context(everywhere(account_risk, of_what_was_read))
