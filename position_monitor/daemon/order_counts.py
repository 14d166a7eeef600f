"""How many orders of ours the venue took since this process began: by policy, role and reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from position_monitor.core.model.actions import Action, Cancel, Close, Place
from position_monitor.core.publication.state import OrderCount

KINDS_MAX = 200
"""Kinds that are counted apart; there are about sixty. Whatever comes beyond that is counted as one."""
OTHERS = ("", "", "others")


@dataclass(slots=True)
class OrderCounts:
    """Counts by policy, role and reason. Lost on restart."""

    _counts: Counter[tuple[str, str, str]] = field(default_factory=Counter, init=False)

    def accepted(self, action: Action, policy: str) -> None:
        """The venue took an order, or a removal, of a position that this policy exits."""
        match action:
            case Place(order, _):
                kind = (policy, str(order.role), f"placed, level from {order.source}")
            case Cancel(order, _, reason, _):
                kind = (policy, str(order.role), f"removed, {reason}")
            case Close():
                kind = (policy, "close", "closed at market")
        self._counts[kind if kind in self._counts or len(self._counts) < KINDS_MAX else OTHERS] += 1

    @property
    def rows(self) -> tuple[OrderCount, ...]:
        """The counts, the largest first."""
        largest_first = sorted(self._counts.items(), key=lambda row: (-row[1], row[0]))
        return tuple(OrderCount(*kind, count=count) for kind, count in largest_first)
