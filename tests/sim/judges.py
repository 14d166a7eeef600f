"""The judges of one run beside `checkers.py`: each in a module of its own; told what happens, asked what was wrong."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from position_monitor.core.model.settings import TimeStop
from position_monitor.edge.venues.transport import Endpoint
from tests.sim.ages import Ages
from tests.sim.calm import Calm
from tests.sim.claims import Claims
from tests.sim.conduct import Answer
from tests.sim.hammering import Hammering, too_many_events
from tests.sim.liveness import Liveness, VenueNow
from tests.sim.operators import Operators
from tests.sim.over_exit import OverExit
from tests.sim.policies import Policies
from tests.sim.settled_book import SettledBook
from tests.sim.state_truth import StateTruth
from tests.sim.swarm import THRIFTY_S
from tests.sim.truth import Key, is_own
from tests.sim.virtual_time import true_ms
from tests.sim.witnesses import Witnesses

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

AWAITING = frozenset({"beside_firing", "settled_ladder"})
"""Judges whose verdicts do not count yet in a drawn swarm: what they show is still to be mended. A swarm may name them
(`Swarm.judges`), and so may the environment: `SIM_JUDGES=liveness` or `SIM_JUDGES=all`."""
OTHER_LEVELS = frozenset({"ai_advice", "reloads"})
"""Under these other ladders and stops are wanted than those of the usual configuration."""
USUAL_INTERVAL_S = 5.0
"""Some bounds of `hammering` are made for it."""
LYING_LISTS = frozenset({"empty_orders", "stale_reads", "delayed_listing"})
"""Under these a ladder that rests is not in the list, and a daemon may place another one."""


class Judges:
    """All of them, on one run."""

    def __init__(self, run: Simulation) -> None:
        self._run = run
        asked = {*run.swarm.judges, *os.environ.get("SIM_JUDGES", "").split(",")}
        # Under other exits the judge of ladders asks only for the total, and for that nothing is awaited.
        awaiting = AWAITING - {"settled_ladder"} if run.swarm.other_exits else AWAITING
        self._silent = (frozenset() if "all" in asked else awaiting - asked) | set(run.swarm.silenced)
        self._silent |= {name for one in run.swarm.powers for name in one.silences}
        self._foggy = run.swarm.foggy
        if run.settings.protection.on_breach == "close":
            self._silent |= {"witnesses", "ages"}  # the operator wants a position closed for its loss alone
        if run.swarm.other_exits and run.settings.exit.time_stop is TimeStop.CLOSE:
            self._silent |= {"witnesses"}  # and here for its age, which `ages` judges
        host = {*run.swarm.host}
        if {"clock_step", "clock_skew"} & host:
            self._silent |= {"ages"}  # which of the two came first is told by two clocks
        longest_s = max(run.interval_s, 12.0 if "reloads" in host else 0.0)
        truth, seldom_ms = run.checker.truth, round(1000 * THRIFTY_S) if run.swarm.thrifty else 0
        self.liveness = Liveness(
            truth, VenueNow(run.gateway), lists_seldom_ms=seldom_ms, interval_s=longest_s, in_vain=run.conduct.in_vain
        )
        clear = not run.swarm.stale_ms and not {*OTHER_LEVELS, *LYING_LISTS} & {*host, *run.swarm.venue}
        self.over_exit = OverExit(
            truth,
            run.engine.world,
            run.levels.marks,
            ladder=clear,
            squeezed=run.levels.squeezed,
            alive=lambda: run.alive,
            rules=run.levels.rules,
        )
        self.hammering = Hammering()
        clocks_hold = "clock_step" not in host
        self.state_truth = StateTruth(
            run.levels.marks, clocks_hold=clocks_hold, interval_s=longest_s, foggy=self._foggy
        )
        self.settled_book = SettledBook(
            truth,
            run.engine.world,
            own_levels=not OTHER_LEVELS & host,
            squeezed=run.levels.squeezed,
            by_last=run.settings.protection.working_type == "CONTRACT_PRICE" or "reloads" in host,
            rules=run.levels.rules,
        )
        self.calm = Calm(interval_s=min(run.interval_s, 3.0) if "reloads" in host else run.interval_s)
        self.claims = Claims(host, foggy=self._foggy)
        self.operators = Operators(
            run.checker,
            clocks_hold=not {"clock_step", "clock_skew"} & host,
            foggy=self._foggy,
            remembers="redis_flushed" not in host,
        )
        self._nobody_since_ms: int | None = None
        self.policies = Policies()
        self.witnesses = Witnesses(run.levels.prices)
        self.ages = Ages(self.witnesses.passed)
        run.conduct.listeners.append(self._answer)

    def _find(self, judge: str, violations: Iterable[str]) -> None:
        told = list(violations)
        if told and judge not in self._silent:
            self._run.checker.violations += told

    def before(self, entry: Any) -> None:
        """One journal entry, before the checker has it."""
        conduct = self._run.conduct
        daemon = conduct.speaker
        if daemon is not None and self.operators.asked and not conduct.is_late:
            now_ms = self._run.daemons[daemon][1].now_ms()
            self._find("operators", self.operators.entry(entry, daemon, now_ms))

    def entry(self, entry: Any) -> None:
        """One journal entry, after the checker has it."""
        run = self._run
        self.liveness.entry(entry, run.checker.exposures)
        self.state_truth.entry(entry)
        self.calm.entry(entry)
        self.settled_book.entry(entry)
        self.claims.entry(entry, run.conduct.speaker)
        self.witnesses.entry(entry)
        self._find("ages", self.ages.entry(entry, run.conduct.speaker))
        for words in self.over_exit.entry(entry, run.conduct.speaker):
            self._find("beside_firing" if "is triggering" in words else "over_exit", [words])

    def told(self, owner: str, published: Mapping[str, Any]) -> None:
        """Something is published, at this very moment."""
        daemon, at_ms = int(owner.split(":")[1]), true_ms()
        self._run.levels.note_marks(at_ms, self._run.symbols)  # the stream may have told of a mark this very moment
        self._find("state_truth", self.state_truth.told(daemon, published, at_ms))
        self._find("policies", self.policies.told(daemon, published))
        self._find("operators", self.operators.told(daemon, published, at_ms))
        if (given_up_ms := self._run.conduct.leases[owner].given_up_ms) >= 0:
            by_its_clock_ms = given_up_ms + self._run.daemons[daemon][1].now_ms() - at_ms
            self._find("state_truth", self.state_truth.lease_left(published["events"], by_its_clock_ms))
        self._find("calm", self.calm.announced(daemon, len(published["events"]), at_ms))

    def said(self, daemon: int, text: str) -> None:
        """A daemon said a line that an operator sees."""
        self._find("calm", self.calm.said(daemon, text, true_ms()))
        self._find("claims", self.claims.said(daemon, text, true_ms()))

    def _answer(self, answer: Answer) -> None:
        at_ms, endpoint = true_ms(), answer.endpoint
        if endpoint is Endpoint.QUERY_ALGO_ORDER:
            self._run.checker.names.answer(answer)
        self.liveness.answer(answer, at_ms)
        self.over_exit.answer(answer, at_ms)
        if endpoint.is_write:
            self._find("witnesses", self.witnesses.answer(answer, at_ms))
        if endpoint is Endpoint.PLACE_ALGO_ORDER:
            # What is without a stop is known to a daemon only where reads are right and in time.
            blind = self._foggy or self._run.interval_s > USUAL_INTERVAL_S
            self._find("hammering", self.hammering.answer(answer, at_ms, {} if blind else self._exposed(at_ms)))
        if said := self.calm.answer(answer, at_ms):
            self._find("calm", said)
        if isinstance(answer.body, list):
            self.state_truth.answer(answer, self._run.daemons[answer.daemon][1].now_ms())

    def _in_the_way(self) -> set[str]:
        """Stops of ours that rest beside another's that covers the position and is as tight as each of them."""
        truth, found = self._run.checker.truth, set[str]()
        for key in truth.positions if self._run.checker.yields else ():
            theirs = truth.level(key, lambda order: not is_own(order))
            ours = [Decimal(order["trigger"]) for order in truth.stops_of(key) if is_own(order)]
            way = 1 if key[1] == "LONG" else -1
            if theirs is not None and ours and all(way * (theirs - level) >= 0 for level in ours):
                found.add(f"INV-5: {key} has a stop of ours beside another's that is enough")
        return found

    def _targets_of_ours(self) -> set[str]:
        """Take-profits of ours that rest although the operator wants none."""
        own = self._run.checker.truth.own()
        return {f"DESIGN-9: {o['client_id']} rests, and take-profits are off" for o in own if "TAKE" in o["type"]}

    def _exposed(self, at_ms: int) -> dict[Key, int]:
        """Positions without cover, and for how many ms beyond what the operator lets them wait for another's stop."""
        grace_ms = self._run.checker.grace_ms
        return {key: ms - grace_ms for key, ms in self._run.checker.exposed(at_ms).items() if ms >= grace_ms}

    def end(self) -> None:
        """The run is over."""
        world, most_pct = self._run.engine.world, self._run.settings.protection.foreign_stop_max_pct
        legs = world.account.open_positions()
        entries = {(leg.symbol, _direction(leg)): leg.entry for leg in legs}
        held = {key: price for key, price in entries.items() if not self._run.is_dust(*key)}
        self._find("operators", self.operators.left_over(held, Decimal(most_pct)))
        # What fails by accident succeeds in between, and is news when it fails again.
        if not self._foggy:
            self._find("hammering", too_many_events(self._run.redis.events))

    def look(self) -> None:
        """Every half second."""
        run, at_ms = self._run, true_ms()
        living, watching = len(run.alive), run.watching
        self.settled_book.look(run.symbols)
        exposed = {key: ms for key, ms in self._exposed(at_ms).items() if not run.is_dust(*key)}
        self._nobody_since_ms = None if living else (self._nobody_since_ms or at_ms)
        if self._nobody_since_ms is not None:
            self._find("state_truth", self.state_truth.silent(run.published(), at_ms - self._nobody_since_ms))
        self._find("claims", self.claims.after_the_end(run.published(), at_ms))
        wanting = [run.owner_of(number) for number in watching]
        self._find("claims", self.claims.owner_is(run.redis.text("q:main:lease"), wanting, at_ms))
        late = self.liveness.look(at_ms, watching, exposed, living=living, standing_by=run.standing_by)
        self._find("liveness", late)

    def left_over(self) -> set[str]:
        """What is not as wanted now; only a daemon that may do everything can put it right."""
        # After a forced change of the position mode, which no venue makes, quantity orders reduce nothing any more.
        if self._run.published().get("mode") != "live" or "mode_flip" in self._run.swarm.host:
            return set()
        book = self.settled_book
        found = {"surplus_stops": book.surplus(), "settled_ladder": book.ladders(), "stop_behind": book.behind()}
        found["gives_way"] = self._in_the_way()
        if not self._run.settings.protection.take_profits:
            found |= {"settled_ladder": set(), "switched_off": self._targets_of_ours()}
        return {words for judge, said in found.items() if judge not in self._silent for words in said}


def _direction(leg: Any) -> str:
    if leg.side in ("LONG", "SHORT"):
        return str(leg.side)
    return "LONG" if leg.amount > 0 else "SHORT"
