"""Which life of a position the evidence is about: its epoch, where it begins, and what resting orders tell of it.

A life begins when a position is opened and ends when it is proven flat. Client ids carry its epoch, so a restart finds
it in what rests. Orders that an earlier life left behind must not speak for the position that is open now.
"""

from __future__ import annotations

from collections.abc import Callable

from position_monitor.core.evidence.evidence import Belief
from position_monitor.core.model import ids
from position_monitor.core.model.orders import Role
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.live_book import LiveBook


def living(belief: Belief | None, position: Position, live: LiveBook) -> Belief:
    """The evidence of a position that is open now: of this life, which may have begun just now."""
    if belief is None:
        return _new_life(None, position, _epoch_of_life(live, position))
    # A sign that it is open, newer than the sign that it was flat, is about a new life.
    if position.updated_at_ms > belief.zero_at_ms and (belief.flat_sign or _was_flat_since(belief)):
        return _new_life(belief, position, "")
    return belief


def _was_flat_since(belief: Belief) -> bool:
    """Whether it was flat after this life began: closed and opened again between two reads, told by its backstop."""
    if belief.zero_at_ms <= belief.born_at_ms:
        return False
    return belief.zero_at_ms > ids.epoch_began_ms(belief.epoch)


def in_its_epoch(
    belief: Belief | None, position: Position, live: LiveBook, rebases: Callable[[PositionKey], bool]
) -> Belief:
    """The evidence of a position that was just listed, in the epoch that it is in now.

    A position that `rebases` begins a new epoch when it grew.
    """
    before, belief = belief, living(belief, position, live)
    if belief is not before:
        return belief
    if belief.quantities and position.quantity > belief.largest_quantity and rebases(position.key):
        return belief._replace(epoch=ids.epoch_of(position.updated_at_ms), inherited=False, done_rungs=frozenset())
    if (epoch := _settled_epoch(belief, live, position)) != belief.epoch and not rebases(position.key):
        return belief._replace(epoch=epoch, inherited=True)
    return belief


def newest_epoch(live: LiveBook) -> str:
    """The newest epoch of any order of ours: for orders whose position is not open, any name is as good."""
    return max((own.epoch for own in live.owned), default="")


def _new_life(before: Belief | None, position: Position, remembered: str) -> Belief:
    """Evidence of a position that begins anew, or (with a `remembered` epoch) that is met for the first time."""
    return Belief(
        epoch=remembered or ids.epoch_of(position.updated_at_ms),
        inherited=bool(remembered),
        entry_price=position.entry_price,
        born_at_ms=position.updated_at_ms if before is not None else 0,
        flat_before_ms=before.zero_at_ms if before is not None else 0,
        listed_reads=before.listed_reads if before is not None else {},
    )


def _epoch_of_life(live: LiveBook, position: Position) -> str:
    """The epoch that resting orders carry, if they are of this life of the position; else empty.

    A backstop is: the venue removes a close-all order with its position. Working stops and rungs stay behind when a
    position ends, so they speak only if they were made since the position is surely open: after a close-all order that
    rests (anybody's), or after the last change of the position.
    """
    backstops = [own for own in live.owned if own.role is Role.BACKSTOP]
    if backstops:
        return max(backstops, key=lambda own: (own.created_at_ms, own.epoch)).epoch
    since_ms = [order.created_at_ms for order in live.close_alls if order.created_at_ms > 0]
    since_ms += [position.updated_at_ms] if position.updated_at_ms > 0 else []
    if not since_ms:
        return ""
    # All of these were made in this life, so each of their epochs is a name of it. Where there are two, because a
    # restarted process could not read the orders and made up a newer one, the oldest counts: then all of them bind the
    # stop (invariant 8), and removing one of them does not change the epoch.
    return min((own.epoch for own in live.owned if own.created_at_ms >= min(since_ms)), default="")


def _settled_epoch(belief: Belief, live: LiveBook, position: Position) -> str:
    """The epoch in memory, unless something of ours rests that is of this life and of another one.

    After a restart the lists may lag: an epoch made up then yields to the backstop that appears a read later. A life
    that was recognised late, by a row of its last change, began right after the moment at which the position was flat.
    """
    since_ms = belief.flat_before_ms + 1 if belief.flat_before_ms else belief.born_at_ms
    backstops = [own for own in live.resting if own.role is Role.BACKSTOP and own.created_at_ms >= since_ms]
    if any(own.epoch == belief.epoch for own in backstops):
        return belief.epoch
    if backstops:
        return max(backstops, key=lambda own: (own.created_at_ms, own.epoch)).epoch
    if belief.born_at_ms:
        return belief.epoch
    # First met after a restart, perhaps in lists that lagged: what rests of this life knows better than we do. A newer
    # epoch does not, while an order of ours that rested in the last read, with the position open, rests still: another
    # process made it up after the position changed.
    settled = _epoch_of_life(live, position) or belief.epoch
    return belief.epoch if settled > belief.epoch and _still_rests(belief, live) else settled


def _still_rests(belief: Belief, live: LiveBook) -> bool:
    """Whether an order of the epoch in memory rested in the last read of the open position, and rests now."""
    before = {own.client_id for own in belief.rested if own.epoch == belief.epoch}
    return belief.present_reads > 0 and any(own.client_id in before for own in live.resting)
