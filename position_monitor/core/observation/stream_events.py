"""What the venue's streams say, as values, and the box a slow receiver empties. Events wake; they are never truth.

Times `at_ms` are the venue's (ms UTC, transaction time where the venue sends one). Amounts are base units, prices quote
units, all `Decimal`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from position_monitor.core.model.orders import OrderStatus, Purpose, Tag
from position_monitor.core.model.sides import PositionKey, Side

BOX_KEYS_MAX = 2_000
"""Positions or symbols a box remembers one by one: more than any account holds. Beyond that it asks for a full read."""


@dataclass(frozen=True, slots=True)
class PositionEvent:
    """A position changed (or was mentioned): the whole position after the change, not the change."""

    symbol: str
    leg: Side | None
    """The leg of an account in hedge mode; None in one-way mode, where the sign says the direction."""
    amount: Decimal
    """Signed: below zero is short, zero is flat."""
    entry_price: Decimal
    """Average entry; zero when flat or when the venue did not say."""
    at_ms: int
    reason: str
    """The venue's word: ORDER, FUNDING_FEE, MARGIN_TYPE_CHANGE, ..."""

    @property
    def side(self) -> Side | None:
        """The direction; None for a flat position in one-way mode, which has none."""
        if self.leg is not None:
            return self.leg
        if self.amount == 0:
            return None
        return Side.LONG if self.amount > 0 else Side.SHORT

    @property
    def key(self) -> PositionKey | None:
        """The position this is about; None when `side` is None."""
        side = self.side
        return None if side is None else PositionKey(self.symbol, side)


@dataclass(frozen=True, slots=True)
class AlgoEvent:
    """A conditional order changed its status, or a take-profit of ours that rests as a limit order did."""

    key: PositionKey
    """The position it belongs to, as of a `LiveOrder`."""
    client_id: str
    tag: Tag | None
    """What it is for, when it is ours; None for a foreign order."""
    order_id: str
    status: OrderStatus
    purpose: Purpose
    hedged: bool
    """Whether it names a leg."""
    trigger: Decimal | None
    """Of a limit order its limit."""
    quantity: Decimal | None
    """As ordered; None for a close-all order."""
    executed_quantity: Decimal
    reason: str
    """Why it was refused or expired, in the venue's words; empty when it did not say."""
    at_ms: int
    average_price: Decimal = Decimal(0)
    """At which it was filled so far; zero where it was not, or the venue did not say."""

    @property
    def symbol(self) -> str:
        """The exchange's symbol id."""
        return self.key.symbol


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """An order of the matching engine changed: placed, filled, cancelled, expired."""

    key: PositionKey
    """The position it belongs to, as of a `LiveOrder`."""
    client_id: str
    status: str
    """The venue's word: NEW, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED, EXPIRED_IN_MATCH, ..."""
    execution_type: str
    """The venue's word for this change: NEW, TRADE, CANCELED, EXPIRED, AMENDMENT, CALCULATED (liquidation, ADL)."""
    reduces: bool
    """Whether it can do nothing but make that position smaller."""
    last_price: Decimal
    """Price of the last fill; zero without one."""
    filled: Decimal
    """Filled so far in total."""
    at_ms: int

    @property
    def symbol(self) -> str:
        """The exchange's symbol id."""
        return self.key.symbol


@dataclass(frozen=True, slots=True)
class ConfigEvent:
    """The leverage of `symbol` changed, or (with an empty symbol) a setting of the whole account."""

    symbol: str
    leverage: int | None
    multi_assets: bool | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class MarginCallEvent:
    """The venue warns that these symbols come near their liquidation."""

    symbols: tuple[str, ...]
    at_ms: int


@dataclass(frozen=True, slots=True)
class SymbolTouched:
    """Something happened to `symbol` that could not be read, or that matters only as a reason to look."""

    symbol: str
    reason: str


@dataclass(frozen=True, slots=True)
class StreamGap:
    """Everything may have been missed until now: do a full read."""

    reason: str


StreamEvent = PositionEvent | AlgoEvent | OrderEvent | ConfigEvent | MarginCallEvent | SymbolTouched | StreamGap


@dataclass(frozen=True, slots=True)
class MarkPrice:
    """The mark price of a symbol at the venue's time `at_ms`."""

    symbol: str
    price: Decimal
    at_ms: int


MarkPrices = Mapping[str, MarkPrice]
"""Marks by symbol."""


