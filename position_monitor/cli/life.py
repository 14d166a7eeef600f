"""The life of a position from two streams: the events, and the records of closed positions (`P:exits`).

The records are the exchange's own fills, so they tell of what happened before the daemon ran; the events say what this
program did and why. What both tell of stands there once, from the event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from position_monitor.cli.asked_position import AskedPosition
from position_monitor.cli.event_words import DAEMON, LOOK, OTHER, PLAIN, TRADER, VENUE, Telling, telling
from position_monitor.cli.status_table import number
from position_monitor.core.performance.reasons import FillRole
from position_monitor.core.performance.record import Record, RecordFill
from position_monitor.edge.redis.event_stream import StreamedEvent

_FILLS: Final = frozenset({"StopFired", "TakeProfitFilled", "EmergencyClose"})
_ACTORS: Final = {
    FillRole.BACKSTOP: VENUE,
    FillRole.WORKING_STOP: VENUE,
    FillRole.TAKE_PROFIT: VENUE,
    FillRole.CLOSE: DAEMON,
    FillRole.FORCED: VENUE,
    FillRole.EXTERNAL: OTHER,
}


class Moment(NamedTuple):
    """One thing that happened in a life."""

    at_ms: int
    symbol: str
    side: str
    kind: str
    """The event's type, or `Fill` and `Closed` of a record."""
    telling: Telling


def life_of(asked: AskedPosition, events: Sequence[StreamedEvent], records: Iterable[Record]) -> list[Moment]:
    """Everything about the position, oldest first."""
    about = [event for event in events if asked.covers(event.symbol, event.side)]
    about += [event for event in events if event.symbol == asked.symbol and not event.side]
    moments = [
        Moment(at_ms=event.at_ms, symbol=event.symbol, side=event.side, kind=event.type, telling=telling(event))
        for event in sorted(about, key=lambda event: event.at_ms)
    ]
    filled = {str(event.details.get("client_id")) for event in about if event.type in _FILLS}
    final = {str(event.details.get("record_id")) for event in about if event.type == "RecordFinal"}
    for record in records:
        if asked.covers(record.key.symbol, record.key.side):
            moments += _of_record(record, filled, closed_by_event=record.record_id in final)
    return sorted(moments, key=lambda moment: moment.at_ms)


def _of_record(record: Record, filled: set[str], *, closed_by_event: bool) -> Iterator[Moment]:
    symbol, side = record.key.symbol, record.key.side.value
    for fill in record.fills:
        if fill.opens or fill.client_id not in filled:
            yield Moment(at_ms=fill.at_ms, symbol=symbol, side=side, kind="Fill", telling=_fill(fill))
    if not closed_by_event:
        yield Moment(at_ms=record.closed_at_ms, symbol=symbol, side=side, kind="Closed", telling=_result(record))


def _fill(fill: RecordFill) -> Telling:
    size = f"{number(fill.quantity)} @ {number(fill.price)}"
    if fill.opens:
        return Telling(PLAIN, TRADER, f"bought or sold to open: {size}")
    slip = f", {fill.slippage_bps:+.1f} bps against us" if fill.slippage_bps else ""
    level = f", level from {fill.source}" if fill.source else ""
    actor = _ACTORS.get(FillRole(fill.role), VENUE) if fill.role in tuple(FillRole) else VENUE
    mark = LOOK if actor == OTHER else PLAIN
    return Telling(mark, actor, f"{fill.reason or fill.role} closed {size}{slip}{level}", fill.client_id)


def _result(record: Record) -> Telling:
    money, net_r = record.money, record.net_r
    net = "not known" if money.net is None else f"{number(money.net)} {money.asset}"
    in_r = "" if net_r is None else f" ({net_r:+.2f} R)"
    status = "" if record.final else ", provisional"
    return Telling(PLAIN, VENUE, f"closed by {record.reason}: net {net}{in_r}{status}")
