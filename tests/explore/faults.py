"""Every kind of fault that is put at a contact, and what each honestly may delay, by name and with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from position_monitor.edge.venues.transport import Endpoint
from tests.explore.contacts import ALL_EIGHT, CUT, EIGHT, END, ONCE, Contact, Kind, Span

if TYPE_CHECKING:
    from tests.explore.play import Play

Act = Callable[["Play", Contact, Span], None]
E = Endpoint
LISTS = (E.OPEN_ORDERS, E.OPEN_ALGO_ORDERS, E.POSITIONS)
NEEDED = frozenset(endpoint.name for endpoint in (E.POSITIONS, E.PLACE_ALGO_ORDER, E.EXCHANGE_INFO))
"""What nobody can place a stop without: the positions, the door for stops, and the price steps that door accepts."""
LEASE_S = 15
"""How long a lease that somebody else takes is valid."""
CLOCK_MS = 400_000
"""What a daemon says about time after its clock stepped proves nothing."""
OLD_MS = 3_000
"""An older answer is at least this old."""


def nothing(play: Play, contact: Contact, span: Span) -> None:
    """Nothing to do."""


def everywhere(contact: Contact) -> bool:
    """Whatever is touched."""
    return True


@dataclass(frozen=True)
class Fault:
    """One kind of fault."""

    name: str
    kind: Kind
    spans: tuple[Span, ...]
    at: Callable[[Contact], bool] = everywhere
    """The contacts of its kind it can be put at."""
    venue: str = ""
    """The fault of the paper exchange that is switched on for this one request."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    word: str = ""
    """What a stream message, an answer or a call of Redis meets, where the venue has no fault of its own for it."""
    act: Act = nothing
    """What happens when it begins."""
    undo: Act = nothing
    """What happens when its span ends."""
    hinders: bool | None = None
    """Whether a stop rightly waits while it lasts; None: where it hits what nobody can place a stop without."""
    later_s: float = 0.0
    """Seconds beyond the usual for which its consequences may outlive it."""
    order_later_s: float = 0.0
    """The same for everything but cover: take-profits, what is left over, what is published."""
    why: str = ""
    stale_ms: int = 0
    """How old the answers may be that it brings."""

    @property
    def foggy(self) -> bool:
        """Whether a read may fail or be wrong, so that nothing follows from what a daemon asked."""
        return self.kind in (Kind.REQUEST, Kind.ANSWER) and self.meets_contacts

    @property
    def steps_clock(self) -> bool:
        return self.stale_ms == CLOCK_MS

    @property
    def meets_contacts(self) -> bool:
        """Whether every contact in its span meets it; else it begins once and ends once."""
        return bool(self.venue or self.word)

    def holds_up(self, contact: Contact, span: Span, *, watched: bool) -> bool:
        """Whether a stop may wait until this fault at this contact ends; `watched`: a daemon runs that could act."""
        if not watched:
            return True
        if self.hinders is not None:
            return self.hinders
        return contact.kind in (Kind.REQUEST, Kind.ANSWER) and (span.wide or contact.topic in NEEDED)


def _kill(play: Play, at: Contact, span: Span) -> None:
    play.kill(_daemon(at), for_good=bool(span.seconds))


def _terminate(play: Play, at: Contact, span: Span) -> None:
    play.terminate(_daemon(at), for_good=bool(span.seconds))


def _restart(play: Play, at: Contact, span: Span) -> None:
    play.restart(_daemon(at))


def _suspend(play: Play, at: Contact, span: Span) -> None:
    play.suspend(_daemon(at))


def _resume(play: Play, at: Contact, span: Span) -> None:
    play.resume(_daemon(at))


def _reload(play: Play, at: Contact, span: Span) -> None:
    play.reload(_daemon(at))


def _step_clock(by_ms: int) -> Act:
    def act(play: Play, at: Contact, span: Span) -> None:
        play.processes[_daemon(at)].clock.skew_ms += by_ms

    return act