class StreamState(StrEnum):
    """What a stream is good for now."""

    CONNECTING = "CONNECTING"
    LIVE = "LIVE"
    SILENT = "SILENT"
    """Open or reconnected, and nothing arrived since it was found to deliver nothing."""
    DOWN = "DOWN"


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """The health of one stream, for publication. Its texts hold no secrets."""

    state: StreamState
    since_ms: int
    """When this state began (local clock)."""
    last_event_at_ms: int | None
    """When something usable last arrived (local clock)."""
    reconnects: int
    """Connections made after the first."""
    ignored: int
    """Messages, or parts of them, that could not be used."""
    receiver_failures: int
    """Events the receiver failed on."""
    reason: str
    """Why it is not LIVE, or why it last was not."""


def symbols_of(event: StreamEvent) -> tuple[str, ...]:
    """The symbols an event gives reason to look at; none for a gap and for settings of the account."""
    if isinstance(event, StreamGap):
        return ()
    if isinstance(event, MarginCallEvent):
        return event.symbols
    return (event.symbol,) if event.symbol else ()


def is_news(event: StreamEvent) -> bool:
    """Whether an event is a reason to look at once.

    Orders coming to rest are not: ours were just read back, and somebody else's change nothing about what is covered.
    Fills are told by the position event that follows them.
    """
    if isinstance(event, AlgoEvent):
        return event.status is not OrderStatus.NEW
    return not isinstance(event, OrderEvent)


@dataclass(frozen=True, slots=True)
class Drained:
    """What gathered in an `EventBox` since it was last emptied."""

    positions: tuple[PositionEvent, ...] = ()
    """The latest of each position, in the order in which the positions first appeared."""
    symbols: frozenset[str] = frozenset()
    """Everything to look at, the symbols of `positions` included."""
    gap: str = ""
    """Why a full read is needed; empty when it is not."""
    margin_called: frozenset[str] = frozenset()
    account_changed: bool = False
    """A setting of the whole account changed."""


class EventBox:
    """Holds what a receiver has not looked at yet, in bounded memory however much arrives.

    Only the latest state of a position is kept. A repeated or older event of a position is dropped; an older one still
    wakes its symbol. After a gap ages are forgotten, because the venue itself may have started anew.
    """

    def __init__(self, keys_max: int = BOX_KEYS_MAX) -> None:
        self._keys_max = keys_max
        self._latest: dict[tuple[str, Side | None], PositionEvent] = {}
        self._positions: dict[tuple[str, Side | None], PositionEvent] = {}
        self._symbols: set[str] = set()
        self._margin_called: set[str] = set()
        self._gap = ""
        self._account_changed = False

    def __bool__(self) -> bool:
        return bool(self._symbols or self._gap or self._account_changed)

    def put(self, event: StreamEvent) -> None:
        """Take one event in. Never waits, never fails."""
        if isinstance(event, StreamGap):
            self._latest.clear()
            self._gap = self._gap or event.reason or "events may have been missed"
        elif isinstance(event, PositionEvent):
            self._put_position(event)
        else:
            if isinstance(event, MarginCallEvent):
                self._margin_called.update(event.symbols)
            self._account_changed = self._account_changed or (isinstance(event, ConfigEvent) and not event.symbol)
            self._symbols.update(symbols_of(event))
        if max(len(self._symbols), len(self._latest), len(self._margin_called)) > self._keys_max:
            self._overflow()

    def drain(self) -> Drained:
        """Hand over everything and be empty."""
        drained = Drained(
            positions=tuple(self._positions.values()),
            symbols=frozenset(self._symbols),
            gap=self._gap,
            margin_called=frozenset(self._margin_called),
            account_changed=self._account_changed,
        )
        self._empty()
        return drained

    def _put_position(self, event: PositionEvent) -> None:
        key = (event.symbol, event.leg)
        latest = self._latest.get(key)
        if latest == event:
            return
        self._symbols.add(event.symbol)
        if latest is None or event.at_ms >= latest.at_ms:
            self._latest[key] = event
            self._positions[key] = event

    def _overflow(self) -> None:
        account_changed = self._account_changed
        self._empty()
        self._latest.clear()
        self._account_changed = account_changed
        self._gap = f"more than {self._keys_max} symbols changed at once"

    def _empty(self) -> None:
        self._positions = {}
        self._symbols = set()
        self._margin_called = set()
        self._gap = ""
        self._account_changed = False
