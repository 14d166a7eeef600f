"""A simulated position as the record of a real one: the same code gives its reasons, its money and its R."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from position_monitor.core.backtest.candle_series import CandleSeries, price
from position_monitor.core.backtest.funding import funding_of
from position_monitor.core.backtest.simulated_position import ASSET, SimulatedPosition
from position_monitor.core.backtest.walk import Walked
from position_monitor.core.model.orders import Role
from position_monitor.core.performance.facts import Income, IncomeKind, PastOrder, PriceRange
from position_monitor.core.performance.lives import Anchor, lives_of
from position_monitor.core.performance.making import Statement, Watched, record_of
from position_monitor.core.performance.record import Origin, Record

_ZERO = Decimal(0)


def record_of_walk(walked: Walked, series: CandleSeries, *, settings_hash: str, version: str) -> Record:
    """The record of a position that was closed."""
    position = walked.position
    terms, settings = position.terms, position.terms.settings
    life = lives_of(position.fills, Anchor(_ZERO, position.fills[-1].at_ms))[0]
    statement = Statement(
        account=terms.account,
        orders=tuple(_orders(position)),
        income=tuple(_income(position, series)),
        tick=terms.instrument.tick,
        breakeven_offset_pct=settings.exits.breakeven_offset_pct,
        now_ms=life.closed_at_ms,
    )
    watched = Watched(
        whole=True,
        marks=_path(walked, series),
        marks_from="candles",
        sources=position.sources,
        too_old=position.too_old,
        origin=Origin(
            policy=str(settings.policy),
            profile=position.profile,
            regime=position.regime,
            settings_hash=settings_hash,
            version=version,
        ),
    )
    return replace(record_of(life, statement, watched), cover=None)  # how long it took to protect is not simulated


def _income(position: SimulatedPosition, series: CandleSeries) -> Iterator[Income]:
    """What the venue would have booked: the profit and the fee of each fill, and funding."""
    for fill in position.fills:
        yield _row(position, IncomeKind.FEE, -fill.fee, fill.at_ms)._replace(trade_id=fill.trade_id)
        if fill is not position.fills[0]:
            yield _row(position, IncomeKind.REALISED, fill.realised, fill.at_ms)._replace(trade_id=fill.trade_id)
    for paid in funding_of(position, series, position.fills[-1].at_ms):
        yield _row(position, IncomeKind.FUNDING, paid.amount, paid.at_ms)


def _row(position: SimulatedPosition, kind: IncomeKind, amount: Decimal, at_ms: int) -> Income:
    return Income(symbol=position.key.symbol, kind=kind, amount=amount, asset=ASSET, at_ms=at_ms, trade_id=None)


def _orders(position: SimulatedPosition) -> Iterator[PastOrder]:
    """Those that were filled and those that rested at the end. What a stop moved from is of no use to a record."""
    closed_ms = position.fills[-1].at_ms
    yield from position.past
    for order in position.orders:
        rested = PastOrder.of(order)
        yield rested if order.role is Role.BACKSTOP else rested._replace(ended_at_ms=closed_ms)


def _path(walked: Walked, series: CandleSeries) -> PriceRange:
    """The range of the prices it saw, its exits among them, and the first candles that reached its ends."""
    extremes, last = series.extremes, walked.last + 1
    first_low = extremes.first_outside(walked.first, last, walked.low, float("inf"))
    first_high = extremes.first_outside(walked.first, last, float("-inf"), walked.high)
    times = series.times
    path = PriceRange(
        low=price(walked.low),
        low_at_ms=times[min(first_low, walked.last)],
        high=price(walked.high),
        high_at_ms=times[min(first_high, walked.last)],
    )
    for order, fill in zip(walked.position.past, walked.position.fills[1:], strict=True):
        level = order.trigger_price or order.limit_price
        if level is not None:
            path = path.including(level, fill.at_ms)
    return path
