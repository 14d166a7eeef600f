"""One open position and the books that are kept beside it: the shadow policy's, and the live policy's own (A/A).

    followed = begun_beside(...)           a position appeared: both policies are asked
    followed = heard(followed, point)      a mark of the stream
    followed = looked(followed, ...)       a cycle judged the position: what was added by hand, and the policies again
    followed = ended(followed, at_ms)      the live position is flat: a book that is not over goes on by candles
    followed = walked_on(followed, candle) a closed candle of one minute, where no mark is heard
    followed = at_horizon(followed)        the end of its time: what is left is valued at the last price

Marks are heard while the position is open. After a gap, after a restart and after its end the way is walked by candles,
headline rule, and never by marks again: a minute is not walked twice.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.model.market import MarketState, Regime
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.shadow.candle_walk import PriceCandle, is_ambiguous, walked
from position_monitor.core.shadow.pair import Censored
from position_monitor.core.shadow.simulated_position import Entry, Look, PricePoint, SimulatedPosition
from position_monitor.core.shadow.simulating import AT_HORIZON, begun, closed, decided, grown, priced

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
CONTINUOUS_MS = 5_000
"""Marks at most so far apart count as one continuous way."""
GAP_MS = 90_000
"""From then on without a mark candles are walked instead."""
HORIZON_MS = 72 * HOUR_MS
"""A book is followed at most so long after the live position is closed; less where its regime has fewer hours."""
CLOCK_ERROR_MS = 2_000
"""By how much the time of a mark and our idea of the venue's time may differ."""
GROWTHS_MAX = 100
"""Additions that are followed: each makes a ladder anew."""


class Followed(NamedTuple):
    """One position with its two books. `at_ms` and all times are the venue's."""

    key: PositionKey
    epoch: str
    settings_hash: str
    shadow: SimulatedPosition
    own: SimulatedPosition
    at_ms: int
    """Up to when its way is walked."""
    price: Decimal
    """The last one."""
    quantity: Decimal
    """Of the live position, when it was last judged."""
    entry_price: Decimal
    ended_ms: int = 0
    """When the live position was flat; 0 while it is open."""
    by_candles: bool = False
    censored: Censored = Censored.NO
    """Of both books: what happened to the position, or to its following."""
    growths: int = 0
    gap_ms: int = 0
    ambiguous: int = 0
    minutes: int = 0
    """Candles that were walked."""

    @property
    def over(self) -> bool:
        """Whether nothing of it is left to follow."""
        return self.censored is not Censored.NO or (self.shadow.over and self.own.over)

    @property
    def horizon_ms(self) -> int:
        """When its following ends; 0 while the live position is open."""
        return self.ended_ms + max(hours_of(self.shadow), hours_of(self.own)) if self.ended_ms else 0


def record_ref(followed: Followed) -> str:
    """The name of a followed position: `symbol:side:epoch`, by the epoch of our orders."""
    return f"{followed.key}:{followed.epoch}"


def hours_of(book: SimulatedPosition) -> int:
    """For how long a book is followed after the live position is closed: the hours of its regime, at most 72, in ms."""
    try:
        hours = book.entry.settings.exits.regimes[Regime(book.regime)].max_hours
    except ValueError:
        return HORIZON_MS
    return min(int(hours * HOUR_MS), HORIZON_MS)


def begun_beside(shadow: Entry, own: Entry, look: Look, settings_hash: str) -> Followed:
    """A position that appeared just now, with the books of both policies."""
    look = not_ahead(look)
    return Followed(
        key=shadow.key,
        epoch=shadow.epoch,
        settings_hash=settings_hash,
        shadow=begun(shadow, look),
        own=begun(own, look),
        at_ms=look.at_ms,
        price=look.mark,
        quantity=shadow.quantity,
        entry_price=shadow.price,
    )