def _spoil(play: Play, at: Contact, span: Span) -> None:
    for key in list(play.redis.values):
        play.redis.put(key, [key, 7.5])


def _flush(play: Play, at: Contact, span: Span) -> None:
    play.redis.flush()


def _take_lease(play: Play, at: Contact, span: Span) -> None:
    play.steal_lease(ttl_s=LEASE_S)


def _stick_lease(play: Play, at: Contact, span: Span) -> None:
    play.steal_lease(ttl_s=0)


def _free_lease(play: Play, at: Contact, span: Span) -> None:
    play.free_lease()


def _redis_away(play: Play, at: Contact, span: Span) -> None:
    play.redis.down = True


def _redis_back(play: Play, at: Contact, span: Span) -> None:
    play.redis.down = False


def _cut_streams(play: Play, at: Contact, span: Span) -> None:
    play.cut_streams(refused=bool(span.seconds))


def _accept_streams(play: Play, at: Contact, span: Span) -> None:
    play.accept_streams()


def _silence_streams(play: Play, at: Contact, span: Span) -> None:
    play.silence_streams()


def _daemon(at: Contact) -> int:
    assert at.daemon is not None
    return at.daemon


def _on(*endpoints: Endpoint) -> Callable[[Contact], bool]:
    names = frozenset(endpoint.name for endpoint in endpoints)
    return lambda contact: contact.topic in names


def _writes(contact: Contact) -> bool:
    return E[contact.topic].is_write


def _signed(contact: Contact) -> bool:
    return E[contact.topic].value.signed


def _refusal(name: str, code: int, at: Callable[[Contact], bool], spans: tuple[Span, ...], **more: Any) -> Fault:
    return Fault(name, Kind.REQUEST, spans, at, "error", {"code": code}, **more)


_PLACES, _CANCELS = _on(E.PLACE_ALGO_ORDER), _on(E.CANCEL_ALGO_ORDER, E.CANCEL_ORDER)
_IN_HAND = "a request in hand when the venue answers again waits for its own time-out, which has grown meanwhile"
_BUDGET = "a refused request is told to wait, and the venue's Retry-After is honoured"

