"""What the daemon learns: the one place where the evidence is written.

Each method is named by what happened, and takes exactly that into the evidence. All others only read it. The cycle and
the fast path share one memory in one event loop; a method never waits, so nobody sees half of what happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from position_monitor.core.decision.event_view import EventStops
from position_monitor.core.decision.rules import Rules
from position_monitor.core.decision.verdict import Judgement
from position_monitor.core.evidence.conclusions import after_decision, after_exposure, pruned
from position_monitor.core.evidence.endings import Word, after_word, word_of
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.learning import after_blind_read, after_flat_event, after_open_event, after_read
from position_monitor.core.evidence.outcome import Outcome, after_outcome, after_unread_failure, claimed
from position_monitor.core.evidence.writers import Writers, after_listing, after_sending, beginning, begun
from position_monitor.core.evidence.written import after_miss, after_silence
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.needs import Fact
from position_monitor.core.observation.reads import SymbolObservation
from position_monitor.core.publication import announce, sentence
from position_monitor.core.publication.journal_line import Level, Line
from position_monitor.daemon.outbox import Outbox
from position_monitor.daemon.surroundings import Surroundings
from position_monitor.edge import log
from position_monitor.edge.clock import Clock
from position_monitor.edge.reading.account_observation import AccountObservation


@dataclass(slots=True)
class Memory:
    """The evidence of one account, and the signs of a second writer. Both may be lost at any moment."""

    clock: Clock
    surroundings: Surroundings
    outbox: Outbox
    _evidence: Evidence = field(default_factory=Evidence, init=False)
    _writers: Writers = field(default_factory=Writers, init=False)
    _stood_by: bool = field(default=False, init=False)
    """Whether another daemon wrote while this one only looked on."""

    @property
    def evidence(self) -> Evidence:
        """What recent reads, events and writes allow to believe."""
        return self._evidence

    @property
    def second_writer(self) -> bool:
        """Whether there are fresh signs that another process writes orders with our prefix."""
        return self._writers.suspected(self.clock.now_ms())

    @property
    def foreign_order(self) -> str:
        """The last sign of a second writer: symbol and client id of the order; empty where there was none."""
        return self._writers.sign

    @property
    def _rules(self) -> Rules:
        return self.surroundings.settings.rules

    # -- reads

    def account_read(self, observed: AccountObservation) -> None:
        """Positions and order lists were read, and orders that no list shows were asked for."""
        now_ms = self.clock.now_ms()
        for order in observed.ends:  # first, because the rows that were read may have what it closed
            self._evidence = after_word(self._evidence, word_of(order), now_ms)
        for read in observed.symbols.values():
            if read.readable:
                self.outbox.add(announce.read_back(read, self._evidence, now_ms))
            self.symbol_read(read)
        grace_ms = self._rules.evidence.listing_grace_ms
        for symbol, client_id in observed.misses:
            self._evidence = after_miss(
                evidence=self._evidence, symbol=symbol, client_id=client_id, now_ms=now_ms, grace_ms=grace_ms
            )
        for symbol, client_id in observed.unanswered:
            listed = Fact.CONDITIONAL_ORDERS not in observed.symbols[symbol].unread
            self._evidence = after_silence(self._evidence, symbol, client_id, now_ms, listed=listed)

    def symbol_read(self, read: SymbolObservation) -> None:
        """One symbol was read; a read that is not complete teaches next to nothing."""
        if read.readable and not read.orders_reused:
            self._look_for_signs(read)
        learn = partial(after_read, rebases=self._rebases) if read.readable else after_blind_read
        self._evidence = learn(self._evidence, read)

    def _rebases(self, key: PositionKey) -> bool:
        return self._rules.protection_for(key).rebase_on_add

    def look_ended(self, mode: Mode, *, venue_now_ms: int) -> None:
        """A complete look is over: from now on orders of others are signs, unless another daemon is the owner."""
        if mode in (Mode.STANDBY, Mode.OBSERVE):
            self._stood_by = True
            self.lease_taken()
        elif not self._writers.counts_from_ms:
            others_until_ms = self._rules.evidence.lease_ttl_ms if self._stood_by else 0
            self._writers = begun(self._writers, venue_now_ms, others_until_ms=others_until_ms)
            self._stood_by = False

    def _look_for_signs(self, read: SymbolObservation) -> None:
        """Look for orders with our prefix that somebody else wrote."""
        now_ms = self.clock.now_ms()
        self._writers, sign = after_listing(
            writers=self._writers,
            observation=read,
            awaited=self._evidence.awaited,
            resting=self._resting(),
            now_ms=now_ms,
        )
        if sign is not None:
            words = sentence.second_writer(sign)
            log.say(Line(Level.ERROR, words, sign.symbol, str(sign.key.side), event="SecondWriterSeen"))
            self.outbox.add([announce.second_writer(sign, now_ms)])

    def _resting(self) -> Iterator[str]:
        """Client ids of ours that rested in the last reads."""
        return (client_id for belief in self._evidence.keys.values() for client_id in belief.listed_reads)

    # -- events

    def order_reported(self, word: Word) -> None:
        """The venue says how an order of ours stands: in an event, or in the answer to a question for it."""
        self._evidence = after_word(self._evidence, word, self.clock.now_ms())

    def position_reported_flat(self, key: PositionKey, at_ms: int) -> None:
        """An event says that a position was not open, at this time of the venue."""
        self._evidence = after_flat_event(self._evidence, key, at_ms)

    def position_reported_open(self, position: Position, own: Sequence[LiveOrder]) -> None:
        """An event says that a position is open; `own` are the orders last read of it."""
        self._evidence = after_open_event(self._evidence, position, own, self.clock.now_ms())

    # -- decisions

    def stops_decided(self, stops: EventStops) -> None:
        """Stops were decided from an event: the position has the epoch that their ids name."""
        self._evidence = stops.evidence

    def account_decided(self, judgements: Mapping[PositionKey, Judgement]) -> None:
        """A decision was made about the whole account."""
        covered = {key: judged.cover.full for key, judged in judgements.items()}
        closing = {key for key, judged in judgements.items() if judged.closing}
        self._evidence = after_decision(self._evidence, covered, closing, self.clock.now_ms())

    def exposure_judged(self, exposed: Mapping[PositionKey, bool]) -> None:
        """Positions that were read have no full stop cover, or have it."""
        self._evidence = after_exposure(self._evidence, exposed, self.clock.now_ms())

    # -- writes

    def write_claimed(self, order: DesiredOrder) -> None:
        """An order is about to be sent: whoever decides meanwhile sees it as written and not read back."""
        self._evidence = claimed(self._evidence, order, self.clock.now_ms())

    def order_sent(self, client_id: str) -> None:
        """An order with this id is of this process, whenever it shows up."""
        self._writers = after_sending(self._writers, client_id, self._resting())

    def write_ended(self, outcome: Outcome) -> None:
        """The venue answered a write, or did not."""
        self._evidence = after_outcome(self._evidence, outcome, pause_ms=self._rules.limits.again_ms)

    def unread_write_failed(self, order: DesiredOrder, at_ms: int) -> None:
        """An order that was made from an event, without a read, was not taken: that is no evidence of its price."""
        self._evidence = after_unread_failure(self._evidence, order, at_ms)

    # -- time

    def lease_taken(self) -> None:
        """Whatever rests until the end of the next look was written by an earlier owner, or by this process."""
        self._writers = beginning(self._writers)

    def clock_jumped(self) -> None:
        """Time passed in which nobody looked: reads of before and after it do not follow each other."""
        self._evidence = self._evidence.without_window()

    def cycle_ended(self) -> None:
        """The evidence of positions that are proven flat is not needed any more."""
        self._evidence = pruned(self._evidence, self._rules.evidence)
