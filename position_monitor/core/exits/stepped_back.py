"""How far back a stop goes that the venue refuses as already passed."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.exits.policy import Levels
from position_monitor.core.model.desired import Level, LevelSource
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.money import against, distance_pct, plain, tighter, tightest
from position_monitor.core.model.positions import Position
from position_monitor.core.model.refusal import in_brackets
from position_monitor.core.model.settings import ProtectionSettings
from position_monitor.core.model.stop_price import fitted_stop

STEP_PCT = Decimal("0.5")
"""How much further back each further try goes, in percent of the price the stop is measured from."""


def stepped_back(
    levels: Levels,
    refusals: int,
    position: Position,
    instrument: Instrument,
    settings: ProtectionSettings,
    *,
    said: str,
) -> Levels:
    """The levels with the stop further back than the ones that were refused, inside `stop_loss_max_pct`.

    `said` is the venue's own name of the last of the `refusals`.
    """
    side = position.side
    anchor = position.arming_price if levels.crossed or position.entry_price <= 0 else position.entry_price
    own_pct = distance_pct(levels.stop.price, anchor)
    pct = min(own_pct + STEP_PCT * refusals, max(own_pct, settings.stop_loss_max_pct))
    wanted = against(anchor, side, pct)
    if levels.clamp is not None:
        wanted = tightest(wanted, levels.clamp, side)
    price = fitted_stop(wanted, side, position.arming_price, position.liquidation_ahead, instrument)
    if price is None or not tighter(levels.stop.price, price, side):
        return levels
    note = (
        f"the venue said {refusals} times that the price has passed the stop{in_brackets(said)}: "
        f"tried at {plain(price)} instead of {plain(levels.stop.price)}"
    )
    inputs = {**levels.stop.inputs, "refused": levels.stop.price}
    stop = Level(price, LevelSource.REANCHOR, inputs, levels.stop.anchored)
    return levels._replace(stop=stop, notes=(*levels.notes, note))
