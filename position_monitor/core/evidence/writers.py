"""Signs of a second writer (invariant 9): orders with our prefix that this process did not write.

Two daemons that cannot hear of each other, each with a Redis of its own, both believe to be the owner. What they write
tells them. An order is a sign when all of this holds:

1. its client id is none that this process sent;
2. it is none of the orders that rested when this process began to write, and the venue says that it was created after
   that moment, and after whatever a predecessor may have had under way;
3. this process is no standby: then the owner's orders are expected;
4. it is no order that the venue itself made when a conditional order triggered. In the paper exchange that one has the
   client id of the conditional order, an order id of its own and the time of the trigger (the live exchange was not
   asked). Its type is MARKET, and no daemon rests an order of that type.

A process begins to write when it starts, and anew when it stops standing by or takes the lease. After a sign it is
careful for a bounded time, which grows when the signs return: two daemons that take turns must not fight for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from position_monitor.core.model.orders import LiveOrder, Purpose
from position_monitor.core.observation.reads import SymbolObservation

UNDER_WAY_MS = 6_000
"""A request that was sent may take effect this much later (the venue refuses what is older than 5 s)."""
CAREFUL_MS = 120_000
CAREFUL_MAX_MS = 1_800_000
CALM_MS = 3_600_000
"""Signs further apart than this have nothing to do with each other."""
TELL_EVERY_MS = 60_000
IDS_MAX = 4_096
"""Ids remembered; the oldest that do not rest any more go first."""


@dataclass(frozen=True, slots=True)
class Writers:
    """What is known about who writes orders with our prefix."""

    accounted: Mapping[str, None] = field(default_factory=dict)
    """Client ids this process sent, and order ids of others that were met, oldest first. An order of another hand is
    known by its order id: its client id comes back whenever that hand places it again."""
    counts_from_ms: int = 0
    """Venue time from which orders of others are signs; 0 as long as all that rests is taken for ours."""
    signed_at_ms: int = 0
    """When the last sign was seen; 0 for never."""
    sign: str = ""
    """What the last sign was, in words."""
    alarms: int = 0
    """How often in a row signs began."""
    announced_at_ms: int = 0

    def suspected(self, now_ms: int) -> bool:
        """Whether a second writer may be at work. A stepped clock may end this early and never prolongs it."""
        return self.signed_at_ms > 0 and abs(now_ms - self.signed_at_ms) < self.careful_ms

    @property
    def careful_ms(self) -> int:
        """For how long after a sign this process is careful."""
        return min(CAREFUL_MAX_MS, CAREFUL_MS << min(10, max(0, self.alarms - 1)))


def beginning(writers: Writers) -> Writers:
    """This process begins to write anew, or stands by: until `begun`, whatever rests is accounted for."""
    return writers if not writers.counts_from_ms else replace(writers, counts_from_ms=0, signed_at_ms=0, sign="")


def begun(writers: Writers, venue_now_ms: int, *, others_until_ms: int = 0) -> Writers:
    """A complete look has accounted for what rests. `others_until_ms`: how much longer an earlier owner may write."""
    return replace(writers, counts_from_ms=venue_now_ms + UNDER_WAY_MS + others_until_ms)


def after_sending(writers: Writers, client_id: str, resting: Iterable[str]) -> Writers:
    """This process sent an order, whatever became of it. `resting`: ids of ours that rest; they are not forgotten."""
    if client_id in writers.accounted:
        return writers
    return replace(writers, accounted=_with(writers.accounted, [client_id], resting))


def after_listing(
    writers: Writers,
    observation: SymbolObservation,
    awaited: Collection[tuple[str, str]],
    resting: Iterable[str],
    now_ms: int,
) -> tuple[Writers, LiveOrder | None]:
    """Take in the orders of one symbol as they were read; gives a sign that is to be told, if there is one.

    `awaited`: (symbol, client id) of the orders this process sent that were not read back yet.
    """
    accounted = writers.accounted
    owned = [own for live in observation.live.by_position.values() for own in live.owned]
    new = [order for order in owned if order.client_id not in accounted and order.order_id not in accounted]
    if not new:
        return writers, None
    ours = [order.client_id for order in new if (order.symbol, order.client_id) in awaited]
    others = [order for order in new if (order.symbol, order.client_id) not in awaited]
    ids = [*ours, *(order.order_id for order in others)]
    writers = replace(writers, accounted=_with(accounted, ids, resting))
    written = [order for order in others if order.conditional or order.purpose is not Purpose.MARKET]
    signs = [order for order in written if 0 < writers.counts_from_ms < order.created_at_ms]
    return _alarmed(writers, signs[-1], now_ms) if signs else (writers, None)


def _alarmed(writers: Writers, sign: LiveOrder, now_ms: int) -> tuple[Writers, LiveOrder | None]:
    again = writers.suspected(now_ms)
    recent = writers.signed_at_ms > 0 and abs(now_ms - writers.signed_at_ms) < CALM_MS
    repeated = again and abs(now_ms - writers.announced_at_ms) < TELL_EVERY_MS
    alarmed = replace(
        writers,
        signed_at_ms=now_ms,
        sign=f"{sign.symbol} {sign.client_id}",
        alarms=writers.alarms if again else (writers.alarms + 1 if recent else 1),
        announced_at_ms=writers.announced_at_ms if repeated else now_ms,
    )
    return alarmed, None if repeated else sign


def _with(accounted: Mapping[str, None], new: list[str], resting: Iterable[str]) -> Mapping[str, None]:
    """The ids with some more; when there are too many, the older half of those that do not rest is forgotten."""
    ids = {**accounted, **dict.fromkeys(new)}
    if len(ids) <= IDS_MAX:
        return ids
    kept = {*resting, *new}
    gone = set(islice((one for one in ids if one not in kept), len(ids) // 2))
    return {one: None for one in ids if one not in gone}
