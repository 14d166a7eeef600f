"""From a life and what is known around it to its record (exits.md 8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from position_monitor.core.performance.cover_time import cover_time, stops_of
from position_monitor.core.performance.excursion import excursion_of
from position_monitor.core.performance.facts import Income, PastOrder, PriceRange
from position_monitor.core.performance.lives import Life, Share
from position_monitor.core.performance.money_of_life import Prices, money_of
from position_monitor.core.performance.reasons import (
    executed_orders,
    marks_reached,
    meant_price,
    reason_of,
    role_of,
    rung_levels,
    rungs_in,
    rungs_of_order,
    slippage_bps,
    slippage_cost,
)
from position_monitor.core.performance.record import NO_ORIGIN, Origin, Record, RecordFill, RecordStatus
from position_monitor.core.performance.risk import Risk, initial_risk, stops_are_remembered

_ZERO = Decimal(0)
FILLS_LISTED_MAX = 100
"""Fills of a record that are listed one by one; of more, those of one order are one."""


class Watched(NamedTuple):
    """What a process saw of a life while it was open. All of it may be missing; nothing of it is ever guessed."""

    whole: bool = False
    """Whether it watched from the beginning."""
    marks: PriceRange | None = None
    marks_from: str = ""
    stops: tuple[PastOrder, ...] = ()
    """Stops it saw resting; the venue's own list wins where it has them."""
    sources: Mapping[str, str] = MappingProxyType({})
    """Client id -> which part of the policy set the level of that order."""
    too_old: bool = False
    """Whether it was the time stop that wanted it closed at market (S8)."""
    origin: Origin = NO_ORIGIN


NOT_WATCHED = Watched()


@dataclass(frozen=True, slots=True)
class Statement:
    """What the venue says of the account in and around a life."""

    account: str
    orders: tuple[PastOrder, ...]
    income: tuple[Income, ...]
    others: tuple[Life, ...] = ()
    """Lives of the other leg of the symbol."""
    prices: Prices = field(default_factory=dict)
    tick: Decimal = Decimal(0)
    breakeven_offset_pct: Decimal = Decimal("0.10")
    orders_kept_ms: int = 3 * 86_400_000
    """How long after its creation the venue remembers an order that ended without a fill."""
    now_ms: int = 0


def record_of(life: Life, statement: Statement, watched: Watched = NOT_WATCHED, *, revision: int = 1) -> Record:
    """The record of a closed life. It is final when fills and income agree, and the fills do not contradict it."""
    orders = _with_watched(statement.orders, watched.stops)
    executed = executed_orders(orders)
    stops = stops_of(life, orders)
    money = money_of(life, statement.income, others=statement.others, prices=statement.prices)
    remembered = life.whole and stops_are_remembered(
        life, stops, watched=watched.whole, kept_ms=statement.orders_kept_ms, now_ms=statement.now_ms
    )
    entered, entry = life.entered
    excursion = None
    if watched.marks is not None:
        reached = marks_reached(life.shares, executed)
        excursion = excursion_of(
            watched.marks, reached, side=life.key.side, entry=entry, mean_exit=life.left, quantity=entered
        )
    fills = tuple(
        _fill(share, executed.get(share.fill.order_id), life=life, statement=statement, watched=watched)
        for share in life.shares
    )
    complete = money.reconciled and life.whole and not life.contradicted
    record = Record(
        account=statement.account,
        key=life.key,
        epoch=life.epoch,
        revision=revision,
        status=RecordStatus.FINAL if complete else RecordStatus.PROVISIONAL,
        opened_at_ms=life.opened_at_ms,
        closed_at_ms=life.closed_at_ms,
        quantity_peak=max(share.held_after for share in life.shares),
        quantity_entered=entered,
        entry_average=entry,
        exit_average=life.left,
        fills=_listed(fills),
        money=money,
        risk=initial_risk(life, stops) if remembered else Risk(None, None),
        excursion=excursion,
        marks_from=watched.marks_from if excursion is not None else "",
        cover=cover_time(life, stops) if remembered else None,
        origin=watched.origin,
        rungs=rungs_in(life, orders) if remembered or watched.whole else None,
        order_epochs=_order_epochs(life, executed, stops),
    )
    return replace(record, notes=_notes(record, life, remembered=remembered))


