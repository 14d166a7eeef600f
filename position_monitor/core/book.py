"""From levels to a desired book: the ratchet, the two-layer stop, foreign orders and the ladder (DESIGN 2, 9).

The stop on this venue has two layers. The *backstop* is a close-all order: the exchange sizes it when it triggers, so
it covers a position that grew after it was placed, and it disappears by itself when the position ends. The exchange
allows only one of it per direction (-4130) and offers no amendment, so it can never be moved without a gap. It is
therefore placed once and left alone; a tighter level is a *working stop*, a reduce-only quantity order above it, which
can be replaced make-before-break.

A desired book is snapped to what already rests wherever that is good enough: an order is replaced only for a reason a
trader would accept, never for a rounding difference. All of it is derived again in every cycle from what was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from position_monitor.core import ids
from position_monitor.core.cover import (
    TARGET_KINDS,
    belongs_to,
    counts_as_target,
    cover_of,
    outdated_backstop,
    owned_role,
    why_not_cover,
)
from position_monitor.core.evidence import KeyEvidence
from position_monitor.core.ladder import PIECE_STRIDE, RUNGS_MAX, collapsed, even_parts, open_targets, size_ladder
from position_monitor.core.model import (
    Advice,
    DesiredBook,
    DesiredOrder,
    Instrument,
    Level,
    LevelSource,
    LiveOrder,
    OrderKind,
    OrderStatus,
    Position,
    PositionKey,
    Role,
    Side,
    Target,
)
from position_monitor.core.money import against, distance_pct, in_favour, reached, target_trigger, tighter
from position_monitor.core.policy import Levels, levels_for
from position_monitor.core.settings import ProtectionSettings


@dataclass(frozen=True, slots=True)
class BookInputs:
    """Everything a desired book depends on."""

    account: str
    position: Position
    instrument: Instrument
    orders: tuple[LiveOrder, ...]
    """Live orders of the symbol, ours and foreign."""
    known: KeyEvidence
    settings: ProtectionSettings
    advice: Advice | None
    rungs_max: int
    """How many take-profit rungs the account's capacity leaves for this position."""
    triggering_grace_ms: int
    """How long a stop may be in the act of triggering before it is given up as stuck."""
    now_ms: int


def desired_book(inputs: BookInputs) -> DesiredBook:
    """What should rest for one position now."""
    levels = levels_for(inputs.position, inputs.instrument, inputs.settings, inputs.advice, inputs.now_ms)
    stop = _effective_stop(inputs, levels)
    stops = _stop_orders(inputs, levels, stop)
    targets, notes = _take_profits(inputs, levels)
    return DesiredBook(
        key=inputs.position.key,
        epoch=inputs.known.epoch,
        stop=stop,
        orders=(*stops, *targets),
        profile=inputs.settings.profile,
        regime=inputs.advice.regime if inputs.advice else "",
        notes=(*levels.notes, *notes),
    )


def _own_stops(inputs: BookInputs) -> tuple[LiveOrder, ...]:
    """Our resting stops of this position that count as cover."""
    return tuple(
        order
        for order in inputs.orders
        if ids.is_ours(order.client_id) and not why_not_cover(order, inputs.position, inputs.settings)
    )


def _of_this_epoch(order: LiveOrder, epoch: str) -> bool:
    parsed = ids.parse(order.client_id)
    return parsed is not None and parsed.epoch == epoch


def _holds_the_ratchet(order: LiveOrder, inputs: BookInputs) -> bool:
    """Stops of this epoch bind its level, and so does any backstop that is not being replaced by a rebase."""
    if owned_role(order) is Role.BACKSTOP:
        return not outdated_backstop(order, inputs.known.epoch, inputs.settings)
    return _of_this_epoch(order, inputs.known.epoch)


def _effective_stop(inputs: BookInputs, levels: Levels) -> Level:
    """The policy's stop, but never looser than the best stop of ours that already rests (invariant 8)."""
    side = inputs.position.side
    resting = [
        order.trigger_price
        for order in _own_stops(inputs)
        if order.trigger_price is not None and _holds_the_ratchet(order, inputs)
    ]
    if not resting:
        return levels.stop
    best = max(resting) if side is Side.LONG else min(resting)
    if tighter(levels.stop.price, best, side) and _worth_moving(inputs, levels, best):
        return levels.stop
    return Level(best, LevelSource.RATCHET, {"resting": str(best), "wanted": str(levels.stop.price)})


