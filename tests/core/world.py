"""A venue small enough to be obviously right: positions, orders, the -4130 rule, listing lag, triggers on a price path.

It is not the paper exchange: no wire, no fees, no partial fills. It exists so that the planner can be interrupted
after every single action and the consequences be looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from position_monitor.core.evidence.outcome import Outcome, Sent
from position_monitor.core.model.actions import Cancel, Close, Place
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.money import beyond, is_multiple, reached
from position_monitor.core.model.orders import LiveOrder, OrderStatus, Purpose
from position_monitor.core.model.positions import Position
from position_monitor.core.model.refusal import Refusal
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.observation.reads import SymbolObservation

from .build import OPENED_MS, SYMBOL, D, instrument, rested

READ_GAP_MS = 2_000
STOPS = (Purpose.STOP, Purpose.STOP_LIMIT)


@dataclass
class Holding:
    """One open position of the venue."""

    quantity: Decimal
    entry: Decimal
    updated_at_ms: int


@dataclass
class World:
    """One symbol of one account."""

    hedged: bool = False
    mark: Decimal = Decimal(100)
    liquidation_pct: Decimal | None = None
    lag_reads: int = 0
    """How many reads pass before a new order appears in the lists."""
    blank_positions: int = 0
    """The next so many reads list no position, and no zero row either: a stale or broken answer."""
    blank_orders: int = 0
    """The next so many reads list no order."""
    conditional_orders_max: int = 200
    venue: Instrument = field(default_factory=instrument)
    now_ms: int = OPENED_MS
    reads: int = 0
    numbered: int = 0
    holdings: dict[PositionKey, Holding] = field(default_factory=dict)
    ended_at_ms: dict[Side, int] = field(default_factory=dict)
    """When the position of a side ended last."""
    orders: dict[str, LiveOrder] = field(default_factory=dict)
    listed_from: dict[str, int] = field(default_factory=dict)
    earlier: set[str] = field(default_factory=set)
    """Orders that stayed behind when an earlier life of the position ended: their levels bind nobody."""

    def copy(self) -> World:
        """The same moment, to be continued differently."""
        holdings = {key: replace(held) for key, held in self.holdings.items()}
        return replace(
            self,
            holdings=holdings,
            orders=dict(self.orders),
            listed_from=dict(self.listed_from),
            ended_at_ms=dict(self.ended_at_ms),
        )

    # --- what can be read ---

    def position(self, key: PositionKey) -> Position | None:
        """The position as the venue would list it."""
        held = self.holdings.get(key)
        if held is None:
            return None
        long = key.side is Side.LONG
        liquidation = None
        if self.liquidation_pct is not None:
            share = self.liquidation_pct / 100
            liquidation = held.entry * (1 - share if long else 1 + share)
        gain = (self.mark - held.entry) * held.quantity
        return Position(
            symbol=SYMBOL,
            side=key.side,
            quantity=held.quantity,
            entry_price=held.entry,
            mark_price=self.mark,
            liquidation_price=liquidation,
            unrealized_pnl=gain if long else -gain,
            leverage=5,
            hedged=self.hedged,
            updated_at_ms=held.updated_at_ms,
        )

    @property
    def positions(self) -> tuple[Position, ...]:
        """Every open position."""
        found = (self.position(key) for key in sorted(self.holdings))
        return tuple(position for position in found if position is not None)

    @property
    def foreign(self) -> dict[str, LiveOrder]:
        """Orders that are not ours."""
        return {number: order for number, order in self.orders.items() if order.tag is None}

    def read(self, awaited: Iterable[str] = ()) -> tuple[SymbolObservation, tuple[str, ...]]:
        """Positions, both lists, and a targeted query for each awaited id that no list shows; misses are returned."""
        self.now_ms += READ_GAP_MS
        self.reads += 1
        listed = tuple(order for number, order in self.orders.items() if self.listed_from[number] <= self.reads)
        positions, zeros = self.positions, {PositionKey(SYMBOL, side) for side in Side} - set(self.holdings)
        if self.blank_positions:
            self.blank_positions, positions, zeros = self.blank_positions - 1, (), set()
        if self.blank_orders:
            self.blank_orders, listed = self.blank_orders - 1, ()
        missing = set(awaited) - {order.client_id for order in listed}
        queried = tuple(order for order in self.orders.values() if order.client_id in missing)
        misses = tuple(sorted(missing - {order.client_id for order in queried}))
        seen = SymbolObservation(
            symbol=SYMBOL,
            instrument=self.venue,
            positions=positions,
            zero_keys=frozenset(zeros),
            orders=listed + queried,
            positions_read_at_ms=self.now_ms,
            orders_read_at_ms=self.now_ms,
            confirmed_orders=frozenset(order.client_id for order in queried),
            zero_at_ms={key: self.ended_at_ms.get(key.side, 0) for key in zeros},
        )
        return seen, misses

    # --- what can be written ---

    def apply(self, action: Place | Cancel | Close) -> Outcome:
        """Perform one action exactly, or refuse it as the venue would."""
        match action:
            case Place(order, _):
                refusal = self._refusal(order)
                if refusal is None:
                    self.add(rested(order))
            case Cancel(order, _, _, _):
                refusal = None if self.orders.pop(order.order_id, None) else Refusal.OTHER
            case Close(key, _, quantity, _, _, _):
                refusal = None if key in self.holdings else Refusal.NOTHING_TO_REDUCE
                if refusal is None:
                    self.reduce(key, quantity)
        sent = Sent.ACCEPTED if refusal is None else Sent.REFUSED
        return Outcome(action, sent, self.now_ms, refusal=refusal)

    def _refusal(self, order: DesiredOrder) -> Refusal | None:
        held = self.position(PositionKey(order.symbol, order.side))
        if any(live.client_id == order.client_id for live in self.orders.values()):
            return Refusal.DUPLICATE
        if order.hedged is not (held.hedged if held else order.hedged):
            return Refusal.MODE_CHANGED
        if held is None:
            return Refusal.NO_POSITION if order.close_all else Refusal.NOTHING_TO_REDUCE
        if order.close_all and self._close_all(order.side, order.purpose):
            return Refusal.SLOT_TAKEN
        if not is_multiple(order.trigger_price, self.venue.tick):
            return Refusal.OFF_GRID
        if order.quantity is not None and not is_multiple(order.quantity, self.venue.step):
            return Refusal.OFF_GRID
        passed = beyond if order.purpose in STOPS else reached
        if passed(self.mark, order.trigger_price, order.side):
            return Refusal.CROSSED
        return Refusal.CAPACITY if len(self.orders) >= self.conditional_orders_max else None

    def _close_all(self, side: Side, purpose: Purpose) -> bool:
        return any(
            live.close_all and live.key.side is side and (live.purpose in STOPS) is (purpose in STOPS)
            for live in self.orders.values()
        )

    # --- what happens by itself or by other hands ---

    def add(self, order: LiveOrder) -> LiveOrder:
        """Rest an order, ours or foreign; it appears in the lists after the lag."""
        self.numbered += 1
        live = order._replace(order_id=str(self.numbered), created_at_ms=self.now_ms, updated_at_ms=self.now_ms)
        self.orders[live.order_id] = live
        self.listed_from[live.order_id] = self.reads + 1 + self.lag_reads
        return live

    def trade(self, side: Side, quantity: Decimal) -> None:
        """Open or grow a position at the mark; in one-way mode the other side is reduced first."""
        other = PositionKey(SYMBOL, side.opposite)
        if not self.hedged and other in self.holdings:
            closed = min(quantity, self.holdings[other].quantity)
            self.reduce(other, closed)
            quantity -= closed
        if quantity <= 0:
            return
        key = PositionKey(SYMBOL, side)
        held = self.holdings.get(key)
        self.now_ms += 1
        if held is None:
            self.holdings[key] = Holding(quantity, self.mark, self.now_ms)
            return
        total = held.quantity + quantity
        held.entry = (held.entry * held.quantity + self.mark * quantity) / total
        held.quantity, held.updated_at_ms = total, self.now_ms

    def reduce(self, key: PositionKey, quantity: Decimal) -> None:
        """Close part of a position; with the last of it its close-all orders expire."""
        held = self.holdings.get(key)
        if held is None:
            return
        held.quantity -= min(quantity, held.quantity)
        self.now_ms += 1
        held.updated_at_ms = self.now_ms
        if held.quantity == 0:
            self.ended_at_ms[key.side] = self.now_ms
            del self.holdings[key]
            self.orders = {
                number: order for number, order in self.orders.items() if not (order.close_all and order.key == key)
            }

    def move(self, mark: Decimal) -> None:
        """The price goes straight to `mark` and fills what it meets on the way, nearest first."""
        before, self.mark = self.mark, mark
        met = [o for o in self.orders.values() if o.trigger_price is not None and self._met(o, before)]
        for order in sorted(met, key=lambda o: (abs((o.trigger_price or D(0)) - before), o.order_id)):
            if order.order_id not in self.orders:
                continue
            self.orders.pop(order.order_id)
            if order.key in self.holdings:
                self.reduce(order.key, order.part_of(self.holdings[order.key].quantity))
        for position in self.positions:
            if position.liquidation_price is not None and beyond(self.mark, position.liquidation_price, position.side):
                self.reduce(position.key, position.quantity)

    def _met(self, order: LiveOrder, before: Decimal) -> bool:
        assert order.trigger_price is not None and order.status is OrderStatus.NEW
        passed = beyond if order.purpose in STOPS else reached
        return passed(self.mark, order.trigger_price, order.key.side)
