"""Asking a policy about a simulated position: it sees the book of its own and nothing that happens later."""

from __future__ import annotations

from position_monitor.core.book.exit_view import exit_view
from position_monitor.core.book.wanted import NO_RUNGS, BookInputs
from position_monitor.core.evidence.evidence import Belief
from position_monitor.core.exits.policies import exits_for
from position_monitor.core.exits.view import Exits, ExitView, RestingStop
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.outside import Advice
from position_monitor.core.model.positions import Position
from position_monitor.core.model.settings import ProtectionSettings
from position_monitor.core.model.sides import Side
from position_monitor.core.observation.cover import NO_COVER
from position_monitor.core.observation.live_book import NOTHING_RESTS
from position_monitor.core.shadow.simulated_position import Entry, Look, SimulatedPosition


class LooksAhead(ValueError):
    """A policy would have been shown something that happened after the moment of its decision."""


def exits_asked(entry: Entry, look: Look, book: SimulatedPosition | None) -> Exits:
    """The answer of the policy now; without a book that at entry. Raises `LooksAhead`."""
    return exits_for(view_of(inputs_of(entry, look, book), book))


def inputs_of(entry: Entry, look: Look, book: SimulatedPosition | None) -> BookInputs:
    """What a policy is asked with; raises `LooksAhead`. The price of the path is the one that arms its orders."""
    _refuse_to_look_ahead(look, book)
    quantity = entry.quantity if book is None else book.quantity
    way = look.mark - entry.price
    position = Position(
        symbol=entry.key.symbol,
        side=entry.key.side,
        quantity=quantity,
        entry_price=entry.price,
        mark_price=look.mark,
        liquidation_price=look.liquidation,
        unrealized_pnl=(way if entry.key.side is Side.LONG else -way) * quantity,
        leverage=None,
        hedged=entry.hedged,
        updated_at_ms=0,
        last_price=look.mark if entry.settings.working_type is WorkingType.CONTRACT_PRICE else None,
    )
    return inputs_alone(
        account=entry.account,
        position=position,
        epoch=entry.epoch,
        rungs_done=frozenset() if book is None else book.rungs_done,
        instrument=entry.instrument,
        settings=entry.settings,
        advice=look.advice,
        market=look.market,
        now_ms=look.at_ms,
        live_since_ms=look.live_since_ms,
    )


def inputs_alone(
    *,
    account: str,
    position: Position,
    epoch: str,
    rungs_done: frozenset[int],
    instrument: Instrument,
    settings: ProtectionSettings,
    advice: Advice | None,
    market: MarketState | None,
    now_ms: int,
    live_since_ms: int | None,
) -> BookInputs:
    """What a policy that is not live is asked with: nothing rests for it, what rests belongs to the live one."""
    return BookInputs(
        account=account,
        position=position,
        instrument=instrument,
        live=NOTHING_RESTS,
        cover=NO_COVER,
        belief=Belief(epoch=epoch, done_rungs=rungs_done),
        settings=settings,
        advice=advice,
        rungs=NO_RUNGS,
        triggering_grace_ms=0,
        now_ms=now_ms,
        market=market,
        live_since_ms=live_since_ms,
    )


def view_of(inputs: BookInputs, book: SimulatedPosition | None) -> ExitView:
    """The view of a policy: of what rests it sees the simulated book, and nothing else."""
    view = exit_view(inputs)
    if book is None:
        return view
    return view._replace(
        resting=RestingStop(book.stop, book.anchored),
        r=book.r,
        pin=book.pin,
        since_ms=book.since_ms,
        rungs_rest=bool(book.rungs),
    )


def _refuse_to_look_ahead(look: Look, book: SimulatedPosition | None) -> None:
    """A decision knows closed candles and given answers only (exits.md 5.8)."""
    if look.market is not None and look.market.closed_at_ms > look.at_ms:
        raise LooksAhead(f"a candle that closed at {look.market.closed_at_ms} was shown at {look.at_ms}")
    if look.advice is not None and look.advice.issued_at_ms > look.at_ms:
        raise LooksAhead(f"advice of {look.advice.issued_at_ms} was shown at {look.at_ms}")
    if book is not None and look.at_ms < book.at_ms:
        raise LooksAhead(f"a book of {book.at_ms} was asked about {look.at_ms}")