def _worth_moving(inputs: BookInputs, levels: Levels, best: Decimal) -> bool:
    """Whether the policy's tighter level should replace a resting stop.

    The clamp to the liquidation price always moves it. A level measured from the entry does so only while the
    position is not losing: a stop that was anchored to the mark in a loss would otherwise jump back to the entry's
    distance on the first bounce and turn the next small move into an exit nobody asked for.
    """
    if distance_pct(levels.stop.price, best) < inputs.settings.stop_min_move_pct:
        return False
    if levels.clamp is not None and tighter(levels.clamp, best, inputs.position.side):
        return True
    if levels.crossed or inputs.position.entry_price <= 0:
        return False
    if levels.stop.source == LevelSource.AI:
        room = against(inputs.position.mark_price, inputs.position.side, inputs.settings.stop_loss_min_pct)
        return not tighter(levels.stop.price, room, inputs.position.side)
    return inputs.position.loss_pct <= 0


def _stop_orders(inputs: BookInputs, levels: Levels, stop: Level) -> tuple[DesiredOrder, ...]:
    """The backstop and, when the effective stop is tighter than it, the working stop."""
    if inputs.known.firing(inputs.now_ms, inputs.triggering_grace_ms):
        return _own_as_they_rest(inputs)
    close_all = _resting_close_all(inputs)
    if close_all is not None and outdated_backstop(close_all, inputs.known.epoch, inputs.settings):
        return _working_stops(inputs, stop)
    if close_all is not None and ids.is_ours(close_all.client_id):
        assert close_all.trigger_price is not None
        kept = _as_desired(inputs, close_all, Role.BACKSTOP, None, LevelSource.RATCHET)
        covers = not why_not_cover(close_all, inputs.position, inputs.settings)
        if covers and not tighter(stop.price, close_all.trigger_price, inputs.position.side):
            return (kept,)
        return (kept, *_working_stops(inputs, stop))
    if _foreign_is_enough(inputs, levels):
        return _own_as_they_rest(inputs)
    if close_all is not None or inputs.known.close_all_blocked:
        return _working_stops(inputs, stop)
    return (_order(inputs, Role.BACKSTOP, 0, OrderKind.STOP_MARKET, stop, None),)


def _resting_close_all(inputs: BookInputs) -> LiveOrder | None:
    """The close-all stop of this position and direction, ours or foreign: the venue allows only one."""
    return next(
        (
            order
            for order in inputs.orders
            if order.close_all
            and order.kind in (OrderKind.STOP_MARKET, OrderKind.STOP)
            and order.status is OrderStatus.NEW
            and belongs_to(order, inputs.position)
            and order.trigger_price is not None
        ),
        None,
    )


def _own_as_they_rest(inputs: BookInputs) -> tuple[DesiredOrder, ...]:
    """Our stops, wanted exactly as they are: nothing is added and nothing removed."""
    return tuple(
        _as_desired(inputs, order, role, None if order.close_all else order.quantity, LevelSource.RATCHET)
        for order in inputs.orders
        if (role := owned_role(order)) in (Role.BACKSTOP, Role.WORKING_STOP)
        and order.trigger_price is not None
        and belongs_to(order, inputs.position)
    )


def _foreign_is_enough(inputs: BookInputs, levels: Levels) -> bool:
    """A user's own full cover is respected, unless it lies beyond the clamp to the liquidation price."""
    foreign = tuple(order for order in inputs.orders if not ids.is_ours(order.client_id))
    cover = cover_of(inputs.position, foreign, inputs.settings)
    if cover.whole_price is None:
        return False
    return levels.clamp is None or not tighter(levels.clamp, cover.whole_price, inputs.position.side)


