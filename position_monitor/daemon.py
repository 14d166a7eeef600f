"""The loop: observe, decide, act, verify by read-back, publish. The one module that knows both sides (DESIGN 3).

A cycle is level-triggered: it starts from a fresh observation and remembers only evidence. Within a cycle there are a
few rounds. Each round places the missing stops of *all* positions at once, then the take-profits, then reads back; the
removals come last, each checked against a read made just for it. A cycle ends with one sentence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from loguru import logger

from position_monitor.core import announce, sentence
from position_monitor.core.decide import Decision, Rules, decide
from position_monitor.core.evidence import Evidence, after_miss, after_read, pruned
from position_monitor.core.guard import Denied, GateInputs, approve_cancel, approve_close, approve_place
from position_monitor.core.history import History, after_failure, after_judging
from position_monitor.core.model import Advice, Cancel, Close, Mode, Place, Position, PositionKey, Verdict
from position_monitor.core.observation import SymbolObservation
from position_monitor.core.outcome import CAPACITY_CODES, Outcome, Sent, after_outcome
from position_monitor.core.state import Event
from position_monitor.core.verdict import AccountRisk, account_risk
from position_monitor.edge import actor
from position_monitor.edge.ai_engine import Question
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.observer import AccountObservation, Observer
from position_monitor.errors import ExchangeFailure

ROUNDS_MAX = 5
"""Rounds of placing and reading back within one cycle, before the rest waits for the next."""
ROUND_PAUSE_S = 0.4
"""Wait before asking again for an order that was written and is not listed yet; grows with the round."""
SUSPEND_GAP_MS = 60_000
"""A gap between cycles that can only be a suspended host or a stepped clock: the evidence window is dropped."""


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


@dataclass(slots=True)
class Daemon:
    """Protects one account. All memory is evidence and history; both may be lost at any moment."""

    exchange: Exchange
    clock: Clock
    rules: Rules
    advisor: Advisor
    mode: Callable[[], Mode]
    degraded: Callable[[], Sequence[str]]
    """What keeps a fully covered account from being called PROTECTED: conflicts, no lease, and the like."""
    full_sweep_s: float
    cycle_deadline_s: float
    """No new round begins after this; what is missing waits for the next cycle."""
    observer: Observer = field(init=False)
    evidence: Evidence = field(default_factory=Evidence, init=False)
    history: History = field(default_factory=History, init=False)
    _refused: set[str] = field(default_factory=set, init=False)
    _events: list[Event] = field(default_factory=list, init=False)
    _upkeep_failure: str = field(default="", init=False)
    _wrote: bool = field(default=False, init=False)
    _last_cycle_ms: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.observer = Observer(self.exchange, self.clock, self.full_sweep_s)

    async def cycle(self) -> CycleReport:
        """Observe, decide, act, verify, judge once. Raises nothing the exchange can cause."""
        began_s, self._events, self._wrote = self.clock.monotonic_s(), [], False
        self._notice_gap()
        await self._upkeep()
        also = {key.symbol for key in self.history.tracks}
        observed = await self.observer.account(self.evidence, also)
        if observed.failure:
            return self._report(observed, None, began_s)
        self._learn(observed)
        decision = self._decide(observed)
        self.advisor.watch({key.symbol: Question(j.position.mark_price) for key, j in decision.judgements.items()})
        observed, decision = await self._rounds(observed, decision, began_s + self.cycle_deadline_s)
        if not observed.failure:
            await self._retire(decision)
        return self._report(observed, decision, began_s)

    async def _upkeep(self) -> None:
        """Clock, instruments, position mode. A failure is said once and does not stop the cycle: it tries to read."""
        try:
            await self.exchange.refresh()
        except ExchangeFailure as failure:
            text = str(failure)
        else:
            text = ""
        if text and text != self._upkeep_failure:
            logger.warning("Upkeep of the exchange failed: {}", text)
        self._upkeep_failure = text

    async def look(self) -> tuple[AccountObservation, Decision | None]:
        """Observe and decide without acting: what `plan`, `explain` and `status --direct` show."""
        await self._upkeep()
        observed = await self.observer.account(self.evidence, sweep=True)
        if observed.failure:
            return observed, None
        self._learn(observed)
        return observed, self._decide(observed)

    def _notice_gap(self) -> None:
        now_ms = self.clock.now_ms()
        if self._last_cycle_ms and abs(now_ms - self._last_cycle_ms) > SUSPEND_GAP_MS:
            logger.warning("The clock moved {} s since the last cycle: evidence is gathered anew", self._gap_s(now_ms))
            self.evidence = self.evidence.without_window()
        self._last_cycle_ms = now_ms

    def _gap_s(self, now_ms: int) -> int:
        return (now_ms - self._last_cycle_ms) // 1000

    def _learn(self, observed: AccountObservation) -> None:
        """Update the evidence from what was read; a failed or unreadable read teaches nothing."""
        now_ms = self.clock.now_ms()
        for seen in observed.symbols.values():
            if seen.readable:
                self._events += announce.read_back(seen, self.evidence, now_ms)
                self._absorb(seen)
        for symbol, client_id in observed.misses:
            grace_ms = self.rules.evidence.listing_grace_ms
            self.evidence = after_miss(self.evidence, symbol, client_id, now_ms, grace_ms)

    def _absorb(self, seen: SymbolObservation) -> None:
        """Take one readable observation into the evidence."""
        flat_reads = self.rules.evidence.flat_reads
        self.evidence = after_read(self.evidence, seen, self._rebased(seen), flat_reads=flat_reads)

    def _rebased(self, seen: SymbolObservation) -> frozenset[PositionKey]:
        """Positions whose levels follow the average entry when they grow (`rebase_on_add`)."""
        keys = (position.key for position in seen.positions)
        return frozenset(key for key in keys if self.rules.protection_for(key).rebase_on_add)

    def _decide(self, observed: AccountObservation) -> Decision:
        now_ms = self.clock.now_ms()
        elsewhere = observed.conditional_orders_elsewhere
        advice = {symbol: a for symbol in observed.symbols if (a := self.advisor.advice(symbol)) is not None}
        return decide(observed.symbols, self.evidence, self.rules, advice, self.mode(), elsewhere, now_ms)

    async def _rounds(
        self, observed: AccountObservation, decision: Decision, until_s: float
    ) -> tuple[AccountObservation, Decision]:
        """Place and read back until nothing is missing, at most `ROUNDS_MAX` times."""
        self._refused = set()
        for number in range(ROUNDS_MAX):
            if number and self.clock.monotonic_s() >= until_s:
                break
            touched = await self._place(observed.symbols, decision, closing=number == 0)
            waiting = self._exposed_and_awaited(decision)
            if not touched and not waiting:
                break
            if not touched:
                await self.clock.sleep(ROUND_PAUSE_S * (number + 1))
            if self._refused:
                await (
                    self._upkeep()
                )  # a refusal may have been about rules or a mode that changed: the next round has them
            again = await self.observer.symbols(touched | waiting, self.evidence)
            if again.failure:
                return again, decision
            self._learn(again)
            symbols = {**observed.symbols, **again.symbols}
            observed = replace(again, symbols=symbols, swept=observed.swept)
            decision = self._decide(observed)
        return observed, decision

    def _exposed_and_awaited(self, decision: Decision) -> set[str]:
        """Symbols whose position is exposed while a stop for it was written and is not read back yet."""
        return {
            key.symbol
            for key, judged in decision.judgements.items()
            if judged.exposed and self.evidence.awaited_in(key.symbol)
        }

    async def _place(self, observed: Mapping[str, SymbolObservation], decision: Decision, *, closing: bool) -> set[str]:
        """Stops of all positions first, riskiest first; then closes; then take-profits (invariant 3).

        Returns the symbols whose books may have changed. What the venue refused is not repeated within the cycle.
        """
        plans = decision.plans.values()
        stops = [place for plan in plans for place in plan.stops if place.order.client_id not in self._refused]
        closes = [close for plan in plans for close in plan.closes] if closing else []
        targets = [place for plan in plans for place in plan.take_profits if place.order.client_id not in self._refused]
        if stops or closes or targets:
            logger.info(sentence.checking(len(decision.judgements)))
        stops.sort(key=lambda place: _risk(decision.judgements[place.order.key].position))
        for key in dict.fromkeys(place.order.key for place in stops):
            if decision.judgements[key].exposed:
                logger.warning(sentence.unprotected(decision.judgements[key].position))
        touched: set[str] = set()
        for group in (stops, closes, targets):
            touched |= await self._send_all(group, observed)
        return touched

    async def _send_all(self, actions: Sequence[Place | Close], observed: Mapping[str, SymbolObservation]) -> set[str]:
        outcomes = await asyncio.gather(*(self._send(action, observed[_symbol(action)]) for action in actions))
        for outcome in outcomes:
            self.evidence = after_outcome(self.evidence, outcome)
            if outcome.code in CAPACITY_CODES:
                self.observer.sweep_soon()
            if outcome.sent in (Sent.REFUSED, Sent.NOT_SENT) and isinstance(outcome.action, Place):
                self._refused.add(outcome.action.order.client_id)
        return {_symbol(o.action) for o in outcomes if o.sent is not Sent.NOT_SENT and not isinstance(o.action, Cancel)}

    async def _send(self, action: Place | Close, seen: SymbolObservation) -> Outcome:
        """Check one action at the gate and send it; one symbol's failure stays its own (invariant 12)."""
        key = action.order.key if isinstance(action, Place) else action.key
        try:
            if isinstance(action, Place):
                approved = approve_place(action, self._gate(key, seen))
                if isinstance(approved, Denied):
                    return self._denied(action, approved)
                logger.info(sentence.intent(action))
                outcome = await actor.send_place(self.exchange, self.clock, approved)
            else:
                permitted = approve_close(action, self._gate(key, seen))
                if isinstance(permitted, Denied):
                    return self._denied(action, permitted)
                logger.warning(sentence.intent(action))
                outcome = await actor.send_close(self.exchange, self.clock, permitted)
        except Exception as fault:  # a defect in handling one symbol must not stop the others
            logger.exception("Handling {} failed; it is held, the others go on", key)
            return Outcome(action, Sent.AMBIGUOUS, self.clock.now_ms(), text=f"defect: {type(fault).__name__}")
        self._record(outcome, seen.position(key))
        return outcome

    def _gate(self, key: PositionKey, seen: SymbolObservation) -> GateInputs:
        return GateInputs(
            account=self.rules.account,
            seen=seen,
            known=self.evidence.of(key),
            settings=self.rules.protection_for(key),
            evidence_settings=self.rules.evidence,
            limits=self.rules.limits,
            mode=self.mode(),
        )

    def _denied(self, action: Place | Cancel | Close, denied: Denied) -> Outcome:
        logger.warning("{} - held by the guard: {}", sentence.intent(action), denied.reason)
        return Outcome(action, Sent.NOT_SENT, self.clock.now_ms(), text=denied.reason)

    def _record(self, outcome: Outcome, position: Position | None) -> None:
        """Say and announce how a write ended."""
        self._wrote = self._wrote or outcome.sent is not Sent.NOT_SENT
        level = "INFO" if outcome.sent is Sent.ACCEPTED else "WARNING"
        logger.log(level, sentence.ended(outcome, position))
        self._events.append(announce.written(outcome))

    async def _retire(self, decision: Decision) -> None:
        """Remove what is replaced or orphaned; symbols side by side, the removals of one symbol one after another."""
        plans = [plan for plan in decision.plans.values() if plan.cancels]
        await asyncio.gather(*(self._retire_symbol(plan.cancels) for plan in plans))

    async def _retire_symbol(self, cancels: Sequence[Cancel]) -> None:
        for cancel in cancels:
            try:
                if not await self._remove(cancel):
                    return
            except Exception:  # a defect in handling one symbol must not stop the others
                logger.exception("Removing an order of {} failed; it is held, the others go on", cancel.key)
                return

    async def _remove(self, cancel: Cancel) -> bool:
        """One removal, checked against a read made just for it. False when the symbol could not be read."""
        seen = await self.observer.fresh(cancel.key.symbol)
        if not seen.readable:
            return False
        self._absorb(seen)
        approved = approve_cancel(cancel, self._gate(cancel.key, seen))
        if isinstance(approved, Denied):
            self._denied(cancel, approved)
            return True
        logger.info(sentence.intent(cancel))
        outcome = await actor.send_cancel(self.exchange, self.clock, approved)
        self._record(outcome, seen.position(cancel.key))
        return True

    def _report(self, observed: AccountObservation, decision: Decision | None, began_s: float) -> CycleReport:
        now_ms, mode = self.clock.now_ms(), self.mode()
        failure = observed.failure
        if decision is None or failure:
            self.history, events = after_failure(self.history, failure, now_ms)
        else:
            self.history, events = after_judging(
                self.history, decision.judgements, observed.symbols, self.evidence, self.rules.evidence, now_ms
            )
            self.evidence = pruned(self.evidence, self.rules.evidence)
        unseen = "; ".join(f"{symbol}: {why}" for symbol, why in sorted(observed.unreadable_positions.items()))
        risk = account_risk(self.history.states, unreadable=failure or unseen, degraded=self.degraded())
        times = [seen.observed_at_ms for seen in observed.symbols.values() if seen.readable]
        return CycleReport(
            risk=risk,
            history=self.history,
            decision=decision or Decision({}, {}, {}),
            events=(*self._events, *events),
            mode=mode,
            sentence=sentence.cycle(risk, self.history.states, mode, failure=failure),
            failure=failure,
            changed=self._wrote or bool(events),
            observed_at_ms=min(times, default=0),
            cycle_ms=round((self.clock.monotonic_s() - began_s) * 1000),
            suspicious=self._suspicious(decision),
        )

    def _suspicious(self, decision: Decision | None) -> bool:
        if decision is None:
            return True
        unknown = any(state.verdict is Verdict.UNKNOWN for state in self.history.states)
        absent = any(known.absent_reads or known.present_reads == 1 for known in self.evidence.keys.values())
        exposed = any(judged.exposed for judged in decision.judgements.values())
        return absent or exposed or unknown or bool(self.evidence.awaited)


def _symbol(action: Place | Close) -> str:
    return action.order.symbol if isinstance(action, Place) else action.key.symbol


def _risk(position: Position) -> tuple[float, str]:
    """Sort key: the largest notional nearest to its liquidation first."""
    room = 1.0
    if position.liquidation_price is not None and position.mark_price > 0:
        room = float(abs(position.mark_price - position.liquidation_price) / position.mark_price)
    return (-float(position.notional) / max(room, 0.001), str(position.key))
