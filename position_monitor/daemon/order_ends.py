"""What became of orders of ours that rested, told once each: filled, or gone while the position stays.

An order that ends with its position is no news, and whether it did is only clear at the next read of the position. So
an end without a fill waits for that read. A removal of our own is no news either; it is noted before it is sent,
because the venue's event may come before its answer. Bounded; lost on restart, when nothing of before is told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from position_monitor.core.decision.verdict import Judgement
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.events import Event
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.publication.order_ends import OrderEnd, filled, vanished
from position_monitor.daemon.outbox import Outbox
from position_monitor.edge.clock import Clock

KEPT_MAX = 2_000
"""Orders remembered; beyond that the oldest are forgotten."""
_OPEN = frozenset({Verdict.PROTECTED, Verdict.STOP_ONLY, Verdict.UNDERCOVERED, Verdict.NAKED})


@dataclass(slots=True)
class OrderEnds:
    """Remembers which ends were told of, and which wait to be understood."""

    outbox: Outbox
    clock: Clock
    _settled: dict[str, None] = field(default_factory=dict, init=False)
    """Client ids whose end was told, or is our own doing."""
    _waiting: dict[str, tuple[OrderEnd, int]] = field(default_factory=dict, init=False)
    """Ends without a fill, and when they were heard."""

    def being_removed(self, client_id: str) -> None:
        """This process is about to remove an order."""
        self._settle(client_id)

    def stays(self, client_id: str) -> None:
        """An order rests: it was just placed, or the venue refused to remove it. Its end will be news."""
        self._settled.pop(client_id, None)

    def ended(self, end: OrderEnd) -> None:
        """The venue said how an order ended."""
        if end.client_id in self._settled:
            return
        if end.filled:
            self._settle(end.client_id)
            self.outbox.add([filled(end)])
        elif end.client_id not in self._waiting and len(self._waiting) < KEPT_MAX:
            self._waiting[end.client_id] = (end, self.clock.now_ms())

    def is_news(self, event: Event) -> bool:
        """Whether the fill that an event tells of was not told yet; from now on it counts as told."""
        client_id = str((event.details or {}).get("client_id", ""))
        if client_id in self._settled:
            return False
        self._settle(client_id)
        return True

    def look_ended(
        self, judgements: Mapping[PositionKey, Judgement], evidence: Evidence, *, read_at_ms: int
    ) -> list[Event]:
        """The events of orders that went while their position stayed, as a look shows it.

        `read_at_ms`: when it asked for the positions.
        """
        if not self._waiting:
            return []
        events: list[Event] = []
        for client_id, (end, heard_at_ms) in list(self._waiting.items()):
            judged, belief = judgements.get(end.key), evidence.of(end.key)
            if judged is None or belief is None or judged.verdict not in _OPEN or read_at_ms < heard_at_ms:
                continue
            del self._waiting[client_id]
            if client_id not in self._settled:
                self._settle(client_id)
                events += [vanished(end, self.clock.now_ms())] if belief.epoch == end.tag.epoch else []
        return events

    def cycle_ended(self, tracks: Collection[PositionKey]) -> None:
        """Orders of positions that are proven flat ended with them, which is no news."""
        for client_id, (end, _) in list(self._waiting.items()) if self._waiting else ():
            if end.key not in tracks:
                del self._waiting[client_id]

    def _settle(self, client_id: str) -> None:
        self._settled.pop(client_id, None)
        self._settled[client_id] = None
        if len(self._settled) > KEPT_MAX:
            del self._settled[next(iter(self._settled))]