AT_THE_DOOR = (
    Fault("request_lost", Kind.REQUEST, (ONCE, EIGHT, END, CUT), venue="lose_request"),
    Fault("timeout_before", Kind.REQUEST, (ONCE, END), venue="timeout_before", settings={"delay_ms": 9_000},
          later_s=8.0, why=_IN_HAND),
    Fault("executed_late", Kind.REQUEST, (ONCE, EIGHT), _writes, "late_execution", {"delay_ms": 2_500},
          later_s=2.5, why="a request of before may arrive this late"),
    Fault("busy", Kind.REQUEST, (ONCE, EIGHT), venue="busy"),
    Fault("unavailable", Kind.REQUEST, (ONCE, END), venue="unavailable_503"),
    Fault("rate_limited", Kind.REQUEST, (ONCE, EIGHT), venue="rate_limited", settings={"delay_ms": 3_000},
          hinders=True, later_s=5.0, why=_BUDGET),
    _refusal("clock_refused", -1021, _signed, (ONCE, EIGHT)),
    _refusal("crossed", -2021, _PLACES, (ONCE, EIGHT)),
    _refusal("slot_taken", -4130, _PLACES, (ONCE, EIGHT)),
    _refusal("id_taken", -4116, _PLACES, (ONCE, EIGHT), later_s=5.0, order_later_s=60.0,
             why="a stop that rests by the venue's own word is looked for 15 s before it is sent again, a target 60 s"),
    _refusal("no_such_order", -2011, _CANCELS, (ONCE, END)),
    _refusal("not_found", -2013, _on(E.QUERY_ALGO_ORDER), (ONCE, END)),
    Fault("dies_before", Kind.REQUEST, (ONCE,), act=_kill),
    Fault("sleeps_before", Kind.REQUEST, (EIGHT,), act=_suspend, undo=_resume),
    Fault("told_to_stop", Kind.REQUEST, (ONCE,), act=_terminate),
)  # fmt: skip
OF_ANSWERS = (
    Fault("answer_lost", Kind.ANSWER, (ONCE, EIGHT, END), venue="lose_response"),
    Fault("timeout_after", Kind.ANSWER, (ONCE, END), venue="timeout_after", settings={"delay_ms": 9_000},
          later_s=8.0, why=_IN_HAND),
    Fault("unknown", Kind.ANSWER, (ONCE, EIGHT), venue="unknown_503", settings={"executed": True}),
    Fault("html", Kind.ANSWER, (ONCE, END), venue="html"),
    Fault("truncated", Kind.ANSWER, (ONCE,), venue="truncated"),
    Fault("empty_list", Kind.ANSWER, (ONCE, EIGHT, ALL_EIGHT), _on(*LISTS), word="empty"),
    Fault("older", Kind.ANSWER, (ONCE, EIGHT, ALL_EIGHT), _on(*LISTS), word="older", stale_ms=15_000),
    Fault("dies_after", Kind.ANSWER, (ONCE,), act=_kill),
)  # fmt: skip
OF_EVENTS = (
    Fault("event_lost", Kind.EVENT, (ONCE, END), word="lost"),
    Fault("event_late", Kind.EVENT, (ONCE, END), word="late"),
    Fault("event_doubled", Kind.EVENT, (ONCE, END), word="doubled"),
    Fault("stream_cut", Kind.EVENT, (ONCE,), word="cut"),
    Fault("stream_deaf", Kind.EVENT, (ONCE,), word="deaf"),
)
OF_REDIS = (
    Fault("redis_down", Kind.REDIS, (ONCE, EIGHT, END), word="down"),
    Fault("redis_hung", Kind.REDIS, (ONCE, END), word="hung"),
    Fault("redis_answer_lost", Kind.REDIS, (ONCE, EIGHT), word="lost"),
    Fault("redis_flushed", Kind.REDIS, (ONCE,), act=_flush),
    Fault("redis_spoiled", Kind.REDIS, (ONCE,), act=_spoil),
    Fault("lease_taken", Kind.REDIS, (ONCE,), act=_take_lease),
    Fault("lease_stuck", Kind.REDIS, (END,), act=_stick_lease, undo=_free_lease),
)
OF_THE_WORLD = (
    Fault("all_streams_cut", Kind.MOMENT, (ONCE, EIGHT, END), act=_cut_streams, undo=_accept_streams),
    Fault("all_streams_dead", Kind.MOMENT, (ONCE,), act=_silence_streams),
    Fault("redis_away", Kind.MOMENT, (EIGHT, END), act=_redis_away, undo=_redis_back),
)
OF_PROCESSES = (
    Fault("killed", Kind.PROCESS, (ONCE, END), act=_kill, undo=_restart),
    Fault("suspended", Kind.PROCESS, (EIGHT, END), act=_suspend, undo=_resume),
    Fault("reloaded", Kind.PROCESS, (ONCE,), act=_reload),
    Fault("clock_ahead", Kind.PROCESS, (ONCE,), act=_step_clock(120_000), stale_ms=CLOCK_MS),
    Fault("clock_behind", Kind.PROCESS, (ONCE,), act=_step_clock(-3_000), stale_ms=CLOCK_MS),
    Fault("stopped", Kind.PROCESS, (ONCE, END), act=_terminate, undo=_restart),
)
FAULTS = {
    fault.name: fault for fault in (*AT_THE_DOOR, *OF_ANSWERS, *OF_EVENTS, *OF_REDIS, *OF_THE_WORLD, *OF_PROCESSES)
}


def possible(contact: Contact) -> list[tuple[Fault, Span]]:
    """What can be put at a contact, in a stable order."""
    here = [fault for fault in FAULTS.values() if fault.kind is contact.kind and fault.at(contact)]
    return [(fault, span) for fault in here for span in fault.spans]