def _working_stops(inputs: BookInputs, stop: Level) -> tuple[DesiredOrder, ...]:
    """Reduce-only quantity stops over the whole position, in equal parts where the venue's market maximum demands it.

    The minimum notional is not applied: whether the venue exempts the closing side in hedge mode is not documented,
    and a stop that is tried and refused costs nothing.
    """
    parts = even_parts(inputs.position.quantity, inputs.instrument)[: ids.RUNG_CODES]
    return tuple(
        _order(inputs, Role.WORKING_STOP, number, OrderKind.STOP_MARKET, stop, part)
        for number, part in enumerate(parts)
    )


def _take_profits(inputs: BookInputs, levels: Levels) -> tuple[tuple[DesiredOrder, ...], tuple[str, ...]]:
    """The ladder for the quantity that foreign take-profits do not already take."""
    position = inputs.position
    if not levels.targets:
        return tuple(_as_desired(inputs, *item, LevelSource.RATCHET) for item in _resting_ladder(inputs)), ()
    quantity = position.quantity - _foreign_target_quantity(inputs)
    if quantity <= 0:
        return (), ("take-profits are the user's own",)
    resting = _resting_ladder(inputs)
    if _ladder_stands(resting, levels, quantity, inputs):
        return tuple(_as_desired(inputs, *item, LevelSource.RATCHET) for item in resting), ()
    targets = open_targets(levels.targets, position, inputs.known.done_rungs)
    targets = collapsed(targets or (_reanchored(inputs, levels, resting),), inputs.rungs_max)
    notional = inputs.instrument.min_notional if position.hedged else Decimal(0)
    sized, note = size_ladder(targets, quantity, inputs.instrument, min_notional=notional)
    orders = tuple(
        _snapped(
            _order(inputs, Role.TAKE_PROFIT, rung.rung, OrderKind.TAKE_PROFIT_MARKET, rung.level, rung.quantity),
            inputs,
            resting,
        )
        for rung in sized
    )
    notes = (note,) if note else ()
    return orders, notes if inputs.rungs_max > 0 else ("no conditional-order capacity left for take-profits",)


def _foreign_target_quantity(inputs: BookInputs) -> Decimal:
    if not inputs.settings.respect_foreign_orders:
        return Decimal(0)
    total = Decimal(0)
    for order in inputs.orders:
        if not ids.is_ours(order.client_id) and counts_as_target(order, inputs.position):
            total += inputs.position.quantity if order.close_all else order.quantity
    return total


_Resting = tuple[LiveOrder, Role, Decimal | None]


def _resting_ladder(inputs: BookInputs) -> tuple[_Resting, ...]:
    """Our resting take-profits of this position and epoch, nearest rung first."""
    found = [
        order
        for order in inputs.orders
        if owned_role(order) is Role.TAKE_PROFIT
        and order.kind in TARGET_KINDS
        and order.status is OrderStatus.NEW
        and order.trigger_price is not None
        and belongs_to(order, inputs.position)
        and _of_this_epoch(order, inputs.known.epoch)
    ]
    found.sort(key=lambda order: (_rung(order), order.order_id))
    return tuple((order, Role.TAKE_PROFIT, order.quantity) for order in found)


def _rung(order: LiveOrder) -> int:
    parsed = ids.parse(order.client_id)
    return parsed.rung if parsed else 0


def _ladder_stands(resting: Sequence[_Resting], levels: Levels, quantity: Decimal, inputs: BookInputs) -> bool:
    """Whether the resting ladder is good as it is.

    It is when it adds up to the position and every rung sits at its level: after a rung took its profit, the rest of
    the ladder is exactly the rest of the position, and this holds without any memory of what was there before.
    """
    rungs = {_rung(order) for order, _, _ in resting}
    if not resting or len(rungs) != len(resting) or len({rung % PIECE_STRIDE for rung in rungs}) > inputs.rungs_max:
        return False
    total = sum((order.quantity for order, _, _ in resting), Decimal(0))
    if not 0 <= quantity - total < inputs.instrument.step:
        return False
    wanted = {target.rung: target.level.price for target in levels.targets}
    last = levels.targets[-1].rung
    tolerance = inputs.settings.stop_min_move_pct
    for order, _, _ in resting:
        rung = _rung(order) % PIECE_STRIDE
        trigger = order.trigger_price or Decimal(0)
        if rung in wanted and distance_pct(trigger, wanted[rung]) <= tolerance:
            continue
        # A last rung further away than its level was placed when the price had passed every target; it may stay.
        if rung != last or not tighter(trigger, wanted[last], inputs.position.side):
            return False
    return True