def heard(followed: Followed, price: Decimal, at_ms: int) -> Followed:
    """A mark: the same object where it is older than the way that is walked, or candles are walked instead."""
    if followed.by_candles or followed.over or followed.at_ms - at_ms > CLOCK_ERROR_MS:
        return followed
    at_ms = max(at_ms, followed.at_ms)
    if at_ms - followed.at_ms > GAP_MS:
        return followed._replace(by_candles=True)
    point = PricePoint(price, at_ms, continuous=at_ms - followed.at_ms <= CONTINUOUS_MS, heard=True)
    return _moved(followed, lambda book: priced(book, point), price, at_ms)


def looked(followed: Followed, quantity: Decimal, entry_price: Decimal, look: Look) -> Followed:
    """The live position as it was judged: what was added is followed, and both policies are asked at this mark."""
    followed = heard(followed, look.mark, look.at_ms)
    if followed.over:
        return followed
    added = quantity - followed.quantity
    same_entry = entry_price == followed.entry_price
    before, followed = followed, followed._replace(quantity=quantity, entry_price=entry_price)
    if added > 0:
        price = (entry_price * quantity - before.entry_price * before.quantity) / added
        if price <= 0 or followed.by_candles or followed.growths >= GROWTHS_MAX:
            return followed._replace(censored=Censored.ADDED_UNCLEAR)
        followed = followed._replace(growths=followed.growths + 1)
        return _moved(
            followed, lambda book: grown(book, added, price, not_ahead(look, book.at_ms)), look.mark, look.at_ms
        )
    if not same_entry:
        return followed._replace(censored=Censored.ADDED_UNCLEAR)
    if followed.by_candles:
        return followed
    return _moved(followed, lambda book: decided(book, not_ahead(look, book.at_ms)), look.mark, look.at_ms)


def ended(followed: Followed, at_ms: int) -> Followed:
    """The live position is flat: nobody hears its mark any more."""
    return followed._replace(ended_ms=max(at_ms, 1), by_candles=True)


def walked_on(followed: Followed, candle: PriceCandle, market: MarketState | None) -> Followed:
    """One closed minute. A minute that is missing before it is a gap; one that was walked already changes nothing."""
    if followed.over or candle.opened_at_ms < followed.at_ms:
        return followed
    gap_ms = candle.opened_at_ms - followed.at_ms
    followed = followed._replace(gap_ms=followed.gap_ms + gap_ms, minutes=followed.minutes + 1)
    unsure = is_ambiguous(followed.shadow, candle) or is_ambiguous(followed.own, candle)
    followed = followed._replace(ambiguous=followed.ambiguous + unsure)

    def step(book: SimulatedPosition) -> SimulatedPosition:
        look = Look(candle.close, candle.closed_at_ms, market=market)
        return decided(walked(book, candle), not_ahead(look, book.at_ms))

    return _moved(followed, step, candle.close, candle.closed_at_ms)


def at_horizon(followed: Followed) -> Followed:
    """What is left of both books is valued at the last price."""

    def valued(book: SimulatedPosition) -> SimulatedPosition:
        return book if book.over else closed(book, followed.price, followed.at_ms, AT_HORIZON)

    return _moved(followed, valued, followed.price, followed.at_ms)


def first_minute_to_walk(followed: Followed) -> int:
    """The beginning of the first whole minute that is not walked yet."""
    return -(-followed.at_ms // MINUTE_MS) * MINUTE_MS


def not_ahead(look: Look, book_at_ms: int = 0) -> Look:
    """The look without what is younger than its moment, and not older than the book: clocks differ by a little."""
    market, advice = look.market, look.advice
    return look._replace(
        at_ms=max(look.at_ms, book_at_ms),
        market=market if market is not None and market.closed_at_ms <= look.at_ms else None,
        advice=advice if advice is not None and advice.issued_at_ms <= look.at_ms else None,
    )


def _moved(
    followed: Followed,
    step: Callable[[SimulatedPosition], SimulatedPosition],
    price: Decimal,
    at_ms: int,
) -> Followed:
    """Both books one step on."""
    return followed._replace(
        shadow=step(followed.shadow), own=step(followed.own), price=price, at_ms=max(at_ms, followed.at_ms)
    )
