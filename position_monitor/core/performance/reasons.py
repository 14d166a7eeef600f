"""Why a fill closed some of a position (S15), and what it cost against the price it was meant for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from position_monitor.core.model.money import in_favour, tighter
from position_monitor.core.model.orders import Role, WorkingType
from position_monitor.core.model.rungs import rungs_of
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.performance.facts import PastOrder
from position_monitor.core.performance.lives import Life, Share

_BPS = Decimal(10_000)


class ExitReason(StrEnum):
    """Why a fill closed some of a position, from the venue alone. Of a take-profit the word carries its rung: `TP1`."""

    SL = "SL"
    """The backstop was filled."""
    SL_TIGHTENED = "SL_TIGHTENED"
    """The working stop was filled at a level worse than the entry."""
    BREAKEVEN = "BREAKEVEN"
    """The same within the breakeven offset."""
    LOCK = "LOCK"
    """The same in profit, at the level of a rung."""
    TRAIL = "TRAIL"
    """The same in profit, at any other level."""
    TP = "TP"
    TIME = "TIME"
    """Closed at market because it had lasted too long."""
    EMERGENCY = "EMERGENCY"
    """Closed at market by the close ladder."""
    LIQUIDATION = "LIQUIDATION"
    ADL = "ADL"
    SETTLEMENT = "SETTLEMENT"
    EXTERNAL = "EXTERNAL"
    """By an order that is not ours."""


class FillRole(StrEnum):
    """What an order was for, as slippage is grouped."""

    ENTRY = "entry"
    BACKSTOP = "backstop"
    WORKING_STOP = "working_stop"
    TAKE_PROFIT = "take_profit"
    CLOSE = "close"
    FORCED = "forced"
    EXTERNAL = "external"


_ROLES = {
    Role.BACKSTOP: FillRole.BACKSTOP,
    Role.WORKING_STOP: FillRole.WORKING_STOP,
    Role.TAKE_PROFIT: FillRole.TAKE_PROFIT,
    Role.CLOSE: FillRole.CLOSE,
}


def executed_orders(orders: Iterable[PastOrder]) -> dict[str, PastOrder]:
    """The orders by the id that their fills name. A conditional order says more than the order it became."""
    executed: dict[str, PastOrder] = {}
    for order in orders:
        listed = executed.get(order.executing_id)
        if order.executing_id and (listed is None or listed.trigger_price is None):
            executed[order.executing_id] = order
    return executed


def role_of(share: Share, order: PastOrder | None) -> FillRole:
    """What the order of a fill was for."""
    if share.opens:
        return FillRole.ENTRY
    if order is None:
        return FillRole.EXTERNAL
    if order.forced is not None:
        return FillRole.FORCED
    return FillRole.EXTERNAL if order.role is None else _ROLES[order.role]


def rungs_of_order(order: PastOrder | None) -> tuple[int, ...]:
    """The configured rungs a take-profit of ours stands for, from 1; none for any other order."""
    if order is None or order.tag is None or order.tag.role is not Role.TAKE_PROFIT:
        return ()
    return tuple(rung + 1 for rung in rungs_of(order.tag.rung))


def reason_of(
    share: Share,
    order: PastOrder | None,
    *,
    side: Side,
    rung_levels: Sequence[Decimal],
    breakeven_offset_pct: Decimal,
    tick: Decimal,
    too_old: bool,
) -> str:
    """Why a closing fill happened. `too_old`: an order of the close role was sent by the time stop."""
    if order is None:
        return ExitReason.EXTERNAL
    if order.forced is not None:
        return ExitReason(order.forced.value)
    match order.role:
        case Role.BACKSTOP:
            return ExitReason.SL
        case Role.TAKE_PROFIT:
            return f"{ExitReason.TP}{rungs_of_order(order)[-1]}"
        case Role.CLOSE:
            return ExitReason.TIME if too_old else ExitReason.EMERGENCY
        case Role.WORKING_STOP:
            level = share.fill.price if order.trigger_price is None else order.trigger_price
            return reason_of_stop(level, share.average, side, StopFacts(rung_levels, breakeven_offset_pct, tick))
        case _:
            return ExitReason.EXTERNAL


class StopFacts(NamedTuple):
    """What tells the reasons of a working stop apart."""

    rung_levels: Sequence[Decimal]
    """Levels of the take-profits of the position: where locks put the stop (S6)."""
    breakeven_offset_pct: Decimal
    tick: Decimal


def reason_of_stop(level: Decimal, entry: Decimal, side: Side, facts: StopFacts) -> ExitReason:
    """The reason of a working stop by the level it was set to, not by the price it got: slippage does not turn a
    breakeven stop into a loss."""
    rung_levels, offset_pct, tick = facts
    breakeven = in_favour(entry, side, offset_pct)
    if tighter(entry, level, side):
        return ExitReason.SL_TIGHTENED
    if not tighter(level, breakeven, side) or abs(level - breakeven) <= tick:  # rounded to it
        return ExitReason.BREAKEVEN
    at_a_rung = any(abs(level - rung) <= tick for rung in rung_levels)
    return ExitReason.LOCK if at_a_rung else ExitReason.TRAIL


def rungs_in(life: Life, orders: Iterable[PastOrder]) -> tuple[int, ...]:
    """The configured rungs of which take-profits of ours rested while a life lasted, from 1."""
    rungs: set[int] = set()
    for order in orders:
        ended = not order.ended_at_ms or order.ended_at_ms >= life.opened_at_ms
        if order.key == life.key and ended and order.created_at_ms <= life.closed_at_ms:
            rungs.update(rungs_of_order(order))
    return tuple(sorted(rungs))


def rung_levels(key: PositionKey, orders: Iterable[PastOrder]) -> tuple[Decimal, ...]:
    """The levels of the take-profits of ours of a position: where locks put the stop (S6)."""
    ours = (order for order in orders if order.key == key and order.role is Role.TAKE_PROFIT)
    levels = {order.trigger_price or order.limit_price for order in ours}
    return tuple(sorted(level for level in levels if level is not None))


def meant_price(order: PastOrder | None) -> Decimal | None:
    """The price an exit was meant for: the trigger, of a limit order without one its limit."""
    if order is None or order.forced is not None:
        return None
    return order.trigger_price or order.limit_price


def slippage_bps(share: Share, order: PastOrder | None, side: Side) -> Decimal | None:
    """How much worse than meant an exit was filled, in basis points; positive is against us (exits.md 8)."""
    meant = None if share.opens else meant_price(order)
    return None if meant is None else _worse_by(share, meant, side) / meant * _BPS


def slippage_cost(share: Share, order: PastOrder | None, side: Side) -> Decimal | None:
    """The same in money."""
    meant = None if share.opens else meant_price(order)
    return None if meant is None else _worse_by(share, meant, side) * share.quantity


def _worse_by(share: Share, meant: Decimal, side: Side) -> Decimal:
    return meant - share.fill.price if side is Side.LONG else share.fill.price - meant


def marks_reached(shares: Iterable[Share], orders: Mapping[str, PastOrder]) -> list[tuple[Decimal, int]]:
    """The triggers that fired by the mark: it was there, whether or not anybody read it (exits.md 12.8)."""
    reached = []
    for share in shares:
        order = None if share.opens else orders.get(share.fill.order_id)
        if order is not None and order.trigger_price is not None and order.working_type is WorkingType.MARK_PRICE:
            reached.append((order.trigger_price, share.fill.at_ms))
    return reached
