"""A stop that the venue refuses as already passed (`Refusal.CROSSED`, DESIGN 9): counted, answered, not believed.

A refusal says that the price which arms the order has passed its trigger. Mostly it is right: the price fell between
our read and our order, and the next stop is made from the next read. It may also be a lie, or true of a price that we
could not read. So each further stop goes a bounded step further back, and only what two reads agree on counts as
passed. The count ends with a stop that is taken, with a read of full cover, and by its age.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

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
    said: str = ""
    """The venue's own name of the last of them."""

    def fresh(self, now_ms: int, pause_ms: int) -> bool:
        """Whether the row still goes on."""
        return self.count > 0 and abs(now_ms - self.last_at_ms) <= AGE_PAUSES * pause_ms


NOT_CROSSED = Crossed()


def after_refusal(
    before: Crossed, trigger: Decimal, at_ms: int, *, reads: int, pause_ms: int, said: str = ""
) -> Crossed:
    """One more refusal of a stop at `trigger`, made from the `reads`th read of the position."""
    if not before.fresh(at_ms, pause_ms):
        return Crossed(count=1, first_trigger=trigger, last_at_ms=at_ms, at_read=reads, said=said)
    if reads == before.at_read:
        return before
    return Crossed(
        count=before.count + 1, first_trigger=before.first_trigger, last_at_ms=at_ms, at_read=reads, said=said
    )
