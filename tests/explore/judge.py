"""Judges one life: the simulator's checkers, and that cover comes in time and comes back, whatever failed where.

No planner code in here: what rests at the venue, what its journal says, what Redis was told.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from position_monitor.config import Config
from position_monitor.paper.journal import Entry
from tests.explore.faults import FAULTS
from tests.sim import bounds
from tests.sim.checkers import Checker
from tests.sim.judges import Judges
from tests.sim.lease_rights import without_lease
from tests.sim.levels import Levels
from tests.sim.report import describe
from tests.sim.simulation import WatchedJournal
from tests.sim.stage_process import INTERVAL_S
from tests.sim.swarm import Swarm
from tests.sim.virtual_time import EPOCH_MS, true_ms

if TYPE_CHECKING:
    from tests.explore.play import Play

LIVE_S = 15.0
"""From the last change, or the end of what honestly held it up, until a stop rests."""
COVER_S = 2 * INTERVAL_S
"""From the healing until everything is covered: two looks."""
ORDER_S = 40.0
"""From the healing until everything is as it should be: protected, nothing twice, nothing left over."""
LOOKS_PER_BOUNDS_CHECK = 6
ACCEPTABLE = ("PROTECTED", "DEGRADED")


@dataclass
class Weather(Swarm):
    """The faults of one run, as the simulator's judges ask for them."""

    oldest_ms: int = 0
    unclear: bool = False

    @property
    def stale_ms(self) -> int:
        return self.oldest_ms

    @property
    def foggy(self) -> bool:
        return self.unclear


