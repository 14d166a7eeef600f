"""What the cycle and the fast path share: the evidence, and the one place where an action passes the gate and is sent.

The two run side by side in one event loop. A write is claimed in the evidence before it is sent, so whoever decides
meanwhile sees it as written and not read back, and does not write it again (invariant 4).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial

from loguru import logger

from position_monitor.core.book.wanted import renewed
from position_monitor.core.decision.decide import Rules
from position_monitor.core.decision.gate import GateInputs
from position_monitor.core.decision.guard import Denied, approve_cancel, approve_close, approve_place
from position_monitor.core.decision.ownership import MEANINGS, RIGHTS
from position_monitor.core.evidence.endings import after_word, word_of
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.learning import after_blind_read, after_read
from position_monitor.core.evidence.outcome import Outcome, Sent, after_outcome, claimed, reason
from position_monitor.core.evidence.writers import Writers, after_listing, after_sending, beginning, begun
from position_monitor.core.model.actions import Action, Cancel, Close, Mode, Place
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.events import Event
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.core.model.positions import Position
from position_monitor.core.model.refusal import Refusal
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.reads import SymbolObservation
from position_monitor.core.publication import announce, sentence
from position_monitor.daemon.earlier_orders import EarlierOrders
from position_monitor.daemon.repeats import Repeats, subject_of
from position_monitor.daemon.stuck_removals import StuckRemovals
from position_monitor.edge import actor
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.errors import ExchangeFailure

RENAMED_MAX = 3
"""Revisions of one intent that are tried in one go."""
SYMBOLS_MAX = 2_000
"""Symbols whose writes are counted; beyond that the count begins anew, which only makes a removal wait."""
EVENTS_KEPT = 5_000
"""Events that wait for the end of a cycle; a cycle that never ends must not collect them without bound."""


@dataclass(slots=True)
class Desk:
    """Memory and pen of one account's daemon."""

    exchange: Exchange
    clock: Clock
    rules: Rules
    mode: Callable[[], Mode]
    accepted: Callable[[str], None]
    """Told the client id of every order the venue accepted: the user stream must speak of it soon."""
    evidence: Evidence = field(default_factory=Evidence, init=False)
    writers: Writers = field(default_factory=Writers, init=False)
    _events: list[Event] = field(default_factory=list, init=False)
    _wrote: bool = field(default=False, init=False)
    earlier: EarlierOrders = field(init=False)
    """Tells which ids named an order before."""
    _count: int = field(default=0, init=False)
    """Writes begun."""
    _last_write: dict[str, int] = field(default_factory=dict, init=False)
    """The count at the last one of each symbol."""
    _late: set[asyncio.Future[Outcome]] = field(default_factory=set, init=False)
    """Writes that nobody waits for any more; each ends with the time-out of its request."""
    _stood_by: bool = field(default=False, init=False)
    """Whether another daemon wrote while this one only looked on."""
    _under_way: Counter[str] = field(default_factory=Counter, init=False)
    stuck: StuckRemovals = field(init=False)
    """Removals that the venue refuses again and again."""
    _repeats: Repeats = field(init=False)

    def __post_init__(self) -> None:
        self._repeats = Repeats(self.clock)
        self.earlier = EarlierOrders(self.exchange, self.clock)
        self.stuck = StuckRemovals(self.clock)

    def tell(self, events: Sequence[Event]) -> None:
        """Keep events for the next report."""
        self._events.extend(events[: EVENTS_KEPT - len(self._events)])

    def take_report(self) -> tuple[tuple[Event, ...], bool]:
        """The events since the last report, and whether anything was written since then."""
        events, wrote = tuple(self._events), self._wrote
        self._events, self._wrote = [], False
        return events, wrote

    def keep(self, late: Iterable[asyncio.Future[Outcome]]) -> None:
        """Hold on to writes whose answer did not come in time, until it does."""
        for write in late:
            self._late.add(write)
            write.add_done_callback(self._late.discard)

    def learn(self, outcome: Outcome) -> None:
        """Take what a write taught into the evidence."""
        self.evidence = after_outcome(self.evidence, outcome, pause_ms=self.rules.limits.again_ms)

    def absorb(self, seen: SymbolObservation) -> None:
        """Take one observation into the evidence; one that could not be read completely teaches next to nothing."""
        if seen.readable and not seen.orders_reused:
            self._look_for_signs(seen)
        learn = partial(after_read, rebases=self._rebases) if seen.readable else after_blind_read
        self.evidence = learn(self.evidence, seen)

    def _look_for_signs(self, seen: SymbolObservation) -> None:
        """Look for orders with our prefix that somebody else wrote."""
        now_ms = self.clock.now_ms()
        self.writers, sign = after_listing(self.writers, seen, self.evidence.awaited, self._resting(), now_ms)
        if sign is not None:
            logger.error(sentence.second_writer(sign))
            self.tell([announce.second_writer(sign, now_ms)])

    def _resting(self) -> Iterator[str]:
        """Client ids of ours that rested in the last reads."""
        return (client_id for known in self.evidence.keys.values() for client_id in known.seen)

    def look_ended(self) -> None:
        """A complete look is over: from now on orders of others are signs, unless another daemon is the owner."""
        if self.mode() in (Mode.STANDBY, Mode.OBSERVE):
            self._stood_by = True
            self.begins_to_write()
        elif not self.writers.counts_from_ms:
            others_until_ms = self.rules.evidence.lease_ttl_ms if self._stood_by else 0
            self.writers = begun(self.writers, self.exchange.venue_now_ms(), others_until_ms=others_until_ms)
            self._stood_by = False

    def begins_to_write(self) -> None:
        """Whatever rests until the end of the next look was written by an earlier owner, or by this process."""
        self.writers = beginning(self.writers)

    def _rebases(self, key: PositionKey) -> bool:
        return self.rules.protection_for(key).rebase_on_add

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

    async def send(self, action: Place | Close, seen: SymbolObservation) -> Outcome:
        """Check one action at the gate and send it; one symbol's failure stays its own (invariant 12)."""
        key = action.order.key if isinstance(action, Place) else action.key
        try:
            with self._writing(key.symbol):
                outcome = await self._approved(action, seen)
                if not outcome.denied:
                    self._remember_sent(outcome.action)
        except Exception as fault:  # a defect in handling one symbol must not stop the others
            if self._repeats.failed(subject_of(action), type(fault).__name__) is not None:
                logger.exception("Handling {} failed; it is held, the others go on", key)
            return Outcome(action, Sent.AMBIGUOUS, self.clock.now_ms(), text=f"defect: {type(fault).__name__}")
        self._record(outcome, seen.position(key))
        return replace(outcome, instrument=seen.instrument)

    def _remember_sent(self, action: Action) -> None:
        """An order with this id is of this process, whenever it shows up."""
        if isinstance(action, (Place, Close)):
            client_id = action.order.client_id if isinstance(action, Place) else action.client_id
            self.writers = after_sending(self.writers, client_id, self._resting())

    async def _approved(self, action: Place | Close, seen: SymbolObservation) -> Outcome:
        if isinstance(action, Place):
            return await self._placed(action, seen)
        gate = self.gate(action.key, seen)
        witness = await self._witness(action)
        permitted = approve_close(action, replace(gate, witness=witness, now_ms=self.clock.now_ms()))
        if isinstance(permitted, Denied):
            return self._denied(action, permitted)
        logger.log("DEBUG" if self.is_failing(action) else "WARNING", sentence.intent(action))
        return await actor.send_close(self.exchange, self.clock, permitted)

    async def _placed(self, action: Place, seen: SymbolObservation, *, renamed: int = 0) -> Outcome:
        """Send an order of which it is known that its id names no other one, as far as the venue answers.

        Only a take-profit waits for that answer. An order that ended under this id makes the next revision due.
        """
        order = action.order
        approved = approve_place(action, self.gate(order.key, seen))
        if isinstance(approved, Denied):
            return self._denied(action, approved)
        self.evidence = claimed(self.evidence, order, self.clock.now_ms())
        answer = await self.earlier.of(order, self.evidence.of(order.key))
        if isinstance(answer, LiveOrder) and not answer.status.terminal:
            return Outcome(
                action,
                Sent.REFUSED,
                self.clock.now_ms(),
                refusal=Refusal.DUPLICATE,
                text="it rests already, says the venue",
            )
        if isinstance(answer, LiveOrder) and renamed < RENAMED_MAX:
            self.evidence = after_word(self.evidence, word_of(answer), self.clock.now_ms())
            known = self.evidence.of(order.key)
            again = replace(action, order=renewed(order, self.rules.account, known)) if known is not None else action
            return await self._placed(again, seen, renamed=renamed + 1)
        if answer is not None and order.role is Role.TAKE_PROFIT:
            why = "the venue did not say whether its id has named an order before"
            return Outcome(action, Sent.NOT_SENT, self.clock.now_ms(), text=why)
        if why := self._why_not_any_more(order):
            return Outcome(action, Sent.NOT_SENT, self.clock.now_ms(), text=why)
        logger.log("DEBUG" if self.is_failing(action) else "INFO", sentence.intent(action))
        self.earlier.used(order)
        outcome = await actor.send_place(self.exchange, self.clock, approved)
        if outcome.sent is Sent.ACCEPTED:
            self.accepted(order.client_id)
        return outcome

    def _why_not_any_more(self, order: DesiredOrder) -> str:
        """What ended the right to a take-profit while its id was asked for, or empty: the host may have been suspended
        meanwhile, and the lease have passed to another daemon (invariant 9)."""
        mode = self.mode()
        permitted = order.role is not Role.TAKE_PROFIT or RIGHTS[mode].take_profits
        return "" if permitted else f"no take-profit: {MEANINGS[mode]} (invariant 9)"

    async def _witness(self, close: Close) -> Decimal | None:
        """The price a close is about, from another part of the venue than the position; None when it fails."""
        try:
            return await self.exchange.read_price(close.key.symbol, close.working_type)
        except ExchangeFailure:
            return None

    async def remove(self, cancel: Cancel, seen: SymbolObservation) -> None:
        """One removal; `seen` must be a read made just for it (invariant 2)."""
        approved = approve_cancel(cancel, self.gate(cancel.key, seen))
        if isinstance(approved, Denied):
            self._record(self._denied(cancel, approved), None)
            return
        logger.log("DEBUG" if self.is_failing(cancel) else "INFO", sentence.intent(cancel))
        outcome = await actor.send_cancel(self.exchange, self.clock, approved)
        if outcome.sent is Sent.REFUSED:
            self.stuck.refused(cancel)
        if outcome.sent is Sent.ACCEPTED:
            self.stuck.removed(cancel)
        self.learn(outcome)
        self._record(outcome, seen.position(cancel.key))

    def gate(self, key: PositionKey, seen: SymbolObservation) -> GateInputs:
        """What an action on `key` is checked against."""
        return GateInputs(
            account=self.rules.account,
            seen=seen,
            known=self.evidence.of(key),
            settings=self.rules.protection_for(key),
            evidence_settings=self.rules.evidence,
            limits=self.rules.limits,
            mode=self.mode(),
            now_ms=self.clock.now_ms(),
            unlisted=tuple(self.evidence.unlisted_take_profits(key, {order.client_id for order in seen.orders})),
        )

    def is_failing(self, action: Action) -> bool:
        """Whether the same kind of action on the position failed within the last minute: another try is no news."""
        return self._repeats.failing(subject_of(action))

    def _denied(self, action: Action, denied: Denied) -> Outcome:
        return Outcome(action, Sent.NOT_SENT, self.clock.now_ms(), text=denied.reason, denied=True)

    def _record(self, outcome: Outcome, position: Position | None) -> None:
        """Say and announce how a write ended; the same failure once a minute (invariant 10)."""
        subject = subject_of(outcome.action)
        if outcome.sent is Sent.ACCEPTED:
            self._repeats.succeeded(subject)
            self._wrote = True
            logger.info(sentence.ended(outcome, position))
            self.tell([announce.written(outcome)])
            return
        text = sentence.ended(outcome, position)
        unsaid = self._repeats.failed(subject, reason(outcome))
        if unsaid is None:
            logger.debug(text)
            return
        logger.warning(f"{text} (and {unsaid} more failures before)" if unsaid else text)
        if not outcome.denied:
            self._wrote = self._wrote or outcome.sent is not Sent.NOT_SENT
            self.tell([announce.written(outcome)])
