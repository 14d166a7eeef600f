"""What a policy may know, made from what was read (`core/exits/view.py` says what each field means)."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.book.wanted import BookInputs
from position_monitor.core.exits.view import ExitView, RestingStop
from position_monitor.core.model import ids
from position_monitor.core.model.money import beyond, tightest
from position_monitor.core.model.orders import LiveOrder, Role


def exit_view(inputs: BookInputs) -> ExitView:
    """The view of one position."""
    evidence, crossed = inputs.belief, inputs.belief.crossed
    # One is made for every position in every cycle. Called by its class, a tuple with keywords takes three times as
    # long as by position, because a dictionary of the keywords is made first; called so, no longer.
    return ExitView.__new__(
        ExitView,
        position=inputs.position,
        instrument=inputs.instrument,
        settings=inputs.settings,
        mark=inputs.position.arming_price,
        resting=_resting_stop(inputs),
        rungs_done=evidence.done_rungs,
        refusals=0 if crossed.count and inputs.cover.full else crossed.count,
        refused_as=crossed.said,
        advice=inputs.advice,
        now_ms=inputs.now_ms,
    )


def _resting_stop(inputs: BookInputs) -> RestingStop | None:
    """The tightest of our resting stops that binds the level; None without one.

    One that gave way to another program's stop binds it still, unless the price has passed it since.
    """
    best = _withdrawn(inputs) if inputs.settings.yield_to_foreign_stop else None
    for order in inputs.cover.orders:
        price = order.trigger_price
        if price is not None and _holds_the_ratchet(order, inputs):
            best = price if best is None else tightest(price, best, inputs.position.side)
    return None if best is None else RestingStop(best, _rests_anchored(inputs, best))


def _withdrawn(inputs: BookInputs) -> Decimal | None:
    last, position = inputs.belief.last_stop, inputs.position
    if last is None or inputs.live.guarding or beyond(position.arming_price, last, position.side):
        return None
    return last


def _holds_the_ratchet(order: LiveOrder, inputs: BookInputs) -> bool:
    """Stops of ours of this epoch bind its level, and so does any backstop that is not being replaced by a rebase."""
    tag = order.tag
    if tag is None:
        return False
    return tag.epoch >= inputs.belief.epoch or (tag.role is Role.BACKSTOP and not inputs.settings.rebase_on_add)


def _rests_anchored(inputs: BookInputs, price: Decimal) -> bool:
    """Whether a stop of ours that rests at this price was anchored to the mark when it was placed."""
    return any(ids.is_anchored(own.rung) and own.trigger_price == price for own in inputs.live.guarding)
