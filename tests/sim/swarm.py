"""Which faults a seed meets, and how often: a different subset each time, so that combinations differ."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from position_monitor.paper.engine import Engine
from tests.sim.powers import Power, all_powers

ALL_POWERS = all_powers()
VENUE_FAULTS: dict[str, dict[str, Any]] = {
    "lose_request": {},
    "lose_response": {},
    "timeout_before": {"delay_ms": 9_000},
    "timeout_after": {"delay_ms": 9_000},
    "late_execution": {"delay_ms": 2_500, "method": "POST"},
    "latency": {"delay_ms": 1_500},
    "unknown_503": {"executed": True},
    "unavailable_503": {},
    "internal_503": {},
    "busy": {},
    "unexpected": {"executed": True},
    "backend_timeout": {"executed": False},
    "html": {},
    "empty": {},
    "empty_object": {},
    "null": {},
    "truncated": {},
    "code_zero": {},
    "false_flat": {},
    "shrunken_positions": {"keep": 1},
    "empty_orders": {},
    "stale_reads": {"delay_ms": 2_000},
    "delayed_listing": {"delay_ms": 6_000},
    "late_reject": {"delay_ms": 400},
    "late_expire": {"delay_ms": 800},
    "stuck_triggering": {},
    "child_rejected": {},
    "child_partial": {"fraction": "0.4"},
    "vanish": {"delay_ms": 3_000},
}
RARE = {"rate_limited": {"delay_ms": 3_000}, "bad_key": {}}
HOST_FAULTS = (
    "crash",
    "second_daemon",
    "redis_down",
    "redis_hung",
    "redis_flushed",
    "lease_evicted",
    "clock_step",
    "suspend",
    "clock_skew",
    "filter_change",
    "mode_flip",
    "ai_advice",
)
STREAM_RATES: dict[str, tuple[float, ...]] = {
    "stream_lost": (0.03, 0.2, 0.6),
    "stream_late": (0.03, 0.2, 0.6),
    "stream_duplicated": (0.05, 0.3),
    "stream_reordered": (0.1, 0.5),
    "stream_garbage": (0.02, 0.2),
}
"""Faults of single messages of the venue's streams, with the rates they may have."""
STREAM_EPISODES = ("stream_lag", "stream_deaf", "stream_dead", "stream_cut", "stream_refused", "stream_flood")
STREAM_EPISODES += ("stream_key_lost",)
"""Faults of a whole connection, which come and go."""
CLEAR = frozenset(
    {"late_execution", "late_reject", "late_expire", "stuck_triggering", "child_rejected", "child_partial"}
)
CLEAR |= {"vanish"}
"""Venue faults that neither spoil a read nor make it wrong."""
GENTLE = frozenset({"redis_down", "redis_hung", "redis_flushed", "lease_evicted", "ai_advice"})
"""Faults of the host that must not delay protection at all (invariants 9 and 12)."""
LATER_S: dict[str, tuple[float, str]] = {
    "late_execution": (2.5, "a request of before may arrive this late"),
    "late_expire": (1.0, "orders accepted before still expire"),
    "vanish": (
        18.0,
        "orders accepted before still vanish, and one that a refusal proved live is sent again after 15 s",
    ),
    "rate_limited": (5.0, "the venue's Retry-After is honoured"),
    "stuck_triggering": (15.0, "a triggering stop gets triggering_grace_s, then the close needs agreeing reads"),
    "mode_flip": (60.0, "without an open position the position mode is read once a minute"),
    "filter_change": (60.0, "trading rules are read again at most once a minute"),
}
"""Faults whose consequences outlive them: seconds beyond two check intervals that convergence may take, and why."""
RATES = (0.01, 0.03, 0.08, 0.2)
THRIFTY_S = 13.0
"""How long a lost change of orders may go unseen, beyond two checks, where quiet lists are read rarely."""
HEARD_S = 1.0
"""Where nothing fails and the stream delivers, no position is without its stop for longer than this."""


