"""What stops of others did for a position at a daemon's last look: ours may give way to them (`yield_to_foreign_stop`).

A daemon looks, and removes its stop because of what it saw. Somebody may take his own stop away, or make the position
larger, between that look and the removal. Nobody could know better, so what is judged is the look and not the moment
of the removal.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from tests.sim.truth import Key, Order, Truth, is_own, is_stop

MOMENTS_MAX = 500
"""Changes of one symbol that are remembered: far more than happen between a look and the removal it is for."""


class Moment(NamedTuple):
    """The stops of others and the positions of one symbol, from one change of them to the next."""

    sequence: int
    at_ms: int
    then: Truth


class GivingWay:
    """Follows one account."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._moments: dict[str, deque[Moment]] = defaultdict(lambda: deque(maxlen=MOMENTS_MAX))

    def note(self, symbols: Iterable[str], sequence: int, at_ms: int) -> None:
        """An entry of the journal changed these symbols; the truth has it already."""
        for symbol in symbols:
            sizes = {key: size for key, size in self._truth.positions.items() if key[0] == symbol}
            theirs = (
                (number, {**order})
                for number, order in self._truth.orders.items()
                if order["symbol"] == symbol and is_stop(order) and not is_own(order)
            )
            self._moments[symbol].append(Moment(sequence, at_ms, Truth(sizes, dict(theirs))))

    def may(self, key: Key, ours: Order, *, proven: int, looked: int, from_ms: int) -> bool:
        """Whether a stop of ours may go: stops of others did all that it does, now or at the last look.

        `proven`: the moment by which one must have rested to be read often enough. `looked`: the moment of the last
        look. `from_ms`: how old that look's answers may be (ms); what rested then may have been what it showed.
        """
        mark, long = Decimal(ours["trigger"]), key[1] == "LONG"
        for then in self._since(key[0], looked, from_ms):
            if key not in then.positions:
                continue
            level = then.level(key, lambda order: order["since"] <= proven)
            if level is not None and (level >= mark if long else level <= mark):
                return True
        return False

    def _since(self, symbol: str, looked: int, from_ms: int) -> Iterator[Truth]:
        """What was so at the last look, and all that was so after it."""
        for moment in reversed(self._moments[symbol]):
            yield moment.then
            if moment.sequence <= looked and moment.at_ms <= from_ms:
                return
