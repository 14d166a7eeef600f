"""One run of a life, and the list of all runs: every fault at every contact, once and lasting, and pairs of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from loguru import logger

from tests.explore.contacts import EIGHT, ONCE, Contact, Strike, spec
from tests.explore.faults import possible
from tests.explore.judge import Judge
from tests.explore.lives import Life, all_lives
from tests.explore.play import Play
from tests.sim.listening import listen
from tests.sim.simulation import INFO_LEVEL, SPEAKER
from tests.sim.streams import connected_to
from tests.sim.virtual_time import EPOCH_MS, run, true_ms

DEFECTS = ("Traceback", "report it as a bug")


@dataclass
class Outcome:
    """What one run showed."""

    name: str
    violations: list[str]
    contacts: list[Contact]
    digest: str
    """Equal for equal runs."""
    ends: str
    """The risk status published last."""
    cover_s: float
    """How long after the healing the last position was covered again."""
    order_s: float
    """How long after the healing everything was in order."""
    simulated_s: float
    log: list[str] = field(default_factory=list)


def explore(life: Life, strikes: Sequence[Strike] = (), trace: list[str] | None = None) -> Outcome:
    """Live a life with these faults; `trace` is filled with what happened, for people."""
    outcome: Outcome = run(_lived(life, tuple(strikes), trace))
    outcome.violations += [f"defect: {line[-1500:]}" for line in outcome.log if any(word in line for word in DEFECTS)]
    return outcome


async def _lived(life: Life, strikes: tuple[Strike, ...], trace: list[str] | None) -> Outcome:
    told: list[tuple[int, str]] = []

    def say(text: str) -> None:
        if trace is not None:
            told.append((true_ms(), text))

    play = Play(life, strikes, say)
    judge = Judge(play)
    log: list[str] = []
    with _heard(say, log, judge, everything=trace is not None), connected_to(play.streams):
        try:
            await life.story(play)
            play.heal()
            await judge.settle()
        finally:
            await play.close()
    if trace is not None:
        trace += [f"{(at_ms - EPOCH_MS) / 1000:8.3f} {text}" for at_ms, text in sorted(told, key=lambda line: line[0])]
    ends = play.status().get("risk_status", "")
    return Outcome(
        name=spec(life.name, strikes),
        violations=judge.violations,
        contacts=play.fates.contacts,
        digest=judge.digest,
        ends=ends,
        cover_s=judge.cover_s,
        order_s=judge.order_s,
        simulated_s=(true_ms() - EPOCH_MS) / 1000,
        log=log,
    )


@contextmanager
def _heard(say: Any, log: list[str], judge: Judge, *, everything: bool) -> Iterator[None]:
    """Defects the daemons log are kept; with a trace, everything they say."""

    def hear(message: Any) -> None:
        text = str(message).rstrip()
        say(f"daemon {SPEAKER.get()}: {text}")
        if message.record["level"].name in ("ERROR", "CRITICAL"):
            log.append(text)
        if message.record["level"].no >= INFO_LEVEL and isinstance(number := SPEAKER.get(), int):
            judge.judges.said(number, text)

    sink = listen(hear, "DEBUG" if everything else "INFO", backtrace=False, diagnose=False)
    try:
        yield
    finally:
        logger.remove(sink)


Run = tuple[str, tuple[Strike, ...]]
"""The name of a life, and the faults."""


def singles(lives: Iterable[Life]) -> Iterator[Run]:
    """Every fault at every contact of every life, once and lasting."""
    for life in lives:
        for contact in explore(life).contacts:
            for fault, span in possible(contact):
                yield life.name, (Strike(contact.number, fault.name, span.name),)


def in_share(one: Run, share: int, shares: int) -> bool:
    """Whether a run belongs to a share of all: by its name, so that a run is always in the same one."""
    return int(hashlib.sha256(spec(*one).encode()).hexdigest()[:12], 16) % shares == share


PAIRED = {
    "request_lost": ONCE,
    "dies_before": ONCE,
    "answer_lost": ONCE,
    "older": ONCE,
    "dies_after": ONCE,
    "event_lost": ONCE,
    "redis_down": EIGHT,
    "all_streams_cut": ONCE,
    "suspended": EIGHT,
}
"""What pairs are made of: one fault of each way in which a contact can fail."""


def firsts(life: Life) -> Iterator[Run]:
    """The first faults of the pairs of a life."""
    for contact in explore(life).contacts:
        for fault, span in possible(contact):
            if PAIRED.get(fault.name) is span:
                yield life.name, (Strike(contact.number, fault.name, span.name),)


def pairs_after(first: Run) -> Iterator[Run]:
    """Every second fault at every later contact, as the life has them once the first fault has struck."""
    name, strikes = first
    for contact in explore(all_lives()[name], strikes).contacts[strikes[-1].point + 1 :]:
        for fault, span in possible(contact):
            if PAIRED.get(fault.name) is span:
                yield name, (*strikes, Strike(contact.number, fault.name, span.name))
