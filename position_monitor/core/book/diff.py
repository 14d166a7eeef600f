"""Desired book against what rests: missing, matched, surplus, foreign, in flight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.core.model.profiles import RungKind, kind_of
from position_monitor.core.model.rungs import rungs_of
from position_monitor.core.observation.live_book import LiveBook


class LadderRung(NamedTuple):
    """One take-profit of ours as it rests, or as it is missing."""

    rung: int
    trigger_price: Decimal
    quantity: Decimal
    client_id: str
    """Of the order that rests; empty where none does."""
    source: str
    kind: RungKind = RungKind.MARKET


@dataclass(frozen=True)
class BookDiff:
    """How the live book of one position differs from the desired one."""

    missing: tuple[DesiredOrder, ...]
    matched: tuple[tuple[DesiredOrder, LiveOrder], ...]
    surplus: tuple[LiveOrder, ...]
    """Resting orders of ours that the desired book does not want."""
    in_flight: tuple[LiveOrder, ...]
    """Orders of ours that are being triggered: left alone."""
    foreign: tuple[LiveOrder, ...]

    @property
    def in_sync(self) -> bool:
        """Whether nothing has to be placed or removed."""
        return not self.missing and not self.surplus

    @cached_property
    def ladder(self) -> tuple[LadderRung, ...]:
        """Our take-profits as they rest or are missing, nearest first; worked out once, like the difference itself."""
        rungs = [_rung(desired, live.quantity, live.client_id) for desired, live in self.matched]
        rungs += [_rung(desired, desired.quantity, "") for desired in self.missing]
        return tuple(sorted([rung for rung in rungs if rung is not None], key=lambda rung: rung.rung))


def _rung(desired: DesiredOrder, quantity: Decimal | None, client_id: str) -> LadderRung | None:
    """The rung of an order; None for a stop."""
    if desired.role is not Role.TAKE_PROFIT:
        return None
    return LadderRung(
        rung=rungs_of(desired.rung)[-1],
        trigger_price=desired.trigger_price,
        quantity=quantity or Decimal(0),
        client_id=client_id,
        source=desired.source,
        kind=kind_of(desired.purpose),
    )


def diff(orders: Sequence[DesiredOrder], live: LiveBook) -> BookDiff:
    """Compare by content, not by remembered ids: after a restart the exchange is the only memory."""
    left = list(live.resting)
    missing: list[DesiredOrder] = []
    matched: list[tuple[DesiredOrder, LiveOrder]] = []
    for desired in orders:
        for number, own in enumerate(left):
            if same_content(desired, own):
                matched.append((desired, left.pop(number)))
                break
        else:
            if not any(same_content(desired, own) for own in live.in_flight):
                missing.append(desired)
    return BookDiff(
        missing=tuple(missing),
        matched=tuple(matched),
        surplus=tuple(left),
        in_flight=live.in_flight,
        foreign=live.foreign,
    )


def same_content(desired: DesiredOrder, order: LiveOrder) -> bool:
    """Whether a resting order of ours is the wanted one: role, rung, purpose, position, trigger and size.

    The working type is not part of it: an order that rests is not replaced because the setting changed since.
    """
    return (
        order.role is desired.role
        and order.rung == desired.rung
        and order.purpose is desired.purpose
        and order.key.side is desired.side
        and order.hedged is desired.hedged
        # In one-way mode the direction is that of its position; but a stop that can do more than reduce covers nothing.
        and (order.reduces or not (order.hedged or desired.role.is_stop))
        and order.price == desired.trigger_price
        and order.quantity == desired.quantity
    )
