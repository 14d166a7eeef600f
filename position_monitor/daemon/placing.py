"""The first part of a round: what is missing is sent (invariant 3).

Stops of all positions go first, side by side, the riskiest first; then closes; then take-profits, which wait for the
next round while it is open what became of a stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from position_monitor.core.decision.decide import Decision
from position_monitor.core.evidence.outcome import Outcome, Sent
from position_monitor.core.model.actions import Action, Close, Place
from position_monitor.core.model.positions import Position
from position_monitor.core.model.refusal import Refusal
from position_monitor.core.observation.reads import SymbolObservation
from position_monitor.daemon.desk import Desk
from position_monitor.edge.reading.observer import Observer
from position_monitor.edge.reading.pending_reads import arrive


@dataclass(frozen=True, slots=True)
class SentRound:
    """What became of one group of writes."""

    touched: frozenset[str] = frozenset()
    """Symbols whose books may have changed."""
    turned_away: frozenset[str] = frozenset()
    """Symbols of which something should be sent again in a moment."""
    settled: bool = True
    """Everything was accepted, or refused for good."""

    def __or__(self, other: SentRound) -> SentRound:
        both = self.settled and other.settled
        return SentRound(self.touched | other.touched, self.turned_away | other.turned_away, both)


NOTHING_SENT = SentRound()


@dataclass(slots=True)
class Placing:
    """The sending of one cycle, round after round."""

    desk: Desk
    observer: Observer
    refused: set[str] = field(default_factory=set, init=False)
    """Client ids the venue refused for good: they are not sent again within the cycle."""

    async def round(self, observed: Mapping[str, SymbolObservation], decision: Decision, *, closing: bool) -> SentRound:
        """Send what the plans place, and with `closing` what they close. Raises nothing the exchange can cause."""
        plans = decision.plans.values()
        stops = [place for plan in plans for place in plan.stops if place.order.client_id not in self.refused]
        closes = [close for plan in plans for close in plan.closes] if closing else []
        targets = [place for plan in plans for place in plan.take_profits if place.order.client_id not in self.refused]
        actions: list[Place | Close] = [*stops, *closes, *targets]
        if any(not self.desk.is_failing(action) for action in actions):
            self.desk.introductions.begin_round(len(decision.judgements))
        stops.sort(key=lambda place: _risk(decision.judgements[place.key].position))
        for key in dict.fromkeys(place.key for place in stops if not self.desk.is_failing(place)):
            if decision.judgements[key].exposed:
                self.desk.introductions.by_look(decision.judgements[key].position)
        result = await self._send_all(stops, observed)
        result |= await self._send_all(closes, observed)
        result |= await self._send_all(targets, observed) if result.settled else NOTHING_SENT
        self.desk.taken.tell()
        return result

    async def _send_all(self, actions: Sequence[Place | Close], observed: Mapping[str, SymbolObservation]) -> SentRound:
        """Send side by side. One whose answer does not come holds up nobody: what became of it is learned when it does,
        and until then it counts as written and not read back."""
        if not actions:
            return NOTHING_SENT
        sending = [asyncio.ensure_future(self._send(action, observed[_symbol(action)])) for action in actions]
        await arrive(sending)
        late = {task: action for task, action in zip(sending, actions, strict=True) if not task.done()}
        self.desk.keep(late)
        outcomes = [task.result() for task in sending if task.done()]
        touched = {_symbol(o.action) for o in outcomes if o.sent is not Sent.NOT_SENT}
        return SentRound(
            frozenset(touched | {_symbol(action) for action in late.values()}),
            frozenset(_symbol(o.action) for o in outcomes if o.turned_away),
            not late and all(o.sent is Sent.ACCEPTED or _is_final(o) for o in outcomes),
        )

    async def _send(self, action: Place | Close, observation: SymbolObservation) -> Outcome:
        outcome = await self.desk.send(action, observation)
        self.desk.memory.write_ended(outcome)
        if outcome.refusal is Refusal.CAPACITY:
            self.observer.sweep_soon()
        if _is_final(outcome) and isinstance(outcome.action, Place):
            self.refused.add(outcome.action.order.client_id)
        return outcome


def _is_final(outcome: Outcome) -> bool:
    """Whether to send the same again in this cycle is pointless: refused, held by the guard, or over the budget."""
    return outcome.sent is Sent.REFUSED or (outcome.sent is Sent.NOT_SENT and not outcome.turned_away)


def _symbol(action: Action) -> str:
    return action.key.symbol if isinstance(action, Close) else action.order.symbol


def _risk(position: Position) -> tuple[float, str]:
    """Sort key: the largest notional nearest to its liquidation first."""
    room = 1.0
    if position.liquidation_price is not None and position.mark_price > 0:
        room = float(abs(position.mark_price - position.liquidation_price) / position.mark_price)
    return (-float(position.notional) / max(room, 0.001), str(position.key))
