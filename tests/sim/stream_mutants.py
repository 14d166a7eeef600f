"""Planted bugs about the streams: events that are believed, a fast path that goes its own way, polling given up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from typing import Any

from position_monitor.core.decision.event_view import EventStops, stops_from_event
from position_monitor.core.evidence.evidence import with_key
from position_monitor.core.model.actions import Mode, Place
from position_monitor.core.model.orders import LiveOrder, OrderStatus, WorkingType
from position_monitor.core.model.sides import Side
from position_monitor.core.observation.stream_events import AlgoEvent, PositionEvent, StreamEvent
from position_monitor.daemon.desk import Desk
from position_monitor.daemon.fast_path import FastPath
from position_monitor.edge.reading import schedule
from position_monitor.edge.reading.observer import Observer
from position_monitor.edge.reading.schedule import Moment
from position_monitor.service import Service
from position_monitor.service.turns import Turns
from tests.sim.mutants import another_id, cancel_unseen, changed, everywhere, mutant, without_guard
from tests.sim.swarm import Swarm

HEARD = Swarm({}, (), {}, marks=True)
"""Nothing breaks, and every event arrives."""
LATE = Swarm({}, (), {"stream_late": 0.6, "stream_reordered": 0.5, "stream_duplicated": 0.3})
LOST = Swarm({}, (), {"stream_lost": 0.8})


# -- events that are believed


@mutant("INV-2", swarm=LATE)
def an_event_of_a_flat_position_removes_its_orders(stack: ExitStack) -> None:
    honest = FastPath.on_event
    tasks: set[Any] = set()

    async def sweep(desk: Desk, orders: tuple[LiveOrder, ...]) -> None:
        for order in orders:
            if order.tag is not None:
                await cancel_unseen(desk, order)

    def on_event(self: FastPath, event: StreamEvent) -> None:
        honest(self, event)
        if isinstance(event, PositionEvent) and event.amount == 0 and self._last and event.symbol in self._last:
            tasks.add(asyncio.ensure_future(sweep(self._desk, self._last[event.symbol].orders)))

    stack.enter_context(changed(FastPath, "on_event", on_event))


@mutant("INV-2", swarm=replace(LATE, venue={"false_flat": 0.8}))
def an_event_of_a_flat_position_counts_as_reads(stack: ExitStack) -> None:
    honest = FastPath.on_event

    def on_event(self: FastPath, event: StreamEvent) -> None:
        honest(self, event)
        if isinstance(event, PositionEvent) and event.amount == 0:
            memory = self._desk.memory
            for key, known in memory.evidence.keys.items():
                if key.symbol == event.symbol:
                    flat = known._replace(absent_reads=9, flat_sign=True)
                    memory._evidence = with_key(memory.evidence, key, flat)

    stack.enter_context(changed(FastPath, "on_event", on_event))


@mutant("INV-6", swarm=replace(HEARD, venue={"delayed_listing": 0.5}))
def an_order_told_of_by_an_event_counts_as_read_back(stack: ExitStack) -> None:
    told: dict[str, LiveOrder] = {}
    honest_event, honest_seen = Service.on_event, Observer._observation

    def on_event(self: Service, event: StreamEvent) -> None:
        if isinstance(event, AlgoEvent):
            if event.status is OrderStatus.NEW:
                told[event.client_id] = as_told(event)
            else:
                told.pop(event.client_id, None)
        honest_event(self, event)

    def observation(self: Observer, symbol: str, *reads: Any) -> Any:
        seen = honest_seen(self, symbol, *reads)
        held, listed = {position.key for position in seen.positions}, {order.client_id for order in seen.orders}
        also = [o for o in told.values() if o.symbol == symbol and o.key in held and o.client_id not in listed]
        return replace(seen, orders=(*seen.orders, *also))

    stack.enter_context(changed(Service, "on_event", on_event))
    stack.enter_context(changed(Observer, "_observation", observation))


def as_told(event: AlgoEvent) -> LiveOrder:
    """A resting order, as its event describes it."""
    return LiveOrder(
        key=event.key,
        order_id=event.order_id,
        client_id=event.client_id,
        tag=event.tag,
        purpose=event.purpose,
        quantity=event.quantity,
        trigger_price=event.trigger,
        limit_price=None,
        working_type=WorkingType.MARK_PRICE,
        status=event.status,
        executed_quantity=Decimal(0),
        reduces=True,
        hedged=event.hedged,
        conditional=True,
        caveat="",
        created_at_ms=event.at_ms,
        updated_at_ms=event.at_ms,
    )


@mutant("INV-2", "INV-8", swarm=replace(LATE, host=("ai_advice",)))
def the_size_in_an_event_is_taken_for_the_size_that_was_read(stack: ExitStack) -> None:
    """A late event of a smaller position makes every read smaller than the position is, that before a removal too."""
    told: dict[tuple[str, str], Decimal] = {}
    honest_event, honest_seen = Service.on_event, Observer._observation

    def on_event(self: Service, event: StreamEvent) -> None:
        if isinstance(event, PositionEvent) and event.key is not None and event.amount:
            told[event.symbol, str(event.key.side)] = abs(event.amount)
        honest_event(self, event)

    def observation(self: Observer, symbol: str, *reads: Any) -> Any:
        seen = honest_seen(self, symbol, *reads)
        sized = (replace(p, quantity=told.get((symbol, str(p.side)), p.quantity)) for p in seen.positions)
        return replace(seen, positions=tuple(sized))

    stack.enter_context(changed(Service, "on_event", on_event))
    stack.enter_context(changed(Observer, "_observation", observation))


# -- a fast path that goes its own way


@mutant("INV-9", swarm=replace(HEARD, host=("second_daemon",)))
def the_fast_path_ignores_who_holds_the_lease(stack: ExitStack) -> None:
    honest_place, honest_mode = FastPath._place_for, Desk.mode
    placing: list[Desk] = []

    async def place_for(self: FastPath, event: PositionEvent) -> None:
        placing.append(self._desk)
        try:
            await honest_place(self, event)
        finally:
            placing.pop(next(number for number, desk in enumerate(placing) if desk is self._desk))

    def mode(self: Desk) -> Mode:
        return Mode.LIVE if any(desk is self for desk in placing) else honest_mode(self)

    stack.enter_context(changed(FastPath, "_place_for", place_for))
    stack.enter_context(changed(Desk, "mode", mode))


@mutant("INV-4", swarm=replace(HEARD, venue={"vanish": 0.3}))
def the_fast_path_has_ids_of_its_own(stack: ExitStack) -> None:
    rng = random.Random(7)

    def stops(event: PositionEvent, **inputs: Any) -> EventStops:
        found = stops_from_event(event, **inputs)
        renamed = (p.order._replace(client_id=another_id(p.order.client_id, rng)) for p in found.places)
        return replace(found, places=tuple(Place(order, "") for order in renamed))

    stack.enter_context(everywhere(stops_from_event, stops))
    without_guard(stack)


@mutant("INV-1", "DESIGN-9", swarm=HEARD)
def the_fast_path_takes_shorts_for_longs(stack: ExitStack) -> None:
    stack.enter_context(changed(PositionEvent, "side", property(lambda event: Side.LONG)))


# -- polling given up


@mutant("INV-3", swarm=replace(HEARD, venue={"vanish": 0.3}))
def orders_are_read_only_where_an_event_told_of_something(stack: ExitStack) -> None:
    honest_old, honest_due = schedule.old_lists, schedule.sweep_is_due

    def old(moment: Moment, symbols: Collection[str]) -> frozenset[str]:
        return frozenset() if moment.events_delivered else honest_old(moment, symbols)

    def due(moment: Moment) -> bool:
        return moment.swept_at_s is None or (not moment.events_delivered and honest_due(moment))

    stack.enter_context(changed(schedule, "old_lists", old))
    stack.enter_context(changed(schedule, "sweep_is_due", due))


@mutant("INV-3", swarm=LOST)
def the_loop_waits_for_events(stack: ExitStack) -> None:
    honest = Turns.pause

    async def patient(self: Turns, interval_s: float, least_s: float) -> None:
        await honest(self, 600.0 if self.events_delivered() else interval_s, least_s)

    stack.enter_context(changed(Turns, "pause", patient))
