"""One symbol's closed positions, read of the venue: fills to lives, and what their records need beside them.

What was read once and cannot change is kept while a record is not final, because the budget of the background is small
and a read that is turned away in the middle must not begin anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from position_monitor.core.model.sides import Side
from position_monitor.core.performance.facts import Fill, PastOrder, PriceRange
from position_monitor.core.performance.lives import Anchor, Life, lives_of
from position_monitor.core.performance.money_of_life import foreign_fee_minutes
from position_monitor.edge.account_history import AccountHistory

WEEK_MS = 7 * 86_400_000
SKEW_MS = 2_000
"""By how much the venue's time of a position and that of its last fill may differ."""
AFTERMATH_MS = 60_000
"""How long after the last fill of a life its orders and rows are looked for."""

AnchorOf = Callable[[str, Side | None], Anchor]


@dataclass(slots=True)
class SymbolHistory:
    """What was read of one symbol's past."""

    symbol: str
    since_ms: int
    """From when on its fills were read."""
    until_ms: int = 0
    exhausted: bool = False
    """There is nothing older to read."""
    lives: tuple[Life, ...] = ()
    _fills: dict[tuple[int, bool], Fill] = field(default_factory=dict)
    _orders: dict[tuple[int, int], tuple[PastOrder, ...]] = field(default_factory=dict)
    _ranges: dict[tuple[int, int], PriceRange | None] = field(default_factory=dict)
    _prices: dict[tuple[str, int], Decimal] = field(default_factory=dict)

    @property
    def looks_back(self) -> bool:
        """Whether older fills are looked through for the beginning of a life."""
        return not self.exhausted and not all(life.whole for life in self.lives)

    def holds(self, after_ms: int) -> bool:
        """Whether a life is there that ended after a time (0: none is expected)."""
        return not after_ms or any(life.closed_at_ms >= after_ms for life in self.lives)

    def _settled(self, after_ms: int) -> bool:
        """Whether its fills say all that is asked of them: then only income is waited for."""
        clear = all(life.whole and not life.contradicted for life in self.lives)
        return bool(self.until_ms) and clear and self.holds(after_ms)

    async def read_fills(self, history: AccountHistory, anchor_of: AnchorOf, *, after_ms: int, now_ms: int) -> None:
        """Read the newest fills until a life that ended after `after_ms` is there; at each further try one more week
        of older ones while a life has no beginning. Raises `ExchangeFailure`; what was read before stays.
        """
        if self._settled(after_ms):
            return
        first = not self.until_ms
        await self._read(history, max(self.since_ms, now_ms - WEEK_MS), now_ms)
        self.until_ms = now_ms
        self.lives = self._lives(anchor_of)
        if first or not self.looks_back:
            return
        older_ms = max(self.since_ms - WEEK_MS, now_ms - history.fills_kept_ms)
        await self._read(history, older_ms, self.since_ms - 1)
        self.since_ms = older_ms
        self.exhausted = older_ms <= now_ms - history.fills_kept_ms
        self.lives = self._lives(anchor_of)

    async def _read(self, history: AccountHistory, since_ms: int, until_ms: int) -> None:
        for fill in await history.fills(self.symbol, since_ms=since_ms, until_ms=until_ms):
            self._fills[fill.trade_id, fill.buys] = fill

    def _lives(self, anchor_of: AnchorOf) -> tuple[Life, ...]:
        by_leg: dict[Side | None, list[Fill]] = defaultdict(list)
        for fill in self._fills.values():
            by_leg[fill.leg].append(fill)
        lives = [life for leg, fills in by_leg.items() for life in _clearest(fills, anchor_of(self.symbol, leg))]
        return tuple(sorted(lives, key=lambda life: life.opened_at_ms))

    async def past_orders(self, history: AccountHistory, life: Life) -> tuple[PastOrder, ...]:
        """The orders that were made while a life lasted; read again while one that was filled is not among them.

        Raises `ExchangeFailure`.
        """
        ref = (life.opened_at_ms, life.closed_at_ms)
        orders = self._orders.get(ref, ())
        if {share.fill.order_id for share in life.exits} <= {order.executing_id for order in orders}:
            return orders
        since_ms, until_ms = ref[0] - SKEW_MS, ref[1] + SKEW_MS
        orders = self._orders[ref] = await history.past_orders(self.symbol, since_ms=since_ms, until_ms=until_ms)
        return orders

    async def marks(self, history: AccountHistory, life: Life) -> PriceRange | None:
        """The extremes of the mark while a life lasted, by candles. Raises `ExchangeFailure`."""
        ref = (life.opened_at_ms, life.closed_at_ms)
        if ref not in self._ranges:
            self._ranges[ref] = await history.mark_range(self.symbol, since_ms=ref[0], until_ms=ref[1])
        return self._ranges[ref]

    async def prices(self, history: AccountHistory, lives: Iterable[Life]) -> Mapping[tuple[str, int], Decimal]:
        """What other assets, in which fees were paid, were worth. Raises `ExchangeFailure`."""
        for asset, settle_asset, minute_ms in sorted(foreign_fee_minutes(lives)):
            if (asset, minute_ms) not in self._prices:
                price = await history.mark_of_asset(asset, settle_asset, minute_ms)
                if price is not None:
                    self._prices[asset, minute_ms] = price
        return self._prices


def _clearest(fills: Sequence[Fill], anchor: Anchor) -> tuple[Life, ...]:
    """The lives by the anchor; where those contradict themselves, by it a little later, if that is better: the time of
    a position and the time of its last fill need not be the very same."""
    lives = lives_of(fills, anchor)
    if any(life.contradicted for life in lives) or not all(life.whole for life in lives):
        later = lives_of(fills, anchor._replace(at_ms=anchor.at_ms + SKEW_MS))
        if all(life.whole and not life.contradicted for life in later):
            return later
    return lives
