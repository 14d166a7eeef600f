"""What the cycle and the fast path share: the memory, and the one place where an action passes the gate and is sent.

The two run side by side in one event loop. A write is claimed in the evidence before it is sent, so whoever decides
meanwhile sees it as written and not read back, and does not write it again (invariant 4).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from loguru import logger

from position_monitor.core.book.wanted import renewed
from position_monitor.core.decision.gate import GateInputs
from position_monitor.core.decision.guard import Denied, approve_cancel, approve_close, approve_place
from position_monitor.core.decision.ownership import MEANINGS, RIGHTS, under_pause
from position_monitor.core.decision.rules import Rules
from position_monitor.core.decision.verdict import Judgement
from position_monitor.core.evidence.endings import word_of
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.outcome import Outcome, Sent
from position_monitor.core.model.actions import Action, Cancel, Close, Mode, Place, client_id_of
from position_monitor.core.model.control import Control
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.events import Event
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.core.model.positions import Position
from position_monitor.core.model.refusal import Refusal
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.reads import SymbolObservation
from position_monitor.core.publication import sentence
from position_monitor.core.publication.order_ends import NOBODY_FINDS_IT, end_in_answer, lost_without_trace
from position_monitor.daemon.accepted_writes import AcceptedWrites
from position_monitor.daemon.earlier_orders import EarlierOrders
from position_monitor.daemon.introductions import Introductions
from position_monitor.daemon.memory import Memory
from position_monitor.daemon.order_counts import OrderCounts
from position_monitor.daemon.order_ends import OrderEnds
from position_monitor.daemon.outbox import Outbox
from position_monitor.daemon.repeats import Repeats, subject_of
from position_monitor.daemon.stuck_removals import StuckRemovals
from position_monitor.daemon.surroundings import Surroundings
from position_monitor.daemon.write_telling import tell_of_write
from position_monitor.edge import actor
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.reading.account_observation import AccountObservation
from position_monitor.errors import ExchangeFailure

RENAMED_MAX = 3
"""Revisions of one intent that are tried in one go."""
SYMBOLS_MAX = 2_000
"""Symbols whose writes are counted; beyond that the count begins anew, which only makes a removal wait."""


@dataclass(slots=True)
class Desk:
    """Memory and pen of one account's daemon."""

    exchange: Exchange
    clock: Clock
    surroundings: Surroundings
    outbox: Outbox = field(default_factory=Outbox, init=False)
    memory: Memory = field(init=False)
    """The only writer of the evidence."""
    earlier: EarlierOrders = field(init=False)
    """Tells which ids named an order before."""
    _count: int = field(default=0, init=False)
    """Writes begun."""
    _last_write: dict[str, int] = field(default_factory=dict, init=False)
    """The count at the last one of each symbol."""
    _late: set[asyncio.Future[Any]] = field(default_factory=set, init=False)
    """Writes and removals that nobody waits for any more; each ends with the time-out of its request."""
    _under_way: Counter[str] = field(default_factory=Counter, init=False)
    counts: OrderCounts = field(default_factory=OrderCounts, init=False)
    """What the venue took since this process began."""
    stuck: StuckRemovals = field(init=False)
    """Removals that the venue refuses again and again."""
    introductions: Introductions = field(init=False)
    """Says of a position that it has no stop, before it gets one."""
    ends: OrderEnds = field(init=False)
    """What became of orders of ours that rested."""
    taken: AcceptedWrites = field(default_factory=AcceptedWrites, init=False)
    """Writes that are told of together."""
    _repeats: Repeats = field(init=False)
    _ruled: tuple[Rules, Control, Rules] | None = field(default=None, init=False)
    """The rules last made for pauses and holds: the usual ones, those, and what came of both."""

    def __post_init__(self) -> None:
        self.memory = Memory(self.clock, self.surroundings, self.outbox)
        self.introductions = Introductions(self.outbox, self.clock)
        self.ends = OrderEnds(self.outbox, self.clock)
        self._repeats = Repeats(self.clock)
        self.earlier = EarlierOrders(self.exchange, self.clock)
        self.stuck = StuckRemovals(self.clock)

    @property
    def evidence(self) -> Evidence:
        """What may be believed now. Only the memory writes it."""
        return self.memory.evidence

    @property
    def rules(self) -> Rules:
        """The configuration as the core sees it, under the pauses and holds in force."""
        usual, control = self.surroundings.settings.rules, self.surroundings.control()
        if not control.in_force:
            return usual
        if self._ruled is None or self._ruled[0] is not usual or self._ruled[1] is not control:
            self._ruled = (usual, control, usual.under(control))
        return self._ruled[2]

    def mode(self) -> Mode:
        """What may be done now: lease, the operator's wish and the signs of a second writer say it together."""
        mode = self.surroundings.mode(second_writer=self.memory.second_writer)
        return under_pause(mode, paused=self.surroundings.control().pause_of_all is not None)

    def account_read(self, observed: AccountObservation) -> None:
        """The account was read: what it teaches is remembered, and ends of our orders that it shows are told."""
        before = self.evidence
        self.memory.account_read(observed)
        answered = [end_in_answer(order) for order in observed.ends]
        lost = lost_without_trace(before, self.evidence, observed.misses) if observed.misses else ()
        answered += [end_in_answer(order, reason=NOBODY_FINDS_IT) for order in lost]
        for end in answered:
            if end is not None:
                self.ends.ended(end)

    def account_judged(self, judgements: Mapping[PositionKey, Judgement], read_at_ms: int) -> None:
        """The first decision of a cycle: orders that went are told before their successors."""
        gone = self.ends.look_ended(judgements, self.evidence, read_at_ms=read_at_ms)
        if gone and self.mode() is not Mode.STANDBY:  # what a live owner removes is no other hand's doing
            self.outbox.add(gone)

    def happened(self, judged: Sequence[Event], tracks: Collection[PositionKey]) -> tuple[tuple[Event, ...], bool]:
        """A cycle ended: what happened since the last one, and whether anything was written or judged anew."""
        if judged:
            self.outbox.say(judged)
        self.ends.cycle_ended(tracks)
        self.taken.tell()
        announced, wrote = self.outbox.take()
        return (*announced, *judged), wrote or bool(judged)

    def keep(self, late: Iterable[asyncio.Future[Any]]) -> None:
        """Hold on to writes and removals whose answer did not come in time, until it does."""
        for write in late:
            self._late.add(write)
            write.add_done_callback(self._late.discard)

    def last_write_in(self, symbol: str) -> int | None:
        """A number that changes with every order sent in the symbol; None while one is under way."""
        return None if self._under_way[symbol] else self._last_write.get(symbol, 0)

    @contextmanager
    def _writing(self, symbol: str) -> Iterator[None]:
        if symbol not in self._last_write and len(self._last_write) >= SYMBOLS_MAX:
            self._last_write.clear()
        self._count += 1
        self._last_write[symbol] = self._count
        self._under_way[symbol] += 1
        try:
            yield
        finally:
            self._under_way[symbol] -= 1
            if not self._under_way[symbol]:
                del self._under_way[symbol]

    async def send(self, action: Place | Close, observation: SymbolObservation) -> Outcome:
        """Check one action at the gate and send it; one symbol's failure stays its own (invariant 12)."""
        key = action.key
        try:
            with self._writing(key.symbol):
                outcome = await self._approved(action, observation)
                if not outcome.denied:
                    self.memory.order_sent(client_id_of(outcome.action))
        except Exception as fault:  # a defect in handling one symbol must not stop the others
            if self._repeats.failed(subject_of(action), type(fault).__name__) is not None:
                logger.exception("Handling {} failed; it is held, the others go on", key)
            return Outcome(action, Sent.AMBIGUOUS, self.clock.now_ms(), text=f"defect: {type(fault).__name__}")
        self._record(outcome, observation.position(key))
        return replace(outcome, instrument=observation.instrument)

    async def _approved(self, action: Place | Close, observation: SymbolObservation) -> Outcome:
        if isinstance(action, Place):
            return await self._placed(action, observation)
        gate = self.gate(action.key, observation)
        witness = await self._witness(action)
        permitted = approve_close(action, replace(gate, witness=witness, now_ms=self.clock.now_ms()))
        if isinstance(permitted, Denied):
            return self._denied(action, permitted)
        logger.debug(sentence.intent(action))
        return await actor.send_close(self.exchange, self.clock, permitted)

    async def _placed(self, action: Place, observation: SymbolObservation, *, renamed: int = 0) -> Outcome:
        """Send an order of which it is known that its id names no other one, as far as the venue answers.

        Only a take-profit waits for that answer. An order that ended under this id makes the next revision due.
        """
        order, key = action.order, action.key
        approved = approve_place(action, self.gate(key, observation))
        if isinstance(approved, Denied):
            return self._denied(action, approved)
        self.memory.write_claimed(order)
        answer = await self.earlier.of(order, self.evidence.of(key))
        if isinstance(answer, LiveOrder) and not answer.status.terminal:
            return Outcome(
                action,
                Sent.REFUSED,
                self.clock.now_ms(),
                refusal=Refusal.DUPLICATE,
                text="it rests already, says the venue",
            )
        if isinstance(answer, LiveOrder) and renamed < RENAMED_MAX:
            self.memory.order_reported(word_of(answer))
            belief = self.evidence.of(key)
            again = replace(action, order=renewed(order, self.rules.account, belief)) if belief is not None else action
            return await self._placed(again, observation, renamed=renamed + 1)
        if answer is not None and order.role is Role.TAKE_PROFIT:
            why = "the venue did not say whether its id has named an order before"
            return Outcome(action, Sent.NOT_SENT, self.clock.now_ms(), text=why)
        if why := self._why_not_any_more(order):
            return Outcome(action, Sent.NOT_SENT, self.clock.now_ms(), text=why)
        logger.debug(sentence.intent(action))
        self.earlier.used(order)
        outcome = await actor.send_place(self.exchange, self.clock, approved)
        if outcome.sent is Sent.ACCEPTED:
            self.ends.stays(order.client_id)
            self.surroundings.order_accepted(order.client_id)
        return outcome

    def _why_not_any_more(self, order: DesiredOrder) -> str:
        """What ended the right to a take-profit while its id was asked for, or empty: the host may have been suspended
        meanwhile, and the lease have passed to another daemon (invariant 9)."""
        if order.role.is_stop or RIGHTS[mode := self.rules.mode_for(order.key, self.mode())].take_profits:
            return ""
        return f"no take-profit: {MEANINGS[mode]} (invariant 9)"

    async def _witness(self, close: Close) -> Decimal | None:
        """The price a close is about, from another part of the venue than the position; None when it fails."""
        try:
            return await self.exchange.read_price(close.key.symbol, close.working_type)
        except ExchangeFailure:
            return None

    async def remove(self, cancel: Cancel, observation: SymbolObservation) -> None:
        """One removal; `observation` must be a read made just for it (invariant 2)."""
        approved = approve_cancel(cancel, self.gate(cancel.key, observation))
        if isinstance(approved, Denied):
            self._record(self._denied(cancel, approved), None)
            return
        logger.debug(sentence.intent(cancel))
        self.ends.being_removed(cancel.order.client_id)
        outcome = await actor.send_cancel(self.exchange, self.clock, approved)
        if outcome.sent is Sent.REFUSED:
            self.stuck.refused(cancel)
            self.ends.stays(cancel.order.client_id)
        if outcome.sent is Sent.ACCEPTED:
            self.stuck.removed(cancel)
        self.memory.write_ended(outcome)
        self._record(outcome, observation.position(cancel.key))

    def gate(self, key: PositionKey, observation: SymbolObservation) -> GateInputs:
        """What an action on `key` is checked against."""
        rules, evidence = self.rules, self.evidence
        return GateInputs(
            account=rules.account,
            observation=observation,
            belief=evidence.of(key),
            settings=rules.protection_for(key),
            evidence_settings=rules.evidence,
            limits=rules.limits,
            mode=rules.mode_for(key, self.mode()),
            now_ms=self.clock.now_ms(),
            unlisted=tuple(evidence.unlisted_take_profits(key, {order.client_id for order in observation.orders})),
        )

    def is_failing(self, action: Action) -> bool:
        """Whether the same kind of action on the position failed within the last minute: another try is no news."""
        return self._repeats.failing(subject_of(action))

    def _denied(self, action: Action, denied: Denied) -> Outcome:
        return Outcome(action, Sent.NOT_SENT, self.clock.now_ms(), text=denied.reason, denied=True)

    def _record(self, outcome: Outcome, position: Position | None) -> None:
        """Say and announce how a write ended; the same failure once a minute (invariant 10)."""
        tell_of_write(
            outcome,
            position,
            policy=str(self.rules.protection_for(outcome.action.key).policy),
            repeats=self._repeats,
            counts=self.counts,
            outbox=self.outbox,
            taken=self.taken,
        )
