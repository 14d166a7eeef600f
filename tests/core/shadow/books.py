"""Builders for simulated books: entered at 100, tick 0.01, step 0.001."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.model.ids import epoch_of
from position_monitor.core.model.settings import Policy
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.performance.reasons import FillRole
from position_monitor.core.shadow.candle_walk import PriceCandle
from position_monitor.core.shadow.simulated_position import Entry, Look, PricePoint
from position_monitor.core.shadow.simulating import begun, decided, priced
from tests.core.build import ACCOUNT, HYBRID, INSTRUMENT, LONG, OPENED_MS, SYMBOL, D, at, settings

MINUTE_MS = 60_000


def look(mark="100", at_ms=OPENED_MS, **facts):
    """What is known at one moment."""
    return Look(mark=D(mark), at_ms=at_ms, **facts)


def entered(policy: Policy = HYBRID, side: Side = LONG, *, quantity="10", entry="100", mark=None, **changes):
    """A book at entry."""
    first = Entry(
        account=ACCOUNT,
        key=PositionKey(SYMBOL, side),
        epoch=epoch_of(OPENED_MS),
        quantity=D(quantity),
        price=D(entry),
        instrument=changes.pop("instrument", INSTRUMENT),
        settings=settings(policy, **changes),
    )
    return begun(first, look(entry if mark is None else mark))


def marked(book, *percents, side: Side = LONG, every_ms=1_000):
    """The book after marks this many percent in favour, one a second, each looked at as the daemon does."""
    for percent in percents:
        at_ms = book.at_ms + every_ms
        book = priced(book, PricePoint(at(side, percent), at_ms))
        book = decided(book, look(at(side, percent), at_ms))
    return book


def candle(text: str, number: int) -> PriceCandle:
    """Candle number `number` (from 0) of a minute, from `open high low close`."""
    opened, high, low, close = (Decimal(word) for word in text.split())
    begins_ms = OPENED_MS + number * MINUTE_MS
    return PriceCandle(opened, high, low, close, begins_ms, begins_ms + MINUTE_MS)


def shapes(book):
    """The exits as (role, price, quantity)."""
    return [(fill.role, fill.price, fill.quantity) for fill in book.fills]


STOP, BACKSTOP, TARGET, CLOSE = FillRole.WORKING_STOP, FillRole.BACKSTOP, FillRole.TAKE_PROFIT, FillRole.CLOSE
