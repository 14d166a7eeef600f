"""What a cycle says when it ended, and what it leaves to be looked at again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from position_monitor.core.book.desired_book import WantedOrders
from position_monitor.core.decision.decide import Decision
from position_monitor.core.decision.history import History
from position_monitor.core.decision.risk import AccountRisk
from position_monitor.core.evidence.evidence import Belief, Evidence
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.events import Event
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.needs import BLIND_READS, Fact
from position_monitor.core.observation.reads import SymbolObservation
from position_monitor.daemon import removal

SETTLED = (Verdict.PROTECTED, Verdict.STOP_ONLY, Verdict.UNMANAGED)
"""Verdicts that call for no further look."""


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


def not_settled(decision: Decision, history: History, evidence: Evidence, *, reads: int) -> frozenset[str]:
    """Symbols that wait for something to be read back, or whose protection is not what it should be.

    `reads`: in how many reads another's stop must rest before ours may give way to it.
    """
    open_plans = {symbol for symbol, plan in decision.plans.items() if not plan.empty or plan.held}
    troubled = {key.symbol for key, track in history.tracks.items() if track.verdict not in SETTLED}
    others = {key.symbol for key, wanted in decision.wanted.items() if _proves_others(wanted, evidence.of(key), reads)}
    return frozenset(open_plans | troubled | others | {symbol for symbol, _ in evidence.awaited})


def _proves_others(wanted: WantedOrders, belief: Belief | None, reads: int) -> bool:
    """Whether ours may give way to another's stop as soon as that was read more often (`yield_to_foreign_stop`)."""
    if belief is None or not wanted.facts.settings.yield_to_foreign_stop or not wanted.facts.live.guarding:
        return False
    return any(count < reads for count in belief.foreign_reads.values())


def is_suspicious(decision: Decision | None, history: History, evidence: Evidence, now_ms: int) -> bool:
    """Whether a look soon is worthwhile; without a decision, because the positions could not be read, it always is."""
    if decision is None:
        return True
    unknown = any(track.verdict is Verdict.UNKNOWN for track in history.tracks.values())
    absent = any(belief.absent_reads or belief.present_reads == 1 for belief in evidence.keys.values())
    hopeless = evidence.hopeless(now_ms)
    exposed = any(judged.exposed and key not in hopeless for key, judged in decision.judgements.items())
    symbols = {key.symbol for key in hopeless}
    awaited = any(symbol not in symbols for symbol, _ in evidence.awaited)
    makes_room = any(removal.is_take_profit(one) for plan in decision.plans.values() for one in plan.cancels)
    return absent or exposed or unknown or awaited or makes_room


def unseen(unread: Mapping[str, str], evidence: Evidence) -> str:
    """Positions there may be that no read shows, with the reason of each; empty when the account is known whole.

    Rows that were malformed (`unread`, by symbol), and positions that an event says are open while no read lists them.
    """
    malformed = [f"{symbol}: {why}" for symbol, why in sorted(unread.items())]
    keys = evidence.keys
    unlisted = [f"{key}: opened by an event, no read lists it yet" for key in sorted(keys) if keys[key].unconfirmed]
    return "; ".join((*malformed, *unlisted))


def half_blind(symbols: Mapping[str, SymbolObservation], evidence: Evidence) -> set[str]:
    """Symbols whose conditional orders could not be read once: a second look decides about a stop without them."""
    return {
        symbol
        for symbol, observation in symbols.items()
        if Fact.CONDITIONAL_ORDERS in observation.unread
        for position in observation.positions
        if (belief := evidence.of(position.key)) is not None and belief.blind_reads < BLIND_READS
    }