@dataclass
class Swarm:
    """The faults of one seed."""

    venue: dict[str, float] = field(default_factory=dict)
    host: tuple[str, ...] = ()
    stream: dict[str, float] | None = None
    """Faults of the streams, with the rate of those that meet single messages; None: there is no stream at all."""
    marks: bool = False
    """Whether there is a stream of mark prices too."""
    thrifty: bool = False
    """Whether quiet order lists are read as seldom as the daemon does, and by sweeps; else in every cycle."""
    judges: tuple[str, ...] = ()
    """Judges whose verdicts count although they still await a mend (`judges.AWAITING`)."""
    silenced: tuple[str, ...] = ()
    """Judges that do not speak, because who plays judges the same with what it grants by name."""

    @classmethod
    def drawn_for(cls, seed: int, rng: random.Random) -> Swarm:
        """What `drawn` gives, and the powers of this seed, drawn apart: a new power leaves the other seeds alone."""
        swarm = cls.drawn(rng)
        if not (swarm.venue or swarm.host or swarm.stream):
            return swarm
        apart, powers = random.Random(0), []
        for name, one in ALL_POWERS.items():
            apart.seed(f"{name}:{seed}")
            if apart.random() < one.chance:
                powers.append(name)
        swarm.host = (*swarm.host, *powers)
        return swarm

    @property
    def powers(self) -> tuple[Power, ...]:
        """The powers among what happens to the host."""
        return tuple(ALL_POWERS[name] for name in self.host if name in ALL_POWERS)

    @classmethod
    def drawn(cls, rng: random.Random) -> Swarm:
        """About a third of all kinds; one seed in ten is fault-free, two in five have no stream."""
        quiet = rng.random() < 0.1
        venue = {name: rng.choice(RATES) for name in VENUE_FAULTS if rng.random() < 0.3}
        venue |= {name: 0.002 for name in RARE if rng.random() < 0.1}
        host = tuple(name for name in HOST_FAULTS if rng.random() < 0.25)
        stream = None if rng.random() < 0.4 else cls._stream_drawn(rng)
        if stream is None:
            return cls() if quiet else cls(venue, host)
        marks, thrifty = rng.random() < 0.6, rng.random() < 0.25
        return cls({}, (), {}, marks, thrifty) if quiet else cls(venue, host, stream, marks, thrifty)

    @staticmethod
    def _stream_drawn(rng: random.Random) -> dict[str, float]:
        """A good stream, or one with about a third of all kinds."""
        if rng.random() < 0.2:
            return {}
        stream = {name: rng.choice(rates) for name, rates in STREAM_RATES.items() if rng.random() < 0.35}
        return stream | {name: 1.0 for name in STREAM_EPISODES if rng.random() < 0.25}

    def switch_on(self, engine: Engine) -> None:
        for name, rate in self.venue.items():
            engine.add_fault(name, probability=rate, **(VENUE_FAULTS | RARE)[name])

    @property
    def stale_ms(self) -> int:
        """How old answers may be under these faults."""
        return max([2_100 if "stale_reads" in self.venue else 0, *(one.stale_ms for one in self.powers)])

    @property
    def other_exits(self) -> bool:
        """Whether another exit policy than the default one is live at some time."""
        return any(one.other_exits for one in self.powers)

    @property
    def switches_exits(self) -> bool:
        """Whether the exit policy changes in mid-run."""
        return any(one.switches_exits for one in self.powers)

    @property
    def foggy(self) -> bool:
        """Whether reads may be wrong or fail, so that nothing follows from what the daemon asked."""
        return not CLEAR.issuperset(self.venue) or any(one.foggy for one in self.powers)

    @property
    def gentle(self) -> bool:
        """Whether nothing is met that keeps a daemon from protecting a position within two cycles."""
        gentle = GENTLE | {one.name for one in self.powers if one.gentle}
        return not self.venue and gentle.issuperset(self.host)

    def prompt_s(self, interval_s: float) -> float:
        """Seconds within which a position must be covered where nothing hinders the daemon (`gentle`)."""
        if self.stream == {} and not self.host:
            return HEARD_S
        return 2 * interval_s + self._unread_s

    @property
    def _unread_s(self) -> float:
        """How long a change of orders may go unseen when its event is lost."""
        return THRIFTY_S if self.thrifty and self.stream else 0.0

    def settle_s(self, interval_s: float) -> float:
        """Seconds after the faults stop within which everything must be covered: two cycles, and what outlives them."""
        met = {*self.venue, *self.host}
        later_s = max((seconds for name, (seconds, _) in LATER_S.items() if name in met), default=0.0)
        later_s = max([later_s, *(one.later_s for one in self.powers)])
        return 2 * interval_s + max(later_s, self._unread_s)
