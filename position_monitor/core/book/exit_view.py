"""What a policy may know, made from what was read (`core/exits/view.py` says what each field means)."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.book.wanted import BookInputs
from position_monitor.core.exits.choice import advised_regime
from position_monitor.core.exits.view import ExitView, RestingStop, RungsLeft
from position_monitor.core.market.regime import local_direction
from position_monitor.core.market.words import trend_direction
from position_monitor.core.model import ids
from position_monitor.core.model.market import MarketState, Regime
from position_monitor.core.model.money import beyond, tighter, tightest
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.core.model.rungs import rungs_of
from position_monitor.core.model.sides import Side

_NOTHING = Decimal(0)
_LONG = Side.LONG


def exit_view(inputs: BookInputs) -> ExitView:
    """The view of one position."""
    evidence, crossed = inputs.belief, inputs.belief.crossed
    backstop, market = _backstop(inputs), inputs.market
    if market is not None and inputs.now_ms >= market.expires_at_ms:
        market = None
    regime, direction = (None, None) if market is None and inputs.advice is None else _heard(inputs, market)
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
        r=None if backstop is None else _r(inputs, backstop),
        pin=0 if backstop is None else ids.part_of(backstop.rung),
        since_ms=None if backstop is None else backstop.created_at_ms,
        epoch=evidence.epoch,
        rungs_rest=bool(inputs.live.ladder) and _rungs_rest(inputs),
        rungs_left=_rungs_left(inputs) if evidence.inherited and inputs.live.ladder else None,
        inherited=evidence.inherited,
        market=market,
        regime=regime,
        direction=direction,
        live_since_ms=_live_since_ms(inputs),
    )


def _live_since_ms(inputs: BookInputs) -> int | None:
    """Since when the policy is live here; None for a position that was read before: it is older, whatever its epoch is.

    Another process that met it after it grew may have made up a younger epoch.
    """
    since_ms, read_at_ms = inputs.live_since_ms, inputs.belief.appeared_at_ms
    return None if since_ms is None or 0 < read_at_ms <= since_ms else since_ms


def _backstop(inputs: BookInputs) -> LiveOrder | None:
    """Our close-all stop of this epoch that rests; one of an earlier epoch speaks unless a rebase replaces it."""
    for order in inputs.live.close_alls:
        tag = order.tag
        if tag is None or not order.reduces or order.hedged is not inputs.position.hedged:
            continue
        if tag.epoch >= inputs.belief.epoch or not inputs.settings.rebase_on_add:
            return order
    return None


def _rungs_rest(inputs: BookInputs) -> bool:
    """Whether a take-profit of ours of this epoch rests."""
    epoch = inputs.belief.epoch
    return any(own.tag is not None and own.tag.epoch == epoch for own in inputs.live.ladder)


def _rungs_left(inputs: BookInputs) -> RungsLeft | None:
    """The take-profits of this epoch that rest, if the position changed after the nearest of them was placed."""
    epoch = inputs.belief.epoch
    rungs = [own for own in inputs.live.ladder if own.epoch == epoch]
    if not rungs or inputs.position.updated_at_ms <= rungs[0].created_at_ms:
        return None
    total = sum([own.quantity or _NOTHING for own in rungs], _NOTHING)
    return RungsLeft(min(rungs_of(own.rung)[0] for own in rungs), len(rungs), total)


def _r(inputs: BookInputs, backstop: LiveOrder) -> Decimal:
    """R (S1); 0 where the backstop lies at the entry or beyond it, or the entry is not known."""
    entry, trigger = inputs.position.entry_price, backstop.trigger_price
    if trigger is None or entry <= 0:
        return _NOTHING
    return max(entry - trigger if inputs.position.side is _LONG else trigger - entry, _NOTHING)


def _heard(inputs: BookInputs, market: MarketState | None) -> tuple[Regime | None, Side | None]:
    """Regime and direction in force: by the AI engine's fresh word where it means something, else by the candles."""
    meaning = advised_regime(inputs.advice, inputs.now_ms)
    if meaning is not None:
        return meaning.regime, trend_direction(meaning, market)
    if market is None:
        return None, None
    return market.regime, local_direction(market)


def _resting_stop(inputs: BookInputs) -> RestingStop | None:
    """The tightest of our resting stops that binds the level; None without one.

    One that rested and is gone binds it still, whoever took it away, unless the price has passed it since.
    """
    best = _gone(inputs)
    for order in inputs.cover.orders:
        price = order.trigger_price
        if price is not None and _holds_the_ratchet(order, inputs):
            best = price if best is None else tightest(price, best, inputs.position.side)
    return None if best is None else RestingStop(best, _rests_anchored(inputs, best))


def _gone(inputs: BookInputs) -> Decimal | None:
    """The level that our stop had reached, where a stop there would protect now and none was refused as passed."""
    last, position = inputs.belief.last_stop, inputs.position
    if last is None or not inputs.stops_listed or inputs.belief.crossed.count:
        return None
    if beyond(position.arming_price, last, position.side):
        return None
    liquidation = position.liquidation_ahead
    return last if liquidation is None or tighter(last, liquidation, position.side) else None


def _holds_the_ratchet(order: LiveOrder, inputs: BookInputs) -> bool:
    """Stops of ours of this epoch bind its level, and so does any backstop that is not being replaced by a rebase."""
    tag = order.tag
    if tag is None:
        return False
    return tag.epoch >= inputs.belief.epoch or (tag.role is Role.BACKSTOP and not inputs.settings.rebase_on_add)


def _rests_anchored(inputs: BookInputs, price: Decimal) -> bool:
    """Whether a stop of ours that rests at this price was anchored to the mark when it was placed."""
    return any(own.trigger_price == price and ids.is_anchored(own.rung) for own in inputs.live.guarding)
