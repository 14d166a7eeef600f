"""Where pairs of live and shadow results are kept, in memory: what every process of a stage appends to and takes up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from position_monitor.core.shadow.candle_walk import PriceCandle
from position_monitor.core.shadow.following import Followed
from position_monitor.core.shadow.pair import Pair
from position_monitor.edge.clock import Clock
from position_monitor.edge.redis.followed_documents import followed_text
from position_monitor.edge.redis.lease_states import HeldByOther, Stale
from position_monitor.edge.redis.pair_documents import pair_text, read_pair
from position_monitor.edge.redis.state import RedisState
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.service import Service
from position_monitor.service.records.pairing import PairKeeper


class KeptPairs:
    """The stream of pairs of one account, and the hash of what is followed, both as text."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.followed: list[str] = []

    @property
    def pairs(self) -> list[Pair]:
        """Every pair, as a reader has it."""
        return [read_pair(text) for text in self.entries]

    @property
    def only(self) -> Pair:
        """The one pair that there is."""
        [pair] = self.pairs
        return pair

    def flush(self) -> None:
        """Nothing is left."""
        self.entries, self.followed = [], []

    def keeper(
        self, exchange: BinanceUsdm, clock: Clock, store: RedisState, history: Any = None
    ) -> Callable[[Service], PairKeeper]:
        """Makes the keeper of one process, as `service/process.py` does; `history` in place of the venue's."""

        def open_keeper(service: Service) -> PairKeeper:
            records = service.records
            return PairKeeper(
                following=service.following,
                exchange=exchange,
                history=history or exchange.history,
                records=lambda: () if records is None else records.shelf.records,
                store=_Line(self, store),  # type: ignore[arg-type]
                clock=clock,
                market=service.candles.market,
            )

        return open_keeper


class NoHistory:
    """A venue that has no candles and costs no request: so a run with scoring draws the same faults as one without."""

    orders_kept_ms = fills_kept_ms = 0

    async def mark_minutes(self, symbol: str, *, since_ms: int, until_ms: int) -> tuple[PriceCandle, ...]:
        return ()


class _Line:
    """What one process sees of it."""

    def __init__(self, kept: KeptPairs, store: RedisState) -> None:
        self._kept, self._store = kept, store
        self._wrote = False

    @property
    def may_write(self) -> bool:
        return not isinstance(self._store.lease_state(), (HeldByOther, Stale))

    async def stands(self) -> bool:
        return bool(self._kept.entries) or not self._wrote

    async def written_before(self) -> list[Pair]:
        self._wrote = bool(self._kept.entries)
        return self._kept.pairs

    async def followed_before(self) -> list[str]:
        return list(self._kept.followed)

    async def write(self, pairs: Sequence[Pair], followed: Sequence[Followed], now_ms: int) -> bool:
        del now_ms
        if not self.may_write:
            return False
        self._kept.entries += [pair_text(pair) for pair in pairs]
        self._kept.followed = [followed_text(one) for one in followed]
        self._wrote = self._wrote or bool(pairs)
        return True