def _reanchored(inputs: BookInputs, levels: Levels, resting: Sequence[_Resting]) -> Target:
    """One rung for the whole rest: the last level, or if the price is beyond that, the least way from the mark."""
    last = levels.targets[-1]
    position, tick = inputs.position, inputs.instrument.tick
    if not reached(position.mark_price, last.level.price, position.side):
        return Target(last.rung, last.level, Decimal(1))
    for order, _, _ in resting:
        if _rung(order) % PIECE_STRIDE == last.rung and order.trigger_price is not None:
            return Target(last.rung, Level(order.trigger_price, LevelSource.REANCHOR), Decimal(1))
    price = in_favour(position.mark_price, position.side, inputs.settings.target_min_pct)
    price = target_trigger(price, position.side, tick)
    if reached(position.mark_price, price, position.side):
        one_tick = tick if position.side is Side.LONG else -tick
        price = target_trigger(position.mark_price, position.side, tick) + one_tick
    return Target(last.rung, Level(price, LevelSource.REANCHOR), Decimal(1))


def _snapped(wanted: DesiredOrder, inputs: BookInputs, resting: Sequence[_Resting]) -> DesiredOrder:
    """Keep a resting rung of the same size whose trigger differs by less than the least move."""
    for order, role, quantity in resting:
        if (
            _rung(order) == wanted.rung
            and quantity == wanted.quantity
            and order.trigger_price is not None
            and distance_pct(order.trigger_price, wanted.trigger_price) <= inputs.settings.stop_min_move_pct
        ):
            return _as_desired(inputs, order, role, quantity, wanted.source)
    return wanted


def _as_desired(
    inputs: BookInputs, order: LiveOrder, role: Role, quantity: Decimal | None, source: str
) -> DesiredOrder:
    """A resting order, wanted exactly as it is."""
    assert order.trigger_price is not None
    return DesiredOrder(
        symbol=order.symbol,
        side=inputs.position.side,
        role=role,
        rung=_rung(order),
        kind=order.kind,
        trigger_price=order.trigger_price,
        quantity=quantity,
        position_side=order.position_side,
        working_type=order.working_type,
        client_id=order.client_id,
        source=source,
    )


def _order(
    inputs: BookInputs, role: Role, rung: int, kind: OrderKind, level: Level, quantity: Decimal | None
) -> DesiredOrder:
    """A new order for the position, with the id its intent determines."""
    position = inputs.position
    client_id = ids.client_id(
        account=inputs.account,
        symbol=position.symbol,
        side=position.side,
        role=role,
        rung=rung,
        trigger=level.price,
        quantity=quantity,
        epoch=inputs.known.epoch,
    )
    return DesiredOrder(
        symbol=position.symbol,
        side=position.side,
        role=role,
        rung=rung,
        kind=kind,
        trigger_price=level.price,
        quantity=quantity,
        position_side=position.position_side,
        working_type=inputs.settings.working_type,
        client_id=client_id,
        source=level.source,
    )


def rungs_allowed(keys: Sequence[PositionKey], reserved: int, conditional_orders_max: int) -> dict[PositionKey, int]:
    """Take-profit rungs each position may hold inside the venue's cap on open conditional orders.

    `reserved` counts what comes first: foreign conditional orders and our stops. One more slot in ten positions
    (at least two) stays free so that a working stop can be placed beside the one it replaces. What is left is spread
    evenly; the remainder goes to the first keys, so the same positions keep it from cycle to cycle.
    """
    spare = max(2, -(-len(keys) // 10))
    free = max(0, conditional_orders_max - reserved - spare)
    each, more = divmod(free, len(keys)) if keys else (0, 0)
    return {key: min(RUNGS_MAX, each + (1 if index < more else 0)) for index, key in enumerate(sorted(keys))}