class Judge:
    """Everything that is judged of one play."""

    def __init__(self, play: Play) -> None:
        self._play = play
        met = [FAULTS[strike.fault] for strike in play.strikes]
        self.later_s = sum(fault.later_s for fault in met)
        self.live_s = LIVE_S + self.later_s + (play.life.blind_s if any(fault.foggy for fault in met) else 0.0)
        self.order_later_s = sum(max(fault.later_s, fault.order_later_s) for fault in met)
        stale_ms = max((fault.stale_ms for fault in met), default=0)
        self.checker = Checker(stale_ms=stale_ms, conduct=play.conduct, foggy=any(fault.foggy for fault in met))
        self.levels = Levels(play.world)
        self.violations = self.checker.violations
        self.cover_s = self.order_s = 0.0
        """How long after the healing everything was covered, and in order."""
        lists = {"empty_list": "empty_orders", "older": "stale_reads", "id_taken": "delayed_listing"}
        venue = {lists[fault.name]: 1.0 for fault in met if fault.name in lists}
        foggy, host = any(fault.foggy for fault in met), ("clock_step",) if any(one.steps_clock for one in met) else ()
        granted = ("liveness",) if self.live_s > LIVE_S else ()
        self.swarm = Weather(
            venue, host, {}, marks=True, thrifty=True, oldest_ms=stale_ms, unclear=foggy, silenced=granted
        )
        """What the simulator's judges ask about the faults of a run."""
        self.judges = Judges(self)  # type: ignore[arg-type]
        self._digest = hashlib.sha256()
        self._told: set[str] = set()
        self._looks = 0
        play.redis.listener = self._published_now
        play.engine.world.journal = WatchedJournal(play.engine.world.journal, self._on_entry)
        play.look = self.look

    # -- what the simulator's judges ask of a run

    def __getattr__(self, name: str) -> Any:
        """The world itself: engine, gateway, redis, conduct."""
        if name not in ("engine", "gateway", "redis", "conduct"):
            raise AttributeError(name)
        return getattr(self._play, name)

    @property
    def symbols(self) -> tuple[str, ...]:
        return self._play.life.symbols

    @property
    def settings(self) -> Config:
        """The configuration the daemons have now."""
        return self._play.config

    @property
    def interval_s(self) -> float:
        return self.settings.loop.check_interval_s

    @property
    def daemons(self) -> list[tuple[Any, ...]]:
        """Service, clock, task and connection of every process there was."""
        return [(one.service, one.clock, one.task, one.transport) for one in self._play.processes]

    @property
    def alive(self) -> list[int]:
        """The daemons that run."""
        return [process.number for process in self._play.processes if process.alive]

    @property
    def watching(self) -> list[int]:
        """Daemons that run and may act."""
        running = [number for number in self.alive if self._play.processes[number].clock.running.is_set()]
        return [] if self._play.excused else running

    @property
    def standing_by(self) -> set[int]:
        """Daemons that were told of a live other owner of the lease; what they were told has not run out."""
        leases = self._play.conduct.leases
        return {number for number in self.alive if leases[self.owner_of(number)].beside_an_owner}

    def owner_of(self, number: int) -> str:
        """The name under which a daemon holds the lease."""
        return self._play.processes[number].service.owner

    def published(self) -> dict[str, str]:
        """The state of the account in Redis."""
        return self._play.status()

    def is_dust(self, symbol: str, side: str) -> bool:
        """No life holds so little."""
        return False

    # -- while it is lived

    def _published_now(self, owner: str, published: dict[str, Any]) -> None:
        self.checker.told(owner, published)
        self.judges.told(owner, published)

    def _on_entry(self, entry: Entry) -> None:
        """Judge one entry of the venue's journal at the very moment it is written."""
        self._check_lease(entry)
        self.checker.entry(entry)
        if judged := self.levels.entry(entry):
            self.violations.append(judged)
        self.judges.entry(entry)
        facts = repr((entry.at_ms, entry.kind, entry.symbol, sorted(entry.detail.items())))
        self._digest.update(facts.encode())
        self._play.say(f"venue: {describe(entry)}")

    def _check_lease(self, entry: Entry) -> None:
        conduct = self._play.conduct
        owner = self.owner_of(conduct.speaker) if conduct.speaker is not None else ""
        sure = "clock_step" not in self.swarm.host
        self.violations += without_lease(entry, owner, conduct, self.checker, foggy=self.swarm.foggy, standing_by=sure)

    def look(self) -> None:
        """Twice a second: what was published, and whether a stop is missing for too long."""
        self._looks += 1
        self.levels.note_marks(true_ms(), self._play.life.symbols)
        self._check_publications()
        self._check_live()
        self.judges.look()
        if self._looks % LOOKS_PER_BOUNDS_CHECK == 0:
            for process in self._play.processes:
                if process.alive:
                    self._once(*bounds.exceeded(process.service, self._play.life.symbols))

    def _once(self, *violations: str) -> None:
        """Say a violation that lasts only once."""
        for violation in violations:
            if violation not in self._told:
                self._told.add(violation)
                self.violations.append(violation)

    def _check_publications(self) -> None:
        redis = self._play.redis
        publications, redis.publications = redis.publications, []
        for at_ms, owner, published in publications:
            self.checker.publication(at_ms, published)
            line = published["status"]["status_line"]
            self._digest.update(repr((at_ms, owner, line)).encode())
            self._play.say(f"published by {owner}: {line}")

    def _check_live(self) -> None:
        """A position whose stop nothing honestly holds up has one within `LIVE_S` of the last change."""
        if self._play.excused or not self._play.watched:
            self._play.fates.free_since_ms = true_ms()
        free_ms, now_ms = self._play.fates.free_since_ms, true_ms()
        for key, exposed_ms in self.checker.exposed(now_ms).items():
            since_ms = max(free_ms, now_ms - exposed_ms)
            if now_ms - since_ms > 1000 * self.live_s:
                begun_s = (now_ms - exposed_ms - EPOCH_MS) / 1000
                self._once(f"INV-3: {key} is exposed since {begun_s:.1f} s, and nothing held its stop up so long")

    # -- afterwards

    async def settle(self) -> None:
        """Everything is healed: cover comes back within a bound, then everything is in order."""
        healed_ms, play = true_ms(), self._play
        cover_s, order_s = COVER_S + self.later_s, ORDER_S + self.order_later_s
        while (wrong := self._out_of_order()) and (true_ms() - healed_ms) / 1000 < order_s:
            await play.pass_time()
            since_s = (true_ms() - healed_ms) / 1000
            if uncovered := self._uncovered():
                self.cover_s = since_s
                if since_s > cover_s:
                    self._once(f"INV-3: {uncovered} not covered {cover_s:g} s after everything was healed")
            self.order_s = since_s
        self.violations += [f"{reason} {order_s:g} s after everything was healed" for reason in wrong]
        self.checker.finish(true_ms())
        self.judges.end()

    def _uncovered(self) -> list[tuple[str, str]]:
        return [] if self._play.excused else self.checker.uncovered()

    def _out_of_order(self) -> list[str]:
        """What is not yet as it should be at the end of a life."""
        checker, status = self.checker, self._play.status()
        wrong = [f"INV-3: {key} is not covered" for key in self._uncovered()]
        wrong += [f"INV-4: {content} rests more than once" for content in checker.duplicates()]
        wrong += sorted(self.judges.left_over())
        wrong += [f"INV-10: {order} rests without its position" for order in checker.orphans()]
        wrong += [f"INV-5: the take-profits of {key} ignore the user's own" for key in checker.overbooked()]
        if not status:
            wrong.append("INV-17: nothing is published")
        elif status["risk_status"] not in self._play.life.ends:
            wrong.append(f"INV-6: the published state is {status['risk_status']} ({status['reason']})")
        return wrong

    @property
    def digest(self) -> str:
        """Equal for equal runs."""
        return self._digest.hexdigest()
