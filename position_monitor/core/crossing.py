"""A stop that the venue refuses as already passed (-2021, DESIGN 9 "crossed already"): counted, answered, not believed.

A refusal says that the price which arms the order has passed its trigger. Mostly it is right: the price fell between
our read and our order, and the next stop is made from the next read. It may also be a lie, or true of a price that we
could not read. So each further stop goes a bounded step further back, and only what two reads agree on counts as
passed. The count ends with a stop that is taken, with a read of full cover, and by its age.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from position_monitor.core.desired import Level, LevelSource
from position_monitor.core.model import Instrument, Position
from position_monitor.core.money import against, distance_pct, plain, tighter, tightest
from position_monitor.core.policy import Levels
from position_monitor.core.settings import ProtectionSettings
from position_monitor.core.stop_price import fitted_stop

STEP_PCT = Decimal("0.5")
"""How much further back each further try goes, in percent of the price the stop is measured from."""
AGE_PAUSES = 4
"""The count begins anew when the last refusal is older than so many pauses between two tries."""


@dataclass(frozen=True, slots=True)
class Crossed:
    """Refusals of stops as already passed, in a row."""

    count: int = 0
    first_trigger: Decimal = Decimal(0)
    """Trigger of the first of them: a stop there would have ended the position if the price has passed it since."""
    last_at_ms: int = 0
    at_read: int = -1
    """How often the position had been read at the last of them: what one read made counts once."""

    def fresh(self, now_ms: int, pause_ms: int) -> bool:
        """Whether the row still goes on."""
        return self.count > 0 and abs(now_ms - self.last_at_ms) <= AGE_PAUSES * pause_ms


NOT_CROSSED = Crossed()


def after_refusal(before: Crossed, trigger: Decimal, at_ms: int, *, reads: int, pause_ms: int) -> Crossed:
    """One more refusal of a stop at `trigger`, made from the `reads`th read of the position."""
    if not before.fresh(at_ms, pause_ms):
        return Crossed(1, trigger, at_ms, reads)
    if reads == before.at_read:
        return before
    return Crossed(before.count + 1, before.first_trigger, at_ms, reads)


def stepped_back(
    levels: Levels, crossed: Crossed, position: Position, instrument: Instrument, settings: ProtectionSettings
) -> Levels:
    """The levels with the stop further back than the ones that were refused, inside `stop_loss_max_pct`."""
    side = position.side
    anchor = position.arming_price if levels.crossed or position.entry_price <= 0 else position.entry_price
    own_pct = distance_pct(levels.stop.price, anchor)
    pct = min(own_pct + STEP_PCT * crossed.count, max(own_pct, settings.stop_loss_max_pct))
    wanted = against(anchor, side, pct)
    if levels.clamp is not None:
        wanted = tightest(wanted, levels.clamp, side)
    price = fitted_stop(wanted, side, position.arming_price, position.liquidation_ahead, instrument)
    if price is None or not tighter(levels.stop.price, price, side):
        return levels
    note = (
        f"the venue said {crossed.count} times that the price has passed the stop (-2021): "
        f"tried at {plain(price)} instead of {plain(levels.stop.price)}"
    )
    inputs = {**levels.stop.inputs, "refused": levels.stop.price}
    stop = Level(price, LevelSource.REANCHOR, inputs, levels.stop.anchored)
    return levels._replace(stop=stop, notes=(*levels.notes, note))
