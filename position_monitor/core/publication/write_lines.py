"""How writes ended, as lines of the journal: a ladder is one line, and so are the removals of a position (DESIGN 7)."""

from __future__ import annotations

from collections.abc import Sequence

from position_monitor.core.evidence.outcome import Outcome
from position_monitor.core.model.actions import Cancel, Close, Place
from position_monitor.core.model.desired import DesiredOrder, LevelSource
from position_monitor.core.model.money import plain
from position_monitor.core.model.order_words import described
from position_monitor.core.model.orders import Role
from position_monitor.core.model.positions import Position
from position_monitor.core.model.refusal import Refusal
from position_monitor.core.publication import announce, sentence
from position_monitor.core.publication.journal_line import Level, Line

_UNUSUAL = (LevelSource.REANCHOR, LevelSource.LIQUIDATION)
"""Sources of a stop that its line names: it does not stand where one who knows the settings expects it."""


def accepted(outcome: Outcome, position: Position | None) -> Line:
    """The line of one write that the venue took."""
    action, text = outcome.action, sentence.ended(outcome, position)
    level = Level.INFO
    match action:
        case Place(order, reason):
            text = f"{text} ({order.side}, {described(order)})"
            text += f": {reason}" if order.role is Role.WORKING_STOP or order.source in _UNUSUAL else ""
        case Cancel(_, _, reason, replaced_by):
            text = f"{text}: {reason}"
            level = Level.DEBUG if replaced_by else Level.INFO  # its successor was told of when it was placed
        case Close() as close:
            text = f"{text}: {close.reason}"
            level = Level.ERROR if close.by_loss else Level.INFO
    return _line(level, text, outcome)


def failed(outcome: Outcome, position: Position | None, unsaid: int) -> Line:
    """The line of one write that was refused, not sent, or of which nobody knows; `unsaid`: failures before it."""
    text = f"{sentence.ended(outcome, position)} [wanted: {outcome.action.reason}]"
    if unsaid:
        text = f"{text} (and {unsaid} more failures before)"
    action = outcome.action
    no_room = outcome.refusal is Refusal.CAPACITY and isinstance(action, Place) and action.order.role.is_stop
    return _line(Level.ERROR if no_room else Level.WARNING, text, outcome)


def together(outcomes: Sequence[tuple[Outcome, Position | None]]) -> Line:
    """The one line of several take-profits placed for one position, or of several removals of it."""
    first, position = outcomes[0]
    if len(outcomes) == 1:
        return accepted(first, position)
    if isinstance(first.action, Place):
        return _ladder([(o.action.order, p) for o, p in outcomes if isinstance(o.action, Place)], first)
    gone = [o.action.order for o, _ in outcomes if isinstance(o.action, Cancel)]
    targets = sum(order.role is Role.TAKE_PROFIT for order in gone)
    counted = {"take-profit": targets, "stop": len(gone) - targets}
    words = ", ".join(f"{count} {what}{'s' if count > 1 else ''}" for what, count in counted.items() if count)
    key = first.action.key
    return _line(Level.INFO, f"✅ Orders removed: {key.symbol} {key.side} {words}: {first.action.reason}", first)


def _ladder(rungs: Sequence[tuple[DesiredOrder, Position | None]], first: Outcome) -> Line:
    """The middle rung leads the line, in the words operators search for; the others follow with their sizes."""
    ordered = sorted(rungs, key=lambda rung: rung[0].rung)
    middle, position = ordered[(len(ordered) - 1) // 2]
    distance = sentence.distance(middle, position)
    listed = ", ".join(
        f"{'close-all' if one.quantity is None else plain(one.quantity)} at {sentence.distance(one, held)}"
        for one, held in ordered
    )
    text = f"✅ TP order placed: {middle.symbol} {distance} ({middle.side}, ladder of {len(ordered)}: {listed})"
    return _line(Level.INFO, text, first)


def _line(level: Level, text: str, outcome: Outcome) -> Line:
    key = outcome.action.key
    event = "" if outcome.denied else announce.written(outcome).type
    return Line(level, text, key.symbol, str(key.side), event=event)
