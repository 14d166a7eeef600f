"""Everything the venue knows, and the few verbs all parts share: emit, note, schedule."""

from __future__ import annotations

import heapq
import random
import string
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from position_monitor.paper.account import Account
from position_monitor.paper.amounts import ZERO, plain
from position_monitor.paper.errors import refusal
from position_monitor.paper.events import UserEvent
from position_monitor.paper.faults import FaultBox
from position_monitor.paper.instruments import Instrument
from position_monitor.paper.journal import Journal
from position_monitor.paper.key_permissions import KeyPermissions
from position_monitor.paper.market import Market
from position_monitor.paper.orders import AlgoOrder, OrderBook, PlainOrder

TRADES_KEPT = 20_000
OUTBOX_KEPT = 50_000
CONDITIONAL_ORDERS_MAX = 200  # open per account, over all symbols (exchange change log, 2025-12-29)
_LETTERS = string.ascii_letters + string.digits


class Trade(NamedTuple):
    """One execution as `userTrades` lists it."""

    trade_id: int
    order_id: int
    symbol: str
    side: str
    position_side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    realized: Decimal
    maker: bool
    at_ms: int


class Income(NamedTuple):
    """One wallet movement as `income` lists it."""

    transaction_id: int
    symbol: str
    kind: str
    amount: Decimal
    trade_id: int
    """The execution it comes from; 0 where there is none."""
    at_ms: int


@dataclass(frozen=True, slots=True)
class MarginMove:
    """One change of an isolated position's margin by the account's owner; negative took some out."""

    symbol: str
    side: str
    amount: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True)
class Amendment:
    """One change of a resting order's price and quantity."""

    number: int
    order_id: int
    client_id: str
    symbol: str
    price: tuple[Decimal, Decimal]
    """Before and after, like `quantity`."""
    quantity: tuple[Decimal, Decimal]
    at_ms: int
    count: int


@dataclass(order=True, slots=True)
class Timer:
    """Something due at a time."""

    at_ms: int
    number: int
    action: Callable[[], None] = field(compare=False)


class World:
    """Shared state of the engine's parts."""

    def __init__(
        self,
        instruments: dict[str, Instrument],
        *,
        seed: int,
        now_ms: int,
        wallet: Decimal,
    ) -> None:
        self.seed = seed
        self.now_ms = now_ms
        self.instruments = instruments
        """Every contract that ever was; those in `delisted` are known to old orders only."""
        self.delisted: set[str] = set()
        self.market = Market(instruments, seed, now_ms)
        self.account = Account(instruments, self.market, wallet)
        self.plain: OrderBook[PlainOrder] = OrderBook()
        self.algo: OrderBook[AlgoOrder] = OrderBook()
        self.journal = Journal()
        self.faults = FaultBox(seed)
        self.outbox: deque[UserEvent] = deque(maxlen=OUTBOX_KEPT)
        self.trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self.incomes: deque[Income] = deque(maxlen=TRADES_KEPT)
        self.conditional_orders_max = CONDITIONAL_ORDERS_MAX
        self.trigger_delay_ms = 0
        """From the trigger of a conditional order to the fill of its child; 0 = one instant."""
        self.key_permissions = KeyPermissions(now_ms)
        self.margin_moves: deque[MarginMove] = deque(maxlen=TRADES_KEPT)
        self.amendments: deque[Amendment] = deque(maxlen=TRADES_KEPT)
        self.revision = 0
        """Counts the changes of anything but prices."""
        self._timers: list[Timer] = []
        self._timer_number = 0
        self._ids = random.Random(f"ids:{seed}")  # noqa: S311 - simulation
        self._order_id = 8_389_765_000 + self._ids.randrange(100_000)
        self._algo_id = 1_000_000_000_400_000 + self._ids.randrange(100_000)
        self._trade_id = 536_900_000 + self._ids.randrange(100_000)

    def instrument(self, symbol: str) -> Instrument:
        """The contract, or -1121."""
        found = self.instruments.get(symbol)
        if found is None or symbol in self.delisted:
            raise refusal(-1121)
        return found

    def listed(self) -> dict[str, Instrument]:
        """The contracts that `exchangeInfo` shows."""
        if not self.delisted:
            return self.instruments
        return {symbol: one for symbol, one in self.instruments.items() if symbol not in self.delisted}

    def next_order_id(self) -> int:
        """A fresh engine order id."""
        self._order_id += 1
        return self._order_id

    def next_algo_id(self) -> int:
        """A fresh algo id."""
        self._algo_id += 1
        return self._algo_id

    def next_trade_id(self) -> int:
        """A fresh trade id."""
        self._trade_id += 1
        return self._trade_id

    def random_text(self, length: int) -> str:
        """Letters and digits, as in generated client ids and listen keys."""
        return "".join(self._ids.choices(_LETTERS, k=length))

    def emit(self, event: UserEvent) -> None:
        """Queue an event for the user stream."""
        self.outbox.append(event)

    def amounts(self, symbol: str) -> dict[str, str]:
        """Signed position amounts of a symbol by side, for the journal."""
        legs = self.account.positions.get(symbol, {})
        return {side: plain(leg.amount) for side, leg in sorted(legs.items()) if leg.amount}

    def note(
        self,
        kind: str,
        origin: str,
        symbol: str,
        before: dict[str, str] | None = None,
        **detail: Any,  # noqa: ANN401 - JSON values
    ) -> None:
        """Write a journal entry; without `before` the position did not change."""
        self.revision += 1
        after = self.amounts(symbol)
        self.journal.append(self.now_ms, kind, origin, symbol, detail, after if before is None else before, after)

    def schedule(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Run something when the engine's time has moved on by this much."""
        self._timer_number += 1
        heapq.heappush(self._timers, Timer(self.now_ms + delay_ms, self._timer_number, action))

    def next_due_ms(self) -> int | None:
        """When the next scheduled thing is due."""
        return self._timers[0].at_ms if self._timers else None

    def pop_due(self, until_ms: int) -> Timer | None:
        """The next timer due by then."""
        if self._timers and self._timers[0].at_ms <= until_ms:
            return heapq.heappop(self._timers)
        return None

    def closable(self, symbol: str, position_side: str, side: str) -> Decimal:
        """Quantity an order of this side could close of that position, zero if none."""
        amount = self.account.amount(symbol, position_side)
        if side == "SELL":
            return max(ZERO, amount)
        return max(ZERO, -amount)

    def reducing(self, position_side: str, side: str, reduce_only: bool) -> bool:
        """Whether an order may only reduce: asked for, or the closing side of a hedge leg."""
        closing_leg = (position_side, side) in (("LONG", "SELL"), ("SHORT", "BUY"))
        return reduce_only or closing_leg
