"""Counts the contacts of one run, and says at each which faults it meets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.explore.contacts import SPANS, Contact, Kind, Span, Strike
from tests.explore.faults import FAULTS, Fault
from tests.sim.virtual_time import true_ms

if TYPE_CHECKING:
    from tests.explore.play import Play


@dataclass(slots=True)
class Lasting:
    """A fault at work."""

    fault: Fault
    span: Span
    contact: Contact
    until_ms: float

    def reaches(self, contact: Contact) -> bool:
        """Whether another contact meets it too."""
        if contact.kind is not self.contact.kind or true_ms() >= self.until_ms or not self.fault.at(contact):
            return False
        return contact.daemon == self.contact.daemon if self.span.wide else contact.topic == self.contact.topic


class Fates:
    """What is to happen in one run."""

    def __init__(self, strikes: Sequence[Strike], say: Callable[[str], None]) -> None:
        self.contacts: list[Contact] = []
        self.play: Play | None = None
        self.struck: list[tuple[Fault, Span, Contact]] = []
        """What did happen."""
        self.free_since_ms = 0
        """Since when no fault gives a stop a reason to wait."""
        self._due = {strike.point: strike for strike in strikes}
        self._lasting: list[Lasting] = []
        self._say = say
        self._over = False

    def meet(self, kind: Kind, topic: str, what: str, daemon: int | None) -> list[Fault]:
        """One contact more; returns the faults that it meets."""
        if self._over:
            return []
        contact = Contact(len(self.contacts), kind, topic, what, daemon, true_ms())
        self.contacts.append(contact)
        met = [one.fault for one in self._lasting if one.fault.meets_contacts and one.reaches(contact)]
        strike = self._due.pop(contact.number, None)
        if strike is not None:
            met.append(self._begin(strike, contact))
        return met

    def _begin(self, strike: Strike, contact: Contact) -> Fault:
        fault, span = FAULTS[strike.fault], SPANS[strike.span]
        if fault.kind is not contact.kind or not fault.at(contact):
            raise ValueError(f"{fault.name} cannot be put at {contact}")
        self._say(f"fault {fault.name} ({span.name}) at contact {contact}")
        self.struck.append((fault, span, contact))
        self._lasting.append(Lasting(fault, span, contact, true_ms() + 1000 * span.seconds))
        self._note_hindrance(fault, span, contact)
        assert self.play is not None
        fault.act(self.play, contact, span)
        return fault

    def look(self) -> None:
        """End what is over, and note what still holds a stop up."""
        for one in list(self._lasting):
            self._note_hindrance(one.fault, one.span, one.contact)
            if true_ms() >= one.until_ms:
                self._end(one)

    def heal(self) -> None:
        """The story is over: every fault ends, and no contact is counted any more."""
        self._over = True
        for one in list(self._lasting):
            self._note_hindrance(one.fault, one.span, one.contact)
            self._end(one)

    def _end(self, one: Lasting) -> None:
        self._lasting.remove(one)
        if one.span.seconds:
            self._say(f"fault {one.fault.name} ends")
            assert self.play is not None
            one.fault.undo(self.play, one.contact, one.span)

    def _note_hindrance(self, fault: Fault, span: Span, contact: Contact) -> None:
        assert self.play is not None
        if fault.holds_up(contact, span, watched=self.play.watched):
            self.free_since_ms = true_ms()
