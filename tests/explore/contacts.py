"""Where a life touches what may fail: each contact has a number, the same for the same life in any process.

A fault is put *at* a contact. Up to there a run is the fault-free one, so the number says the same in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tests.sim.virtual_time import EPOCH_MS


class Kind(StrEnum):
    """What is touched."""

    REQUEST = "request"
    """A request is about to reach the venue's door."""
    ANSWER = "answer"
    """The venue has done what was asked, and answers."""
    EVENT = "event"
    """The venue tells an account event to one connection."""
    REDIS = "redis"
    """A script of the daemon is about to run in Redis."""
    MOMENT = "moment"
    """A second of the world, or just before somebody acts in it: what is no daemon's own may break here."""
    PROCESS = "process"
    """The same moment, once for each daemon that runs: it may be killed, suspended, told to stop or to reload."""


@dataclass(frozen=True, slots=True)
class Contact:
    """One point of contact."""

    number: int
    kind: Kind
    topic: str
    """What a lasting fault goes on hitting: an endpoint, a script, the name of an event."""
    what: str
    """The same with its details, for people."""
    daemon: int | None
    at_ms: int

    def __str__(self) -> str:
        whose = "" if self.daemon is None else f" of daemon {self.daemon}"
        return f"{self.number} ({(self.at_ms - EPOCH_MS) / 1000:.3f} s, {self.kind} {self.what}{whose})"


@dataclass(frozen=True, slots=True)
class Span:
    """For how long a fault goes on, once it is put at a contact."""

    name: str
    seconds: float
    wide: bool = False
    """Whether it hits every contact of the kind that this daemon has, and not only those of the same topic."""


ONCE = Span("once", 0)
EIGHT = Span("8s", 8)
END = Span("end", float("inf"))
"""Until the story is over and everything is healed."""
CUT = Span("cut", float("inf"), wide=True)
"""This daemon is cut from the venue until then."""
ALL_EIGHT = Span("all8s", 8, wide=True)
SPANS = {span.name: span for span in (ONCE, EIGHT, END, CUT, ALL_EIGHT)}


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault at one contact of one life's run."""

    point: int
    fault: str
    span: str

    def __str__(self) -> str:
        return f"{self.point}:{self.fault}:{self.span}"

    @classmethod
    def parsed(cls, text: str) -> Strike:
        """From `17:answer_lost:once`; ValueError when it is none."""
        point, fault, span = text.split(":")
        return cls(int(point), fault, span)


def spec(life: str, strikes: tuple[Strike, ...]) -> str:
    """How a run is named on the command line: `reduce:17:answer_lost:once`, two faults joined by `+`."""
    return f"{life}:{'+'.join(map(str, strikes))}" if strikes else life


def parsed(text: str) -> tuple[str, tuple[Strike, ...]]:
    """The life and the faults of a run's name."""
    life, _, strikes = text.partition(":")
    return life, tuple(Strike.parsed(part) for part in strikes.split("+")) if strikes else ()