def _with_watched(orders: Iterable[PastOrder], watched: Iterable[PastOrder]) -> list[PastOrder]:
    """The venue's orders, and those of the process that the venue does not list any more."""
    listed = list(orders)
    ids = {order.client_id for order in listed if order.client_id}
    return listed + [order for order in watched if order.client_id not in ids]


def _fill(share: Share, order: PastOrder | None, *, life: Life, statement: Statement, watched: Watched) -> RecordFill:
    fill, side = share.fill, life.key.side
    client_id = order.client_id if order is not None else ""
    reason = ""
    if not share.opens:
        reason = reason_of(
            share,
            order,
            side=side,
            rung_levels=rung_levels(life.key, statement.orders),
            breakeven_offset_pct=statement.breakeven_offset_pct,
            tick=statement.tick,
            too_old=watched.too_old,
        )
    return RecordFill(
        at_ms=fill.at_ms,
        opens=share.opens,
        price=fill.price,
        quantity=share.quantity,
        fee=share.fee,
        fee_asset=fill.fee_asset,
        realised=share.realised,
        role=role_of(share, order),
        rungs=() if share.opens else rungs_of_order(order),
        reason=str(reason),
        trigger=None if share.opens else meant_price(order),
        slippage_bps=slippage_bps(share, order, side),
        slippage_cost=slippage_cost(share, order, side),
        maker=fill.maker,
        order_id=fill.order_id,
        client_id=client_id,
        source=watched.sources.get(client_id),
    )


def _listed(fills: tuple[RecordFill, ...]) -> tuple[RecordFill, ...]:
    """The fills as they are listed: one by one, or those of one order at one price's average as one."""
    if len(fills) <= FILLS_LISTED_MAX:
        return fills
    merged: dict[tuple[str, bool, str], RecordFill] = {}
    for fill in fills:
        ref = (fill.order_id, fill.opens, fill.fee_asset)
        merged[ref] = _together(merged[ref], fill) if ref in merged else fill
    return tuple(merged.values())[-FILLS_LISTED_MAX:]


def _together(one: RecordFill, other: RecordFill) -> RecordFill:
    quantity = one.quantity + other.quantity

    def mean(first: Decimal | None, second: Decimal | None) -> Decimal | None:
        return None if first is None or second is None else (first * one.quantity + second * other.quantity) / quantity

    cost = one.slippage_cost
    return replace(
        other,
        price=mean(one.price, other.price) or other.price,
        quantity=quantity,
        fee=one.fee + other.fee,
        realised=one.realised + other.realised,
        slippage_bps=mean(one.slippage_bps, other.slippage_bps),
        slippage_cost=None if cost is None or other.slippage_cost is None else cost + other.slippage_cost,
        maker=one.maker and other.maker,
        trades=one.trades + other.trades,
    )


def _order_epochs(life: Life, executed: Mapping[str, PastOrder], stops: Iterable[PastOrder]) -> tuple[str, ...]:
    filled = (executed.get(share.fill.order_id) for share in life.exits)
    tags = [order.tag for order in (*filled, *stops) if order is not None]
    return tuple(dict.fromkeys(tag.epoch for tag in tags if tag is not None))


def _notes(record: Record, life: Life, *, remembered: bool) -> tuple[str, ...]:
    """What is not known or not exact, one word each; the words are listed in docs/redis.md."""
    words = {
        "beginning_unknown": not life.whole,
        "fills_contradict": life.contradicted,
        "fills_and_income_differ": not record.money.reconciled,
        "stops_forgotten": life.whole and not remembered,
        "never_covered": remembered and record.risk.first_stop is None,
        "marks_unknown": record.excursion is None,
        "marks_from_candles": record.marks_from == "candles",
        "not_watched": record.origin.settings_hash is None,
        "fills_merged": len(life.shares) > FILLS_LISTED_MAX,
    }
    return (*record.money.notes, *(word for word, holds in words.items() if holds))
