"""What events make of the last observation: the ground of the fast path and of nothing else (DESIGN 3).

A position that was just opened has no stop until somebody looks, and a look takes two round trips. The event that tells
of it is enough to place the stop: the venue sizes the backstop itself, so an event that is wrong costs an order that
can only reduce. It is enough for nothing else. No verdict, no removal and no take-profit ever follows from what is
built here; the read that every event asks for comes right after.

The stop is made by the same policy, planner and ids as in a cycle, from an observation in which the position is the
event's. What an event does not say is taken from the last read: the orders less those reported as ended, the
liquidation price of a position that only grew. A price of the mark comes from the mark stream, else from that read,
else the entry stands for it; so it does for a position that was opened after that mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from position_monitor.core.decision.decide import decide_symbol
from position_monitor.core.decision.rules import Rules
from position_monitor.core.decision.symbol_inputs import SymbolInputs
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.learning import after_open_event
from position_monitor.core.model.actions import Mode, Place
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.orders import LiveOrder, OrderStatus, WorkingType
from position_monitor.core.model.outside import Advice
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.observation.reads import SymbolObservation
from position_monitor.core.observation.stream_events import AlgoEvent, MarkPrice, PositionEvent

ORDERS_REMEMBERED_MAX = 500
"""Changed orders of one symbol remembered between two reads; beyond that the events of orders are left to the reads."""


@dataclass(frozen=True, slots=True)
class SinceRead:
    """What the stream said about one symbol since it was last read."""

    positions: Mapping[Side | None, PositionEvent] = field(default_factory=dict)
    """The latest of each leg; under None that of an account in one-way mode."""
    flat: frozenset[PositionKey] = frozenset()
    """Positions that were reported flat, though they may have been opened again."""
    orders: Mapping[str, OrderStatus] = field(default_factory=dict)
    """The latest status of each conditional order, by client id."""


def after_position(since: SinceRead, event: PositionEvent, last: SymbolObservation | None) -> SinceRead | None:
    """Take one position event in; None when it says nothing newer than what is known."""
    latest = since.positions.get(event.leg)
    if latest is not None and (event.at_ms < latest.at_ms or event == latest):
        return None
    key = event.key
    read = last.position(key) if last is not None and key is not None else None
    if read is not None and event.at_ms <= read.updated_at_ms and read.quantity == abs(event.amount):
        return None
    return replace(
        since,
        positions={**since.positions, event.leg: event},
        flat=since.flat | ended_by(event),
    )


def after_order(since: SinceRead, event: AlgoEvent) -> SinceRead:
    """Take the event of a conditional order in."""
    if not event.client_id or (len(since.orders) >= ORDERS_REMEMBERED_MAX and event.client_id not in since.orders):
        return since
    return replace(since, orders={**since.orders, event.client_id: event.status})


def ended_by(event: PositionEvent) -> frozenset[PositionKey]:
    """The positions that cannot be open when this event is true."""
    if event.leg is not None:
        return frozenset({PositionKey(event.symbol, event.leg)} if event.amount == 0 else ())
    return frozenset(PositionKey(event.symbol, side) for side in Side if event.amount == 0 or side is not event.side)


def quantity_before(last: SymbolObservation | None, since: SinceRead, key: PositionKey) -> Decimal:
    """The size a position had as far as known: by its last event, else by the last read, else none."""
    legs = (None, key.side)
    event = max((since.positions[leg] for leg in legs if leg in since.positions), key=_age, default=None)
    if event is not None:
        return abs(event.amount) if event.key == key else Decimal(0)
    read = last.position(key) if last is not None else None
    return read.quantity if read is not None else Decimal(0)


def _age(event: PositionEvent) -> int:
    return event.at_ms


@dataclass(frozen=True, slots=True)
class EventStops:
    """What an event asks for."""

    places: tuple[Place, ...]
    view: SymbolObservation
    """What the places are checked against at the gate. It was not read, and nothing else may follow from it."""
    evidence: Evidence
    """With an epoch for the position."""
    exposed: bool
    """As far as known, nothing covers the whole position now."""


def stops_from_event(
    event: PositionEvent,
    last: SymbolObservation | None,
    since: SinceRead,
    instrument: Instrument | None,
    mark: MarkPrice | None,
    evidence: Evidence,
    rules: Rules,
    advice: Advice | None,
    mode: Mode,
    now_ms: int,
    market: MarketState | None = None,
) -> EventStops:
    """The stops a position needs by its event.

    `event` must be about an open position; `since` includes it. `now_ms` stands for the time of the read.
    """
    key = event.key
    assert key is not None, "Invariant: only an open position gets a stop"
    price = _streamed_price(event=event, key=key, last=last, since=since, mark=mark)
    opened = position_of(event, key, None if key in since.flat else last, price)
    if rules.protection_for(key).working_type is WorkingType.CONTRACT_PRICE:
        opened = replace(opened, last_price=_last_traded(event, key, last, since))
    view = _after_events(last, since, opened, instrument, now_ms=now_ms)
    own = [order for order in view.orders if order.key == key]
    evidence = after_open_event(evidence, opened, own, now_ms)
    decision = decide_symbol(
        SymbolInputs(
            observation=view,
            evidence=evidence,
            rules=rules,
            advice=advice,
            mode=mode,
            rungs={},
            now_ms=now_ms,
            market=market,
        )
    )
    places = tuple(place for place in decision.plans[event.symbol].stops if place.key == key)
    return EventStops(places, view, evidence, exposed=decision.judgements[key].exposed)


def _after_events(
    last: SymbolObservation | None,
    since: SinceRead,
    opened: Position,
    instrument: Instrument | None,
    *,
    now_ms: int,
) -> SymbolObservation:
    """The symbol as the events left it: the position they tell of, and of the last read what they did not end."""
    others = tuple(position for position in (last.positions if last else ()) if _stays(position, opened, since))
    orders = tuple(
        current for order in (last.orders if last else ()) if (current := _order_now(order, since)) is not None
    )
    return SymbolObservation(
        symbol=opened.symbol,
        instrument=instrument,
        positions=(*others, opened),
        zero_keys=frozenset(),
        orders=orders,
        positions_read_at_ms=now_ms,
        orders_read_at_ms=now_ms,
        orders_reused=True,
    )


def mark_moves_a_stop(
    last: SymbolObservation,
    mark: Decimal,
    evidence: Evidence,
    rules: Rules,
    advice: Advice | None,
    mode: Mode,
    now_ms: int,
    market: MarketState | None = None,
) -> bool:
    """Whether stops would be placed if the symbol were as last read but for the price: a reason to look, no more.

    Where the last trade arms the orders, it is taken to have gone where the mark went.
    """
    positions = tuple(_at_mark(position, mark) for position in last.positions)
    view = replace(last, positions=positions, orders_reused=True)
    decision = decide_symbol(
        SymbolInputs(
            observation=view,
            evidence=evidence,
            rules=rules,
            advice=advice,
            mode=mode,
            rungs={},
            now_ms=now_ms,
            market=market,
        )
    )
    return bool(decision.plans[last.symbol].stops)


def _at_mark(position: Position, mark: Decimal) -> Position:
    return replace(position, mark_price=mark, last_price=None if position.last_price is None else mark)


def position_of(
    event: PositionEvent, key: PositionKey, last: SymbolObservation | None, mark: Decimal | None
) -> Position:
    """The position an event tells of. What it does not say is that of `last`, the last read of this same position."""
    before = last.position(key) if last is not None else None
    price = mark or (before.mark_price if before is not None else event.entry_price)
    amount = abs(event.amount)
    gain = (price - event.entry_price) * amount if event.entry_price > 0 else Decimal(0)
    return Position(
        symbol=event.symbol,
        side=key.side,
        quantity=amount,
        entry_price=event.entry_price,
        mark_price=price,
        liquidation_price=before.liquidation_price if before is not None else None,
        unrealized_pnl=gain if key.side is Side.LONG else -gain,
        leverage=before.leverage if before is not None else None,
        hedged=event.leg is not None,
        updated_at_ms=event.at_ms,
    )


def _streamed_price(
    *, event: PositionEvent, key: PositionKey, last: SymbolObservation | None, since: SinceRead, mark: MarkPrice | None
) -> Decimal | None:
    """The streamed mark, unless the position was opened after it: then what it was bought at is the newer price.

    Where the price jumped in between, such a mark would lie beyond the stop of the new position, and anchor it to where
    the price is no more. Where the price has passed the stop after all, the venue refuses it, and then the mark counts.
    So it does where neither a read nor an event says that there was no such position: its entry may be of long ago.
    """
    if mark is None:
        return None
    anew = key in since.flat or (last is not None and last.position(key) is None)
    return None if anew and event.entry_price > 0 and mark.at_ms < event.at_ms else mark.price


def _last_traded(
    event: PositionEvent, key: PositionKey, last: SymbolObservation | None, since: SinceRead
) -> Decimal | None:
    """The best word on the last price: of the last read, else what a position that was just opened was bought at."""
    before = last.position(key) if last is not None and key not in since.flat else None
    if before is not None:
        return before.last_price
    return event.entry_price if event.entry_price > 0 else None


def _stays(position: Position, opened: Position, since: SinceRead) -> bool:
    """Whether another position of the symbol is still there as far as known: the other leg of a hedged account."""
    return opened.hedged and position.hedged and position.key != opened.key and position.key not in since.flat


def _order_now(order: LiveOrder, since: SinceRead) -> LiveOrder | None:
    """An order of the last read as it is after the events; None when it ended.

    A close-all order ends with its position (the venue gives it GTE_GTC), whether an event said so or not.
    """
    if order.close_all and order.key in since.flat:
        return None
    status = since.orders.get(order.client_id, order.status)
    if status.terminal:
        return None
    return order if status is order.status else order._replace(status=status)
