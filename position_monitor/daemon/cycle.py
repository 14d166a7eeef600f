"""One cycle: observe, decide, act, verify by read-back, judge (DESIGN 3).

A cycle is level-triggered: it starts from a fresh observation and remembers only evidence. Within a cycle there are a
few rounds. Each round places the missing stops of *all* positions at once, then the take-profits, then reads back; the
removals come last, each checked against a read made just for it. A cycle ends with one sentence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from loguru import logger

from position_monitor.core.book.desired_book import WantedOrders
from position_monitor.core.decision.capacity import resting_now
from position_monitor.core.decision.decide import Decision, decide
from position_monitor.core.decision.history import History, after_failure, after_first_look, after_judging
from position_monitor.core.decision.risk import AccountRisk, account_risk
from position_monitor.core.decision.rules import Rules
from position_monitor.core.evidence.believed_cap import BelievedCap, after_counting
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.events import Event
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication import sentence
from position_monitor.daemon import removal, report
from position_monitor.daemon.desk import Desk
from position_monitor.daemon.fast_path import FastPath
from position_monitor.daemon.placing import Placing
from position_monitor.daemon.report import CycleReport
from position_monitor.daemon.surroundings import Settings, Surroundings
from position_monitor.daemon.upkeep import Upkeep
from position_monitor.edge.ai_engine import Question
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.reading.account_observation import AccountObservation
from position_monitor.edge.reading.observer import Observer

ROUNDS_MAX = 5
"""Rounds of placing and reading back within one cycle."""
ROUND_PAUSES_S = (0.2, 0.4, 0.8, 1.2, 1.6)
"""Before an unlisted order is asked for, or what was turned away sent, again (the venue advises 200, 400, 800 ms)."""
READ_BACK_WITHIN_S = 5.0
"""Rounds that only read back end so long after the cycle began: what was opened meanwhile waits for the next one."""
ROUNDS_TURNED_AWAY_MAX = 3
"""Rounds after which what was turned away waits for the next cycle: the state must be told meanwhile."""
LARGE_ACCOUNT = 25
"""Symbols from which the work of a cycle takes long enough to be done in parts."""
TURNS_BETWEEN_PARTS = 10
"""Turns of the loop between two parts: as many as lie between an event on the wire and its order on the wire."""
GAP_MIN_S = 60.0
GAP_SLACK_S = 20.0
"""A cycle begins within two intervals and one deadline after the one before; what is this much longer, and no less than
`GAP_MIN_S`, can only be a suspended host or a stepped clock: the evidence window is dropped."""


@dataclass(slots=True)
class Daemon:
    """Protects one account. All memory is evidence and history; both may be lost at any moment."""

    exchange: Exchange
    clock: Clock
    surroundings: Surroundings
    desk: Desk
    observer: Observer
    fast_path: FastPath
    """What events tell between two reads."""
    upkeep: Upkeep
    history: History = field(default_factory=History, init=False)
    _last_cycle: tuple[int, float] = field(default=(0, 0.0), init=False)
    """When the last cycle began, by the wall clock and by the monotonic one."""
    _observed_at_ms: int = field(default=0, init=False)
    """The time of the last good read of the account; 0 before the first."""
    _unread: Mapping[str, str] = field(default_factory=dict, init=False)
    """Symbols whose rows could not be read in the last answer about positions, with what was wrong."""
    _weight_before: int = field(default=0, init=False)
    """Our request weight of the minute when the cycle began."""
    _unsettled: frozenset[str] = field(default=frozenset(), init=False)
    """Symbols in which something is not as it should be: their orders are read in every cycle."""
    _wanted: Mapping[PositionKey, WantedOrders] = field(default_factory=dict, init=False)
    """What the last decision wanted: the next one gives the same objects where nothing changed."""
    _cap: BelievedCap | None = field(default=None, init=False)
    """How many conditional orders the venue takes, where it showed that it takes fewer than configured."""

    @property
    def evidence(self) -> Evidence:
        """What recent reads and writes allow to believe."""
        return self.desk.memory.evidence

    @property
    def rules(self) -> Rules:
        """The configuration as the core sees it."""
        return self.desk.rules

    async def cycle(self, look_at: Iterable[str] = ()) -> CycleReport:
        """Observe, decide, act, verify, judge once. Raises nothing the exchange can cause.

        `look_at` names symbols that events gave reason to look at.
        """
        began_s, self._weight_before = self.clock.monotonic_s(), self.exchange.own_weight_1m
        self._notice_gap()
        self.exchange.arm_by_last(self.rules.armed_by_last)
        await self.upkeep.tend()
        self.desk.earlier.begin()
        also = {key.symbol for key in self.history.tracks}
        began = self.fast_path.look_begins()
        observed = await self.observer.account(self.evidence, also, look_at=self._unsettled.union(look_at))
        weight = observed.weight
        if observed.failure:
            self.fast_path.note_failure()
            return self._report(observed, None, began_s, weight)
        self.surroundings.positions_read()
        self.desk.account_read(observed)
        self.desk.memory.look_ended(self.desk.mode(), venue_now_ms=self.exchange.venue_now_ms())
        self.fast_path.note_read(observed.symbols, observed.symbols, began)
        await self._let_events_in(observed)
        decision = self._decide(observed)
        self._note_exposed(observed, decision)
        self.desk.account_judged(decision.judgements, observed.positions_read_at_ms)
        self.surroundings.ask_advice(
            {key.symbol: Question(j.position.mark_price) for key, j in decision.judgements.items()}
        )
        observed, decision = await self._rounds(observed, decision, began_s)
        if not observed.failure and self.exchange.has_spare_weight:
            await removal.retire(decision.plans, self.desk, self.observer, self.fast_path)
        await self._let_events_in(observed)
        return self._report(observed, decision, began_s, weight)

    async def _let_events_in(self, observed: AccountObservation) -> None:
        """Give events their turn between two parts of a long cycle; never between a decision and its orders."""
        if len(observed.symbols) >= LARGE_ACCOUNT:
            for _ in range(TURNS_BETWEEN_PARTS):
                await asyncio.sleep(0)

    async def look(self, *, sweep: bool = True) -> tuple[AccountObservation, Decision | None]:
        """Observe and decide without acting: what `plan`, `explain` and `status --direct` show."""
        self.exchange.arm_by_last(self.rules.armed_by_last)
        await self.upkeep.tend()
        observed = await self.observer.account(self.evidence, sweep=sweep)
        if observed.failure:
            return observed, None
        self.desk.account_read(observed)
        return observed, self._decide(observed)

    def _notice_gap(self) -> None:
        """Both clocks are asked: one of them stands still while a host is suspended, the other one may be stepped."""
        now_ms, now_s = self.clock.now_ms(), self.clock.monotonic_s()
        before_ms, before_s = self._last_cycle
        self._last_cycle = (now_ms, now_s)
        gap_s = max(abs(now_ms - before_ms) / 1000, now_s - before_s)
        if before_ms and gap_s > longest_pause_s(self.surroundings.settings):
            logger.warning("The clock moved {:.0f} s since the last cycle: evidence is gathered anew", gap_s)
            self.desk.memory.clock_jumped()

    def _note_exposed(self, observed: AccountObservation, decision: Decision) -> None:
        """Note what the first read of the cycle shows without cover, even if it is covered when the cycle ends."""
        exposed = {key: judged.exposed for key, judged in decision.judgements.items() if self._was_read(key, observed)}
        self.desk.memory.exposure_judged(exposed)
        now_ms = self.clock.now_ms()
        self.desk.introductions.look_begins(self.history.tracks, first=not self._observed_at_ms)
        self.history, events = after_first_look(self.history, decision.judgements, observed.symbols, now_ms)
        self.desk.outbox.add(events)

    @staticmethod
    def _was_read(key: PositionKey, observed: AccountObservation) -> bool:
        observation = observed.symbols.get(key.symbol)
        return observation is not None and observation.readable

    def _decide(self, observed: AccountObservation) -> Decision:
        now_ms = self.clock.now_ms()
        elsewhere = observed.conditional_orders_elsewhere
        advice = {symbol: a for symbol in observed.symbols if (a := self.surroundings.advice(symbol)) is not None}
        markets = {symbol: m for symbol in observed.symbols if (m := self.surroundings.market(symbol)) is not None}
        self._cap = after_counting(self._cap, self.evidence, resting_now(observed.symbols, elsewhere), now_ms)
        decision = decide(
            observed=observed.symbols,
            evidence=self.evidence,
            rules=self.rules,
            advice=advice,
            mode=self.desk.mode(),
            elsewhere=elsewhere,
            now_ms=now_ms,
            cap=self._cap,
            before=self._wanted,
            markets=markets,
        )
        self._wanted = decision.wanted
        self.desk.memory.account_decided(decision.judgements)
        return decision

    async def _rounds(
        self, observed: AccountObservation, decision: Decision, began_s: float
    ) -> tuple[AccountObservation, Decision]:
        """Place and read back until nothing is missing, at most `ROUNDS_MAX` times."""
        placing, deadline_s = Placing(self.desk, self.observer), self.surroundings.settings.cycle_deadline_s
        for number in range(ROUNDS_MAX):
            sent = await placing.round(observed.symbols, decision, closing=number == 0)
            again_soon = sent.turned_away if number < ROUNDS_TURNED_AWAY_MAX else frozenset()
            urgent = again_soon | report.half_blind(observed.symbols, self.evidence)
            within_s = deadline_s if urgent else min(deadline_s, READ_BACK_WITHIN_S)
            if number and self.clock.monotonic_s() >= began_s + within_s:
                break
            waiting = urgent | self._exposed_and_awaited(decision)
            if not sent.touched and not waiting:
                break
            if not sent.touched:
                await self.clock.sleep(ROUND_PAUSES_S[number])
            if placing.refused:
                await self.upkeep.tend()  # a refusal may have been about rules or a mode that changed since
            began = self.fast_path.look_begins()
            again = await self.observer.symbols(sent.touched | waiting, self.evidence, observed.symbols)
            if again.failure:
                return replace(observed, failure=again.failure), decision
            self.desk.account_read(again)
            symbols = {**observed.symbols, **again.symbols}
            self.fast_path.note_read(again.symbols, symbols, began)
            observed = replace(again, symbols=symbols, swept=observed.swept)
            decision = self._decide(observed)
            self._note_covered(again, decision)
        return observed, decision

    def _note_covered(self, observed: AccountObservation, decision: Decision) -> None:
        """Cover that was read back within the cycle ends what was counted of its absence."""
        covered = {key: False for key, judged in decision.judgements.items() if not judged.exposed}
        read = {key: exposed for key, exposed in covered.items() if self._was_read(key, observed)}
        self.desk.memory.exposure_judged(read)

    def _exposed_and_awaited(self, decision: Decision) -> set[str]:
        """Symbols whose position is exposed while a stop for it was written and is not read back yet."""
        return {
            key.symbol
            for key, judged in decision.judgements.items()
            if judged.exposed and self.evidence.awaited_in(key.symbol)
        }

    def _report(
        self, observed: AccountObservation, decision: Decision | None, began_s: float, weight: int
    ) -> CycleReport:
        now_ms, mode = self.clock.now_ms(), self.desk.mode()
        failure = observed.failure
        events: tuple[Event, ...] = ()
        if decision is not None:
            self.history, events = after_judging(
                history=self.history,
                judgements=decision.judgements,
                observed=observed.symbols,
                evidence=self.evidence,
                settings=self.rules.evidence,
                now_ms=now_ms,
            )
        if decision is None or failure:  # the figures of before the failure stay, with their old time
            self.history, lost = after_failure(self.history, failure, now_ms)
            events = (*events, *lost)
        else:
            self.desk.memory.cycle_ended()
            self._unsettled = report.not_settled(
                decision, self.history, self.evidence, reads=self.rules.evidence.replacement_reads
            )
        happened, changed = self.desk.happened(events, self.history.tracks)
        if decision is not None:  # positions were read in this cycle; a later failure does not change what they said
            self._unread = observed.unreadable_positions
        risk = self._risk(failure, mode)
        self._observed_at_ms = observed.observed_at_ms or self._observed_at_ms
        return CycleReport(
            risk=risk,
            history=self.history,
            decision=decision or Decision({}, {}, {}),
            events=happened,
            mode=mode,
            sentence=sentence.cycle(risk, self.history.judgements, mode, failure=failure),
            failure=failure,
            changed=changed,
            observed_at_ms=self._observed_at_ms,
            cycle_ms=round((self.clock.monotonic_s() - began_s) * 1000),
            suspicious=report.is_suspicious(decision, self.history, self.evidence, now_ms),
            weight=weight,
            weight_used=self._weight_used(),
        )

    def _risk(self, failure: str, mode: Mode) -> AccountRisk:
        """The account as it is known now."""
        return account_risk(
            self.history.judgements,
            unreadable=failure or report.unseen(self._unread, self.evidence),
            degraded=self.surroundings.degraded_reasons(mode, foreign_order=self.desk.memory.foreign_order),
            banned=bool(self.exchange.banned_until_ms),
            unread=self._unread,
        )

    def _weight_used(self) -> int:
        now, before = self.exchange.own_weight_1m, self._weight_before
        return now - before if now >= before else now  # another minute began


def longest_pause_s(settings: Settings) -> float:
    """The longest time between the beginnings of two cycles while the host runs and nobody steps a clock."""
    return max(GAP_MIN_S, 2 * settings.check_interval_s + settings.cycle_deadline_s + GAP_SLACK_S)
