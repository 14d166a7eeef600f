"""The book that another policy would want for a position now, and what rested live at that moment (exits.md 1, row 25).

The policy is the one that would be live (`core/exits`), asked as if nothing of ours rested, because what rests belongs
to the live one. What it said before is its only memory, as the resting stop is that of the live one: its stop never
loosens within an epoch (invariant 8), and its rungs count as taken once a mark that was read has reached them. A
restart forgets that, and the book begins anew with the position as it is then.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.book.exit_view import exit_view
from position_monitor.core.exits.policies import exits_for
from position_monitor.core.exits.view import Exits, RestingStop
from position_monitor.core.model.desired import LevelSource
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.money import beyond, distance_pct, tighter
from position_monitor.core.model.outside import Advice
from position_monitor.core.model.positions import Position
from position_monitor.core.model.settings import ProtectionSettings
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.shadow.asking import inputs_alone

REASON_LENGTH_MAX = 300


class ShadowTarget(NamedTuple):
    """One target of the shadow policy: `fraction` of the position (0 to 1] at `price`."""

    price: Decimal
    fraction: Decimal


class RestsLive(NamedTuple):
    """What rested for the position when the shadow book was made."""

    policy: str
    stop_price: Decimal | None
    """The tightest stop that counts as cover, anybody's."""
    stop_quantity: Decimal
    targets: tuple[tuple[Decimal, Decimal], ...] = ()
    """Price and quantity of the take-profits of ours that rested."""


class ShadowBook(NamedTuple):
    """What a policy that is not live would want for one position."""

    key: PositionKey
    epoch: str
    at_ms: int
    """When it was made. One that says the same as the one before keeps that one's time."""
    since_ms: int
    """When the first one of this epoch was made by this process."""
    policy: str
    profile: str
    regime: str
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    pin: int
    """What was decided when the first book of this epoch was made (`core/model/pins.py`)."""
    initial_stop: Decimal
    """Where its first stop would have been placed, when the first book of this epoch was made."""
    stop_price: Decimal
    stop_source: str
    targets: tuple[ShadowTarget, ...]
    """Those that no mark has reached yet, nearest first."""
    rungs_done: frozenset[int]
    """The rungs that a mark has reached."""
    stop_reached: bool
    """Whether a mark has passed its stop: it would be out of the position."""
    reason: str
    live: RestsLive


class ShadowInputs(NamedTuple):
    """Everything a shadow book depends on, beside the one before."""

    account: str
    position: Position
    """With a known entry price."""
    epoch: str
    instrument: Instrument
    settings: ProtectionSettings
    """Those of the shadow policy."""
    advice: Advice | None
    market: MarketState | None
    live: RestsLive
    now_ms: int
    live_since_ms: int | None = None
    """Since when policies are remembered here: older positions are exempt from the time stop (12.5)."""


def shadow_book(inputs: ShadowInputs, before: ShadowBook | None) -> ShadowBook:
    """What the shadow policy wants now; the very book `before` where that says the same."""
    position = inputs.position
    if before is not None and (before.epoch != inputs.epoch or before.policy != inputs.settings.policy):
        before = None
    if before is not None and before.stop_reached:
        return before
    exits = _asked(inputs, before)
    done = exits.passed if before is None else before.rungs_done | exits.passed
    price, source = exits.stop.price, str(exits.stop.source)
    if before is not None and not tighter(price, before.stop_price, position.side):
        price, source = before.stop_price, str(LevelSource.RATCHET)
    targets = [ShadowTarget(one.level.price, one.fraction) for one in exits.targets if one.rung not in done]
    book = ShadowBook(
        key=position.key,
        epoch=inputs.epoch,
        at_ms=inputs.now_ms,
        since_ms=inputs.now_ms if before is None else before.since_ms,
        policy=str(inputs.settings.policy),
        profile=exits.profile,
        regime=exits.regime,
        quantity=position.quantity,
        entry_price=position.entry_price,
        mark_price=position.mark_price,
        pin=exits.pin if before is None else before.pin,
        initial_stop=exits.initial_stop.price if before is None else before.initial_stop,
        stop_price=price,
        stop_source=source,
        targets=tuple(targets),
        rungs_done=done,
        stop_reached=beyond(position.arming_price, price, position.side),
        reason="; ".join(exits.notes)[:REASON_LENGTH_MAX],
        live=inputs.live,
    )
    return before if before is not None and _says_the_same(before, book, inputs.settings) else book


def _asked(inputs: ShadowInputs, before: ShadowBook | None) -> Exits:
    """The answer of the policy, which sees its own stop of before and nothing that rests."""
    view = exit_view(
        inputs_alone(
            account=inputs.account,
            position=inputs.position,
            epoch=inputs.epoch,
            rungs_done=frozenset() if before is None else before.rungs_done,
            instrument=inputs.instrument,
            settings=inputs.settings,
            advice=inputs.advice,
            market=inputs.market,
            now_ms=inputs.now_ms,
            live_since_ms=inputs.live_since_ms,
        )
    )
    if before is not None:
        view = view._replace(
            resting=RestingStop(before.stop_price, anchored=False),
            r=abs(before.entry_price - before.initial_stop),
            pin=before.pin,
            since_ms=before.since_ms,
            rungs_rest=bool(before.targets),
        )
    return exits_for(view)


def _says_the_same(before: ShadowBook, book: ShadowBook, settings: ProtectionSettings) -> bool:
    """Whether nothing changed but the price, the time, what rests live, and the stop by less than its least move."""
    moved = distance_pct(book.stop_price, before.stop_price) >= settings.stop_min_move_pct
    if moved or book.stop_reached is not before.stop_reached:
        return False
    alike = book._replace(
        at_ms=before.at_ms,
        mark_price=before.mark_price,
        stop_price=before.stop_price,
        stop_source=before.stop_source,
        live=before.live,
    )
    return alike == before


def of_open_positions(
    books: Mapping[PositionKey, ShadowBook], open_keys: frozenset[PositionKey]
) -> dict[PositionKey, ShadowBook]:
    """The books of the positions that are still open."""
    return {key: book for key, book in books.items() if key in open_keys}
