"""A position on a simulated venue: what rests for it, what a price does to that, and what the live code makes of it.

Decisions are `core/book` on the orders that rest here, which asks `core/exits`. What is wanted rests at once: the venue
of a backtest answers in no time, and a replacement is there before what it replaces goes (invariant 2).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from position_monitor.core.backtest.band import Band, band
from position_monitor.core.backtest.simulated_orders import ended_order, is_filled_at, placed
from position_monitor.core.backtest.terms import CostRole, Entry, Terms
from position_monitor.core.book.desired_book import WantedOrders, compared_book
from position_monitor.core.book.diff import BookDiff
from position_monitor.core.book.exit_view import exit_view
from position_monitor.core.book.wanted import BookInputs, RungsAllowed
from position_monitor.core.evidence.evidence import Belief
from position_monitor.core.model import ids
from position_monitor.core.model.desired import CloseReason, DesiredOrder
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.money import beyond, tighter
from position_monitor.core.model.orders import LiveOrder, Purpose, Role, Tag, WorkingType
from position_monitor.core.model.positions import Position
from position_monitor.core.model.rungs import RUNGS_MAX, rungs_of
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.observation.cover import NO_COVER, cover_of
from position_monitor.core.observation.live_book import NOTHING_RESTS, LiveBook, sorted_book
from position_monitor.core.performance.facts import Fill, Forced, PastOrder

_ZERO = Decimal(0)
_EVERY_RUNG = RungsAllowed(RUNGS_MAX, RUNGS_MAX)
LOOKS_AT_ENTRY_MAX = 4
"""A book that still wants something else after so many looks at one price is looked at again at the next close."""
ASSET = "USDT"


class SimulatedPosition:
    """One position from its entry on. Prices are given to it one by one, as the market reaches them.

    It begins at the open of a candle: `opened_ms` and `opened_at` are its time and its price.
    """

    def __init__(self, terms: Terms, entry: Entry, *, opened_ms: int, opened_at: Decimal) -> None:
        self.terms, self.entry, self.opened_ms, self.opened_at = terms, entry, opened_ms, opened_at
        price = entry.price
        if price is None:
            price = terms.costs.filled_at(opened_at, entry.side, CostRole.ENTRY, opens=True)
        self.key = PositionKey(entry.symbol, entry.side)
        self.quantity, self.entry_price = entry.quantity, price
        margin = terms.margin
        self.liquidation = None if margin is None else margin.liquidation_price(price, entry.side)
        self.orders: tuple[LiveOrder, ...] = ()
        self.fills: list[Fill] = []
        self.past: list[PastOrder] = []
        """Orders that were filled; what rested at the end is in `orders`."""
        self.closing: CloseReason | None = None
        """Why the policy wants it closed at market: at the next price, for its order comes after the look."""
        self.too_old = False
        self.looks = 0
        self.settled = False
        """Whether the last look wanted nothing but what rests."""
        self.sources: dict[str, str] = {}
        self.first_stop: Decimal | None = None
        self.profile = self.regime = ""
        self._belief = Belief(epoch=ids.epoch_of(opened_ms))
        self._live: LiveBook = NOTHING_RESTS
        self._wanted: WantedOrders | None = None
        self._numbers = 0
        self._fill(price, entry.quantity, order=None, at_ms=opened_ms, maker=False)

    # -- what rests

    @property
    def flat(self) -> bool:
        """Whether nothing of it is left."""
        return self.quantity <= 0

    @property
    def stop(self) -> Decimal | None:
        """The first level against it at which something happens: the tightest stop, or the liquidation price."""
        level = self.liquidation
        for order in self._live.guarding:
            price = order.trigger_price
            if price is not None and (level is None or tighter(price, level, self.key.side)):
                level = price
        return level

    @property
    def target(self) -> Decimal | None:
        """The nearest level in its favour at which something happens; None without a take-profit."""
        prices = [own.price for own in self._live.ladder if own.price is not None]
        if not prices:
            return None
        return min(prices) if self.key.side is Side.LONG else max(prices)

    # -- what the live code makes of it

    def inputs(self, mark: Decimal, now_ms: int, market: MarketState | None) -> BookInputs:
        """What the desired book is made from at this mark."""
        settings, side = self.terms.settings, self.key.side
        gain = (mark - self.entry_price) * self.quantity
        position = Position(
            symbol=self.key.symbol,
            side=side,
            quantity=self.quantity,
            entry_price=self.entry_price,
            mark_price=mark,
            liquidation_price=self.liquidation,
            unrealized_pnl=gain if side is Side.LONG else -gain,
            leverage=None,
            hedged=self.terms.hedged,
            updated_at_ms=self.opened_ms,
            last_price=None if settings.working_type is WorkingType.MARK_PRICE else mark,
        )
        stops = self._live.stops
        return BookInputs(
            account=self.terms.account,
            position=position,
            instrument=self.terms.instrument,
            live=self._live,
            cover=cover_of(position, stops, settings) if stops else NO_COVER,
            belief=self._belief,
            settings=settings,
            advice=None,
            rungs=_EVERY_RUNG,
            triggering_grace_ms=0,
            now_ms=now_ms,
            market=market,
            live_since_ms=0,
        )

    def look(self, mark: Decimal, now_ms: int, market: MarketState | None) -> bool:
        """Decide at this mark, and let what is wanted rest. Says whether anything changed."""
        self.looks += 1
        book, self._wanted, _ = compared_book(self.inputs(mark, now_ms, market), self._wanted)
        self.profile, self.regime = book.profile, book.regime
        if book.close is not None:
            self.closing, self.too_old = book.close, not book.close.by_loss
        difference = self._wanted.diff
        self.settled = difference.in_sync
        if not self.settled:
            self._rest(difference, now_ms)
        return not self.settled

    def band(self, mark: Decimal, now_ms: int, market: MarketState | None) -> Band | None:
        """In which band nothing changes from this moment on, right after a look that changed nothing."""
        return None if self._wanted is None else band(exit_view(self.inputs(mark, now_ms, market)), self._wanted)

    def begin(self, mark: Decimal, now_ms: int, market: MarketState | None) -> None:
        """The looks right after the entry, until nothing else is wanted: the first stop and the ladder."""
        for _ in range(LOOKS_AT_ENTRY_MAX):
            if not self.look(mark, now_ms, market):
                break
        self.first_stop = self.stop

    def _rest(self, difference: BookDiff, now_ms: int) -> None:
        kept = [own for _, own in difference.matched]
        self._set_orders((*kept, *(self._placed(order, now_ms) for order in difference.missing)))

    def _placed(self, order: DesiredOrder, now_ms: int) -> LiveOrder:
        self._numbers += 1
        self.sources[order.client_id] = order.source
        return placed(order, number=self._numbers, epoch=self._belief.epoch, now_ms=now_ms)

    def _set_orders(self, orders: Iterable[LiveOrder]) -> None:
        self.orders = tuple(orders)
        self._live = sorted_book(self.orders)

    # -- what a price does

    def meets(self, price: Decimal, at_ms: int, *, opens: bool) -> None:
        """The market is at this price. Stops fire at their level, the tightest first, and take-profits at theirs.

        `opens`: a candle opens here, so that nothing was traded between its level and this price: a stop that lies
        before it gets this price, and a take-profit that lies before it gets no more than its level (exits.md 5.3).
        Beyond the liquidation price the venue has taken the position over.
        """
        side, liquidation = self.key.side, self.liquidation
        if liquidation is not None and opens and beyond(price, liquidation, side):
            self._liquidate(price, at_ms)
        stops = [own for own in self._live.guarding if own.trigger_price is not None]
        for order in sorted(stops, key=lambda own: own.trigger_price or _ZERO, reverse=side is Side.LONG):
            trigger = order.trigger_price
            if self.flat or trigger is None or not beyond(price, trigger, side):
                break
            if liquidation is not None and not tighter(trigger, liquidation, side):
                break
            self._fire(order, price if opens else trigger, at_ms)
        if not self.flat and liquidation is not None and beyond(price, liquidation, side):
            self._liquidate(liquidation, at_ms)
        for order in self._live.ladder:
            if not self.flat and is_filled_at(order, price, side):
                self._take(order, at_ms)

    def close_at(self, price: Decimal, at_ms: int) -> None:
        """Close all of it at market, as the policy asked for."""
        order = self._market_order(Role.CLOSE, at_ms, forced=None)
        self._end(order, self.terms.costs.filled_at(price, self.key.side, CostRole.CLOSE), self.quantity, at_ms)

    def _fire(self, order: LiveOrder, price: Decimal, at_ms: int) -> None:
        size = order.part_of(self.quantity)
        filled = self.terms.costs.filled_at(price, self.key.side, CostRole.STOP)
        self._end(ended_order(order, at_ms), filled, min(size, self.quantity), at_ms)
        self._set_orders(own for own in self.orders if own is not order)

    def _take(self, order: LiveOrder, at_ms: int) -> None:
        level, maker = order.price, order.purpose is Purpose.LIMIT
        assert level is not None
        side, size = self.key.side, min(order.part_of(self.quantity), self.quantity)
        filled = level if maker else self.terms.costs.filled_at(level, side, CostRole.TARGET)
        self._end(ended_order(order, at_ms), filled, size, at_ms, maker=maker)
        self._set_orders(own for own in self.orders if own is not order)
        rungs = set(rungs_of(order.rung))
        rungs -= {rung for own in self._live.ladder for rung in rungs_of(own.rung)}
        self._belief = Belief(epoch=self._belief.epoch, done_rungs=self._belief.done_rungs | rungs)

    def _liquidate(self, price: Decimal, at_ms: int) -> None:
        order = self._market_order(None, at_ms, forced=Forced.LIQUIDATION)
        self._end(order, self.terms.costs.filled_at(price, self.key.side, CostRole.STOP), self.quantity, at_ms)

    def _market_order(self, role: Role | None, at_ms: int, *, forced: Forced | None) -> PastOrder:
        self._numbers += 1
        return PastOrder(
            key=self.key,
            order_id=str(self._numbers),
            executing_id=f"x{self._numbers}",
            client_id=f"market{self._numbers}",
            tag=None if role is None else Tag(role, 0, self._belief.epoch),
            purpose=Purpose.MARKET,
            quantity=self.quantity,
            trigger_price=None,
            limit_price=None,
            working_type=self.terms.settings.working_type,
            reduces=True,
            created_at_ms=at_ms,
            ended_at_ms=at_ms,
            forced=forced,
        )

    def _end(self, order: PastOrder, price: Decimal, quantity: Decimal, at_ms: int, *, maker: bool = False) -> None:
        self.past.append(order)
        self._fill(price, quantity, order=order, at_ms=at_ms, maker=maker)
        self.quantity -= quantity
        self._wanted = None

    def _fill(self, price: Decimal, quantity: Decimal, *, order: PastOrder | None, at_ms: int, maker: bool) -> None:
        way = price - self.entry_price if self.key.side is Side.LONG else self.entry_price - price
        self.fills.append(
            Fill(
                symbol=self.key.symbol,
                leg=None,
                trade_id=len(self.fills) + 1,
                order_id="entry" if order is None else order.executing_id,
                at_ms=at_ms,
                buys=(self.key.side is Side.LONG) is (order is None),
                price=price,
                quantity=quantity,
                fee=self.terms.costs.fee(price, quantity, maker=maker),
                fee_asset=ASSET,
                realised=_ZERO if order is None else way * quantity,
                settle_asset=ASSET,
                maker=maker,
            )
        )
