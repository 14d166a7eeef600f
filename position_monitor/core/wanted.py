"""What a desired book is made from, and how a single wanted order is written down."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from position_monitor.core import ids
from position_monitor.core.cover import Cover
from position_monitor.core.evidence import KeyEvidence
from position_monitor.core.live_book import LiveBook
from position_monitor.core.model import (
    Advice,
    DesiredOrder,
    Instrument,
    Level,
    LiveOrder,
    OrderKind,
    Position,
    Role,
)
from position_monitor.core.settings import ProtectionSettings


class RungsAllowed(NamedTuple):
    """How many take-profit rungs the account's capacity leaves for a position."""

    most: int
    again: int
    """How many a ladder that was collapsed may have again: with slots to spare, so that a slot which comes and goes
    does not make ladders come and go."""


NO_RUNGS = RungsAllowed(0, 0)


class BookInputs(NamedTuple):
    """Everything a desired book depends on."""

    account: str
    position: Position
    instrument: Instrument
    orders: tuple[LiveOrder, ...]
    """Live orders of the symbol, ours and foreign."""
    live: LiveBook
    """Those of this position, sorted."""
    cover: Cover
    """The stop cover they give."""
    known: KeyEvidence
    settings: ProtectionSettings
    advice: Advice | None
    rungs: RungsAllowed
    triggering_grace_ms: int
    """How long a stop may be in the act of triggering before it is given up as stuck."""
    now_ms: int


def of_this_epoch(order: LiveOrder, epoch: str) -> bool:
    """Whether an order of ours was made for this life of the position."""
    parsed = ids.parse(order.client_id)
    return parsed is not None and parsed.epoch == epoch


def rung_of(order: LiveOrder) -> int:
    """The rung code in an order's client id; 0 for a foreign order."""
    parsed = ids.parse(order.client_id)
    return parsed.rung if parsed else 0


def as_desired(inputs: BookInputs, order: LiveOrder, role: Role, quantity: Decimal | None, source: str) -> DesiredOrder:
    """A resting order, wanted exactly as it is."""
    assert order.trigger_price is not None
    return DesiredOrder(
        symbol=order.symbol,
        side=inputs.position.side,
        role=role,
        rung=rung_of(order),
        kind=order.kind,
        trigger_price=order.trigger_price,
        quantity=quantity,
        position_side=order.position_side,
        working_type=order.working_type,
        client_id=order.client_id,
        source=source,
    )


def new_order(
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
