"""Funding: what a held position pays or gets at the venue's funding times (exits.md 5.6).

Rates from a file go by side, as on the venue: above zero the longs pay the shorts. Without a file one constant is paid
whatever the side.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from position_monitor.core.backtest.candle_series import CandleSeries, price
from position_monitor.core.backtest.simulated_position import SimulatedPosition
from position_monitor.core.backtest.terms import FUNDING_EVERY_MS, FundingRate
from position_monitor.core.model.sides import Side

UNSURE_MS = 60_000
"""A funding is booked up to a minute late, and who opens a position meanwhile may have part in it or not."""
_BPS = Decimal(10_000)
_LATE_MS = 60_000
"""The venue books a funding some milliseconds after its time."""


class FundingPaid(NamedTuple):
    """One funding of a position."""

    at_ms: int
    amount: Decimal
    """Below zero it paid, above it got."""


def funding_of(position: SimulatedPosition, series: CandleSeries, until_ms: int) -> Iterator[FundingPaid]:
    """What it paid and got until a moment: at each funding time by what it held then, and at the mark of that time.

    Where no mark is stated it is the open of the candle of that time. A position that is closed at a funding time has
    no part in it. One that is opened at it may have on the venue: it pays, and gets nothing.
    """
    for rate in _rates(position, until_ms):
        held = position.fills[0].quantity
        held -= sum((fill.quantity for fill in position.fills[1:] if fill.at_ms <= rate.at_ms), Decimal(0))
        mark = rate.mark
        if mark is None:
            mark = price(series.opens[min(series.first_from(rate.at_ms + 1) - 1, len(series) - 1)])
        yield FundingPaid(rate.at_ms, -held * mark * rate.rate)


def _rates(position: SimulatedPosition, until_ms: int) -> Iterator[FundingRate]:
    """The funding times of its life; each rate as the part of the notional that this position pays."""
    rates, since_ms = position.terms.funding, position.opened_ms
    if rates is not None:
        way = 1 if position.key.side is Side.LONG else -1
        paid = (one._replace(rate=way * one.rate) for one in between(rates, since_ms, until_ms))
        yield from (one for one in paid if one.rate > 0 or one.at_ms - since_ms >= UNSURE_MS)
    elif position.terms.costs.funding_bps:
        first_ms = -(-since_ms // FUNDING_EVERY_MS) * FUNDING_EVERY_MS
        for at_ms in range(first_ms, until_ms, FUNDING_EVERY_MS):
            yield FundingRate(at_ms, position.terms.costs.funding_bps / _BPS)


def between(rates: Sequence[FundingRate], since_ms: int, until_ms: int) -> Sequence[FundingRate]:
    """Those of a stretch of time, its end not included."""
    return rates[_first_from(rates, since_ms) : _first_from(rates, until_ms)]


def is_covered(rates: Sequence[FundingRate], since_ms: int, until_ms: int) -> bool:
    """Whether no longer part of this time than the usual interval of eight hours is without a rate."""
    times = [since_ms, *(one.at_ms for one in between(rates, since_ms, until_ms)), until_ms]
    return all(after - before <= FUNDING_EVERY_MS + _LATE_MS for before, after in pairwise(times))


def _first_from(rates: Sequence[FundingRate], at_ms: int) -> int:
    return bisect_left(rates, at_ms, key=_time_of)


def _time_of(rate: FundingRate) -> int:
    return rate.at_ms
