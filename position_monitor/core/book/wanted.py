"""What a desired book is made from, and how a single wanted order is written down.

`BookInputs` is everything a book depends on. `OrderFacts` is everything its *orders* depend on, once the levels are
known: the mark is not among them, only what it decides (the stop, the rungs it has passed). Whoever makes orders sees
nothing else, so equal facts want the same orders, and `desired_book.py` gives the answer of the look before again.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.evidence.evidence import Belief
from position_monitor.core.exits.view import Obstacle
from position_monitor.core.model import ids
from position_monitor.core.model.desired import DesiredOrder, Ladder, Target
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.orders import LiveOrder, Purpose, Role
from position_monitor.core.model.outside import Advice
from position_monitor.core.model.positions import Position
from position_monitor.core.model.settings import ProtectionSettings
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.observation.cover import Cover, belongs_to
from position_monitor.core.observation.live_book import LiveBook

_NOTHING = Decimal(0)


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
    live: LiveBook
    """The live orders of this position, ours and foreign, sorted."""
    cover: Cover
    """The stop cover they give."""
    belief: Belief
    settings: ProtectionSettings
    advice: Advice | None
    rungs: RungsAllowed
    triggering_grace_ms: int
    """How long a stop may be in the act of triggering before it is given up as stuck."""
    now_ms: int
    in_transit: tuple[DesiredOrder, ...] = ()
    """Working stops of the position that were written a moment ago and not read back yet."""
    replacement_reads: int = 1
    """Reads in which a stop must have been listed before it may replace another."""
    market: MarketState | None = None
    """What the closed candles of the symbol say, which may have expired."""
    live_since_ms: int | None = None
    """Since when the policy is live here; None where nobody knows (12.5)."""
    stops_listed: bool = True
    """Whether the list of conditional orders was read: without it nobody knows that a stop is gone (invariant 7)."""


class OrderFacts(NamedTuple):
    """Everything the wanted orders of one position depend on."""

    account: str
    key: PositionKey
    hedged: bool
    quantity: Decimal
    instrument: Instrument
    settings: ProtectionSettings
    live: LiveBook
    """What rests for the position, ours and foreign."""
    cover: tuple[LiveOrder, ...]
    """Those that count as stop cover now."""
    in_transit: tuple[DesiredOrder, ...]
    """Working stops that were written a moment ago and not read back yet."""
    unproven: frozenset[str]
    """Client ids of working stops that rest and were not read back often enough to replace another."""
    epoch: str
    spent: tuple[str, ...]
    """Client ids of the epoch that named orders which ended."""
    done_rungs: frozenset[int]
    ladder_from: int
    """The nearest rung of the last ladder that was the whole position."""
    slot_is_foreign: bool
    """Another program had its own close-all stop in this epoch."""
    close_all_blocked: bool
    firing: bool
    """Whether a stop of ours is being triggered just now."""
    taking_profit: bool
    """Whether a take-profit of ours is closing its part just now."""
    rungs: RungsAllowed
    stop_price: Decimal
    """The effective stop."""
    stop_today: Decimal
    """The same for a new order: at a price that the venue permits today, which a level that rests may be older than."""
    stop_source: str
    stop_anchored: bool
    """Whether it was measured from the mark in a loss."""
    policy_price: Decimal
    """The policy's own stop, where a new backstop goes."""
    policy_source: str
    policy_anchored: bool
    policy_pin: int
    """What a new backstop says in its id (`core/model/pins.py`)."""
    obstacle: Obstacle
    """What keeps every stop from protecting; nothing, nearly always."""
    foreign_is_enough: bool
    """The user's own stops cover the position, and ours need not rest beside them."""
    awaits_foreign: bool
    """Another program's own stop is waited for before ours is placed (`foreign_stop_grace_s`)."""
    gives_way: bool
    """Ours are withdrawn, because the user's own are enough and were read back (`yield_to_foreign_stop`)."""
    targets: tuple[Target, ...]
    passed: frozenset[int]
    """The rungs whose level the mark has reached."""
    beyond_last: Decimal | None
    """Where a target goes when the mark has reached the last level; None while it has not."""
    runner: Decimal = _NOTHING
    """Part of the whole position (0 to 1) that never gets a target."""
    also: tuple[Ladder, ...] = ()
    """Other ladders that may stay where they rest."""
    ladder_stays: bool = False
    """Whether a ladder that rests stays whatever its levels."""
    alone: bool = False
    """Whether what is left is the runner."""

    @property
    def symbol(self) -> str:
        """The exchange's symbol id."""
        return self.key.symbol

    @property
    def side(self) -> Side:
        """The direction of the position."""
        return self.key.side

    def is_reduced_by(self, order: LiveOrder) -> bool:
        """Whether an order can only reduce the position."""
        return belongs_to(order, self.key, hedged=self.hedged)


def as_desired(facts: OrderFacts, order: LiveOrder, role: Role, source: str) -> DesiredOrder:
    """A resting order, wanted exactly as it is."""
    price = order.price
    assert price is not None
    return DesiredOrder(
        symbol=order.symbol,
        side=facts.side,
        role=role,
        rung=order.rung,
        purpose=order.purpose,
        trigger_price=price,
        quantity=order.quantity,
        hedged=order.hedged,
        working_type=order.working_type,
        client_id=order.client_id,
        source=source,
    )


def new_order(
    facts: OrderFacts, role: Role, rung: int, purpose: Purpose, price: Decimal, source: str, quantity: Decimal | None
) -> DesiredOrder:
    """A new order for the position, with the id its intent determines."""
    order = DesiredOrder(
        symbol=facts.symbol,
        side=facts.side,
        role=role,
        rung=rung,
        purpose=purpose,
        trigger_price=price,
        quantity=quantity,
        hedged=facts.hedged,
        working_type=facts.settings.working_type,
        client_id="",
        source=source,
    )
    return _named(order, facts.account, facts.spent, facts.epoch)


def renewed(order: DesiredOrder, account: str, belief: Belief) -> DesiredOrder:
    """The same order under the id its intent has now."""
    return _named(order, account, belief.spent, belief.epoch)


def _named(order: DesiredOrder, account: str, spent: Collection[str], epoch: str) -> DesiredOrder:
    client_id = ids.next_id(
        spent,
        account=account,
        symbol=order.symbol,
        side=order.side,
        role=order.role,
        rung=order.rung,
        trigger=order.trigger_price,
        quantity=order.quantity,
        epoch=epoch,
        limit=order.is_limit,
    )
    return order._replace(client_id=client_id)
