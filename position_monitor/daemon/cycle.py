"""One cycle: observe, decide, act, verify by read-back, judge (DESIGN 3).

A cycle is level-triggered: it starts from a fresh observation and remembers only evidence. Within a cycle there are a
few rounds. Each round places the missing stops of *all* positions at once, then the take-profits, then reads back; the
removals come last, each checked against a read made just for it. A cycle ends with one sentence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from loguru import logger

from position_monitor.core.book.desired_book import WantedOrders
from position_monitor.core.decision.decide import Decision, Rules, decide, resting_now
from position_monitor.core.decision.history import History, after_failure, after_first_look, after_judging
from position_monitor.core.decision.risk import AccountRisk, account_risk
from position_monitor.core.evidence.believed_cap import BelievedCap, after_counting
from position_monitor.core.evidence.conclusions import after_decision, after_exposure, pruned
from position_monitor.core.evidence.endings import after_word, word_of
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.outcome import without_numbers
from position_monitor.core.evidence.written import after_miss, after_silence
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.events import Event
from position_monitor.core.model.outside import Advice
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.needs import BLIND_READS, Fact
from position_monitor.core.publication import announce, sentence
from position_monitor.daemon import removal
from position_monitor.daemon.desk import Desk
from position_monitor.daemon.event_memory import EventMemory, NoEvents
from position_monitor.daemon.placing import Placing
from position_monitor.edge.ai_engine import Question
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.reading.account_observation import AccountObservation
from position_monitor.edge.reading.observer import Observer
from position_monitor.errors import ExchangeFailure

ROUNDS_MAX = 5
"""Rounds of placing and reading back within one cycle, before the rest waits for the next."""
ROUND_PAUSES_S = (0.2, 0.4, 0.8, 1.2, 1.6)
"""Wait before asking again for an order that was written and is not listed yet, and before sending again what the venue
turned away (the venue's own advice is 200, 400, then 800 ms)."""
ROUNDS_TURNED_AWAY_MAX = 3
"""Rounds after which what was turned away waits for the next cycle: the state must be told meanwhile."""
UPKEEP_PATIENCE_S = 0.5
"""How long a cycle waits for the upkeep that it began."""
LARGE_ACCOUNT = 25
"""Symbols from which the work of a cycle takes long enough to be done in parts (200 positions: a few ms each)."""
TURNS_BETWEEN_PARTS = 10
"""Turns of the loop between two parts: as many as lie between an event on the wire and its order on the wire."""
GAP_MIN_S = 60.0
GAP_SLACK_S = 20.0
"""A cycle begins at the latest two intervals and one deadline after the one before; what is this much longer, and no
less than `GAP_MIN_S`, can only be a suspended host or a stepped clock: the evidence window is dropped."""


class Advisor(Protocol):
    """Latest opinions of the AI engine, fetched in the background; never waited for."""

    def advice(self, symbol: str) -> Advice | None:
        """Valid advice about a symbol, if there is any."""
        ...

    def watch(self, questions: Mapping[str, Question]) -> None:
        """Which symbols to ask about, and at which price."""
        ...


@dataclass(frozen=True, slots=True)
class CycleReport:
    """What one cycle saw and did."""

    risk: AccountRisk
    history: History
    decision: Decision
    events: tuple[Event, ...]
    mode: Mode
    sentence: str
    failure: str
    changed: bool
    """Whether anything was written or any verdict changed."""
    observed_at_ms: int
    cycle_ms: int
    suspicious: bool
    """Whether a look soon is worthwhile: something is exposed, unknown, seen once only, or may have closed."""
    weight: int
    """Request weight of the reads it began with."""
    weight_used: int
    """Request weight that this program used while it ran."""


@dataclass(slots=True)
class Daemon:
    """Protects one account. All memory is evidence and history; both may be lost at any moment."""

    exchange: Exchange
    clock: Clock
    desk: Desk
    advisor: Advisor
    degraded: Callable[[], Sequence[str]]
    """What keeps a fully covered account from being called PROTECTED: conflicts, no lease, and the like."""
    observer: Observer
    cycle_deadline_s: float
    """No new round begins after this; what is missing waits for the next cycle."""
    check_interval_s: float
    events: EventMemory = field(default_factory=NoEvents)
    history: History = field(default_factory=History, init=False)
    _upkeep_failure: str = field(default="", init=False)
    _refreshing: asyncio.Future[str] | None = field(default=None, init=False)
    """Upkeep that goes on."""
    read_at_s: float = field(default=float("-inf"), init=False)
    """When a cycle could read the positions last, by the monotonic clock."""
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
        return self.desk.evidence

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
        await self._upkeep()
        self.desk.earlier.begin()
        also = {key.symbol for key in self.history.tracks}
        began = self.events.look_begins()
        observed = await self.observer.account(self.evidence, also, look_at=self._unsettled.union(look_at))
        weight = observed.weight
        if observed.failure:
            self.events.note_failure()
            return self._report(observed, None, began_s, weight)
        self.read_at_s = self.clock.monotonic_s()
        self._learn(observed)
        self.desk.look_ended()
        self.events.note_read(observed.symbols, observed.symbols, began)
        await self._let_events_in(observed)
        decision = self._decide(observed)
        self._note_exposed(observed, decision)
        self.advisor.watch({key.symbol: Question(j.position.mark_price) for key, j in decision.judgements.items()})
        observed, decision = await self._rounds(observed, decision, began_s + self.cycle_deadline_s)
        if not observed.failure and self.exchange.has_spare_weight:
            await removal.retire(decision.plans, self.desk, self.observer, self.events)
        await self._let_events_in(observed)
        return self._report(observed, decision, began_s, weight)

    async def _let_events_in(self, observed: AccountObservation) -> None:
        """Give events their turn between two parts of a long cycle; never between a decision and its orders."""
        if len(observed.symbols) >= LARGE_ACCOUNT:
            for _ in range(TURNS_BETWEEN_PARTS):
                await asyncio.sleep(0)

    async def _upkeep(self) -> None:
        """Clock, instruments, position mode: none of them holds back a stop, so none is waited for long.

        A failure is said once. What is not ready in time goes on beside the cycle.
        """
        if self._refreshing is None:
            self._refreshing = asyncio.ensure_future(self._refreshed())
            await asyncio.wait({self._refreshing}, timeout=UPKEEP_PATIENCE_S)
        if not self._refreshing.done():
            return
        text, self._refreshing = self._refreshing.result(), None
        if text and without_numbers(text) != without_numbers(self._upkeep_failure):
            logger.warning("Upkeep of the exchange failed: {}", text)
        self._upkeep_failure = text

    async def _refreshed(self) -> str:
        """Why the upkeep failed, or empty."""
        try:
            await self.exchange.refresh()
        except ExchangeFailure as failure:
            return str(failure)
        return ""

    async def look(self, *, sweep: bool = True) -> tuple[AccountObservation, Decision | None]:
        """Observe and decide without acting: what `plan`, `explain` and `status --direct` show."""
        self.exchange.arm_by_last(self.rules.armed_by_last)
        await self._upkeep()
        observed = await self.observer.account(self.evidence, sweep=sweep)
        if observed.failure:
            return observed, None
        self._learn(observed)
        return observed, self._decide(observed)

    def _notice_gap(self) -> None:
        """Both clocks are asked: one of them stands still while a host is suspended, the other one may be stepped."""
        now_ms, now_s = self.clock.now_ms(), self.clock.monotonic_s()
        before_ms, before_s = self._last_cycle
        self._last_cycle = (now_ms, now_s)
        gap_s = max(abs(now_ms - before_ms) / 1000, now_s - before_s)
        if before_ms and gap_s > max(GAP_MIN_S, 2 * self.check_interval_s + self.cycle_deadline_s + GAP_SLACK_S):
            logger.warning("The clock moved {:.0f} s since the last cycle: evidence is gathered anew", gap_s)
            self.desk.evidence = self.evidence.without_window()

    def _learn(self, observed: AccountObservation) -> None:
        """Update the evidence from what was read."""
        now_ms = self.clock.now_ms()
        for order in observed.ends:  # first, because the rows that were read may have what it closed
            self.desk.evidence = after_word(self.evidence, word_of(order), now_ms)
        for seen in observed.symbols.values():
            if seen.readable:
                self.desk.tell(announce.read_back(seen, self.evidence, now_ms))
            self.desk.absorb(seen)
        grace_ms = self.rules.evidence.listing_grace_ms
        for symbol, client_id in observed.misses:
            self.desk.evidence = after_miss(self.evidence, symbol, client_id, now_ms, grace_ms)
        for symbol, client_id in observed.unanswered:
            listed = Fact.CONDITIONAL_ORDERS not in observed.symbols[symbol].unread
            self.desk.evidence = after_silence(self.evidence, symbol, client_id, now_ms, listed=listed)

    def _note_exposed(self, observed: AccountObservation, decision: Decision) -> None:
        """What is without cover when the cycle finds it was so, even if it is covered when the cycle ends."""
        now_ms = self.clock.now_ms()
        exposed = {key: judged.exposed for key, judged in decision.judgements.items() if self._was_read(key, observed)}
        self.desk.evidence = after_exposure(self.evidence, exposed, now_ms)
        self.history, events = after_first_look(self.history, decision.judgements, observed.symbols, now_ms)
        self.desk.tell(events)

    @staticmethod
    def _was_read(key: PositionKey, observed: AccountObservation) -> bool:
        seen = observed.symbols.get(key.symbol)
        return seen is not None and seen.readable

    def _decide(self, observed: AccountObservation) -> Decision:
        now_ms = self.clock.now_ms()
        elsewhere = observed.conditional_orders_elsewhere
        advice = {symbol: a for symbol in observed.symbols if (a := self.advisor.advice(symbol)) is not None}
        self._cap = after_counting(self._cap, self.evidence, resting_now(observed.symbols, elsewhere), now_ms)
        decision = decide(
            observed.symbols,
            self.evidence,
            self.rules,
            advice,
            self.desk.mode(),
            elsewhere,
            now_ms,
            cap=self._cap,
            before=self._wanted,
        )
        self._wanted = decision.wanted
        covered = {key: judged.cover.full for key, judged in decision.judgements.items()}
        closing = {key for key, judged in decision.judgements.items() if judged.closing}
        self.desk.evidence = after_decision(self.evidence, covered, closing, now_ms)
        return decision

    async def _rounds(
        self, observed: AccountObservation, decision: Decision, until_s: float
    ) -> tuple[AccountObservation, Decision]:
        """Place and read back until nothing is missing, at most `ROUNDS_MAX` times."""
        placing = Placing(self.desk, self.observer)
        for number in range(ROUNDS_MAX):
            if number and self.clock.monotonic_s() >= until_s:
                break
            sent = await placing.round(observed.symbols, decision, closing=number == 0)
            again_soon = sent.turned_away if number < ROUNDS_TURNED_AWAY_MAX else frozenset()
            waiting = again_soon | self._exposed_and_awaited(decision) | self._half_blind(observed)
            if not sent.touched and not waiting:
                break
            if not sent.touched:
                await self.clock.sleep(ROUND_PAUSES_S[number])
            if placing.refused:
                await self._upkeep()  # a refusal may have been about rules or a mode that changed since
            began = self.events.look_begins()
            again = await self.observer.symbols(sent.touched | waiting, self.evidence, observed.symbols)
            if again.failure:
                return replace(observed, failure=again.failure), decision
            self._learn(again)
            symbols = {**observed.symbols, **again.symbols}
            self.events.note_read(again.symbols, symbols, began)
            observed = replace(again, symbols=symbols, swept=observed.swept)
            decision = self._decide(observed)
            self._note_covered(again, decision)
        return observed, decision

    def _note_covered(self, observed: AccountObservation, decision: Decision) -> None:
        """Cover that was read back within the cycle ends what was counted of its absence."""
        covered = {key: False for key, judged in decision.judgements.items() if not judged.exposed}
        read = {key: exposed for key, exposed in covered.items() if self._was_read(key, observed)}
        self.desk.evidence = after_exposure(self.evidence, read, self.clock.now_ms())

    def _half_blind(self, observed: AccountObservation) -> set[str]:
        """Symbols whose conditional orders could not be read once: a second look decides about a stop without them."""
        return {
            symbol
            for symbol, seen in observed.symbols.items()
            if Fact.CONDITIONAL_ORDERS in seen.unread
            for position in seen.positions
            if (known := self.evidence.of(position.key)) is not None and known.blind_reads < BLIND_READS
        }

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
                self.history, decision.judgements, observed.symbols, self.evidence, self.rules.evidence, now_ms
            )
        if decision is None or failure:  # what was read before the failure is known, and old by now
            self.history, lost = after_failure(self.history, failure, now_ms)
            events = (*events, *lost)
        else:
            self.desk.evidence = pruned(self.evidence, self.rules.evidence)
            self._unsettled = self._not_settled(decision)
        judgements = self.history.judgements
        told, wrote = self.desk.take_report()
        if not failure:  # where there is no answer, what could not be read before is not known any better
            self._unread = observed.unreadable_positions
        unseen = "; ".join((*_unreadable(self._unread), *self._unconfirmed()))
        banned = bool(self.exchange.banned_until_ms)
        risk = account_risk(
            judgements,
            unreadable=failure or unseen,
            degraded=self.degraded(),
            banned=banned,
            unread=self._unread,
        )
        self._observed_at_ms = observed.observed_at_ms or self._observed_at_ms
        return CycleReport(
            risk=risk,
            history=self.history,
            decision=decision or Decision({}, {}, {}),
            events=(*told, *events),
            mode=mode,
            sentence=sentence.cycle(risk, judgements, mode, failure=failure),
            failure=failure,
            changed=wrote or bool(events),
            observed_at_ms=self._observed_at_ms,
            cycle_ms=round((self.clock.monotonic_s() - began_s) * 1000),
            suspicious=self._suspicious(decision),
            weight=weight,
            weight_used=self._weight_used(),
        )

    def _unconfirmed(self) -> list[str]:
        """Positions that an event says are open and no read lists: the account is not known while there is one."""
        keys = self.evidence.keys
        return [f"{key}: opened by an event, no read lists it yet" for key in sorted(keys) if keys[key].unconfirmed]

    def _weight_used(self) -> int:
        now, before = self.exchange.own_weight_1m, self._weight_before
        return now - before if now >= before else now  # another minute began

    def _not_settled(self, decision: Decision) -> frozenset[str]:
        """Symbols that wait for something to be read back, or whose protection is not what it should be."""
        open_plans = {symbol for symbol, plan in decision.plans.items() if not plan.empty or plan.held}
        verdicts = (Verdict.PROTECTED, Verdict.STOP_ONLY, Verdict.UNMANAGED)
        tracks = self.history.tracks
        troubled = {key.symbol for key, track in tracks.items() if track.verdict not in verdicts}
        return frozenset(open_plans | troubled | {symbol for symbol, _ in self.evidence.awaited})

    def _suspicious(self, decision: Decision | None) -> bool:
        if decision is None:
            return True
        unknown = any(track.verdict is Verdict.UNKNOWN for track in self.history.tracks.values())
        absent = any(known.absent_reads or known.present_reads == 1 for known in self.evidence.keys.values())
        hopeless = self.evidence.hopeless(self.clock.now_ms())
        exposed = any(judged.exposed and key not in hopeless for key, judged in decision.judgements.items())
        symbols = {key.symbol for key in hopeless}
        awaited = any(symbol not in symbols for symbol, _ in self.evidence.awaited)
        makes_room = any(removal.is_take_profit(one) for plan in decision.plans.values() for one in plan.cancels)
        return absent or exposed or unknown or awaited or makes_room


def _unreadable(unread: Mapping[str, str]) -> list[str]:
    """Symbols whose position rows were malformed, with what was wrong."""
    return [f"{symbol}: {why}" for symbol, why in sorted(unread.items())]
