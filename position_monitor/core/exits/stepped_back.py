"""How far back a stop goes that the venue refuses as already passed (DESIGN 9, crossed already)."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.exits.levels import Levels
from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.desired import Level, LevelSource
from position_monitor.core.model.money import against, distance_pct, plain, tighter, tightest
from position_monitor.core.model.refusal import in_brackets
from position_monitor.core.model.stop_price import fitted_stop

STEP_PCT = Decimal("0.5")
"""How much further back each further try goes, in percent of the price the stop is measured from."""


def stepped_back(view: ExitView, levels: Levels) -> Levels:
    """The levels with the stop further back than those that were refused, inside `stop_loss_max_pct`.

    The levels as they are while no stop was refused, and where there is no price further back.
    """
    refusals = view.refusals
    if not refusals:
        return levels
    position, stop = view.position, levels.stop
    side = position.side
    anchor = view.mark if levels.crossed or position.entry_price <= 0 else position.entry_price
    own_pct = distance_pct(stop.price, anchor)
    pct = min(own_pct + STEP_PCT * refusals, max(own_pct, view.settings.stop_loss_max_pct))
    wanted = against(anchor, side, pct)
    if levels.least is not None:
        wanted = tightest(wanted, levels.least, side)
    price = fitted_stop(
        price=wanted, side=side, mark=view.mark, liquidation=position.liquidation_ahead, instrument=view.instrument
    )
    if price is None or not tighter(stop.price, price, side):
        return levels
    note = (
        f"the venue said {refusals} times that the price has passed the stop{in_brackets(view.refused_as)}: "
        f"tried at {plain(price)} instead of {plain(stop.price)}"
    )
    further = Level(price, LevelSource.REANCHOR, {**stop.inputs, "refused": stop.price}, stop.anchored)
    return levels._replace(stop=further, notes=(*levels.notes, note))
